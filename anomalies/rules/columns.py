"""Conditions over event time, all of a factory's at once in columns: duration before, hysteresis after. Pure: numpy.

A stream is one condition of one rule on one machine. Its readings come oldest first; nothing here loops over readings
or streams in Python, so that a thousand conditions cost little more than one.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalies.rules.conditions import LAST_STATE
from telemetry.readings import BoolArray, Float64Array, Int64Array

NEVER = -(1 << 62)
# Readings further apart than five of their usual distances, and never less than a minute, prove nothing about between.
SHORTEST_GAP_MS, LONGEST_GAP_MS, _GAP_INTERVALS = 60_000, 3_600_000, 5


class Family(IntEnum):
    """How a stream's readings are judged: beyond or within a range, one of some states or none, unmoved, or absent."""

    OUTSIDE = 0
    INSIDE = 1
    STATE = 2
    STUCK = 3
    NO_DATA = 4
    NOT_STATE = 5


class Truth(IntEnum):
    """What a condition is known to be."""

    UNKNOWN = -1
    FALSE = 0
    TRUE = 1


@dataclass(frozen=True, slots=True)
class Asked:
    """What streams ask, one row each, shape (n_streams,).

    low, high: the range; clear_low, clear_high: where it is right again. mask: bits of the states. for_ms: duration.
    """

    family: NDArray[np.int8]
    low: Float64Array
    high: Float64Array
    clear_low: Float64Array
    clear_high: Float64Array
    mask: Int64Array
    for_ms: Int64Array


@dataclass(slots=True)
class Stands:
    """Where streams stand, shape (n_streams,).

    to_ms: newest reading seen, or NEVER. since_ms: first reading of the present stretch, or NEVER. step_ms: between the
    last two readings, or 0. last: the newest value, NaN before the first. worst: the furthest of the stretch, or NaN.
    """

    to_ms: Int64Array
    since_ms: Int64Array
    active: BoolArray
    step_ms: Int64Array
    last: Float64Array
    worst: Float64Array


@dataclass(frozen=True, slots=True)
class Turns:
    """Where conditions turned true, false or unknown: columns of equal length, in time order within a stream.

    since_ms: when the stretch began; worst: the furthest reading of it until then, NaN where none was beyond.
    """

    stream: Int64Array
    t_ms: Int64Array
    truth: NDArray[np.int8]
    since_ms: Int64Array
    worst: Float64Array


def gap_ms(step_ms: Int64Array) -> Int64Array:
    """How long a reading speaks for its metric, from the distance of the two before it.

    >>> gap_ms(np.array([0, 1_000, 600_000])).tolist()
    [60000, 60000, 3000000]
    """
    return np.clip(_GAP_INTERVALS * step_ms, SHORTEST_GAP_MS, LONGEST_GAP_MS)


def advance(
    asked: Asked, stands: Stands, stream: Int64Array, t_ms: Int64Array, values: Float64Array
) -> tuple[Stands, Turns]:
    """Carry streams over readings newer than they stand, grouped by ascending stream, strictly ascending in time.

    stream: which stream each reading belongs to, shape (n,). Cutting the readings anywhere gives the same turns.
    """
    if not len(stream):
        return stands, _no_turns()
    look = _Look(asked, stands, stream, t_ms, values)
    turns = _joined(_gap_turns(look), _absence_turns(look), _reading_turns(look))
    return _stands_after(stands, look), turns


def absent(asked: Asked, stands: Stands, now_ms: int) -> tuple[Stands, Turns]:
    """Turn those true that ask for silence and have had it by `now_ms`."""
    overdue = (
        (asked.family == Family.NO_DATA)
        & ~stands.active
        & (stands.to_ms > NEVER)
        & (stands.to_ms < now_ms - asked.for_ms)
    )
    which = np.flatnonzero(overdue)
    if not len(which):
        return stands, _no_turns()
    after = replace(stands, active=stands.active | overdue)
    return after, _turns(which, stands.to_ms[which] + asked.for_ms[which], Truth.TRUE, stands.to_ms[which])


