"""What people said of alerts, summed up: how far each rule and detector can be trusted, and which limits do better."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from anomalies.alerts.proposing import Judged, Proposal, limit_propose
from anomalies.models import Alert, AlertState, Rule, Verdict
from anomalies.rules.keeping import rule_change, rule_get
from common import clock
from common.errors import ConflictError
from telemetry.models import Machine

WINDOW = timedelta(days=90)
_ABOVE, _BELOW = ("above", "at_least"), ("below", "at_most")


class NoProposalError(ConflictError):
    """The verdicts speak for no better limit (any more)."""

    code = "no_proposal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Precision:
    """One source of alerts and what they turned out to be, over WINDOW.

    kind: rule, detector or check. precision: the part of the judged that were real, expected ones included; useful: the
    part that was real and not expected. None while nothing is judged.
    """

    kind: str
    name: str
    rule_id: int | None
    machine: str | None
    true: int
    false: int
    expected: int
    unjudged: int
    proposal: Proposal | None = None

    @property
    def judged(self) -> int:
        """How many have a verdict."""
        return self.true + self.false + self.expected

    @property
    def precision(self) -> float | None:
        """The part of the judged that told of something real."""
        return (self.true + self.expected) / self.judged if self.judged else None

    @property
    def useful(self) -> float | None:
        """The part of the judged that told of something real that was not known before."""
        return self.true / self.judged if self.judged else None


def precisions() -> list[Precision]:
    """Every source with an alert of WINDOW that is over or judged; the least trusted with the most verdicts first."""
    rows: list[Any] = list(
        Alert.objects.filter(raised_at__gte=clock.now() - WINDOW)
        .order_by()
        .values("cause", "machine")
        .annotate(
            **{word: Count("pk", filter=Q(verdict=word)) for word in Verdict.values},
            unjudged=Count("pk", filter=Q(verdict="", state=AlertState.NORMAL)),
        )
    )
    machines = Machine.objects.in_bulk({row["machine"] for row in rows})
    rules = Rule.objects.in_bulk({pk for row in rows if (pk := _rule_id(row["cause"])) is not None})
    sources = _sources(rows, known=set(rules))
    found = [_precision(source, rows_of, rules, machines) for source, rows_of in sources.items()]
    found = [each for each in found if each.judged or each.unjudged]
    return sorted(found, key=lambda each: (each.judged == 0, each.precision or 0.0, -each.judged, each.name))


def proposal_of(rule: Rule) -> Proposal | None:
    """A better limit for a rule of a single threshold, from its judged alerts; None where there is none."""
    leaf = threshold_of(rule.when)
    if leaf is None or rule.overrides:
        return None
    rows = Alert.objects.filter(
        cause=f"rule:{rule.pk}", verdict__in=(Verdict.TRUE, Verdict.FALSE), raised_at__gte=clock.now() - WINDOW
    )
    judged = list(_judged(rows, metric=leaf["metric"], limit=float(leaf["value"])))
    return limit_propose(judged, present=float(leaf["value"]), above=leaf["op"] in _ABOVE)


def proposal_apply(rule_id: int, *, actor: Any) -> Rule:
    """Give a rule the limit that its verdicts propose; what it clears at moves along. Raises NoProposalError."""
    row = rule_get(rule_id)
    proposal = proposal_of(row)
    if proposal is None:
        raise NoProposalError(_("The verdicts speak for no better limit of this rule."))
    data = row.as_data()
    data["when"] = _moved(data["when"], proposal)
    return rule_change(row, actor=actor, data=data)


def threshold_of(when: Mapping[str, Any]) -> dict[str, Any] | None:
    """The condition of a rule that is a single limit on a single metric; None for any other tree."""
    leaves = list(_leaves(when))
    if len(leaves) != 1:
        return None
    leaf = leaves[0]
    plain = leaf.get("op") in (*_ABOVE, *_BELOW) and isinstance(leaf.get("value"), int | float)
    return leaf if plain and not leaf.get("minus") else None


def _sources(rows: Iterable[dict[str, Any]], *, known: set[int]) -> dict[tuple[str, Any], list[dict[str, Any]]]:
    """Rules are judged as a whole, deleted ones together, detectors by machine, checks of the data by their kind."""
    found: dict[tuple[str, Any], list[dict[str, Any]]] = {}
    for row in rows:
        kind = row["cause"].partition(":")[0]
        rule_id = _rule_id(row["cause"])
        key: tuple[str, Any] = ("check", kind)
        if kind == "rule":
            key = ("rule", rule_id if rule_id in known else None)
        elif kind == "detector":
            key = ("detector", row["machine"])
        found.setdefault(key, []).append(row)
    return found


def _precision(
    source: tuple[str, Any],
    rows: Sequence[Mapping[str, Any]],
    rules: Mapping[int, Rule],
    machines: Mapping[int, Machine],
) -> Precision:
    kind, key = source
    rule = rules.get(key) if kind == "rule" else None
    machine = machines.get(key) if kind == "detector" else None
    counts = {word: sum(row[word] for row in rows) for word in (*Verdict.values, "unjudged")}
    return Precision(
        kind=kind,
        name=_name(kind, key, rule, machine),
        rule_id=rule.pk if rule else None,
        machine=machine.key if machine else None,
        proposal=proposal_of(rule) if rule and counts["true"] and counts["false"] else None,
        **counts,
    )


def _name(kind: str, key: Any, rule: Rule | None, machine: Machine | None) -> str:
    if kind == "rule":
        return str(rule) if rule else _("Rules that were deleted")
    if kind == "detector":
        return _("Detector of %(machine)s") % {"machine": machine}
    words = {"silence": _("Silent machines"), "stuck": _("Stuck sensors"), "missing": _("Missing metrics")}
    return words.get(str(key), str(key))


def _judged(rows: Iterable[Alert], *, metric: str, limit: float) -> Iterable[Judged]:
    for alert in rows:
        for part in alert.evidence.get("metrics") or []:
            # Alerts that another limit raised say nothing of this one.
            if part.get("metric") == metric and part.get("observed") is not None and part.get("limit") == limit:
                yield Judged(worst=float(part["observed"]), real=alert.verdict == Verdict.TRUE)


def _leaves(node: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    parts = node.get("all") or node.get("any")
    if parts is None:
        yield dict(node)
        return
    for part in parts:
        yield from _leaves(part)


def _moved(node: Mapping[str, Any], proposal: Proposal) -> dict[str, Any]:
    for join in ("all", "any"):
        if node.get(join):
            return {**node, join: [_moved(part, proposal) for part in node[join]]}
    moved = {**node, "value": proposal.limit}
    if isinstance(node.get("clear"), int | float):
        moved["clear"] = round(node["clear"] + proposal.limit - proposal.present, 10)
    return moved


def _rule_id(cause: str) -> int | None:
    kind, _colon, number = cause.partition(":")
    return int(number) if kind == "rule" and number.isdecimal() else None
