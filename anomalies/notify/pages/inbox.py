"""A person's own inbox: what they were told in the app, behind the bell and as a page."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.actions import VIEW
from accounts.people import person_asking
from accounts.permissions import page_requires
from anomalies.models import Notification, Occasion
from anomalies.notify.inbox import NEWEST, inbox_entry, inbox_of, inbox_read, inbox_unread, unread_count

_PAGE = 30


@never_cache
@require_GET
@page_requires(VIEW)
def inbox(request: HttpRequest) -> HttpResponse:
    """All of it, the newest first: `?unread=1` narrows it, `?before=` goes back."""
    person, before = person_asking(request), request.GET.get("before", "")
    unread_only = request.GET.get("unread") == "1"
    found = inbox_of(person)
    if unread_only:
        found = found.filter(read_at=None)
    if before.isascii() and before.isdigit() and len(before) < 18:
        found = found.filter(pk__lt=int(before))
    rows = list(found[: _PAGE + 1])
    older = f"?{'unread=1&' if unread_only else ''}before={rows[_PAGE - 1].pk}" if len(rows) > _PAGE else ""
    context: dict[str, Any] = {
        "entries": rows[:_PAGE],
        "older": older,
        "unread_only": unread_only,
        "unread": unread_count(person),
        "here": request.get_full_path(),
    }
    return render(request, "anomalies/notify/inbox.html", context)


@never_cache
@require_GET
@page_requires(VIEW)
def inbox_newest(request: HttpRequest) -> HttpResponse:
    """The newest, for the panel behind the bell."""
    person = person_asking(request)
    context = {"entries": list(inbox_of(person)[:NEWEST]), "unread": unread_count(person), "panel": True}
    return render(request, "anomalies/notify/_inbox_newest.html", context)


@require_GET
@page_requires(VIEW)
def inbox_open(request: HttpRequest, entry_id: int) -> HttpResponse:
    """Follow one: it has been read, and its alert is shown."""
    person = person_asking(request)
    entry = inbox_entry(person, entry_id)
    inbox_read(inbox_of(person).filter(pk=entry.pk), person)
    return redirect(_leads_to(entry))


@require_POST
@page_requires(VIEW)
def inbox_mark(request: HttpRequest, entry_id: int) -> HttpResponse:
    """Mark one as read, or with `unread` as new; answers with the panel, or goes back to the page."""
    person = person_asking(request)
    entry = inbox_entry(person, entry_id)
    if "unread" in request.POST:
        inbox_unread(entry, person)
    else:
        inbox_read(inbox_of(person).filter(pk=entry.pk), person)
    return _back(request)


@require_POST
@page_requires(VIEW)
def inbox_read_all(request: HttpRequest) -> HttpResponse:
    """Mark everything up to the newest that was shown (`until`) as read: what came since has not been seen."""
    person, until = person_asking(request), request.POST.get("until", "")
    found = inbox_of(person)
    if until.isascii() and until.isdigit() and len(until) < 18:
        found = found.filter(pk__lte=int(until))
    inbox_read(found, person)
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    if request.headers.get("HX-Request"):
        return redirect("inbox_newest")
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/inbox")
    return redirect(back if safe else reverse("inbox"))


def _leads_to(entry: Notification) -> str:
    if entry.alert_id is not None:
        return reverse("alert", args=[entry.alert_id])
    return reverse("preferences") if entry.occasion == Occasion.TEST else reverse("alerts")