class _Look:
    """One batch of readings beside what came before each of them."""

    def __init__(
        self, asked: Asked, stands: Stands, stream: Int64Array, t_ms: Int64Array, values: Float64Array
    ) -> None:
        self.stream, self.t_ms, self.values = stream, t_ms, values
        self.first = np.ones(len(stream), np.bool_)
        self.first[1:] = stream[1:] != stream[:-1]
        self.family = asked.family[stream]
        self.for_ms = asked.for_ms[stream]
        self.before_ms = self._shifted(t_ms, stands.to_ms)
        self.has_before: BoolArray = self.before_ms > NEVER
        self.step_ms = np.where(self.has_before, t_ms - self.before_ms, 0)
        self.hold_ms = gap_ms(self._shifted(self.step_ms, stands.step_ms))
        self.gap: BoolArray = self.has_before & (self.step_ms > self.hold_ms)
        self.was_active = stands.active[stream]
        self._judge(asked, self._shifted(values, stands.last))
        self._stretch(stands)
        self._decide()
        self._low, self._high, self._worst = asked.low[stream], asked.high[stream], stands.worst[stream]

    def worst_at(self, rows: Int64Array) -> Float64Array:
        """The furthest reading of the stretch in which each of these rows stands; NaN where it is not beyond."""
        if not len(rows):
            return np.empty(0)
        carried = self.begins[rows] < 0
        firsts = np.searchsorted(self.stream, self.stream[rows], side="left")
        starts = np.where(carried, firsts, self.begins[rows])
        edges = np.column_stack([starts, rows + 1]).ravel()
        padded = np.append(self.values, self.values[-1])
        highest, lowest = np.maximum.reduceat(padded, edges)[::2], np.minimum.reduceat(padded, edges)[::2]
        before = np.where(carried, self._worst[rows], np.nan)
        highest, lowest = np.fmax(highest, before), np.fmin(lowest, before)
        far_up, far_down = highest - self._high[rows], self._low[rows] - lowest
        found = np.where(far_up >= far_down, highest, lowest)
        found = np.where(self.family[rows] == Family.OUTSIDE, found, self.values[rows])
        return np.where(self.beyond[rows], found, np.nan)

    def _shifted(self, column: NDArray[Any], carried: NDArray[Any]) -> NDArray[Any]:
        before = np.empty_like(column)
        before[1:] = column[:-1]
        before[self.first] = carried[self.stream[self.first]]
        return before

    def _judge(self, asked: Asked, value_before: Float64Array) -> None:
        at, values = self.stream, self.values
        out = (values < asked.low[at]) | (values > asked.high[at])
        right = (values >= asked.clear_low[at]) & (values <= asked.clear_high[at])
        number = np.where((values >= 0) & (values <= LAST_STATE), values, LAST_STATE).astype(np.int64)
        state = (values == number) & ((asked.mask[at] >> number) & 1).astype(np.bool_)
        same = self.has_before & ~self.gap & (values == value_before)
        kinds = [self.family == each for each in (Family.INSIDE, Family.STATE, Family.NOT_STATE, Family.STUCK)]
        there = self.family != Family.NO_DATA
        self.stuck = kinds[-1]
        # NaN is a difference or a change that can't be told: neither wrong nor right.
        there &= np.isfinite(values)
        self.beyond = np.select(kinds, [~out, state, ~state, same], out) & there
        self.cleared = np.select(kinds, [~right, ~state, state, ~same], right) & there

    def _stretch(self, stands: Stands) -> None:
        """For each reading: since when it has been beyond without a pause, and the row where that began."""
        carried = stands.since_ms[self.stream]
        was_beyond = self._shifted(self.beyond, stands.since_ms > NEVER)
        follows = self.beyond & was_beyond & self.has_before & ~self.gap
        starts = self.first | (self.beyond & ~follows)
        # What stands still does so since the reading before the first one that is equal.
        own = np.where(self.stuck, self.before_ms, self.t_ms)
        since = np.where(self.first & follows, carried, own)
        rows = np.arange(len(self.t_ms))
        place = np.maximum.accumulate(np.where(starts, rows, 0))
        self.since_ms: Int64Array = since[place]
        self.begins: Int64Array = np.where((self.first & follows)[place], -1, place)

    def _decide(self) -> None:
        fires = self.beyond & (self.t_ms - self.since_ms >= self.for_ms)
        decides = fires | self.cleared
        rows = np.arange(len(self.t_ms))
        place = np.maximum.accumulate(np.where(decides | self.first, rows, 0))
        self.active: BoolArray = np.where(decides[place], fires[place], self.was_active[place])
        active_before = np.empty_like(self.active)
        active_before[1:] = self.active[:-1]
        active_before[self.first] = self.was_active[self.first]
        self.turned: BoolArray = (self.active != active_before) | ~self.has_before | self.gap


