"""Figures inside sentences that were written in stored units, as a reader of other units reads them.

Alerts keep the sentence they were raised with: it is evidence, and mail has carried it. A page shows its figures in the
reader's units all the same.
"""

import re
from functools import cache

from common.units import Conversion, UnitSystem, conversion, units_known
from telemetry.figures import figure

_NUMBER = r"-?\d[\d\u202f]*(?:[.,]\d+)?(?:e[+-]\d+)?"
_RANGE = re.compile(rf"({_NUMBER})( ?– ?)({_NUMBER})(?! *(?:[a-zµ°%³²/]))")


def sentence_in(text: str, system: UnitSystem) -> str:
    """The sentence with its figures converted: those beside a unit, and the ranges that follow one.

    >>> sentence_in("Bearing temperature 61.8 °C, normal 40.0–44.0, since 20:01 CET", UnitSystem.US)
    'Bearing temperature 143 °F, normal 104–111, since 20:01 CET'
    >>> sentence_in("Flow moves by 2.00 °C, normally 1.00–3.00", UnitSystem.US)
    'Flow moves by 3.60 °F, normally 1.80–5.40'
    """
    if system is UnitSystem.STORED:
        return text
    # Each metric has a part of its own, so that a range has the unit of the figure before it.
    return ";".join(_part_in(part, system) for part in text.split(";"))


def _part_in(part: str, system: UnitSystem) -> str:
    found = _measured(system).search(part)
    if found is None:
        return part
    into = conversion(found[2], system)
    # What moves by ten degrees moves by eighteen, not by fifty.
    is_level = not re.search(rf"\b(?:by|um)\s+{re.escape(found[1])}", part)
    before, after = part[: found.start()], part[found.start() :]
    after = _measured(system).sub(lambda one: f"{_figure(one[1], into, is_level)} {into.unit}", after)
    return before + _RANGE.sub(
        lambda one: f"{_figure(one[1], into, is_level)}{one[2]}{_figure(one[3], into, is_level)}", after
    )


def _figure(text: str, into: Conversion, is_level: bool) -> str:
    value = float(text.replace("\u202f", "").replace(",", "."))
    return figure(into.value(value) if is_level else into.difference(value))


@cache
def _measured(system: UnitSystem) -> re.Pattern[str]:
    """A figure beside a unit that the system has another one for."""
    units = sorted(units_known(system), key=len, reverse=True)
    return re.compile(rf"({_NUMBER}) ({'|'.join(re.escape(unit) for unit in units)})(?![\w/³²])")
