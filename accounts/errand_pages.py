"""A person's errands on their pages: how far they are, what they brought, and putting them away."""

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.audit import audit_record
from accounts.errands import (
    ErrandNotFoundError,
    errand_get,
    errand_kinds,
    errand_open,
    errand_put_away,
    errands_of,
)
from accounts.jobs import JobShown, JobState
from accounts.models import Errand
from accounts.people import person_asking
from accounts.permissions import page_requires

_MARK = "errands"


def errands_note(request: HttpRequest) -> None:
    """From now on this person's pages ask how far their errands are; those of whoever has none ask nothing."""
    request.session[_MARK] = True


def errand_shown(errand: Errand) -> JobShown:
    """One, for `components/job.html`."""
    kind = errand_kinds.get(errand.kind)
    ready = errand.state == JobState.READY and kind is not None
    note = errand.error if errand.state == JobState.FAILED else ""
    if errand.in_the_making:
        note = _("An attempt failed; it is tried again by itself.") if errand.error else ""
    href, link = "", ""
    if ready and errand.path:
        href, link = reverse("errand_file", args=[errand.pk]), _("Download")
    elif ready and kind and (href := kind.href(errand)):
        link = _("Look at it")
    return JobShown(
        state=errand.state,
        word=str(errand.get_state_display()),
        title=errand.title,
        share=errand.share,
        note=kind.said(errand) if ready and kind else note,
        href=href,
        link=link,
        download=bool(errand.path),
    )


@require_GET
@never_cache
@page_requires("view")
def errands(request: HttpRequest) -> HttpResponse:
    """All of this person's, on a page; asked by HTMX, the part of every page that shows them."""
    part = bool(getattr(request, "htmx", False))
    return _errands(request, "accounts/partials/_errands.html" if part else "accounts/errands.html")


@require_GET
@never_cache
@page_requires("view")
def errand_file(request: HttpRequest, errand_id: int) -> FileResponse:
    """What it brought, while its day lasts."""
    try:
        errand = errand_get(errand_id, person=person_asking(request))
        file = errand_open(errand)
    except ErrandNotFoundError as error:
        raise Http404(error.detail) from error
    audit_record(actor=request.user, action="errand.fetched", target=errand.title)
    response = FileResponse(file, as_attachment=True, filename=errand.file_name)
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@page_requires("view")
def errand_away(request: HttpRequest, errand_id: int) -> HttpResponse:
    """Stop one, or forget it."""
    try:
        errand_put_away(errand_get(errand_id, person=person_asking(request)))
    except ErrandNotFoundError as error:
        raise Http404(error.detail) from error
    if getattr(request, "htmx", False):
        return _errands(request, "accounts/partials/_errands.html")
    return redirect("errands")


def _errands(request: HttpRequest, template: str) -> HttpResponse:
    listed = list(errands_of(person_asking(request)))
    if not listed:
        request.session.pop(_MARK, None)
    rows = [(errand, errand_shown(errand)) for errand in listed]
    under_way = any(errand.in_the_making for errand in listed)
    return render(request, template, {"rows": rows, "under_way": under_way})
