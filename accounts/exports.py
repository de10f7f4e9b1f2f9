"""Taking a whole factory along: asked for by an owner, written by a worker, fetched for a day, then gone.

How far a running one is stands in the cache alone: it is written inside one snapshot of the database, where nothing
that it says of itself would be seen.
"""

import secrets
import tempfile
import time
from datetime import timedelta
from functools import partial
from typing import IO, Any, NamedTuple

import structlog
from django.core.cache import cache
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.models import ExportState, FactoryExport, User
from common import clock
from common.errors import ConflictError, DomainError, NotFoundError
from tenants.archive import EXPORTS, archive_write
from tenants.models import Factory

_log = structlog.get_logger(__name__)
KEPT = timedelta(hours=24)
# A writer that was killed says nothing any more; after this another may take its place.
_SILENT_S = 600
_TOLD_EVERY_S = 0.5
_UNFINISHED = (ExportState.WAITING, ExportState.RUNNING)


class ExportUnderWayError(ConflictError):
    """One is being made already."""

    code = "export_under_way"


class ExportNotFoundError(NotFoundError):
    """No export of that id in this factory."""

    code = "export_not_found"


class ExportGoneError(DomainError):
    """It is not ready yet, has failed, or its time is over."""

    code = "export_not_there"
    status = 410


class ExportProgress(NamedTuple):
    """What is being written ("tables", "readings", "files"), and how many of how many of it are."""

    stage: str
    done: int
    total: int


def export_request(*, actor: User, factory: Factory) -> FactoryExport:
    """Have the current factory written into a file by a worker. Raises ExportUnderWayError."""
    from accounts.tasks import export_make_task  # it calls back here

    try:
        with transaction.atomic():
            export = FactoryExport.objects.create(requested_by=actor)
            audit_record(actor=actor, action="factory.export_requested", target=factory.slug)
            transaction.on_commit(partial(export_make_task.for_factory, factory.slug, export.pk))
    except IntegrityError as error:
        raise ExportUnderWayError(_("An export is being made already. Wait for it.")) from error
    return export


def export_get(export_id: int) -> FactoryExport:
    """Raises ExportNotFoundError."""
    export = FactoryExport.objects.filter(pk=export_id).first()
    if export is None:
        raise ExportNotFoundError(_("There is no such export."))
    return export


def export_progress(export: FactoryExport) -> ExportProgress | None:
    """How far a running one is; None when nobody says."""
    told = cache.get(_key(export.pk)) if export.state == ExportState.RUNNING else None
    return ExportProgress(*told) if isinstance(told, list) and told else None


def export_open(export: FactoryExport, *, actor: User, factory: Factory) -> IO[bytes]:
    """The file, for reading; written down. Raises ExportGoneError."""
    over = export.expires_at is None or export.expires_at <= clock.now()
    if export.state != ExportState.READY or over or not default_storage.exists(export.path):
        raise ExportGoneError(_("This export is not there: it is not ready, or its day is over. Make a new one."))
    audit_record(actor=actor, action="factory.exported", target=factory.slug, export=export.pk)
    file: Any = default_storage.open(export.path, "rb")
    return file  # type: ignore[no-any-return]  # Django's File reads as one


def export_make(export_id: int, *, factory: Factory) -> None:
    """Write one that was asked for; whoever finds it taken by a writer who is alive leaves it to them."""
    # The cache says who is alive, the row what is to be done: a broker that tells twice makes no second file.
    if not cache.add(_key(export_id), [], timeout=_SILENT_S):
        return
    try:
        taken = FactoryExport.objects.filter(pk=export_id, state__in=_UNFINISHED).update(state=ExportState.RUNNING)
        if taken:
            _write(export_id, factory)
    except Exception:  # noqa: BLE001  # a task's edge: whatever it was, the owner hears that there is no file
        _log.exception("export_failed", factory=factory.slug, export=export_id)
        FactoryExport.objects.filter(pk=export_id).update(state=ExportState.FAILED, finished_at=clock.now())
    finally:
        cache.delete(_key(export_id))


def exports_tend(now: Any = None) -> list[int]:
    """Remove files whose time is over; the ids of those that wait for a writer who is gone, to be enqueued again."""
    now = now or clock.now()
    for export in FactoryExport.objects.filter(state=ExportState.READY, expires_at__lte=now):
        default_storage.delete(export.path)
        FactoryExport.objects.filter(pk=export.pk).update(state=ExportState.EXPIRED, path="")
    # A day of attempts is enough: whatever kills its writer each time will not stop by itself.
    FactoryExport.objects.filter(state__in=_UNFINISHED, requested_at__lt=now - KEPT).update(
        state=ExportState.FAILED, finished_at=now
    )
    waiting = FactoryExport.objects.filter(
        state__in=_UNFINISHED, requested_at__lt=now - timedelta(seconds=_SILENT_S)
    ).values_list("pk", flat=True)
    return [pk for pk in waiting if cache.get(_key(pk)) is None]


def _write(export_id: int, factory: Factory) -> None:
    with tempfile.TemporaryFile() as file:
        archive_write(factory, file, progress=_Teller(export_id))
        size = file.tell()
        file.seek(0)
        # A name that nobody guesses, though the storage is served by nobody but our own view.
        path = f"{factory.slug}/{EXPORTS}/{export_id}-{secrets.token_urlsafe(16)}.factory.tar.gz"
        path = default_storage.save(path, File(file))
    now = clock.now()
    FactoryExport.objects.filter(pk=export_id).update(
        state=ExportState.READY, finished_at=now, expires_at=now + KEPT, size_bytes=size, path=path
    )


class _Teller:
    """Tells the cache now and then, which is the sign of life too."""

    def __init__(self, export_id: int) -> None:
        self._key = _key(export_id)
        self._told_s, self._stage = 0.0, ""

    def __call__(self, stage: str, done: int, total: int) -> None:
        if time.monotonic() - self._told_s > _TOLD_EVERY_S or stage != self._stage:
            self._told_s, self._stage = time.monotonic(), stage
            cache.set(self._key, [stage, done, total], timeout=_SILENT_S)


def _key(export_id: int) -> str:
    return f"export:{export_id}"
