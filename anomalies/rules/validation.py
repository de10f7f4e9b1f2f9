"""The one validator of rules: data in, a RuleDocument out, or every problem with its path in the tree. Pure."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

import msgspec

from anomalies.rules.conditions import (
    ALIASES,
    LAST_STATE,
    PACKML,
    RANGES,
    RATES,
    STATES,
    TIMED,
    Active,
    Condition,
    Group,
    Node,
    Op,
    Override,
    RuleDocument,
    leaves_of,
)
from anomalies.rules.schedule import holidays_known
from anomalies.rules.type_sentences import gettext_noop, type_sentence

MAX_DEPTH = 5
MAX_CONDITIONS = 20
MAX_MACHINES = 1_000
_FIELDS = frozenset(RuleDocument.__struct_fields__)
_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$?(?P<path>.*)`)?$", re.DOTALL)
_CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a rule. path: such as "when.all[1].value"; text: a sentence, %-formatted with `values`."""

    path: str
    code: str
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def detail(self) -> str:
        """The sentence in English."""
        return self.text % self.values


class RuleProblemsError(ValueError):
    """A rule is not one; `problems` says where and why, in reading order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.detail}" for problem in problems))
        self.problems = list(problems)


def rule_parse(data: Any) -> RuleDocument:
    """A rule from JSON data. Raises RuleProblemsError with every problem at once."""
    problems: list[Problem] = []
    if not isinstance(data, Mapping):
        raise RuleProblemsError([Problem("", "not_an_object", gettext_noop("A rule is an object."))])
    unknown = sorted(set(map(str, data)) - _FIELDS)
    problems += [Problem(name, "unknown_field", gettext_noop("There is no such field.")) for name in unknown]
    rule = _fields(data, problems)
    if rule is not None:
        problems += _machines_wrong(rule.machines) + _active_wrong(rule.active) + _overrides_wrong(rule)
    if problems or rule is None:
        raise RuleProblemsError(problems)
    return rule


def _fields(data: Mapping[str, Any], problems: list[Problem]) -> RuleDocument | None:
    name = _text(data, "name", problems, longest=120, required=True)
    machines = _taken(data.get("machines", []), list[str], "machines", problems)
    when = _tree(data.get("when"), problems)
    severity = str(data.get("severity", "high"))
    if severity not in {"low", "medium", "high", "critical"}:
        problems.append(Problem("severity", "unknown_severity", gettext_noop("Choose low, medium, high or critical.")))
    cooldown_s = _taken(data.get("cooldown_s", 0), float, "cooldown_s", problems)
    if cooldown_s is not None and not 0 <= cooldown_s <= 604_800:
        problems.append(Problem("cooldown_s", "out_of_range", gettext_noop("From 0 seconds to 7 days.")))
    active = _taken(data.get("active") or {}, Active, "active", problems)
    notify = _taken(data.get("notify") or [], list[str], "notify", problems)
    overrides = _taken(data.get("overrides") or [], list[Override], "overrides", problems)
    enabled = _taken(data.get("enabled", True), bool, "enabled", problems)
    description = _text(data, "description", problems, longest=1_000)
    if when is None or problems:
        return None
    return RuleDocument(
        name=name,
        machines=tuple(dict.fromkeys(machines or ())),
        when=when,
        severity=severity,  # type: ignore[arg-type]  # looked at above
        cooldown_s=cooldown_s or 0.0,
        active=active or Active(),
        notify=tuple(notify or ()),
        overrides=tuple(overrides or ()),
        description=description,
        enabled=bool(enabled),
    )


def _text(data: Mapping[str, Any], name: str, problems: list[Problem], *, longest: int, required: bool = False) -> str:
    text = data.get(name, "")
    if not isinstance(text, str) or "\x00" in text:
        problems.append(Problem(name, "not_a_text", gettext_noop("This is a text.")))
        return ""
    if required and not text.strip():
        problems.append(Problem(name, "required", gettext_noop("Give the rule a name.")))
    if len(text) > longest:
        problems.append(
            Problem(name, "too_long", gettext_noop("At most %(longest)d characters."), {"longest": longest})
        )
    return text.strip()


def _taken(data: Any, kind: Any, path: str, problems: list[Problem]) -> Any:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        problems.append(_problem_of(error, path))
        return None


def _problem_of(error: msgspec.ValidationError, path: str) -> Problem:
    found = _AT.match(str(error))
    what, inner = (found["what"], found["path"] or "") if found else (str(error), "")
    text, values = type_sentence(what)
    return Problem(f"{path}{inner}", "wrong_type", text, values)


# --- the tree ---


def _tree(data: Any, problems: list[Problem]) -> Group | None:
    before = len(problems)
    if data is None:
        problems.append(
            Problem("when", "required", gettext_noop("Say when the rule fires: {all: [...]} or {any: [...]}."))
        )
        return None
    node = _node(data, "when", 1, problems)
    if node is None or len(problems) > before:
        return None
    tree = node if isinstance(node, Group) else Group("all", (node,))
    if sum(1 for _ in leaves_of(tree)) > MAX_CONDITIONS:
        problems.append(
            Problem(
                "when", "too_many", gettext_noop("At most %(most)d conditions in a rule."), {"most": MAX_CONDITIONS}
            )
        )
        return None
    return tree


def _node(data: Any, path: str, depth: int, problems: list[Problem]) -> Node | None:
    if not isinstance(data, Mapping):
        problems.append(Problem(path, "not_an_object", gettext_noop("A condition or a group is an object.")))
        return None
    if not {"all", "any"} & set(data):
        return _leaf(data, path, problems)
    if len(data) > 1:
        problems.append(
            Problem(path, "mixed_group", gettext_noop("A group has “all” or “any”, and nothing beside it."))
        )
        return None
    if depth > MAX_DEPTH:
        problems.append(
            Problem(path, "too_deep", gettext_noop("At most %(most)d groups in one another."), {"most": MAX_DEPTH})
        )
        return None
    (join, parts), *_rest = data.items()
    if not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
        problems.append(Problem(f"{path}.{join}", "empty_group", gettext_noop("A group holds at least one condition.")))
        return None
    found = [_node(part, f"{path}.{join}[{at}]", depth + 1, problems) for at, part in enumerate(parts)]
    return Group(join, tuple(part for part in found if part is not None))


def _leaf(data: Mapping[str, Any], path: str, problems: list[Problem]) -> Condition | None:
    op = data.get("op")
    if isinstance(op, str):
        data = {**data, "op": ALIASES.get(op, op)}
    try:
        leaf = msgspec.convert(data, Condition)
    except msgspec.ValidationError as error:
        problems.append(_problem_of(error, path))
        return None
    wrong = [
        Problem(f"{path}.{name}" if name else path, code, text, values)
        for name, code, text, values in _leaf_wrong(leaf)
    ]
    problems += wrong
    return None if wrong else leaf


_Wrong = tuple[str, str, str, Mapping[str, Any]]


def _leaf_wrong(leaf: Condition) -> list[_Wrong]:
    wrong: list[_Wrong] = []
    if leaf.op in TIMED:
        if leaf.for_s <= 0:
            wrong.append(("for_s", "required", gettext_noop("Say for how many seconds."), {}))
        if leaf.value is not None or leaf.clear is not None or leaf.minus is not None:
            wrong.append(("", "not_taken", gettext_noop("“%(op)s” takes no value, clear or minus."), {"op": leaf.op}))
        return wrong
    wrong += _value_wrong(leaf)
    if (leaf.over_s is not None) != (leaf.op in RATES):
        text = gettext_noop("“rises” and “falls”, and no other, say over how many seconds.")
        wrong.append(("over_s", "required" if leaf.op in RATES else "not_taken", text, {}))
    if leaf.minus is not None and (leaf.op in RATES or leaf.op in STATES):
        wrong.append(("minus", "not_taken", gettext_noop("“%(op)s” looks at one metric alone."), {"op": leaf.op}))
    return wrong or _clear_wrong(leaf)


def _value_wrong(leaf: Condition) -> list[_Wrong]:
    if leaf.op in STATES:
        return _states_wrong(leaf.value)
    if leaf.op in RANGES:
        if _range(leaf.value) is None:
            return [("value", "not_a_range", gettext_noop("A range is [low, high], the lower one first."), {})]
        return []
    if not _is_number(leaf.value):
        return [("value", "not_a_number", gettext_noop("Give a number."), {})]
    if leaf.op in RATES and not float(leaf.value) > 0:  # type: ignore[arg-type]  # a number, see above
        return [("value", "out_of_range", gettext_noop("By how much: a number above 0."), {})]
    return []


def _states_wrong(value: Any) -> list[_Wrong]:
    states = value if isinstance(value, list) else [value]
    for state in states:
        if state_number(state) is None:
            text = gettext_noop("There is no state “%(state)s”: use PackML's names, or numbers from 0 to %(last)d.")
            return [("value", "unknown_state", text, {"state": state, "last": LAST_STATE})]
    return [] if states else [("value", "required", gettext_noop("Name at least one state."), {})]


def _clear_wrong(leaf: Condition) -> list[_Wrong]:
    if leaf.clear is None:
        return []
    if leaf.op in STATES or leaf.op in {Op.EQUALS, Op.NOT_EQUALS}:
        return [("clear", "not_taken", gettext_noop("“%(op)s” takes no clear."), {"op": leaf.op})]
    if leaf.op in RANGES:
        return _clear_range_wrong(leaf)
    if not _is_number(leaf.clear):
        return [("clear", "not_a_number", gettext_noop("Give a number."), {})]
    low_side = leaf.op in {Op.BELOW, Op.AT_MOST}
    clear, value = float(leaf.clear), float(leaf.value)  # type: ignore[arg-type]  # numbers, see above
    if (clear < value) if low_side else (clear > value):
        text = gettext_noop("Must not be below the limit, or it would never clear.")
        other = gettext_noop("Must not be above the limit, or it would never clear.")
        return [("clear", "never_clears", text if low_side else other, {})]
    return []


def _clear_range_wrong(leaf: Condition) -> list[_Wrong]:
    mine, clear = _range(leaf.value), _range(leaf.clear)
    if mine is None or clear is None:
        return [("clear", "not_a_range", gettext_noop("A range is [low, high], the lower one first."), {})]
    outer, inner = (mine, clear) if leaf.op is Op.OUTSIDE else (clear, mine)
    if outer[0] <= inner[0] and inner[1] <= outer[1]:
        return []
    text = gettext_noop("“outside” clears within its range, “inside” beyond it.")
    return [("clear", "never_clears", text, {})]


def state_number(state: Any) -> int | None:
    """The number of a PackML state by name or number; None for anything else.

    >>> state_number("Execute"), state_number(6), state_number(7.5), state_number("resting")
    (6, 6, None, None)
    """
    if isinstance(state, str):
        return PACKML.get(state.strip().lower())
    if isinstance(state, bool) or not isinstance(state, int | float) or state != state // 1:
        return None
    return int(state) if 0 <= state <= LAST_STATE else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _range(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)):
        return None
    low, high = map(float, value)
    return (low, high) if low < high else None


# --- what stands around it ---


def _machines_wrong(machines: Sequence[str]) -> list[Problem]:
    if not machines:
        return [Problem("machines", "required", gettext_noop("Name at least one machine, or “*” for all."))]
    if len(machines) > MAX_MACHINES:
        return [Problem("machines", "too_many", gettext_noop("At most %(most)d machines."), {"most": MAX_MACHINES})]
    return []


def _active_wrong(active: Active) -> list[Problem]:
    problems = []
    for name, text in (("from", active.from_), ("to", active.to)):
        if text is not None and (not _CLOCK.match(text) or (name == "from" and text == "24:00")):
            problems.append(Problem(f"active.{name}", "not_a_time", gettext_noop("A time of day is HH:MM.")))
    if (active.from_ is None) != (active.to is None):
        problems.append(Problem("active", "half_open", gettext_noop("Give both “from” and “to”, or neither.")))
    for name, listed in (("dates", active.dates), ("except_dates", active.except_dates)):
        for at, text in enumerate(listed):
            if _dates(text) is None:
                sentence = gettext_noop("A date is 2026-12-24, or 2026-12-24/2027-01-06.")
                problems.append(Problem(f"active.{name}[{at}]", "not_a_date", sentence))
    if active.holidays is not None and not holidays_known(active.holidays):
        sentence = gettext_noop("The holidays of this country or subdivision are not known.")
        problems.append(Problem("active.holidays", "unknown_country", sentence))
    return problems


def _dates(text: str) -> tuple[date, date] | None:
    try:
        first, _slash, last = text.partition("/")
        begins, ends = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        return None
    return (begins, ends) if begins <= ends else None


def _overrides_wrong(rule: RuleDocument) -> list[Problem]:
    leaves = list(leaves_of(rule.when))
    problems = []
    for at, override in enumerate(rule.overrides):
        path = f"overrides[{at}]"
        if override.off:
            continue
        if override.condition is None or override.condition > len(leaves):
            values = {"last": len(leaves)}
            problems.append(
                Problem(
                    f"{path}.condition",
                    "no_such_condition",
                    gettext_noop("Conditions count from 1 to %(last)d."),
                    values,
                )
            )
            continue
        problems += [
            Problem(f"{path}.{name}" if name else path, code, text, values)
            for name, code, text, values in _leaf_wrong(overridden(leaves[override.condition - 1], override))
        ]
    return problems


def overridden(leaf: Condition, override: Override) -> Condition:
    """The condition with what is different for one machine; a new limit without its own clear clears at the limit."""
    changed: dict[str, Any] = {}
    if override.value is not None:
        changed = {"value": override.value, "clear": override.clear}
    elif override.clear is not None:
        changed = {"clear": override.clear}
    if override.for_s is not None:
        changed["for_s"] = override.for_s
    return msgspec.structs.replace(leaf, **changed)


def node_mapped(node: Node, change: Callable[[int, Condition], Condition]) -> Node:
    """The tree with each condition replaced by `change(number, condition)`, numbers from 1 in reading order."""
    numbers = iter(range(1, MAX_CONDITIONS + 1))

    def mapped(each: Node) -> Node:
        if isinstance(each, Condition):
            return change(next(numbers), each)
        return Group(each.join, tuple(mapped(part) for part in each.parts))

    return mapped(node)
