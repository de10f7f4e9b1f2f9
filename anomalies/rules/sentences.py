"""Rules in the reader's words: “when Vibration of Mixer 1 is above 7.10 mm/s for 10 s, raise High”."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from django.utils.translation import gettext as _

from anomalies.alerts.sentences import metric_title, since_text
from anomalies.models import Severity
from anomalies.rules.conditions import DAYS, RANGES, RATES, Active, Condition, Node, Op, RuleDocument
from anomalies.rules.schedule import subdivisions
from anomalies.rules.standing import ALL, TYPE
from anomalies.rules.validation import Problem
from telemetry.figures import figure
from telemetry.models import Machine, Metric


class Names:
    """How machines and metrics are called; what is not known keeps its key.

    metrics: by (machine's key, name). A rule for several machines takes a metric's words from the first that has it.
    """

    def __init__(self, machines: Mapping[str, str], metrics: Mapping[tuple[str, str], Metric]) -> None:
        self._machines, self._metrics = machines, metrics
        self._any: dict[str, Metric] = {}
        for (_key, name), metric in metrics.items():
            self._any.setdefault(name, metric)

    @classmethod
    def load(cls) -> "Names":
        """Those of the current factory."""
        rows = Metric.objects.select_related("machine").order_by("machine__key")
        machines = {key: name or key for key, name in Machine.objects.values_list("key", "name")}
        return cls(machines, {(metric.machine.key, metric.name): metric for metric in rows})

    def machine(self, key: str) -> str:
        """A machine's name."""
        return self._machines.get(key, key)

    def metric(self, name: str, machine: str | None) -> Metric:
        """The metric of a machine, or of any that has it."""
        found = self._metrics.get((machine, name)) if machine else None
        return found or self._any.get(name) or Metric(name=name)


def rule_sentence(rule: RuleDocument, names: Names) -> str:
    """The whole rule, read back."""
    parts = {
        "when": node_text(rule.when, names, machine=_only(rule), top=True),
        "machines": machines_text(rule.machines, names),
        "severity": str(Severity(rule.severity).label),
    }
    if _only(rule):
        sentence = _("When %(when)s, raise %(severity)s") % parts
    else:
        sentence = _("On %(machines)s, when %(when)s, raise %(severity)s") % parts
    if rule.cooldown_s:
        sentence += _(", at most once in %(cooldown)s") % {"cooldown": _span(rule.cooldown_s)}
    when = active_text(rule.active)
    return f"{sentence}{'; ' + when if when else ''}."


def machines_text(words: Sequence[str], names: Names) -> str:
    """Which machines a rule is for."""
    if ALL in words:
        return _("every machine")
    said = [
        _("every %(type)s") % {"type": word.removeprefix(TYPE)} if word.startswith(TYPE) else names.machine(word)
        for word in words
    ]
    return _enumerated(said, _("and"))


def node_text(node: Node, names: Names, *, machine: str | None, top: bool = False) -> str:
    """A tree, with brackets around inner groups."""
    if isinstance(node, Condition):
        return condition_text(node, names, machine=machine)
    said = [node_text(part, names, machine=machine) for part in node.parts]
    text = f" {_('and') if node.join == 'all' else _('or')} ".join(said)
    return text if top or len(said) == 1 else f"({text})"


def condition_text(condition: Condition, names: Names, *, machine: str | None) -> str:
    """One condition: “Vibration of Mixer 1 is above 7.10 mm/s for 10 s”."""
    mine = condition.machine or machine
    metric = names.metric(condition.metric, mine)
    what = _of(metric_title(metric), names, mine)
    if condition.minus is not None:
        other = condition.minus
        theirs = other.machine or machine
        what = _("%(what)s less %(other)s") % {
            "what": what,
            "other": _of(metric_title(names.metric(other.metric, theirs)), names, theirs),
        }
    return f"{what} {asked_text(condition, metric.unit)}"


def _of(title: str, names: Names, machine: str | None) -> str:
    return _("%(metric)s of %(machine)s") % {"metric": title, "machine": names.machine(machine)} if machine else title


def asked_text(condition: Condition, unit: str) -> str:
    """What is asked of a metric, with its limit, unit and duration."""
    text = _ASKED[condition.op](condition, f" {unit}" if unit else "")
    if condition.for_s and condition.op not in {Op.NO_DATA, Op.STUCK}:
        text = _("%(asked)s for %(span)s") % {"asked": text, "span": _span(condition.for_s)}
    if condition.clear is not None:
        text = _("%(asked)s (until %(clear)s)") % {"asked": text, "clear": _value(condition.clear, unit)}
    return text


Asked = Callable[[Condition, str], str]


def _with_value(text: Callable[[], str]) -> Asked:
    return lambda condition, unit: (
        text()
        % {
            "value": _value(condition.value, unit.strip()),
            "span": _span(condition.over_s or condition.for_s),
        }
    )


_ASKED: dict[Op, Asked] = {
    Op.ABOVE: _with_value(lambda: _("is above %(value)s")),
    Op.AT_LEAST: _with_value(lambda: _("is at least %(value)s")),
    Op.BELOW: _with_value(lambda: _("is below %(value)s")),
    Op.AT_MOST: _with_value(lambda: _("is at most %(value)s")),
    Op.EQUALS: _with_value(lambda: _("is exactly %(value)s")),
    Op.NOT_EQUALS: _with_value(lambda: _("is other than %(value)s")),
    Op.INSIDE: _with_value(lambda: _("is within %(value)s")),
    Op.OUTSIDE: _with_value(lambda: _("is outside %(value)s")),
    Op.RISES: _with_value(lambda: _("rises by more than %(value)s within %(span)s")),
    Op.FALLS: _with_value(lambda: _("falls by more than %(value)s within %(span)s")),
    Op.STATE: _with_value(lambda: _("is %(value)s")),
    Op.NOT_STATE: _with_value(lambda: _("is not %(value)s")),
    Op.NO_DATA: _with_value(lambda: _("has sent nothing for %(span)s")),
    Op.STUCK: _with_value(lambda: _("has not changed for %(span)s")),
}


def _value(value: Any, unit: str) -> str:
    unit = f" {unit}" if unit else ""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(each, int | float) for each in value):
        return f"{figure(value[0])}–{figure(value[1])}{unit}"
    if isinstance(value, list):
        return _enumerated([_state(each) for each in value], _("or"))
    return f"{figure(value)}{unit}" if isinstance(value, int | float) else _state(value)


