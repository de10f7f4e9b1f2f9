"""A rule as people write it: a tree of conditions, when it counts, and how much it matters. Pure: msgspec alone.

One document, one validator (`validation.py`): the API, the admin, YAML and the builder page all read and write this.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

import msgspec


class Op(StrEnum):
    """What a condition asks of its metric.

    above, below: beyond `value`; at_least, at_most: the same with the value itself. equals, not_equals: exactly it.
    inside, outside: within or beyond the range `value` = [low, high], whose ends count as inside.
    rises, falls: changed by more than `value` within `over_s` seconds.
    state, not_state: the metric is one, or none, of the PackML states in `value`, by name or number.
    no_data: no reading for `for_s` seconds. stuck: every reading the same for `for_s` seconds.
    """

    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"
    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    INSIDE = "inside"
    OUTSIDE = "outside"
    RISES = "rises"
    FALLS = "falls"
    STATE = "state"
    NOT_STATE = "not_state"
    NO_DATA = "no_data"
    STUCK = "stuck"


RANGES = frozenset({Op.INSIDE, Op.OUTSIDE})
RATES = frozenset({Op.RISES, Op.FALLS})
STATES = frozenset({Op.STATE, Op.NOT_STATE})
TIMED = frozenset({Op.NO_DATA, Op.STUCK})
# Other products' spellings, taken on input and written in ours.
ALIASES = {
    ">": Op.ABOVE,
    "gt": Op.ABOVE,
    ">=": Op.AT_LEAST,
    "gte": Op.AT_LEAST,
    "<": Op.BELOW,
    "lt": Op.BELOW,
    "<=": Op.AT_MOST,
    "lte": Op.AT_MOST,
    "==": Op.EQUALS,
    "eq": Op.EQUALS,
    "!=": Op.NOT_EQUALS,
    "ne": Op.NOT_EQUALS,
    "in": Op.INSIDE,
}

# ISA-TR88.00.02 (PackML) state numbers.
PACKML = {
    "clearing": 1,
    "stopped": 2,
    "starting": 3,
    "idle": 4,
    "suspended": 5,
    "execute": 6,
    "stopping": 7,
    "aborting": 8,
    "aborted": 9,
    "holding": 10,
    "held": 11,
    "unholding": 12,
    "suspending": 13,
    "unsuspending": 14,
    "resetting": 15,
    "completing": 16,
    "complete": 17,
}
LAST_STATE = 62

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Level = Literal["low", "medium", "high", "critical"]
Value: TypeAlias = float | str | list[float | str] | None
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=604_800)]


class MetricOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Another metric to subtract; machine: its key, None for the machine the rule looks at."""

    metric: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    machine: str | None = None


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A leaf: one metric, what is asked of it, for how long, and from where on it is right again.

    value, clear: a number, or [low, high] for ranges, in the metric's own unit. machine: another machine than the
    rule's own. minus: the difference to that metric is looked at instead.
    """

    metric: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    op: Op
    value: Value = None
    for_s: Seconds = 0
    clear: float | list[float] | None = None
    over_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] | None = None
    machine: str | None = None
    minus: MetricOf | None = None


class Group(msgspec.Struct, frozen=True):
    """All, or any, of these hold."""

    join: Literal["all", "any"]
    parts: tuple["Condition | Group", ...]


Node: TypeAlias = Condition | Group


class Holidays(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Public holidays of a country (ISO 3166-1), or of a subdivision that has its own; then: off on them, or only."""

    country: str
    subdivision: str | None = None
    then: Literal["off", "only"] = "off"


class Active(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a rule may fire, in plant time. Nothing given: always.

    days: on which weekdays; from_, to: "HH:MM", over midnight where `to` is the earlier one, which then belongs to the
    day it began on. dates, except_dates: "2026-12-24", or "2026-12-24/2027-01-06" with both ends.
    """

    days: list[Day] = msgspec.field(default_factory=list)
    from_: str | None = msgspec.field(default=None, name="from")
    to: str | None = None
    dates: list[str] = msgspec.field(default_factory=list)
    except_dates: list[str] = msgspec.field(default_factory=list)
    holidays: Holidays | None = None


class Override(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is different for one machine: the limit of one condition (counted from 1 as they are read), or all off."""

    machine: str
    condition: Annotated[int, msgspec.Meta(ge=1)] | None = None
    value: Value = None
    clear: float | list[float] | None = None
    for_s: Seconds | None = None
    off: bool = False


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A whole rule. machines: keys, "type:pump" for all of a type, "*" for every machine of the factory."""

    name: str
    machines: tuple[str, ...]
    when: Group
    severity: Level = "high"
    cooldown_s: float = 0
    active: Active = Active()
    notify: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    description: str = ""
    enabled: bool = True


def leaves_of(node: Node) -> Iterator[Condition]:
    """Every condition of a tree, in the order in which it is read.

    >>> leaf = Condition(metric="flow", op=Op.BELOW, value=1.0)
    >>> [each.metric for each in leaves_of(Group("all", (leaf, Group("any", (leaf,)))))]
    ['flow', 'flow']
    """
    if isinstance(node, Condition):
        yield node
        return
    for part in node.parts:
        yield from leaves_of(part)


def node_as_data(node: Node) -> dict[str, Any]:
    """A tree as JSON data.

    >>> node_as_data(Group("any", (Condition(metric="flow", op=Op.BELOW, value=1.0),)))
    {'any': [{'metric': 'flow', 'op': 'below', 'value': 1.0}]}
    """
    if isinstance(node, Condition):
        data: dict[str, Any] = msgspec.to_builtins(node)
        return data
    return {node.join: [node_as_data(part) for part in node.parts]}


def rule_as_data(rule: RuleDocument) -> dict[str, Any]:
    """A rule as JSON data, every field of the contract present; what was left out of conditions stays out."""
    return {
        "name": rule.name,
        "description": rule.description,
        "machines": list(rule.machines),
        "when": node_as_data(rule.when),
        "severity": rule.severity,
        "cooldown_s": rule.cooldown_s,
        "active": msgspec.to_builtins(rule.active),
        "notify": list(rule.notify),
        "overrides": [msgspec.to_builtins(override) for override in rule.overrides],
        "enabled": rule.enabled,
    }
