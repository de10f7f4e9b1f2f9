"""What may come in: sensible names the plan has room for, times within the window, no more a second than it allows."""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from common.errors import LimitReachedError
from common.expiring import ExpiringMap
from telemetry.ingest.columns import ParsedPayload
from telemetry.ingest.plan_room import PlanRoom, room_of, rooms_forget
from telemetry.ingest.rate import TokenBucket
from telemetry.ingest.rate_sharing import RateSharing
from telemetry.ingest.refusals import Rejection, TooLargeError
from telemetry.readings import BoolArray, ReadingBatch
from tenants.limits import SMALLEST_BODY_BYTES, Limits, limit_sentence, limits_of
from tenants.models import Factory

BURST_S = 4.0
_GARBAGE_COST = 10
_NAME_LENGTH = 64

# Letters of any script, because plants name things in their own; a slash would end a machine's address.
_MACHINE = re.compile(r"\w(?:[\w .:\-]{0,62}[\w.:\-])?")
_METRIC = re.compile(r"\w(?:[\w .:\-/%°]{0,62}[\w.:\-/%°])?")


class RateLimitedError(LimitReachedError):
    """The factory sends more than its plan allows; `retry_after_s` says for how long to wait."""

    code = "rate_limited"

    def __init__(self, detail: str, *, retry_after_s: int) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Admitted:
    """What may be kept, everything that was refused, and how long the sender should rest (s)."""

    batch: ReadingBatch
    rejected: list[Rejection]
    wait_s: float


_limits: ExpiringMap[str, Limits] = ExpiringMap(size=10_000, fresh_s=5.0)
_buckets: ExpiringMap[str, TokenBucket] = ExpiringMap(size=10_000, fresh_s=math.inf)
_sharing = RateSharing()
_unknown_plan = limits_of(None)
OLDEST_MS = _unknown_plan.past_ms


def plan_learn(factory: Factory) -> None:
    """Take note of a factory's plan, from whoever has just looked it up; `admit` itself never asks the database."""
    if _limits.fresh(factory.slug):
        return
    limits = limits_of(factory)
    held = _buckets.fresh(factory.slug)
    if held:
        held.value.tune(rate=limits.readings_per_s, burst=limits.readings_per_s * BURST_S)
    _limits.put(factory.slug, limits)


def plans_forget() -> None:
    """Begin anew: no plan is known, and every bucket is full."""
    _limits.clear()
    _buckets.clear()
    _sharing.forget()
    rooms_forget()


def body_check(factory_slug: str, size: int) -> None:
    """Refuse a body (bytes, inflated) that is larger than the factory's plan allows. Raises TooLargeError."""
    if size <= SMALLEST_BODY_BYTES:
        return
    limits = _limits_known(factory_slug)
    if size > limits.body_bytes:
        raise TooLargeError(limit_sentence("body_bytes", limits))


def rate_check(factory_slug: str) -> None:
    """Refuse before the work of reading a body is done. Raises RateLimitedError."""
    wait_s = rate_wait_s(factory_slug)
    if wait_s > 0:
        said = limit_sentence("readings_per_s", _limits_known(factory_slug))
        raise RateLimitedError(f"{said} Wait {math.ceil(wait_s)} s.", retry_after_s=math.ceil(wait_s))


def rate_wait_s(factory_slug: str) -> float:
    """For how long the factory should send nothing (s); 0 when it may."""
    return _bucket(factory_slug).wait_s()


def refused_charge(factory_slug: str) -> float:
    """Charge a body that was refused whole, so that a flood of garbage runs into the rate too; returns the wait (s)."""
    return _bucket(factory_slug).charge(_GARBAGE_COST)


def admit(parsed: ParsedPayload, *, factory_slug: str, now_ms: int) -> Admitted:
    """Sort what may be kept from what is refused, and charge both to the factory's rate.

    now_ms: the time of arrival, in the middle of the accepted window.
    """
    rejected = list(parsed.rejected)
    batch = parsed.batch
    window = _Window.of(_limits_known(factory_slug), now_ms)
    within = window.within(batch)
    placed = _placed(parsed, within, rejected, room_of(factory_slug))
    window.refuse(parsed, placed & ~within, rejected)
    good = placed & within
    wait_s = _bucket(factory_slug).charge(len(batch) + len(parsed.rejected))
    return Admitted(batch if good.all() else batch.only(good), rejected, wait_s)


