"""Whether the plan has room for what a door has before it, so that nothing is acknowledged that has no place.

The drain registers machines and metrics, and has the last word. A door knows what is registered, and gives the places
that are left to whoever comes first; doors of other processes do the same, so only the last places of a plan can be
promised twice, within the seconds until each has looked again.
"""

import math
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import structlog
from django.db import Error as DatabaseError
from django.db.models import Count, Max

from common import clock
from common.expiring import ExpiringMap
from telemetry.models import Machine, Metric
from telemetry.readings import Key
from tenants.context import factory_context
from tenants.limits import Limits, limit_sentence, limits_of
from tenants.models import Factory

_log = structlog.get_logger(__name__)
_LOOK_EVERY_S = 2.0
# What was promised and is still not registered then never arrived at the drain. What a room refuses for that long is
# looked at once more, in case what is registered has changed in a way that no count shows.
_PROMISED_S = 30.0
# Names of a factory that nobody has looked at are only remembered as well spelt.
_UNLOOKED_KEYS = 20_000
# So many factories may be looked at, at once, in one process.
_LOCKS = 16
_Version = tuple[int | None, ...]


@dataclass(slots=True)
class PlanRoom:
    """What of one factory has a place: all that is registered, and what was promised a place since.

    Without limits, every name gets one: nobody has looked yet, or the database is away, and the drain will tell.
    Safe from any thread.
    """

    limits: Limits | None = None
    version: _Version | None = None
    read_s: float = 0.0
    keys: set[Key] = field(default_factory=set)
    machines: set[str] = field(default_factory=set)
    _counts: Counter[str] = field(default_factory=Counter)
    _promised: list[tuple[float, Key]] = field(default_factory=list)
    _refused: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def has(self, keys: Sequence[Key]) -> bool:
        """Whether all of these have a place."""
        return self.keys.issuperset(keys)

    def take(self, machine: str, metric: str) -> tuple[str, str] | None:
        """Give a metric a place, unless it has one; the code and the detail of the refusal when there is none."""
        with self._lock:
            if (machine, metric) in self.keys:
                return None
            if self.limits is None:
                if len(self.keys) < _UNLOOKED_KEYS:
                    self._keep(machine, metric)
                return None
            code = self._full(machine, self.limits)
            if code:
                self._refused = True
                return code, no_room(code, machine, metric, self.limits)
            self._promised.append((clock.monotonic_s(), (machine, metric)))
            self._keep(machine, metric)
            return None

    def doubtful(self) -> bool:
        """Whether what is registered has to be read again: a place was promised long ago, or refused all the while."""
        long_ago_s = clock.monotonic_s() - _PROMISED_S
        promised = bool(self._promised) and self._promised[0][0] < long_ago_s
        return promised or (self._refused and self.read_s < long_ago_s)

    def follow(self, older: "PlanRoom") -> None:
        """Keep the promises of the room that this one takes the place of, as far as they are young."""
        young_s = clock.monotonic_s() - _PROMISED_S
        with older._lock:
            for at_s, key in older._promised:
                if at_s > young_s and key not in self.keys:
                    self._promised.append((at_s, key))
                    self._keep(*key)

    def learn(self, keys: Iterable[Key], machines: Iterable[str]) -> None:
        """Take note of what is registered."""
        self.machines.update(map(sys.intern, machines))
        for machine, metric in keys:
            self._keep(sys.intern(machine), sys.intern(metric))

    def _keep(self, machine: str, metric: str) -> None:
        self.machines.add(machine)
        self.keys.add((machine, metric))
        self._counts[machine] += 1

    def _full(self, machine: str, limits: Limits) -> str:
        if machine not in self.machines and len(self.machines) >= limits.machines:
            return "machine_limit"
        if self._counts[machine] >= limits.metrics_per_machine:
            return "metric_limit"
        return "series_limit" if len(self.keys) >= limits.series else ""


# More than one node has factories that send at one time: whoever is pushed out has to be read whole again.
_rooms: ExpiringMap[str, PlanRoom] = ExpiringMap(size=2_000, fresh_s=math.inf)
_looked: ExpiringMap[str, bool] = ExpiringMap(size=10_000, fresh_s=_LOOK_EVERY_S)
# By factory, so that one whose tables are slow to answer holds up few others.
_looking = [threading.Lock() for _ in range(_LOCKS)]


def room_of(slug: str) -> PlanRoom:
    """What is known of a factory's places; never asks the database."""
    held = _rooms.fresh(slug)
    if held is not None:
        return held.value
    room = PlanRoom()
    _rooms.put(slug, room)
    return room


def room_learn(factory: Factory) -> None:
    """Look what is registered, every two seconds at most; for whoever may wait for the database."""
    if _looked.fresh(factory.slug):
        return
    looking = _looking[hash(factory.slug) % _LOCKS]
    # What nobody has looked at has to be waited for; where something is known, one looks and the others go on.
    if not looking.acquire(blocking=room_of(factory.slug).limits is None):
        return
    try:
        if not _looked.fresh(factory.slug):
            _looked.put(factory.slug, True)
            with factory_context(factory):
                _look(factory)
    except DatabaseError as error:
        _log.warning("plan_room_unknown", factory=factory.slug, error=str(error)[:200])
    finally:
        looking.release()


def rooms_forget() -> None:
    """Begin anew: nothing is known of any factory."""
    _rooms.clear()
    _looked.clear()


def no_room(code: str, machine: str, metric: str, limits: Limits) -> str:
    """Why a metric has no place, by the code of the refusal."""
    if code == "machine_limit":
        return _told(limit_sentence("machines", limits), machine)
    if code == "metric_limit":
        return _told(limit_sentence("metrics_per_machine", limits), metric)
    return _told(limit_sentence("series", limits), f"{machine}: {metric}")


def _told(sentence: str, name: str) -> str:
    return f"{sentence} “{name}” has none."[:300]


def _look(factory: Factory) -> None:
    before, limits, version = room_of(factory.slug), limits_of(factory), _version(factory)
    if before.limits is not None and before.version == version and not before.doubtful():
        before.limits = limits
        return
    room = PlanRoom(limits, version, clock.monotonic_s())
    # The whole plant's: whoever sends may also be somebody who sees a part of it only.
    metrics = Metric._base_manager.order_by().values_list("machine__key", "name")
    room.learn(metrics.iterator(), Machine._base_manager.order_by().values_list("key", flat=True).iterator())
    room.follow(before)
    _rooms.put(factory.slug, room)


def _version(factory: Factory) -> _Version:
    """Differs once anything was made or deleted, or the address is another factory's."""
    machines = Machine._base_manager.order_by().aggregate(count=Count("pk"), newest=Max("pk"))
    metrics = Metric._base_manager.order_by().aggregate(count=Count("pk"), newest=Max("pk"))
    return factory.pk, machines["count"], machines["newest"], metrics["count"], metrics["newest"]
