"""Readings in a factory's archive: batches that any store can take, whichever they came from."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from common import clock
from telemetry.models import Machine
from telemetry.readings import ReadingBatch
from telemetry.store import reading_store
from tenants.archive import Part, parts
from tenants.archive_manifest import ArchiveInvalidError

_DAY_MS = 86_400_000
_AHEAD_MS = 2 * _DAY_MS
_Week = tuple[Machine, list[str], int, int]  # whose, which metrics, from and to in epoch milliseconds


def register() -> None:
    """Called once, when Django is ready."""
    tables = frozenset({"telemetry_readingrun", "telemetry_readinghour"})
    parts.append(Part("readings", tables, readings_write, readings_read))


def readings_write() -> tuple[int, Iterator[tuple[str, bytes]]]:
    """How many batches there are, and every reading of the current factory in them.

    A batch holds a machine's week, so that memory stays small.
    """
    now_ms = clock.now_ms()
    weeks: list[_Week] = []
    for machine in Machine.objects.order_by("key"):
        names = list(machine.metrics.order_by("name").values_list("name", flat=True))
        weeks += [(machine, names, from_ms, to_ms) for from_ms, to_ms in _weeks(machine, names, now_ms)]
    return len(weeks), _batches(weeks)


def _batches(weeks: list[_Week]) -> Iterator[tuple[str, bytes]]:
    store = reading_store()
    for number, (machine, names, from_ms, to_ms) in enumerate(weeks):
        batch = store.together({machine: names}, from_ms=from_ms, to_ms=to_ms)
        if batch:
            yield f"{machine.pk}-{number:05d}.batch", batch.to_bytes()


def readings_read(name: str, content: bytes) -> None:
    """Store one batch in the current factory. Raises StoreUnavailableError, ArchiveInvalidError."""
    batch = ReadingBatch.from_bytes(content)
    keys = {machine for machine, _metric in batch.keys}
    machines = {machine.key: machine for machine in Machine.objects.filter(key__in=keys)}
    if set(machines) != keys:
        raise ArchiveInvalidError(_("%(name)s has readings of machines that the archive lacks.") % {"name": name})
    reading_store().write(batch, machines=machines)


def _weeks(machine: Machine, names: list[str], now_ms: int) -> Iterator[tuple[int, int]]:
    """The weeks that hold anything, by the store's own counts a week."""
    if not names:
        return
    week_ms = 7 * _DAY_MS
    found = reading_store().buckets(machine, names, from_ms=0, to_ms=now_ms + _AHEAD_MS, bucket_ms=week_ms)
    for start in sorted({int(t_ms) for one in found for t_ms in one.t_ms.tolist()}):
        yield start, start + week_ms
