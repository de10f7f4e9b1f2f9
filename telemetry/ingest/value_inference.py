"""What a metric's readings say about the unit and kind that its name suggests. Pure but for the kinds' names.

Deliberately simple: a range that fits makes the guess surer, one that contradicts it makes it less sure, and the unit
changes only where nobody typed one and the range points to another one unit. A person's word ends all of it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from telemetry.ingest.inference import infer_metric
from telemetry.models import MetricKind as Kind
from telemetry.readings import Float64Array

# Below this, a range says nothing.
ENOUGH = 20
# A name that ends in a unit is at least this sure: a person has typed it.
_TYPED = 0.7
_FITS, _CONTRADICTS = 0.4, 0.5
_RESET_TO = 0.05
_MOST_STATES = 12


class Inference(NamedTuple):
    """Unit, kind, and how sure that is (0 to 1)."""

    unit: str
    kind: str
    confidence: float


@dataclass(frozen=True, slots=True)
class _Usual:
    """Where readings of a kind in a unit usually lie; beyond: the unit that is meant above `largest`, if any.

    lowest, largest: of the middle 98 of 100 readings.
    """

    lowest: float
    largest: float
    beyond: str = ""


# From data sheets of industrial sensors and machines, wide on purpose.
_USUAL: dict[tuple[str, str], _Usual] = {
    (Kind.TEMPERATURE, "°C"): _Usual(-60, 260),
    (Kind.TEMPERATURE, "°F"): _Usual(-76, 500),
    (Kind.TEMPERATURE, "K"): _Usual(200, 1_800),
    (Kind.VIBRATION, "mm/s"): _Usual(0, 100),
    (Kind.VIBRATION, "g"): _Usual(-200, 200),
    (Kind.VIBRATION, "µm"): _Usual(0, 2_000),
    (Kind.CURRENT, "A"): _Usual(0, 1_500, beyond="mA"),
    (Kind.CURRENT, "mA"): _Usual(0, 100_000),
    (Kind.POWER, "kW"): _Usual(0, 5_000, beyond="W"),
    (Kind.POWER, "W"): _Usual(0, 5_000_000),
    (Kind.PRESSURE, "bar"): _Usual(-1, 700),
    (Kind.PRESSURE, "mbar"): _Usual(-1_000, 20_000),
    (Kind.PRESSURE, "Pa"): _Usual(-100_000, 70_000_000),
    (Kind.PRESSURE, "kPa"): _Usual(-100, 70_000),
    (Kind.PRESSURE, "psi"): _Usual(-15, 10_000),
    (Kind.FLOW, "l/min"): _Usual(0, 100_000),
    (Kind.SPEED, "rpm"): _Usual(20, 60_000),
    (Kind.SPEED, "m/s"): _Usual(0, 100),
    (Kind.LEVEL, "%"): _Usual(-1, 105),
    (Kind.HUMIDITY, "%"): _Usual(0, 101),
}


def infer_from_values(name: str, values: Float64Array) -> Inference:
    """What a metric of this name with these readings (in the order of their times) probably is.

    >>> infer_from_values("temperature", np.linspace(60.0, 75.0, 50))
    Inference(unit='°C', kind='temperature', confidence=0.76)
    >>> infer_from_values("temperature", np.linspace(293.0, 297.0, 50))
    Inference(unit='K', kind='temperature', confidence=0.3)
    >>> infer_from_values("x17", np.arange(50.0))
    Inference(unit='', kind='counter', confidence=0.6)
    """
    named = Inference(*infer_metric(name))
    if len(values) < ENOUGH:
        return named
    if named.kind == Kind.OTHER and not named.unit:
        return _unnamed(values)
    if named.kind == Kind.COUNTER:
        return _weighed(named, fits=_never_falls(values))
    if named.kind == Kind.STATE:
        return _weighed(named, fits=_few_whole_numbers(values))
    return _by_range(named, values)


def _by_range(named: Inference, values: Float64Array) -> Inference:
    low, high = (float(edge) for edge in np.percentile(values, (1, 99)))
    typed = named.confidence >= _TYPED
    if not typed:
        other = _other_unit(named, low, high)
        if other:
            return Inference(other, named.kind, round(named.confidence * _CONTRADICTS, 2))
    usual = _USUAL.get((named.kind, named.unit))
    if usual is None or low == high == 0:
        return named
    return _weighed(named, fits=usual.lowest <= low and high <= usual.largest)


def _other_unit(named: Inference, low: float, high: float) -> str:
    """The one other unit that a range points to; empty where there is none, or more than one."""
    if named.kind == Kind.TEMPERATURE and low >= 255 and high <= 325 and high - low <= 40:
        return "K"  # a room or a cool machine; an oven that is held at 300 °C looks the same, hence so unsure
    if named.kind == Kind.PRESSURE and low >= 850 and high <= 1_100:
        return "mbar"  # the air around us
    if named.kind == Kind.PRESSURE and low >= 85_000 and high <= 110_000:
        return "Pa"
    if named.kind == Kind.VIBRATION and low < 0:
        return "g"  # a velocity's effective value has no sign
    usual = _USUAL.get((named.kind, named.unit))
    return usual.beyond if usual is not None and low > usual.largest else ""


def _weighed(named: Inference, *, fits: bool) -> Inference:
    sure = named.confidence
    weighed = sure + (1 - sure) * _FITS if fits else sure * _CONTRADICTS
    return Inference(named.unit, named.kind, round(weighed, 2))


def _unnamed(values: Float64Array) -> Inference:
    if _whole(values) and _never_falls(values) and values[-1] > values[0]:
        return Inference("", str(Kind.COUNTER), 0.6)
    if _few_whole_numbers(values) and values.min() != values.max():
        return Inference("", str(Kind.STATE), 0.5)
    return Inference("", str(Kind.OTHER), 0.0)


def _whole(values: Float64Array) -> bool:
    return bool((values == np.floor(values)).all())


def _never_falls(values: Float64Array) -> bool:
    """Whether values only rise, but for resets to about nothing."""
    falls = np.flatnonzero(np.diff(values) < 0)
    return bool((values[falls + 1] <= _RESET_TO * values[falls]).all()) and bool(values.min() >= 0)


def _few_whole_numbers(values: Float64Array) -> bool:
    return _whole(values) and len(np.unique(values)) <= _MOST_STATES
