"""Limits on a machine's metrics, carried over what arrived since last time, and the alerts they raise."""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import Any

from anomalies.alerts.opening import Finding, alert_raise, alert_return
from anomalies.alerts.sentences import rule_summary, rule_title
from anomalies.models import Rule
from anomalies.rules.evaluate import Crossing, Limit, LimitState, Side, limit_evaluate
from common import clock
from common.times import from_ms, to_ms
from telemetry.history.spans import machine_zone
from telemetry.models import Machine
from telemetry.readings import Key, Series
from telemetry.store import reading_store

# A rule that is new, or a worker that was away, looks back this far at most: old trouble is no news.
_LOOK_BACK_MS = 10 * 60_000
# Devices whose clocks run ahead are taken up to ten minutes.
_AHEAD_MS = 11 * 60_000
_SHORTEST_GAP_MS = 60_000
_GAP_INTERVALS = 5
_READ_TOGETHER_MS = 10_000

RuleStates = dict[str, Any]


def rules_watch(rules: Mapping[Machine, Sequence[Rule]], states: MutableMapping[Machine, RuleStates]) -> None:
    """Evaluate machines' active limits on readings newer than their states, and bring the states up to date in place.

    rules: with their metrics loaded. Raises StoreUnavailableError.
    """
    known = {rule.pk: _state(rule, states[machine]) for machine in rules for rule in rules[machine]}
    for together in _read_alike(rules, known):
        found = _read({machine: rules[machine] for machine in together}, known)
        for machine in together:
            states[machine] = _watch(machine, rules[machine], known, found)


def _watch(
    machine: Machine, rules: Sequence[Rule], known: Mapping[int, LimitState], found: Mapping[Key, Series]
) -> RuleStates:
    after: RuleStates = {}
    for rule in rules:
        part = found.get((machine.key, rule.metric.name))
        state, limit = known[rule.pk], _limit(rule, part)
        if part is not None:
            state, crossings = limit_evaluate(limit, state, part.t_ms, part.values)
            _tell(machine, rule, crossings)
        after[str(rule.pk)] = {**state.to_json(), "rule": limit.signature}
    return after


def _read_alike(
    rules: Mapping[Machine, Sequence[Rule]], known: Mapping[int, LimitState]
) -> Iterable[Sequence[Machine]]:
    """Machines to be read together: one that begins far back would have all others read from there."""
    begins = {machine: _begin(rules[machine], known) for machine in rules if rules[machine]}
    newest = max(begins.values(), default=0)
    current = [machine for machine, begin in begins.items() if newest - begin < _READ_TOGETHER_MS]
    return [current, *([machine] for machine in begins if machine not in set(current))]


def _begin(rules: Iterable[Rule], known: Mapping[int, LimitState]) -> int:
    return min(max(known[rule.pk].to_ms + 1, _earliest(rule)) for rule in rules)


def _read(rules: Mapping[Machine, Sequence[Rule]], known: Mapping[int, LimitState]) -> dict[Key, Series]:
    if not rules:
        return {}
    begin = min(_begin(each, known) for each in rules.values())
    wanted = {machine: sorted({rule.metric.name for rule in each}) for machine, each in rules.items()}
    read = reading_store().together(wanted, from_ms=begin, to_ms=clock.now_ms() + _AHEAD_MS)
    return {(part.machine, part.metric): part for part in read}


def _earliest(rule: Rule) -> int:
    newest = to_ms(rule.metric.last_at) if rule.metric.last_at else clock.now_ms()
    return newest - _LOOK_BACK_MS - rule.for_s * 1000


def _state(rule: Rule, states: RuleStates) -> LimitState:
    stored = states.get(str(rule.pk), {})
    if stored.get("rule") != _limit(rule, None).signature:
        # New, or edited: what was counted under the old limit says nothing about this one.
        return LimitState(to_ms=_earliest(rule) - 1)
    return LimitState.from_json(stored)


def _limit(rule: Rule, part: Series | None) -> Limit:
    interval_ms = 0
    if part is not None and len(part) > 1:
        interval_ms = int(part.t_ms[-1] - part.t_ms[0]) // (len(part) - 1)
    return Limit(
        side=Side(rule.operator),
        value=rule.value,
        clear=rule.value if rule.clear_value is None else rule.clear_value,
        for_ms=rule.for_s * 1000,
        gap_ms=max(_SHORTEST_GAP_MS, _GAP_INTERVALS * interval_ms),
    )


def rule_cause(rule: Rule) -> str:
    """The cause of a rule's alerts."""
    return f"rule:{rule.pk}"


def _tell(machine: Machine, rule: Rule, crossings: Iterable[Crossing]) -> None:
    for crossing in crossings:
        if crossing.fired:
            alert_raise(_finding(machine, rule, crossing))
        else:
            alert_return(machine=machine, cause=rule_cause(rule), at=from_ms(crossing.t_ms))


def _finding(machine: Machine, rule: Rule, crossing: Crossing) -> Finding:
    since_at = from_ms(crossing.since_ms)
    return Finding(
        machine=machine,
        cause=rule_cause(rule),
        rule=rule,
        severity=rule.severity,
        title=rule_title(rule),
        summary=rule_summary(rule, observed=crossing.worst, since_at=since_at, zone=machine_zone(machine)),
        since_at=since_at,
        evidence={
            "limit": rule.value,
            "operator": rule.operator,
            "metrics": [
                {
                    "metric": rule.metric.name,
                    "unit": rule.metric.unit,
                    "share": 1.0,
                    "observed": crossing.worst,
                    "limit": rule.value,
                    # A limit has one side: it is no band.
                    "expected": None,
                }
            ],
        },
    )