def _reading_turns(look: _Look) -> Turns:
    rows = np.flatnonzero(look.turned & (look.family != Family.NO_DATA))
    return Turns(
        look.stream[rows],
        look.t_ms[rows],
        look.active[rows].astype(np.int8),
        look.since_ms[rows],
        look.worst_at(rows),
    )


def _gap_turns(look: _Look) -> Turns:
    """Nothing is known of the time after a reading has spoken for long enough."""
    rows = np.flatnonzero(look.gap & (look.family != Family.NO_DATA))
    ends = look.before_ms[rows] + look.hold_ms[rows]
    return _turns(look.stream[rows], ends, Truth.UNKNOWN, ends)


def _absence_turns(look: _Look) -> Turns:
    watched = look.family == Family.NO_DATA
    if not watched.any():
        return _no_turns()
    long = watched & look.has_before & (look.step_ms > look.for_ms)
    told = look.first & look.was_active
    begun, over = np.flatnonzero(long & ~told), np.flatnonzero(long | (watched & ~look.has_before) | (watched & told))
    begins_ms = look.before_ms[begun]
    return _joined(
        _turns(look.stream[begun], begins_ms + look.for_ms[begun], Truth.TRUE, begins_ms),
        _turns(look.stream[over], look.t_ms[over], Truth.FALSE, look.t_ms[over]),
    )


def _stands_after(stands: Stands, look: _Look) -> Stands:
    lasts = np.flatnonzero(np.append(look.first[1:], True))
    at = look.stream[lasts]
    after = Stands(
        stands.to_ms.copy(),
        stands.since_ms.copy(),
        stands.active.copy(),
        stands.step_ms.copy(),
        stands.last.copy(),
        stands.worst.copy(),
    )
    after.to_ms[at] = look.t_ms[lasts]
    after.since_ms[at] = np.where(look.beyond[lasts], look.since_ms[lasts], NEVER)
    after.active[at] = look.active[lasts] & (look.family[lasts] != Family.NO_DATA)
    after.step_ms[at] = look.step_ms[lasts]
    after.last[at] = look.values[lasts]
    after.worst[at] = look.worst_at(lasts)
    return after


def _turns(stream: Int64Array, t_ms: Int64Array, truth: Truth, since_ms: Int64Array) -> Turns:
    return Turns(stream, t_ms, np.full(len(stream), truth, np.int8), since_ms, np.full(len(stream), np.nan))


def _no_turns() -> Turns:
    empty = np.empty(0, np.int64)
    return Turns(empty, empty, empty.astype(np.int8), empty, empty.astype(np.float64))


def _joined(*several: Turns) -> Turns:
    columns = [np.concatenate([getattr(each, name) for each in several]) for name in Turns.__slots__]
    order = np.lexsort((columns[1], columns[0]))
    return Turns(*(column[order] for column in columns))
