"""How a measured number is written for people; `static/js/format.js` writes the same, and one table tests both."""

import math

from django.utils.translation import get_language

_GROUP = "\u202f"  # a narrow space, so that thousands read the same in every locale


def figure(value: float | None) -> str:
    """Three significant digits and never fewer than the whole number; a dash where there is nothing.

    The decimal mark is that of the reader's language.

    >>> figure(2.1), figure(71.349), figure(1234.5), figure(0.01234), figure(None), figure(-0.0)
    ('2.10', '71.3', '1\u202f235', '0.0123', '–', '0')
    """
    if value is None or not math.isfinite(value):
        return "–"
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-4 or size >= 1e9:
        return f"{value:.2e}".replace(".", decimal_mark())
    # Rounding first: 9.996 has two decimals less than it seems to.
    rounded = float(f"{value:.3g}") if size < 1000 else float(_half_up(value))
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}".replace(",", _GROUP).replace(".", decimal_mark())


def decimal_mark() -> str:
    """The mark between a number's whole and its part, in the language that is spoken."""
    return "," if (get_language() or "").startswith("de") else "."


def _half_up(value: float) -> int:
    return math.floor(abs(value) + 0.5) * (1 if value > 0 else -1)


def age(seconds: float) -> str:
    """A length of time in its largest sensible unit.

    >>> age(4.2), age(61), age(7300), age(200000)
    ('4 s', '1 min', '2 h', '2 d')
    """
    if seconds < 60:
        return f"{max(0, int(seconds))} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min"
    if seconds < 86_400:
        return f"{int(seconds // 3600)} h"
    return f"{int(seconds // 86_400)} d"
