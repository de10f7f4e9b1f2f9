"""A rule while it is being built: between the fields of the page's form and the data that the validator judges.

Nodes of the tree are named by their place: "0" is the whole, "0.1" its second part.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import QueryDict

from anomalies.rules.conditions import DAYS, RANGES, RATES, STATES, TIMED, Op
from anomalies.rules.schedule import subdivisions

Data = dict[str, Any]
ROOT = "0"


def draft_new() -> Data:
    """What an empty page begins with."""
    return {"name": "", "machines": [], "when": {"all": [condition_new()]}, "severity": "high", "enabled": True}


def condition_new() -> Data:
    """A condition that waits to be filled."""
    return {"metric": "", "op": str(Op.ABOVE), "value": None, "for_s": 10}


def draft_of(fields: QueryDict) -> Data:
    """The data of a form; what is no number stays as it was typed, for the validator to say so."""
    data: Data = {
        "name": _text(fields, "name"),
        "description": _text(fields, "description"),
        "machines": [word for word in fields.getlist("machines") if word],
        "when": _node(fields, ROOT),
        "severity": _text(fields, "severity") or "high",
        "cooldown_s": _number(fields, "cooldown_s") or 0,
        "active": _active(fields),
        "notify": [line.strip() for line in _text(fields, "notify").splitlines() if line.strip()],
        "overrides": list(_overrides(fields)),
        "enabled": "enabled" in fields,
    }
    return data


def draft_changed(data: Data, deed: str) -> Data:
    """The draft after a button: add:PLACE, group:PLACE, remove:PLACE, override, drop:NUMBER. Others do nothing."""
    name, _colon, place = deed.partition(":")
    if name in {"add", "group"} and (parts := _parts_at(data, place)) is not None:
        parts.append(condition_new() if name == "add" else {"any": [condition_new()]})
    elif name == "remove":
        above, _dot, last = place.rpartition(".")
        parts = _parts_at(data, above)
        if parts is not None and last.isdigit() and int(last) < len(parts) and (len(parts) > 1 or above != ROOT):
            del parts[int(last)]
    elif name == "override":
        data["overrides"].append({"machine": "", "condition": 1})
    elif name == "drop" and place.isdigit() and int(place) < len(data["overrides"]):
        del data["overrides"][int(place)]
    return data


def join_of(node: Mapping[str, Any]) -> str | None:
    """How a group joins its parts; None for a condition."""
    return next((join for join in ("all", "any") if join in node), None)


def _parts_at(data: Data, place: str) -> list[Any] | None:
    node: Any = data["when"]
    head, *steps = place.split(".")
    if head != ROOT:
        return None
    for step in steps:
        join = join_of(node)
        if join is None or not step.isdigit() or int(step) >= len(node[join]):
            return None
        node = node[join][int(step)]
    join = join_of(node)
    parts: list[Any] | None = None if join is None else node[join]
    return parts


def _node(fields: QueryDict, place: str) -> Data:
    if f"join:{place}" not in fields:
        return _condition(fields, place)
    join = "any" if fields.get(f"join:{place}") == "any" else "all"
    return {join: [_node(fields, each) for each in _places(fields, place)]}


def _places(fields: QueryDict, place: str) -> Iterator[str]:
    at = 0
    while (each := f"{place}.{at}") and (f"join:{each}" in fields or f"op:{each}" in fields):
        yield each
        at += 1


def _condition(fields: QueryDict, place: str) -> Data:
    op = _text(fields, f"op:{place}") or str(Op.ABOVE)
    leaf: Data = {"metric": _text(fields, f"metric:{place}"), "op": op}
    if for_s := _number(fields, f"for_s:{place}"):
        leaf["for_s"] = for_s
    if machine := _text(fields, f"machine:{place}"):
        leaf["machine"] = machine
    if op in TIMED:
        return leaf
    leaf["value"] = _value(fields, place, op)
    if op in RATES:
        leaf["over_s"] = _number(fields, f"over_s:{place}")
    elif minus := _text(fields, f"minus:{place}"):
        other = _text(fields, f"minus_machine:{place}")
        leaf["minus"] = {"metric": minus, "machine": other} if other else {"metric": minus}
    clear = _clear(fields, place, op)
    if clear is not None:
        leaf["clear"] = clear
    return leaf


def _value(fields: QueryDict, place: str, op: str) -> Any:
    if op in STATES:
        words = [word.strip() for word in _text(fields, f"states:{place}").split(",")]
        return [float(word) if word.isdigit() else word for word in words if word]
    if op in RANGES:
        return [_number(fields, f"value:{place}"), _number(fields, f"high:{place}")]
    return _number(fields, f"value:{place}")


def _clear(fields: QueryDict, place: str, op: str) -> Any:
    if op in STATES or op in {Op.EQUALS, Op.NOT_EQUALS}:
        return None
    low = _number(fields, f"clear:{place}")
    if op not in RANGES:
        return low
    high = _number(fields, f"clear_high:{place}")
    return None if low is None and high is None else [low, high]


def _active(fields: QueryDict) -> Data:
    active: Data = {}
    days = [day for day in DAYS if day in fields.getlist("days")]
    if days and len(days) < len(DAYS):
        active["days"] = days
    for name in ("from", "to"):
        if text := _text(fields, name):
            active[name] = text
    for name in ("dates", "except_dates"):
        listed = [text.strip() for text in _text(fields, name).replace(",", "\n").splitlines() if text.strip()]
        if listed:
            active[name] = listed
    if country := _text(fields, "country"):
        active["holidays"] = {"country": country, "then": _text(fields, "then") or "off"}
        # Of the country that was chosen before, it means nothing in this one.
        if (subdivision := _text(fields, "subdivision")) in dict(subdivisions(country)):
            active["holidays"]["subdivision"] = subdivision
    return active


def _overrides(fields: QueryDict) -> Iterator[Data]:
    at = 0
    while f"override:{at}" in fields:
        override: Data = {"machine": _text(fields, f"override:{at}")}
        if f"override_off:{at}" in fields:
            override["off"] = True
        else:
            override["condition"] = _whole(fields, f"override_condition:{at}")
            override["value"] = _number(fields, f"override_value:{at}")
            clear = _number(fields, f"override_clear:{at}")
            if clear is not None:
                override["clear"] = clear
        yield override
        at += 1


def _text(fields: QueryDict, name: str) -> str:
    return str(fields.get(name, "") or "").strip()


def _number(fields: QueryDict, name: str) -> Any:
    """A number as people type it, with a point or a comma; None where nothing stands."""
    text = _text(fields, name)
    if not text:
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return text


def _whole(fields: QueryDict, name: str) -> int:
    text = _text(fields, name)
    return int(text) if text.isdigit() and len(text) < 4 else 0
