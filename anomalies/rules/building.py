"""What the builder page shows: a draft as fields with their choices, its sentence, its problems, its past."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from anomalies.alerts.sentences import metric_title
from anomalies.models import Severity
from anomalies.rules.backtest import Backtest, MachineBacktest
from anomalies.rules.conditions import DAYS, PACKML, RANGES, RATES, STATES, TIMED, Op, leaves_of
from anomalies.rules.drafts import Data, join_of
from anomalies.rules.keeping import rule_checked
from anomalies.rules.program import leaf_of
from anomalies.rules.schedule import countries, subdivisions
from anomalies.rules.sentences import Names, rule_sentence
from anomalies.rules.standing import machines_meant
from anomalies.rules.telling import conditions_on
from anomalies.rules.validation import rule_parse
from common.errors import DomainError
from common.times import from_ms
from telemetry.figures import age
from telemetry.history.spans import machine_zone
from telemetry.models import Machine, Metric

OPS: tuple[tuple[Op, Promise], ...] = (
    (Op.ABOVE, gettext_lazy("is above")),
    (Op.AT_LEAST, gettext_lazy("is at least")),
    (Op.BELOW, gettext_lazy("is below")),
    (Op.AT_MOST, gettext_lazy("is at most")),
    (Op.EQUALS, gettext_lazy("is exactly")),
    (Op.NOT_EQUALS, gettext_lazy("is other than")),
    (Op.INSIDE, gettext_lazy("is within")),
    (Op.OUTSIDE, gettext_lazy("is outside")),
    (Op.RISES, gettext_lazy("rises by more than")),
    (Op.FALLS, gettext_lazy("falls by more than")),
    (Op.STATE, gettext_lazy("is in state")),
    (Op.NOT_STATE, gettext_lazy("is not in state")),
    (Op.NO_DATA, gettext_lazy("has sent nothing")),
    (Op.STUCK, gettext_lazy("has not changed")),
)
_CHARTS_MOST = 4
_DAY_NAMES = (
    gettext_lazy("Mon"),
    gettext_lazy("Tue"),
    gettext_lazy("Wed"),
    gettext_lazy("Thu"),
    gettext_lazy("Fri"),
    gettext_lazy("Sat"),
    gettext_lazy("Sun"),
)


def builder_view(data: Data, *, asked: bool) -> dict[str, Any]:
    """The page's fields for a draft. asked: whether a person wanted to know what is wrong with it."""
    machines = list(Machine.objects.order_by("key"))
    meant = machines_meant(data.get("machines", []), machines)
    metrics = _metrics(meant or machines)
    errors = draft_errors(data) if asked else {}
    active = data.get("active") or {}
    return {
        "draft": data,
        "machine_choices": _machine_choices(machines, data.get("machines", [])),
        "machines": machines,
        "tree": _Nodes(metrics, errors).view(data["when"], "0", "when"),
        "severities": Severity.choices,
        "cooldown": _plain(data.get("cooldown_s") or 0),
        "days": [(day, name, day in active.get("days", DAYS)) for day, name in zip(DAYS, _DAY_NAMES, strict=True)],
        "active": active,
        "active_from": active.get("from", ""),
        "dates": ", ".join(active.get("dates", [])),
        "except_dates": ", ".join(active.get("except_dates", [])),
        "holidays": active.get("holidays") or {},
        "countries": countries(),
        "subdivisions": subdivisions((active.get("holidays") or {}).get("country", "")),
        "notify": "\n".join(data.get("notify", [])),
        "packml": list(PACKML),
        "errors": errors,
        "sentence": draft_sentence(data),
    }


def draft_sentence(data: Data) -> str:
    """The draft, read back; nothing while it can't be read."""
    try:
        return rule_sentence(rule_parse({**data, "name": data.get("name") or "-"}), Names.load())
    except ValueError:
        return ""


def draft_errors(data: Data) -> dict[str, str]:
    """What is wrong with a draft, by path."""
    try:
        rule_checked(data)
    except DomainError as error:
        return {str(each["field"]): str(each["detail"]) for each in error.errors} or {"": error.detail}
    return {}


def _machine_choices(machines: Sequence[Machine], chosen: Sequence[str]) -> list[dict[str, Any]]:
    types = sorted({machine.machine_type for machine in machines if machine.machine_type})
    words = [("*", _("Every machine"))]
    words += [(f"type:{each}", _("Every %(type)s") % {"type": each}) for each in types]
    words += [(machine.key, str(machine)) for machine in machines]
    known = {word for word, _label in words}
    words += [(word, word) for word in chosen if word not in known]
    return [{"word": word, "label": label, "chosen": word in chosen} for word, label in words]


def _metrics(machines: Sequence[Machine]) -> list[tuple[str, str, str]]:
    """Name, label and unit of each metric of these machines, each name once."""
    found: dict[str, tuple[str, str, str]] = {}
    for metric in Metric.objects.filter(machine__in=machines).order_by("name", "machine__key"):
        label = metric_title(metric)
        shown = f"{label} ({metric.unit})" if metric.unit else label
        found.setdefault(metric.name, (metric.name, shown, metric.unit))
    return list(found.values())


