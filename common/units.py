"""Measured figures in the units a reader knows: metric or United States customary. Pure.

Factors are exact by definition where NIST SP 811 (2008), appendix B.8, prints them in bold: 1 in = 25.4 mm,
1 ft = 0.3048 m, 1 lb = 0.45359237 kg, 1 gal (US) = 231 cubic inches = 3.785411784 l, t/°F = 1.8 t/°C + 32;
1 psi = 6894.757 Pa is 1 lbf/in² with the standard acceleration of 9.80665 m/s². Electric quantities and shares are
the same everywhere.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

_INCH_MM = 25.4
_FOOT_M = 0.3048
_POUND_KG = 0.45359237
_GALLON_L = 3.785411784
_PSI_PA = _POUND_KG * 9.80665 / (_INCH_MM / 1000) ** 2


class UnitSystem(StrEnum):
    """In which units a reader wants figures; STORED leaves them as the machine sends them."""

    STORED = "stored"
    METRIC = "metric"
    US = "us"


@dataclass(frozen=True, slots=True)
class Conversion:
    """value in `unit` = stored value * scale + offset."""

    unit: str
    scale: float = 1.0
    offset: float = 0.0

    @property
    def changes(self) -> bool:
        """Whether figures differ from the stored ones."""
        return self.scale != 1.0 or self.offset != 0.0

    def value(self, stored: float) -> float:
        """One figure.

        >>> conversion("°C", UnitSystem.US).value(100.0)
        212.0
        """
        return stored * self.scale + self.offset if self.changes else stored

    def values(self, stored: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """A column of figures, shape kept; NaN stays NaN. The same column where nothing changes."""
        return stored * self.scale + self.offset if self.changes else stored

    def difference(self, stored: float) -> float:
        """A distance between two figures, such as by how much a metric moves: a temperature's zero is left out.

        >>> conversion("°C", UnitSystem.US).difference(10.0)
        18.0
        """
        return stored * self.scale


_TO_US: dict[str, Conversion] = {
    "°C": Conversion("°F", 1.8, 32.0),
    "bar": Conversion("psi", 1e5 / _PSI_PA),
    "mbar": Conversion("psi", 1e2 / _PSI_PA),
    "Pa": Conversion("psi", 1 / _PSI_PA),
    "kPa": Conversion("psi", 1e3 / _PSI_PA),
    "MPa": Conversion("psi", 1e6 / _PSI_PA),
    "mm/s": Conversion("in/s", 1 / _INCH_MM),
    "m/s": Conversion("ft/s", 1 / _FOOT_M),
    "m/min": Conversion("ft/min", 1 / _FOOT_M),
    "µm": Conversion("mil", 1 / _INCH_MM),
    "mm": Conversion("in", 1 / _INCH_MM),
    "cm": Conversion("in", 10 / _INCH_MM),
    "m": Conversion("ft", 1 / _FOOT_M),
    "l": Conversion("gal", 1 / _GALLON_L),
    "l/s": Conversion("gal/s", 1 / _GALLON_L),
    "l/min": Conversion("gal/min", 1 / _GALLON_L),
    "l/h": Conversion("gal/h", 1 / _GALLON_L),
    "m³/h": Conversion("gal/min", 1000 / _GALLON_L / 60),
    "kg": Conversion("lb", 1 / _POUND_KG),
    "kg/h": Conversion("lb/h", 1 / _POUND_KG),
}
_TO_METRIC: dict[str, Conversion] = {
    "°F": Conversion("°C", 1 / 1.8, -32 / 1.8),
    "psi": Conversion("bar", _PSI_PA / 1e5),
    "in/s": Conversion("mm/s", _INCH_MM),
    "ft/s": Conversion("m/s", _FOOT_M),
    "ft/min": Conversion("m/min", _FOOT_M),
    "mil": Conversion("µm", _INCH_MM),
    "in": Conversion("mm", _INCH_MM),
    "ft": Conversion("m", _FOOT_M),
    "gal": Conversion("l", _GALLON_L),
    "gal/s": Conversion("l/s", _GALLON_L),
    "gal/min": Conversion("l/min", _GALLON_L),
    "gal/h": Conversion("l/h", _GALLON_L),
    "lb": Conversion("kg", _POUND_KG),
    "lb/h": Conversion("kg/h", _POUND_KG),
}


def conversion(unit: str, system: UnitSystem) -> Conversion:
    """How figures stored in `unit` become figures of the system; none where it has no other unit for it.

    >>> conversion("bar", UnitSystem.US).unit, conversion("A", UnitSystem.US).unit
    ('psi', 'A')
    >>> conversion("psi", UnitSystem.METRIC).unit
    'bar'
    """
    return _TABLES[system].get(unit) or Conversion(unit)


def units_known(system: UnitSystem) -> frozenset[str]:
    """Units that the system has another one for."""
    return frozenset(_TABLES[system])


_TABLES: dict[UnitSystem, dict[str, Conversion]] = {
    UnitSystem.STORED: {},
    UnitSystem.METRIC: _TO_METRIC,
    UnitSystem.US: _TO_US,
}
