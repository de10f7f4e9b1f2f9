"""Links to the wall, for screens that nobody signs in at: made, listed and revoked."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access_forms import WallLinkForm
from accounts.models import WallLink
from accounts.people import person_asking
from accounts.permissions import page_requires
from accounts.reach import places
from accounts.wall_links import wall_link_make, wall_link_revoke
from common import clock
from common.errors import DomainError


@require_http_methods(["GET", "POST"])
@never_cache
@page_requires("people")
def wall_links(request: HttpRequest) -> HttpResponse:
    """The factory's links; POST makes one and shows its address in the answer, once."""
    form = WallLinkForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            link, address = wall_link_make(
                actor=person_asking(request), name=data["name"], days=data["days"], reach=form.reach()
            )
        except DomainError as error:
            form.add_error(None, error.detail)
        else:
            return _shown(request, WallLinkForm(), link, address)
    return _shown(request, form)


@require_POST
@page_requires("people")
def wall_link_end(request: HttpRequest, link_id: int) -> HttpResponse:
    """Revoke a link."""
    link = wall_link_revoke(actor=person_asking(request), link_id=link_id)
    messages.success(request, _("“%(name)s” is revoked: its screens show nothing from now on.") % {"name": link.name})
    return redirect("wall_links")


def _shown(request: HttpRequest, form: WallLinkForm, made: WallLink | None = None, address: str = "") -> HttpResponse:
    links = list(WallLink.objects.select_related("user", "created_by").order_by("revoked_at", "-created_at"))
    names = {(f"{place.kind}s", place.pk): place.name for place in places()}
    now = clock.now()
    rows = [(link, _sees(link, names), link.revoked_at is None and link.expires_at > now) for link in links]
    context = {"form": form, "rows": rows, "made": made, "address": address}
    return render(request, "accounts/wall_links.html", context, status=422 if form.errors else 200)


def _sees(link: WallLink, names: dict[tuple[str, int], str]) -> list[str]:
    """What it is restricted to, in words; empty for the whole factory."""
    reach = link.user.reach or {}
    named = [(kind, pk) for kind in ("sites", "lines") for pk in reach.get(kind, [])]
    return [names.get(place, _("a place that is gone")) for place in named]
