"""From a rule as people write it to what is run for one machine. Pure."""

import hashlib
import math
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import msgspec

from anomalies.rules.columns import Family
from anomalies.rules.conditions import STATES, Condition, Node, Op, RuleDocument, node_as_data
from anomalies.rules.engine import Leaf, Program
from anomalies.rules.schedule import Schedule
from anomalies.rules.tree import Tree
from anomalies.rules.validation import node_mapped, overridden, state_number


def rule_for_machine(rule: RuleDocument, machine: str) -> Node | None:
    """The rule's tree with what is different for this machine; None where it is off.

    The whole rule's machines are not looked at.
    """
    mine = [override for override in rule.overrides if override.machine == machine]
    if any(override.off for override in mine):
        return None

    def change(number: int, leaf: Condition) -> Condition:
        for override in mine:
            if override.condition == number:
                leaf = overridden(leaf, override)
        return leaf

    return node_mapped(rule.when, change) if mine else rule.when


def program_of(rule: RuleDocument, machine: str, zone: ZoneInfo) -> Program | None:
    """The rule as it runs on a machine, whose days follow `zone`; None where it is off."""
    node = rule_for_machine(rule, machine)
    if node is None:
        return None
    places = iter(range(10_000))
    leaves: list[Leaf] = []
    tree = _tree(node, machine, leaves, places)
    return Program(
        signature=_signature(rule, node, zone),
        leaves=tuple(leaves),
        tree=tree,
        cooldown_ms=round(rule.cooldown_s * 1000),
        schedule=Schedule(rule.active, zone),
    )


def _tree(node: Node, machine: str, leaves: list[Leaf], places: Iterator[int]) -> Tree:
    if isinstance(node, Condition):
        leaves.append(leaf_of(node, machine))
        return next(places)
    return (node.join, tuple(_tree(part, machine, leaves, places) for part in node.parts))


def _signature(rule: RuleDocument, node: Node, zone: ZoneInfo) -> str:
    """Of all that makes a running state meaningless when it is changed; a new name or severity does not."""
    said = msgspec.json.encode([node_as_data(node), rule.cooldown_s, msgspec.to_builtins(rule.active), zone.key])
    return hashlib.blake2b(said, digest_size=6).hexdigest()


def leaf_of(condition: Condition, machine: str) -> Leaf:
    """A condition in numbers, on the series of a machine."""
    low, high, clear_low, clear_high = _limits(condition)
    minus = condition.minus
    return Leaf(
        key=(condition.machine or machine, condition.metric),
        minus=(minus.machine or machine, minus.metric) if minus else None,
        over_ms=round((condition.over_s or 0) * 1000),
        family=_family(condition.op),
        low=low,
        high=high,
        clear_low=clear_low,
        clear_high=clear_high,
        mask=_mask(condition),
        for_ms=round(condition.for_s * 1000),
    )


_TOO_HIGH = frozenset({Op.ABOVE, Op.AT_LEAST, Op.RISES})
_TOO_LOW = frozenset({Op.BELOW, Op.AT_MOST, Op.FALLS})


def _family(op: Op) -> Family:
    special = {
        Op.STATE: Family.STATE,
        Op.NOT_STATE: Family.NOT_STATE,
        Op.NO_DATA: Family.NO_DATA,
        Op.STUCK: Family.STUCK,
        Op.INSIDE: Family.INSIDE,
        Op.EQUALS: Family.INSIDE,
    }
    return special.get(op, Family.OUTSIDE)


def _limits(condition: Condition) -> tuple[float, float, float, float]:
    """The range in which a metric is right (or, for “inside”, wrong), and the one in which it is right again."""
    value, clear = condition.value, condition.clear
    if isinstance(value, list) and condition.op not in STATES:
        low, high = (float(edge) for edge in value)
        again = (float(edge) for edge in clear) if isinstance(clear, list) else (low, high)
        return (low, high, *again)
    if not isinstance(value, int | float):
        return (-math.inf, math.inf, -math.inf, math.inf)
    limit, back = _one_limit(condition.op, float(value), float(clear) if isinstance(clear, int | float) else None)
    if condition.op in _TOO_HIGH:
        return (-math.inf, limit, -math.inf, back)
    if condition.op in _TOO_LOW:
        return (limit, math.inf, back, math.inf)
    return (limit, limit, limit, limit)


def _one_limit(op: Op, value: float, clear: float | None) -> tuple[float, float]:
    """The last value that is right, and the first one that is right again."""
    if op is Op.FALLS:
        value, clear = -value, None if clear is None else -clear
    elif op is Op.AT_LEAST:
        value = math.nextafter(value, -math.inf)
    elif op is Op.AT_MOST:
        value = math.nextafter(value, math.inf)
    return value, value if clear is None else clear


def _mask(condition: Condition) -> int:
    if condition.op not in STATES:
        return 0
    states = condition.value if isinstance(condition.value, list) else [condition.value]
    return sum({1 << number for state in states if (number := state_number(state)) is not None})
