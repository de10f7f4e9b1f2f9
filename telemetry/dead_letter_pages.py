"""The staff's page about dead letters: whose, how many, why; never what a reading says."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from common.errors import DomainError, InvalidInputError, NotPermittedError
from common.times import from_ms
from telemetry.ingest.dead_letters import dead_letters_discard, dead_letters_requeue, reason_short
from telemetry.ingest.journal import DeadLetter, process_journal
from tenants.admin import staff_site
from tenants.hosts import factory_of_slug

SHOWN = 200


@never_cache
@require_http_methods(["GET", "POST"])
def dead_letters(request: HttpRequest) -> HttpResponse:
    """What this node's drain has buried, and what to do about it."""
    if request.method == "POST":
        try:
            messages.success(request, _acted(request))
        except DomainError as error:
            messages.error(request, error.detail)
        return HttpResponseRedirect(reverse("staff:dead_letters"))
    letters = process_journal().dead_letter_entries(SHOWN + 1)
    context = {
        **staff_site.each_context(request),
        "title": _("Dead letters"),
        "rows": [_row(letter) for letter in letters[:SHOWN]],
        "more": len(letters) > SHOWN,
        "may_discard": _may_discard(request),
    }
    return render(request, "telemetry/dead_letters.html", context)


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "letter": letter,
        "arrived_at": from_ms(letter.at_ms),
        "reason": reason_short(letter),
        "factory_gone": factory_of_slug(letter.factory) is None,
    }


def _acted(request: HttpRequest) -> str:
    """Do what was asked for and say it. Raises DomainError."""
    chosen = request.POST.getlist("id")
    ids = [int(given) for given in chosen if given.isascii() and given.isdigit() and len(given) < 18]
    if not ids:
        raise InvalidInputError(_("Choose at least one row."))
    actor = str(getattr(request.user, "email", ""))
    if request.POST.get("action") == "requeue":
        count = dead_letters_requeue(process_journal(), ids, actor=actor)
        return ngettext(
            "%(count)d row was given to the drain again.", "%(count)d rows were given to the drain again.", count
        ) % {"count": count}
    if request.POST.get("action") != "discard" or not _may_discard(request):
        raise NotPermittedError(_("Only superusers may discard what a factory has sent."))
    count = dead_letters_discard(process_journal(), ids, actor=actor)
    return ngettext("%(count)d row was discarded.", "%(count)d rows were discarded.", count) % {"count": count}


def _may_discard(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


staff_site.pages.append(path("dead-letters/", staff_site.admin_view(dead_letters), name="dead_letters"))