def _placed(parsed: ParsedPayload, within: BoolArray, rejected: list[Rejection], room: PlanRoom) -> BoolArray:
    """Which readings have names that may be, and a place in the plan; the others are added to the rejected.

    within: which lie within the accepted times; a new name of which nothing does is given no place that it can't use.
    """
    batch = parsed.batch
    # A thousand devices' thousand names cost one look at a set.
    if room.has(batch.keys):
        return np.ones(len(batch), np.bool_)
    faults: dict[int, tuple[str, str]] = {}
    timely = np.bincount(batch.codes[within], minlength=len(batch.keys)) > 0
    for code, (machine, metric) in enumerate(batch.keys):
        if (machine, metric) in room.keys:
            continue
        fault = name_fault(machine, metric) or (room.take(machine, metric) if timely[code] else None)
        if fault is not None:
            faults[code] = fault
    bad: BoolArray = np.isin(batch.codes, list(faults))
    for at in np.flatnonzero(bad).tolist():
        code = int(batch.codes[at])
        machine, metric = batch.keys[code]
        rejected.append(Rejection(int(parsed.index[at]), metric, *faults[code], machine))
    return ~bad


def _limits_known(slug: str) -> Limits:
    held = _limits.stale(slug, within_s=math.inf)
    return held.value if held else _unknown_plan


def _bucket(slug: str) -> TokenBucket:
    held = _buckets.fresh(slug)
    if held is not None:
        bucket = held.value
    else:
        rate = _limits_known(slug).readings_per_s
        bucket = TokenBucket(rate=rate, burst=rate * BURST_S)
        _buckets.put(slug, bucket)
    _sharing.touch(slug, bucket)
    return bucket


@dataclass(frozen=True, slots=True)
class _Window:
    """The times that a plan accepts around the time of arrival, all epoch milliseconds."""

    now_ms: int
    first_ms: int
    last_ms: int

    @classmethod
    def of(cls, limits: Limits, now_ms: int) -> "_Window":
        return cls(now_ms, now_ms - limits.past_ms, now_ms + limits.ahead_ms)

    def within(self, batch: ReadingBatch) -> BoolArray:
        """Which readings lie within."""
        found: BoolArray = (batch.t_ms >= self.first_ms) & (batch.t_ms <= self.last_ms)
        return found

    def refuse(self, parsed: ParsedPayload, outside: BoolArray, rejected: list[Rejection]) -> None:
        """Add readings that lie outside to the rejected, each with its reason."""
        batch = parsed.batch
        for at in np.flatnonzero(outside).tolist():
            machine, metric = batch.keys[batch.codes[at]]
            code, detail = self._fault(int(batch.t_ms[at]))
            rejected.append(Rejection(int(parsed.index[at]), metric, code, detail, machine))

    def _fault(self, t_ms: int) -> tuple[str, str]:
        if t_ms > self.last_ms:
            return "timestamp_in_future", f"more than {(self.last_ms - self.now_ms) // 60_000} minutes ahead: {t_ms}"
        if self.first_ms <= t_ms * 1000 <= self.last_ms:
            return "timestamp_too_old", f"{t_ms} looks like seconds: send milliseconds"
        return "timestamp_too_old", f"older than {(self.now_ms - self.first_ms) // 86_400_000} days: {t_ms}"


def name_fault(machine: str, metric: str) -> tuple[str, str] | None:
    """What is wrong with a machine's or a metric's name, as code and detail; None when nothing is."""
    # Lengths first, so that no long name is ever remembered.
    if len(machine) > _NAME_LENGTH or not _is_machine(machine):
        return "machine_invalid", "a machine's name is 1 to 64 letters, digits, spaces and _ . : -"
    if len(metric) > _NAME_LENGTH or not _is_metric(metric):
        return "metric_invalid", "a metric's name is 1 to 64 letters, digits, spaces and _ . : - / % °"
    return None


@lru_cache(maxsize=20_000)
def _is_machine(name: str) -> bool:
    return bool(_MACHINE.fullmatch(name))


@lru_cache(maxsize=20_000)
def _is_metric(name: str) -> bool:
    return bool(_METRIC.fullmatch(name))
