"""The last value of each metric and when each machine was last heard, gathered and written once a second.

So tiles and KPIs never search the store for “last”, and a hundred batches a second cost one statement.
"""

from dataclasses import dataclass, field

from django.db import connection

from common import clock
from telemetry.equipment import Registered
from tenants.models import Factory

WRITE_EVERY_S = 1.0

_METRICS = """
UPDATE telemetry_metric AS m SET
    last_value = CASE
        WHEN m.last_at IS NULL OR to_timestamp(n.t_ms / 1000.0) >= m.last_at THEN n.value ELSE m.last_value
    END,
    last_at = GREATEST(m.last_at, to_timestamp(n.t_ms / 1000.0))
FROM unnest(%s::bigint[], %s::bigint[], %s::float8[]) AS n (id, t_ms, value) WHERE m.id = n.id
"""
_MACHINES = """
UPDATE telemetry_machine AS m SET last_seen_at = GREATEST(m.last_seen_at, to_timestamp(n.t_ms / 1000.0))
FROM unnest(%s::bigint[], %s::bigint[]) AS n (id, t_ms) WHERE m.id = n.id
"""


@dataclass(slots=True)
class _Pending:
    factory_id: int
    written_s: float = float("-inf")
    metrics: dict[int, tuple[int, float]] = field(default_factory=dict)
    machines: dict[int, int] = field(default_factory=dict)


class LastValues:
    """What is not written yet, by factory; one factory is only ever in one thread's hands."""

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}

    def note(self, factory: Factory, registered: Registered, *, arrived_ms: int) -> None:
        """Take what a stored batch tells; it is as `ReadingBatch.merged` makes it."""
        pending = self._pending.get(factory.slug)
        if pending is None or pending.factory_id != factory.pk:
            pending = self._pending[factory.slug] = _Pending(factory.pk)
        batch = registered.batch
        for key, _first, last in batch.spans():
            metric_id = registered.metric_ids[key]
            latest = (int(batch.t_ms[last]), float(batch.values[last]))
            known = pending.metrics.get(metric_id)
            if known is None or known[0] <= latest[0]:
                pending.metrics[metric_id] = latest
        for machine in registered.machines.values():
            pending.machines[machine.pk] = max(arrived_ms, pending.machines.get(machine.pk, 0))

    def waiting(self, slug: str) -> bool:
        """Whether anything is not written."""
        pending = self._pending.get(slug)
        return bool(pending and pending.machines)

    def due(self, factory: Factory) -> bool:
        """Whether it is time to write."""
        pending = self._pending.get(factory.slug)
        if pending is None or not pending.machines or pending.factory_id != factory.pk:
            return False
        return clock.monotonic_s() - pending.written_s >= WRITE_EVERY_S

    def forget(self, slug: str) -> None:
        """The factory is gone, and what was pending with it."""
        self._pending.pop(slug, None)

    def write(self, factory: Factory) -> bool:
        """Write what is pending for the current factory; False when a metric is gone, so that the registry is wrong."""
        pending = self._pending[factory.slug]
        metrics = sorted(pending.metrics.items())
        machines = sorted(pending.machines.items())
        with connection.cursor() as cursor:
            ids, times, values = [pk for pk, _ in metrics], [t for _, (t, _v) in metrics], [v for _, (_t, v) in metrics]
            cursor.execute(_METRICS, (ids, times, values))
            complete = bool(cursor.rowcount == len(metrics))
            cursor.execute(_MACHINES, ([pk for pk, _ in machines], [t for _, t in machines]))
        pending.metrics.clear()
        pending.machines.clear()
        pending.written_s = clock.monotonic_s()
        return complete