class _Nodes:
    """The tree as fields, conditions counted as they are read."""

    def __init__(self, metrics: Sequence[tuple[str, str, str]], errors: Mapping[str, str]) -> None:
        self._metrics, self._errors, self._numbers = metrics, errors, iter(range(1, 1_000))

    def view(self, node: Mapping[str, Any], place: str, path: str) -> dict[str, Any]:
        """A node and all below it; path: as the validator names it."""
        join = join_of(node)
        if join is None:
            mine = {name: text for name, text in self._errors.items() if name == path or name.startswith(f"{path}.")}
            return {**_leaf(node, place, self._metrics, mine), "number": next(self._numbers)}
        parts = [self.view(part, f"{place}.{at}", f"{path}.{join}[{at}]") for at, part in enumerate(node[join])]
        error = self._errors.get(path) or self._errors.get(f"{path}.{join}", "")
        return {"place": place, "join": join, "parts": parts, "is_root": place == "0", "error": error}


def _leaf(
    leaf: Mapping[str, Any], place: str, metrics: Sequence[tuple[str, str, str]], errors: Mapping[str, str]
) -> dict[str, Any]:
    op, value, clear = leaf.get("op", ""), leaf.get("value"), leaf.get("clear")
    unit = next((unit for name, _label, unit in metrics if name == leaf.get("metric")), "")
    minus = leaf.get("minus") or {}
    chosen = leaf.get("metric", "")
    known = [*metrics, (chosen, chosen, "")] if chosen and chosen not in {name for name, *_more in metrics} else metrics
    return {
        "place": place,
        "metric": chosen,
        "metrics": known,
        "unit": unit,
        "op": op,
        "ops": OPS,
        "value": _shown(value, 0),
        "high": _shown(value, 1),
        "states": ", ".join(_plain(each) for each in value) if op in STATES and isinstance(value, list) else value,
        "for_s": _plain(leaf.get("for_s") or 0),
        "over_s": _plain(leaf.get("over_s") or ""),
        "clear": _shown(clear, 0),
        "clear_high": _shown(clear, 1),
        "machine": leaf.get("machine", ""),
        "minus": minus.get("metric", ""),
        "minus_machine": minus.get("machine", ""),
        "is_range": op in RANGES,
        "is_rate": op in RATES,
        "is_state": op in STATES,
        "is_timed": op in TIMED,
        "has_clear": op not in STATES | TIMED | {Op.EQUALS, Op.NOT_EQUALS},
        "has_more": bool(leaf.get("machine") or minus or clear is not None),
        "errors": list(errors.values()),
    }


def _shown(value: Any, at: int) -> str:
    if isinstance(value, list):
        value = value[at] if len(value) > at else None
    elif at:
        value = None
    return "" if value is None else _plain(value)


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


# --- the past ---


def past_view(found: Backtest, data: Data) -> dict[str, Any]:
    """A back-test for the page: totals, one row a machine, and charts of the machine that fired most."""
    rule = rule_parse({**data, "name": data.get("name") or "-"})
    rows = sorted(found.machines, key=lambda row: -row.fired)
    worst = rows[0] if rows else None
    charts = []
    if worst is not None and worst.readings:
        leaves = conditions_on(rule, worst.machine.key)
        charts = _charts(worst, [leaf_of(leaf, worst.machine.key) for leaf in leaves], found)
    return {
        "past": found,
        "rows": [_past_row(row) for row in rows],
        "worst": worst,
        "charts": charts,
        "conditions": len(list(leaves_of(rule.when))),
        "past_days": round((found.to_ms - found.from_ms) / 86_400_000),
    }


def _past_row(row: MachineBacktest) -> dict[str, Any]:
    return {
        "machine": row.machine,
        "zone": machine_zone(row.machine),
        "fired": row.fired,
        "active": age(row.active_ms / 1000) if row.active_ms else "–",
        "silent": not row.readings,
        "firings": [
            {
                "from_at": from_ms(firing.from_ms),
                "ongoing": firing.to_ms is None,
                "duration": "" if firing.to_ms is None else age((firing.to_ms - firing.from_ms) / 1000),
            }
            for firing in row.firings[-10:][::-1]
        ],
    }


def _charts(row: MachineBacktest, leaves: Sequence[Any], found: Backtest) -> list[dict[str, Any]]:
    """One chart a series, with the limits and the stretches in which the rule would have been active."""
    marks = [
        {
            "id": at,
            "from": firing.from_ms,
            "to": firing.to_ms if firing.to_ms is not None else found.to_ms,
            "severity": "high",
            "title": "",
            "metrics": [],
        }
        for at, firing in enumerate(row.firings)
    ]
    charts: dict[tuple[str, str], dict[str, Any]] = {}
    for leaf in leaves:
        machine, name = leaf.key
        metric = Metric.objects.filter(machine__key=machine, name=name).first()
        if metric is None or leaf.key in charts:
            continue
        limits = [edge for edge in (leaf.low, leaf.high) if abs(edge) < float("inf")]
        band = None if leaf.over_ms or leaf.minus or not limits else [min(limits), max(limits)]
        charts[leaf.key] = {
            "id": f"rule-chart-{len(charts) + 1}",
            "url": reverse("api_telemetry", args=[machine]),
            "metric": {
                "name": name,
                "label": metric_title(metric),
                "unit": metric.unit,
                "kind": metric.kind,
                "band": band,
            },
            "zone": machine_zone(row.machine).key,
            # A plant that is new shows what there is, and not weeks of nothing.
            "from": max(found.from_ms, row.first_ms or 0),
            "to": found.to_ms,
            "marks": marks,
        }
    return list(charts.values())[:_CHARTS_MOST]
