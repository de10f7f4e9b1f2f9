"""Rules, carried over what was stored since last time: read together, evaluated together, kept in one statement."""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import groupby
from operator import or_

import msgspec
import structlog
from django.db import connection, transaction
from django.db.models import Max, Q
from django.db.models.fields.json import KT

from anomalies.models import LateReadings, MachineHealth
from anomalies.rules.again import news_of, state_before
from anomalies.rules.engine import PairState, evaluate, state_new
from anomalies.rules.late import late_done, late_of, late_read
from anomalies.rules.standing import Pair, Standing, rules_standing
from anomalies.rules.telling import alerts_active, crossings_tell, late_tell, worsening_tell
from anomalies.rules.tree import Crossing
from anomalies.rules.worsening import shown_note, worsened
from common import clock
from common.times import to_ms
from telemetry.models import Machine, Metric
from telemetry.readings import Key, Series
from telemetry.store import reading_store

_log = structlog.get_logger(__name__)

# A rule that is new, or a worker that was away, looks back this far at most: old trouble is no news.
_LOOK_BACK_MS = 10 * 60_000
# Devices whose clocks run ahead are taken up to ten minutes.
_AHEAD_MS = 11 * 60_000
# What is on its way is no silence yet.
_GRACE_MS = 2_000
# Machines that begin within the same of these spans are read together: one that begins far back would have all the
# others read from there.
_SPANS_MS = (10_000, 100_000, 15 * 60_000)
# Repeated runs over late readings take the store's time in pieces of this length.
_PIECE_MS = 6 * 3_600_000
# Machines whose rules are carried forward in one transaction: few enough that an alert is not held up.
_TOGETHER = 200
# For so long a hurried run waits for a worker that has its machines in hand.
_WAIT_MS = 500
_CARRY = """
UPDATE anomalies_machinehealth AS h SET state = jsonb_set(h.state, '{rules}', n.rules::jsonb), updated_at = %s
FROM unnest(%s::bigint[], %s::text[]) AS n (machine, rules) WHERE h.machine_id = n.machine
"""

States = dict[str, PairState]
_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_state_decoder = msgspec.json.Decoder(PairState)
_encoder = msgspec.json.Encoder()


def rules_watch(machines: Sequence[Machine]) -> int:
    """Evaluate the rules of machines on what is new; the number of machines that no other worker had in hand.

    machines: with their line and site. Rules that ask for silence are evaluated on machines that say nothing, too.
    Raises StoreUnavailableError, after which another run begins where this one stood.
    """
    standing, notes = rules_standing(), late_read()
    everybody = [*machines, *_silent(standing, machines)]
    mine: set[int] = set()
    for start in range(0, len(everybody), _TOGETHER):
        mine |= _watch(everybody[start : start + _TOGETHER], standing, notes)
    if len(mine) == len(everybody):
        late_done(notes.values())
    return sum(machine.pk in mine for machine in machines)


def rules_hurry(machines: Sequence[Machine]) -> None:
    """Evaluate the rules of a few machines now, without looking for late readings: `rules_watch` does that.

    One that another worker has in hand is waited for, a moment: its run may have begun before the reading that matters
    was stored. Raises StoreUnavailableError, and DatabaseError where it waits for too long.
    """
    _watch(machines, rules_standing(), {}, wait=True)


def _silent(standing: Standing, machines: Sequence[Machine]) -> list[Machine]:
    if not standing.ask_for_silence:
        return []
    others = Machine.objects.exclude(pk__in=[machine.pk for machine in machines]).select_related("line__site")
    return [machine for machine in others if any(pair.program.asks_for_silence for pair in standing.pairs_of(machine))]


def _watch(
    machines: Sequence[Machine], standing: Standing, notes: Mapping[str, LateReadings], *, wait: bool = False
) -> set[int]:
    """Carry some machines forward in one transaction; the ids of those that were free."""
    with transaction.atomic():
        kept = _locked(machines, wait=wait)
        free = [machine for machine in machines if machine.pk in kept]
        pairs = {machine: standing.pairs_of(machine) for machine in free}
        states = {machine: _states(pairs[machine], kept[machine.pk]) for machine in free if pairs[machine]}
        for machine, mine in states.items():
            _repeat_late(pairs[machine], mine, notes)
        for together in _read_alike(pairs, states):
            _evaluate([(pair, states[machine][str(pair.rule_id)]) for machine in together for pair in pairs[machine]])
        _carry(states, kept)
    return set(kept)


def _locked(machines: Sequence[Machine], *, wait: bool) -> dict[int, str | None]:
    """Where machines' rules stand, as text, for this worker alone until the transaction ends; without those that
    another one has, unless they are waited for."""
    if wait:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {_WAIT_MS}")
    known = set(MachineHealth.objects.filter(machine__in=machines).values_list("machine_id", flat=True))
    missing = [MachineHealth(machine=machine) for machine in machines if machine.pk not in known]
    if missing:
        MachineHealth.objects.bulk_create(missing, ignore_conflicts=True)
    # In one order everywhere, so that two workers never wait for each other. Only the rules' part: the detector's is
    # many times as large.
    rows = MachineHealth.objects.select_for_update(skip_locked=not wait).filter(machine__in=machines)
    return dict(rows.order_by("machine_id").values_list("machine_id", KT("state__rules")))