def _state(value: Any) -> str:
    return str(int(value)) if isinstance(value, int | float) else str(value).capitalize()


def _span(seconds: float) -> str:
    """A length of time as it was given: 90 s stays 90 s."""
    whole = seconds if seconds % 1 else int(seconds)
    for size, name in ((86_400, _("d")), (3_600, _("h")), (60, _("min"))):
        if whole >= size and whole % size == 0:
            return f"{int(whole // size)} {name}"
    return f"{whole:g} s"


def _enumerated(said: Sequence[str], word: str) -> str:
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} {word} {said[-1]}" if said else ""


def _only(rule: RuleDocument) -> str | None:
    """The one machine of a rule for one, whose name its conditions then carry."""
    [word, *more] = rule.machines
    return None if more or word == ALL or word.startswith(TYPE) else word


def active_text(active: Active) -> str:
    """When it may fire; nothing where it always may."""
    names = dict(zip(DAYS, (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun")), strict=True))
    said = []
    if active.days:
        said.append(_("on %(days)s") % {"days": ", ".join(names[day] for day in DAYS if day in active.days)})
    if active.from_:
        said.append(_("from %(from)s to %(to)s") % {"from": active.from_, "to": active.to})
    if active.dates:
        said.append(_("on dates %(dates)s") % {"dates": ", ".join(text.replace("/", " – ") for text in active.dates)})
    if active.except_dates:
        dates = ", ".join(text.replace("/", " – ") for text in active.except_dates)
        said.append(_("except %(dates)s") % {"dates": dates})
    if active.holidays is not None:
        off = active.holidays.then == "off"
        country, part = active.holidays.country, active.holidays.subdivision
        place = f"{country}, {dict(subdivisions(country)).get(part, part)}" if part else country
        said.append((_("not on holidays (%(place)s)") if off else _("only on holidays (%(place)s)")) % {"place": place})
    return _("%(when)s in plant time") % {"when": ", ".join(said)} if said else ""


def finding_text(condition: Condition, names: Names, *, machine: str, observed: float | None) -> str:
    """What was seen, against what is asked: “Vibration 7.90 mm/s is above 7.10 mm/s for 10 s”."""
    metric = names.metric(condition.metric, condition.machine or machine)
    title = metric_title(metric)
    if condition.machine and condition.machine != machine:
        title = _of(title, names, condition.machine)
    asked = asked_text(msgspec.structs.replace(condition, clear=None), metric.unit)
    if observed is None or condition.op in RATES or condition.minus is not None:
        return f"{title} {asked}"
    unit = f" {metric.unit}" if metric.unit else ""
    if condition.op in RANGES or isinstance(condition.value, int | float):
        shown = _value(condition.value, metric.unit)
        return _("%(metric)s %(observed)s%(unit)s, limit %(limit)s") % {
            "metric": title,
            "observed": figure(observed),
            "unit": unit,
            "limit": shown,
        }
    return f"{title} {asked}"


def since(text: str, since_at: datetime, zone: ZoneInfo) -> str:
    """With the time of its first sign."""
    return _("%(what)s, since %(since)s") % {"what": text, "since": since_text(since_at, zone)}


def problem_text(problem: Problem) -> str:
    """A problem in the reader's language."""
    return _(problem.text) % problem.values
