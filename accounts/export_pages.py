"""Whole-factory exports on the factory's page: asked for, watched, fetched."""

from typing import Any

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.exports import ExportProgress, export_get, export_open, export_progress, export_request
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
    rows = [_row(export) for export in FactoryExport.objects.select_related("requested_by")[:_SHOWN]]
    busy = any(row["export"].state in {ExportState.WAITING, ExportState.RUNNING} for row in rows)
    return {"exports": rows, "export_busy": busy}


def _row(export: FactoryExport) -> dict[str, Any]:
    progress: ExportProgress | None = export_progress(export)
    if progress is None:
        return {"export": export, "progress": None}
    return {
        "export": export,
        "progress": progress,
        "stage": _STAGES.get(progress.stage, progress.stage),
        "detail": f"{progress.done} / {progress.total}",
        "share": progress.done / max(1, progress.total),
    }


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