def _states(pairs: Sequence[Pair], text: str | None) -> States:
    stored = _decoder.decode(text) if text else {}
    return {str(pair.rule_id): _state(pair, stored.get(str(pair.rule_id))) for pair in pairs}


def _state(pair: Pair, stored: msgspec.Raw | None) -> PairState:
    if stored is not None:
        try:
            state = _state_decoder.decode(stored)
        except msgspec.ValidationError:
            # From before rules were trees.
            state = None
        if state is not None and state.signature == pair.program.signature:
            return state
    # New, or edited: what was counted under the old conditions says nothing about these. An alert that stands ends
    # when these say that it is over.
    from_ms = min(_newest_ms(pair), clock.now_ms()) - _LOOK_BACK_MS - pair.program.memory_ms
    active = any(alert.machine_id == pair.machine.pk for alert in alerts_active(pair.rule_id))
    return state_new(pair.program, from_ms=from_ms, told=[(from_ms - 1, True)] if active else [])


def _newest_ms(pair: Pair) -> int:
    """The newest reading of the rule's metrics by its own time: a gateway may deliver what it measured hours ago."""
    asked = reduce(or_, (Q(machine__key=machine, name=metric) for machine, metric in pair.program.keys), Q(pk=None))
    newest = Metric.objects.filter(asked).aggregate(newest=Max("last_at"))["newest"]
    return to_ms(newest) if newest is not None else clock.now_ms()


def _repeat_late(pairs: Sequence[Pair], states: States, notes: Mapping[str, LateReadings]) -> None:
    for pair in pairs:
        late_ms = late_of(pair.program.keys, notes) if notes else None
        if late_ms is None:
            continue
        state = states[str(pair.rule_id)]
        again = state_before(pair.program, state, late_ms)
        if again is not None:
            states[str(pair.rule_id)] = again
            _run_again(pair, again, told=state.told)


def _run_again(pair: Pair, state: PairState, *, told: Sequence[tuple[int, bool]]) -> None:
    """From where a state stands to now, in pieces; then what that has found beside what was `told` before."""
    from_ms, now_ms = state.held.at_ms + 1, clock.now_ms()
    begin, found = from_ms, list[Crossing]()
    while begin < now_ms + _AHEAD_MS:
        end = begin + _PIECE_MS
        series = _read([pair], from_ms=begin, to_ms=end)
        # Silence is only known of what lies behind, not of what this piece has not read yet.
        [more] = evaluate([pair.program], [state], series, now_ms=min(end, now_ms - _GRACE_MS))
        found, begin = found + more, end
    news = news_of(told, found, from_ms=from_ms)
    if news:
        late_tell(pair, news)
        shown_note(pair.program, state, news)


def _read_alike(
    pairs: Mapping[Machine, Sequence[Pair]], states: Mapping[Machine, States]
) -> Iterable[Sequence[Machine]]:
    begins = {
        machine: min(state.needs_from(pair.program) for pair, state in zip(pairs[machine], mine.values(), strict=True))
        for machine, mine in states.items()
    }
    newest = max(begins.values(), default=0)
    span = {machine: sum(newest - begin >= each for each in _SPANS_MS) for machine, begin in begins.items()}
    return [list(some) for _span, some in groupby(sorted(begins, key=span.__getitem__), key=span.__getitem__)]


def _evaluate(running: Sequence[tuple[Pair, PairState]]) -> None:
    pairs, states = [pair for pair, _state in running], [state for _pair, state in running]
    begin = min(state.needs_from(pair.program) for pair, state in running)
    now_ms = clock.now_ms()
    _tell(pairs, states, _read(pairs, from_ms=begin, to_ms=now_ms + _AHEAD_MS), now_ms=now_ms - _GRACE_MS)


def _tell(pairs: Sequence[Pair], states: Sequence[PairState], series: Mapping[Key, Series], *, now_ms: int) -> None:
    found = evaluate([pair.program for pair in pairs], states, series, now_ms=now_ms)
    for pair, state, crossings in zip(pairs, states, found, strict=True):
        if crossings:
            crossings_tell(pair, crossings)
            shown_note(pair.program, state, crossings)
        elif (parts := worsened(pair.program, state)) is not None:
            worsening_tell(pair, parts, at_ms=state.to_ms)


def _read(pairs: Sequence[Pair], *, from_ms: int, to_ms: int) -> dict[Key, Series]:
    keys = {key for pair in pairs for key in pair.program.keys}
    known = {pair.machine.key: pair.machine for pair in pairs}
    foreign = {machine for machine, _metric in keys} - set(known)
    if foreign:
        known |= {machine.key: machine for machine in Machine.objects.filter(key__in=foreign)}
    wanted: dict[Machine, list[str]] = {}
    for machine, metric in sorted(keys):
        if machine in known:
            wanted.setdefault(known[machine], []).append(metric)
    read = reading_store().together(wanted, from_ms=from_ms, to_ms=to_ms)
    return {(part.machine, part.metric): part for part in read}


def _carry(states: Mapping[Machine, States], before: Mapping[int, str | None]) -> None:
    """Keep where machines' rules stand, in one statement; those of rules that are gone are forgotten."""
    after = {machine.pk: _encoder.encode(mine).decode() for machine, mine in states.items()}
    changed = {pk: text for pk, text in after.items() if text != before[pk]}
    if changed:
        with connection.cursor() as cursor:
            cursor.execute(_CARRY, [clock.now(), list(changed), list(changed.values())])
