"""Whole-factory exports on the factory's page: asked for, watched, fetched."""

from typing import Any

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.exports import ExportProgress, export_get, export_open, export_progress, export_request
from accounts.jobs import JobShown
from accounts.models import ExportState, FactoryExport
from accounts.people import person_asking
from accounts.permissions import page_requires
from common.errors import DomainError
from tenants.models import Factory

_SHOWN = 5
_STAGES = {
    "tables": gettext_lazy("Tables"),
    "readings": gettext_lazy("Readings"),
    "files": gettext_lazy("Documents"),
}


def exports_shown() -> dict[str, Any]:
    """What the partial shows: the newest exports, the running one with how far it is, and whether to ask again."""
    rows = list(FactoryExport.objects.select_related("requested_by")[:_SHOWN])
    busy = any(export.state in {ExportState.WAITING, ExportState.RUNNING} for export in rows)
    return {"exports": [(export, _shown(export)) for export in rows], "export_busy": busy}


def _shown(export: FactoryExport) -> JobShown:
    progress: ExportProgress | None = export_progress(export)
    note, href, link, title, detail, share = "", "", "", "", "", None
    if export.state == ExportState.READY:
        href, link = reverse("export_file", args=[export.pk]), _("Download")
        link = f"{link} ({filesizeformat(export.size_bytes)})"
    elif export.state == ExportState.FAILED:
        note = _("It could not be written. Try again; if it fails again, tell your administrator.")
    elif export.state != ExportState.EXPIRED:
        note = _("You can leave this page. The file waits here for a day.")
    if progress is not None:
        title = str(_STAGES.get(progress.stage, progress.stage))
        detail, share = f"{progress.done} / {progress.total}", progress.done / max(1, progress.total)
    return JobShown(
        state=export.state,
        word=str(export.get_state_display()),
        title=title,
        share=share,
        detail=detail,
        note=note,
        href=href,
        link=link,
        download=True,
    )


@require_GET
@never_cache
@page_requires("factory")
def factory_exports(request: HttpRequest) -> HttpResponse:
    """The part of the page that asks again while one is being made."""
    return render(request, "accounts/partials/_exports.html", exports_shown())


@require_POST
@page_requires("factory")
def factory_export(request: HttpRequest) -> HttpResponse:
    """Have everything written into one file, which `manage.py restore` reads."""
    factory: Factory = request.tenant  # type: ignore[attr-defined]  # FactoryMiddleware's
    try:
        export_request(actor=person_asking(request), factory=factory)
    except DomainError as error:
        messages.error(request, error.detail)
    return redirect("/factory#export")


@require_GET
@never_cache
@page_requires("factory")
def export_file(request: HttpRequest, export_id: int) -> FileResponse:
    """The file, while its day lasts."""
    factory: Factory = request.tenant  # type: ignore[attr-defined]  # FactoryMiddleware's
    return export_response(export_get(export_id), actor=person_asking(request), factory=factory)


def export_response(export: FactoryExport, *, actor: Any, factory: Factory) -> FileResponse:
    """The file as an attachment. Raises ExportGoneError."""
    file = export_open(export, actor=actor, factory=factory)
    name = f"{factory.slug}-{export.requested_at:%Y%m%dT%H%M%SZ}.factory.tar.gz"
    response = FileResponse(file, as_attachment=True, filename=name, content_type="application/gzip")
    response["Cache-Control"] = "private, no-store"
    return response
