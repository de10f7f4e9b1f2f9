"""From firings and returns of rules to alerts."""

from collections.abc import Iterable, Sequence
from typing import Any

from anomalies.alerts.opening import Finding, alert_raise, alert_return, alert_update
from anomalies.alerts.retroactive import late_raise, late_return
from anomalies.alerts.words import words_say
from anomalies.models import Alert, AlertState, Rule
from anomalies.rules.conditions import Condition, Op, RuleDocument, leaves_of
from anomalies.rules.program import rule_for_machine
from anomalies.rules.sentences import Names, finding_text, since
from anomalies.rules.standing import Pair
from anomalies.rules.tree import Crossing, Turn
from common import clock
from common.times import from_ms, to_ms
from telemetry.history.spans import machine_zone
from telemetry.models import Machine, Metric

_NAMED_MOST = 3


def rule_cause(rule_id: int) -> str:
    """The cause of a rule's alerts; one open alert each and machine."""
    return f"rule:{rule_id}"


def crossings_tell(pair: Pair, crossings: Iterable[Crossing]) -> None:
    """Raise and return the alerts of one rule on one machine, in order."""
    for crossing in crossings:
        if crossing.fired:
            alert_raise(_finding(pair, crossing))
        else:
            alert_return(machine=pair.machine, cause=rule_cause(pair.rule_id), at=from_ms(crossing.t_ms))


def late_tell(pair: Pair, crossings: Sequence[Crossing]) -> None:
    """Tell what readings that came late have changed: stretch by stretch, each with the alert it belongs to."""
    stands, fired = crossings[-1].fired, None
    for crossing in crossings:
        at = from_ms(crossing.t_ms)
        if crossing.fired:
            fired = crossing
        elif fired is not None:
            late_raise(_finding(pair, fired), over_at=at)
            fired = None
        else:
            late_return(machine=pair.machine, cause=rule_cause(pair.rule_id), at=at, stands=stands)
    if fired is not None:
        late_raise(_finding(pair, fired), over_at=None)


def worsening_tell(pair: Pair, parts: tuple[Turn, ...], *, at_ms: int) -> None:
    """Bring words and figures of a rule's active alert up to date. Nobody is told, unless the rule is severer now."""
    for alert in alerts_active(pair.rule_id, pair.machine):
        alert_update(alert, _finding(pair, Crossing(True, at_ms, to_ms(alert.since_at), parts)))


def alerts_return(rule_id: int, machines: Sequence[Machine] | None = None) -> int:
    """A rule no longer watches these machines (none given: any): its alerts are over. Their number."""
    active = alerts_active(rule_id)
    if machines is not None:
        active = [alert for alert in active if alert.machine in machines]
    for alert in active:
        alert_return(machine=alert.machine, cause=alert.cause, at=clock.now())
    return len(active)


def alerts_active(rule_id: int, machine: Machine | None = None) -> list[Alert]:
    """Alerts of a rule, on one machine or on all, whose trouble goes on, whatever people did with them."""
    rows = Alert.objects.filter(cause=rule_cause(rule_id), returned_at=None).exclude(state=AlertState.NORMAL)
    if machine is not None:
        rows = rows.filter(machine=machine)
    return list(rows.select_related("machine__line__site"))


def _finding(pair: Pair, crossing: Crossing) -> Finding:
    machine, since_at = pair.machine, from_ms(crossing.since_ms)
    leaves = conditions_on(pair.rule, machine.key)
    held = [(leaves[turn.leaf], turn) for turn in crossing.parts]
    names = _names(machine, [leaf for leaf, _turn in held])
    zone = machine_zone(machine)

    def say() -> tuple[str, str]:
        said = [finding_text(leaf, names, machine=machine.key, observed=turn.worst) for leaf, turn in held]
        return pair.rule.name, since("; ".join(said[:_NAMED_MOST]), since_at, zone)

    words = words_say(say)
    return Finding(
        machine=machine,
        cause=rule_cause(pair.rule_id),
        rule=Rule(pk=pair.rule_id, name=pair.rule.name, notify=list(pair.rule.notify)),
        severity=pair.rule.severity,
        title=words.title,
        summary=words.summary,
        since_at=since_at,
        found_at=from_ms(crossing.t_ms),
        evidence={
            "metrics": [_part(leaf, turn, names, machine.key, len(held)) for leaf, turn in held],
            **words.evidence,
        },
    )


def _part(leaf: Condition, turn: Turn, names: Names, machine: str, parts: int) -> dict[str, Any]:
    """A condition's part in an alert; its limit where it has one side, else the range in which it is right."""
    metric = names.metric(leaf.metric, leaf.machine or machine)
    limit = leaf.value if isinstance(leaf.value, int | float) and leaf.minus is None else None
    part = {
        "metric": leaf.metric,
        "unit": metric.unit,
        "share": round(1 / parts, 4),
        "observed": turn.worst,
        "limit": limit,
        "op": str(leaf.op),
        "expected": list(leaf.value) if leaf.op is Op.OUTSIDE and isinstance(leaf.value, list) else None,
    }
    if leaf.machine and leaf.machine != machine:
        part["machine"] = leaf.machine
    if leaf.minus is not None:
        part["minus"] = leaf.minus.metric
    return part


def conditions_on(rule: RuleDocument, machine: str) -> list[Condition]:
    """A rule's conditions as they stand for one machine, in the order of the program's leaves."""
    node = rule_for_machine(rule, machine)
    return [] if node is None else list(leaves_of(node))


def _names(machine: Machine, leaves: Sequence[Condition]) -> Names:
    keys = {machine.key, *(leaf.machine for leaf in leaves if leaf.machine)}
    rows = Metric.objects.filter(machine__key__in=keys, name__in={leaf.metric for leaf in leaves})
    metrics = {(metric.machine.key, metric.name): metric for metric in rows.select_related("machine")}
    machines = {metric.machine.key: str(metric.machine) for metric in metrics.values()}
    return Names({machine.key: str(machine), **machines}, metrics)
