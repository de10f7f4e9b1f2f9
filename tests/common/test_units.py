"""Conversions are what the standards print, and lead back to where they came from."""

import pytest

from common.units import _TO_METRIC, _TO_US, UnitSystem, conversion


@pytest.mark.parametrize(
    ("unit", "stored", "into", "expected"),
    [
        ("°C", -40.0, "°F", -40.0),
        ("°C", 37.0, "°F", 98.6),
        ("bar", 1.0, "psi", 14.503773773),  # NIST SP 811, B.9: 1 psi = 6.894757 E+03 Pa
        ("mm/s", 7.1, "in/s", 0.27952755906),
        ("m³/h", 1.0, "gal/min", 4.402867539),
        ("kg", 1.0, "lb", 2.2046226218),
        ("l", 3.785411784, "gal", 1.0),
    ],
)
def test_figures_agree_with_the_standard(unit: str, stored: float, into: str, expected: float) -> None:
    found = conversion(unit, UnitSystem.US)
    assert found.unit == into
    assert found.value(stored) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("unit", sorted(_TO_US))
def test_there_and_back_is_where_it_began(unit: str) -> None:
    there = conversion(unit, UnitSystem.US)
    back = conversion(there.unit, UnitSystem.METRIC)
    assert there.unit in _TO_METRIC
    # Several metric units share one American one; the way back leads to one of them.
    if back.unit == unit:
        assert back.value(there.value(12.5)) == pytest.approx(12.5)


def test_a_unit_without_a_counterpart_and_one_of_the_right_system_stay() -> None:
    assert not conversion("A", UnitSystem.US).changes
    assert not conversion("°F", UnitSystem.US).changes
    assert not conversion("°C", UnitSystem.METRIC).changes
    assert not conversion("°C", UnitSystem.STORED).changes
