"""What happens when readings come: what turns a rule is evaluated at once, and a task is enqueued for all the rest.

The task follows as often as evaluating is cheap.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from django.core.cache import cache
from django.dispatch import receiver
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from anomalies.rules.hurry import Hurry
from anomalies.rules.late import LateNotes, late_note
from common import clock
from telemetry.signals import readings_arrived, readings_stored
from tenants.models import Factory

_log = structlog.get_logger(__name__)

# The first batch after a pause is evaluated at once, what follows together after a while: four times as long as the
# last run took, so that a factory keeps a worker busy for a fifth of its time at most, and a small plant hardly waits.
_PAUSE_S, _LEAST_S, _MOST_S, _TIMES = 1, 0.15, 1.0, 4
_TOOK, _TOOK_EXPIRES_S = "evaluate.took_s", 60
# One run waits at most, however slow the workers are. If one is killed with the marker set, the sweep goes on.
_MARKER_EXPIRES_S = 20
_BEGUN, _WAITING = "evaluate.begun", "evaluate.waiting"
_RATE_S = 10
_late = LateNotes()
_hurry = Hurry()


@receiver(readings_arrived, dispatch_uid="anomalies.hurry")
def arrived(*, factory_slug: str, bodies: Sequence[bytes], **kwargs: Any) -> bool:
    """Whether what has just arrived turns a condition of a rule, so that it should be stored at once."""
    return _hurry.arrived(factory_slug, bodies)


@receiver(readings_stored, dispatch_uid="anomalies.hurry")
def stored(*, factory: Factory, machines: Mapping[str, tuple[int, int]], **kwargs: Any) -> None:
    """Evaluate what could not wait, now that it can be read."""
    _hurry.stored(factory, machines)


@receiver(readings_stored, dispatch_uid="anomalies.evaluate")
def evaluate_soon(*, factory: Factory, machines: Mapping[str, tuple[int, int]], **kwargs: Any) -> None:
    """Have the factory evaluated: now, or in a moment together with what else arrives until then.

    The marker of the waiting run is taken away before that run reads, so that no reading stored later is missed.
    """
    from anomalies.tasks import evaluate

    if (batch := kwargs.get("batch")) is not None:
        late_note(_late.see(factory.slug, batch))
    try:
        _count(int(kwargs.get("readings", 0)))
        if not cache.add(_WAITING, 1, timeout=_MARKER_EXPIRES_S):
            return
        if cache.add(_BEGUN, 1, timeout=_PAUSE_S):
            evaluate.for_factory(factory.slug)
        else:
            evaluate.for_factory_in(factory.slug, min(max(_TIMES * float(cache.get(_TOOK) or 0), _LEAST_S), _MOST_S))
    except (RedisError, OperationalError) as error:
        # The readings are stored; the sweep every few seconds evaluates them once the broker is back.
        _log.warning("evaluation_not_enqueued", factory=factory.slug, machines=len(machines), error=str(error))


def evaluation_begins() -> None:
    """A run is about to read: what is stored from now on needs another."""
    try:
        cache.delete(_WAITING)
    except RedisError as error:
        _log.warning("evaluation_marker_stays", error=str(error))


def evaluation_took(seconds: float) -> None:
    """A run is done: how long it took says how soon the next may follow."""
    try:
        cache.set(_TOOK, seconds, timeout=_TOOK_EXPIRES_S)
    except RedisError as error:
        _log.warning("evaluation_time_not_kept", error=str(error))


def ingest_rate() -> float:
    """Readings stored a second in the current factory, over the last full ten seconds."""
    try:
        return round(int(cache.get(_rate_key(-1)) or 0) / _RATE_S, 1)
    except RedisError:
        return 0.0


def _count(readings: int) -> None:
    key = _rate_key(0)
    if readings and not cache.add(key, readings, timeout=6 * _RATE_S):
        cache.incr(key, readings)


def _rate_key(offset: int) -> str:
    return f"ingest.rate.{clock.now_ms() // 1000 // _RATE_S + offset}"
