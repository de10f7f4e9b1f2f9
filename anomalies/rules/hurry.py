"""The short way from a reading to a rule's alert: beside the drain, as soon as the store has what turns a condition.

What arrives is looked through (`screen`) while it is on its way to the store. What turns a condition makes the drain
hurry, and the machines concerned are evaluated in this process, by the same code and with the same states in the
database as the worker's runs, which go on as before. So nothing depends on this: whatever is too much, too slow or
overlooked here is found by the next run.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import structlog
from django.db import DatabaseError, close_old_connections
from django.db.models import Count, Max

from anomalies.rules.screen import Screen
from anomalies.rules.standing import Standing, rules_standing
from anomalies.rules.watch import rules_hurry
from common import clock
from telemetry.models import Machine
from telemetry.readings import ReadingBatch
from telemetry.store.base import StoreUnavailableError
from tenants.context import factory_context
from tenants.hosts import factory_of_slug
from tenants.models import Factory

_log = structlog.get_logger(__name__)

# A rule that was saved is known here so much later at most; until then the worker's runs alone evaluate it.
_LOOK_EVERY_S = 2.0
# Machines that changed their type or place, which no count shows.
_READ_EVERY_S = 60.0
# One that was looked at is left to the worker for a while: a value that flutters about its limit must cost little.
_MACHINE_RESTS_S = 1.0
# After a run this one rests so many times as long as it took: in a storm the drain keeps most of its processor.
_REST = 2.0
_MACHINES_AT_ONCE = 20
# What was not stored by then was refused, or a store is in trouble.
_PATIENCE_S = 5.0


@dataclass(slots=True)
class _Waiting:
    """Readings of one machine that have turned conditions and are not stored yet."""

    t_ms: int
    since_s: float
    concerns: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Watched:
    """What is known of one factory."""

    looked_s: float = float("-inf")
    read_s: float = float("-inf")
    looking: bool = False
    standing: Standing | None = None
    machines: tuple[int, int | None] = (0, None)
    screen: Screen | None = None
    waiting: dict[str, _Waiting] = field(default_factory=dict)
    rested_s: dict[str, float] = field(default_factory=dict)
    not_before_s: float = float("-inf")


class Hurry:
    """All factories of this node. `arrived` is one thread's, `stored` any one's that drains; neither waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[str, _Watched] = {}
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rules-hurry")

    def arrived(self, slug: str, bodies: Sequence[bytes]) -> bool:
        """Look through what the journal has got of a factory; whether the drain is to hurry for it.

        bodies: as `ReadingBatch.to_bytes` has them, in order of arrival.
        """
        watched = self._watched.setdefault(slug, _Watched())
        now_s = clock.monotonic_s()
        if not watched.looking and now_s - watched.looked_s > _LOOK_EVERY_S:
            watched.looking = True
            self._pool.submit(self._look, slug, watched)
        screen = watched.screen
        if screen is None or not len(screen):
            return False
        hits = screen.look([ReadingBatch.from_bytes(body) for body in bodies])
        fresh = [hit for hit in hits if now_s >= watched.rested_s.get(hit.concerns, now_s)]
        if not fresh or now_s < watched.not_before_s:
            return False
        with self._lock:
            for hit in fresh:
                waiting = watched.waiting.setdefault(hit.reported_by, _Waiting(hit.t_ms, now_s))
                waiting.t_ms = max(waiting.t_ms, hit.t_ms)
                waiting.concerns.add(hit.concerns)
        return True

    def stored(self, factory: Factory, spans: Mapping[str, tuple[int, int]]) -> None:
        """A batch is in the store: evaluate what has waited for it. spans: by machine, first and last time (ms)."""
        watched = self._watched.get(factory.slug)
        if watched is None or not watched.waiting:
            return
        now_s = clock.monotonic_s()
        with self._lock:
            due = {
                machine: waiting
                for machine, waiting in watched.waiting.items()
                if machine in spans and spans[machine][1] >= waiting.t_ms
            }
            watched.waiting = {
                machine: waiting
                for machine, waiting in watched.waiting.items()
                if machine not in due and now_s - waiting.since_s < _PATIENCE_S
            }
        keys = sorted({key for waiting in due.values() for key in waiting.concerns})[:_MACHINES_AT_ONCE]
        if keys and now_s >= watched.not_before_s:
            arrived_s = min(waiting.since_s for waiting in due.values())
            watched.rested_s = {key: until for key, until in watched.rested_s.items() if until > now_s}
            watched.rested_s |= dict.fromkeys(keys, now_s + _MACHINE_RESTS_S)
            self._pool.submit(self._run, factory, watched, keys, arrived_s)

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True)

    # --- in the pool's thread ---

    def _run(self, factory: Factory, watched: _Watched, keys: Iterable[str], arrived_s: float) -> None:
        close_old_connections()
        began_s = clock.monotonic_s()
        try:
            with factory_context(factory):
                rules_hurry(list(Machine.objects.select_related("line__site").filter(key__in=keys)))
        except (StoreUnavailableError, DatabaseError) as error:
            # A worker that holds a machine for long, or a store that is away: the worker's next run finds the same.
            _log.warning("rules_not_hurried", factory=factory.slug, error=str(error)[:300])
        except Exception:  # noqa: BLE001  # a thread's edge: one factory's surprise must not end the hurry of all
            _log.exception("rules_hurry_failed", factory=factory.slug)
        took_s = clock.monotonic_s() - began_s
        watched.not_before_s = began_s + (1 + _REST) * took_s
        stored_ms, took_ms = round(1000 * (began_s - arrived_s)), round(1000 * took_s)
        _log.info("rules_hurried", factory=factory.slug, machines=list(keys), stored_ms=stored_ms, took_ms=took_ms)

    def _look(self, slug: str, watched: _Watched) -> None:
        """See which rules stand, and begin a new screen where they have changed."""
        close_old_connections()
        try:
            factory = factory_of_slug(slug)
            if factory is None:
                watched.screen = None
            else:
                with factory_context(factory):
                    self._renew(watched)
        except DatabaseError as error:
            _log.warning("rules_not_looked_up", factory=slug, error=str(error)[:300])
        except Exception:  # noqa: BLE001  # as above
            _log.exception("rules_look_failed", factory=slug)
        watched.looked_s, watched.looking = clock.monotonic_s(), False

    def _renew(self, watched: _Watched) -> None:
        standing, now_s = rules_standing(), clock.monotonic_s()
        found = Machine.objects.order_by().aggregate(count=Count("pk"), newest=Max("pk"))
        machines = (found["count"], found["newest"])
        same = standing is watched.standing and machines == watched.machines
        if same and (not standing.rules or now_s - watched.read_s < _READ_EVERY_S):
            return
        running = [
            (pair.rule_id, machine.key, pair.program)
            for machine in (Machine.objects.select_related("line__site") if standing.rules else ())
            for pair in standing.pairs_of(machine)
        ]
        watched.screen = Screen(running, before=watched.screen)
        watched.standing, watched.machines, watched.read_s = standing, machines, now_s
