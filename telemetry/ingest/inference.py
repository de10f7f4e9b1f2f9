"""What a metric probably is, from its name alone: unit, kind, and how sure that is. Pure but for the kinds' names."""

import re
from functools import lru_cache

from telemetry.models import MetricKind as Kind

# A unit's sign as names spell it -> how it is shown, and the kinds it can mean (first: what it means alone).
_UNITS: dict[str, tuple[str, tuple[str, ...]]] = {
    "c": ("°C", (Kind.TEMPERATURE,)),
    "degc": ("°C", (Kind.TEMPERATURE,)),
    "°c": ("°C", (Kind.TEMPERATURE,)),
    "celsius": ("°C", (Kind.TEMPERATURE,)),
    "f": ("°F", (Kind.TEMPERATURE,)),
    "degf": ("°F", (Kind.TEMPERATURE,)),
    "k": ("K", (Kind.TEMPERATURE,)),
    "mm_s": ("mm/s", (Kind.VIBRATION, Kind.SPEED)),
    "mms": ("mm/s", (Kind.VIBRATION, Kind.SPEED)),
    "g": ("g", (Kind.VIBRATION,)),
    "um": ("µm", (Kind.VIBRATION,)),
    "a": ("A", (Kind.CURRENT,)),
    "ma": ("mA", (Kind.CURRENT,)),
    "amp": ("A", (Kind.CURRENT,)),
    "amps": ("A", (Kind.CURRENT,)),
    "ampere": ("A", (Kind.CURRENT,)),
    "w": ("W", (Kind.POWER,)),
    "kw": ("kW", (Kind.POWER,)),
    "mw": ("MW", (Kind.POWER,)),
    "kva": ("kVA", (Kind.POWER,)),
    "wh": ("Wh", (Kind.COUNTER,)),
    "kwh": ("kWh", (Kind.COUNTER,)),
    "mwh": ("MWh", (Kind.COUNTER,)),
    "v": ("V", (Kind.OTHER,)),
    "hz": ("Hz", (Kind.OTHER, Kind.SPEED)),
    "bar": ("bar", (Kind.PRESSURE,)),
    "mbar": ("mbar", (Kind.PRESSURE,)),
    "pa": ("Pa", (Kind.PRESSURE,)),
    "kpa": ("kPa", (Kind.PRESSURE,)),
    "mpa": ("MPa", (Kind.PRESSURE,)),
    "psi": ("psi", (Kind.PRESSURE,)),
    "rpm": ("rpm", (Kind.SPEED,)),
    "m_s": ("m/s", (Kind.SPEED,)),
    "m_min": ("m/min", (Kind.SPEED,)),
    "l_min": ("l/min", (Kind.FLOW,)),
    "lpm": ("l/min", (Kind.FLOW,)),
    "l_h": ("l/h", (Kind.FLOW,)),
    "l_s": ("l/s", (Kind.FLOW,)),
    "m3_h": ("m³/h", (Kind.FLOW,)),
    "m3h": ("m³/h", (Kind.FLOW,)),
    "kg_h": ("kg/h", (Kind.FLOW,)),
    "pct": ("%", (Kind.LEVEL, Kind.HUMIDITY, Kind.SPEED, Kind.POWER, Kind.FLOW, Kind.STATE)),
    "percent": ("%", (Kind.LEVEL, Kind.HUMIDITY, Kind.SPEED, Kind.POWER, Kind.FLOW, Kind.STATE)),
    "%": ("%", (Kind.LEVEL, Kind.HUMIDITY, Kind.SPEED, Kind.POWER, Kind.FLOW, Kind.STATE)),
    "mm": ("mm", (Kind.LEVEL, Kind.VIBRATION)),
    "cm": ("cm", (Kind.LEVEL,)),
    "m": ("m", (Kind.LEVEL,)),
    "l": ("l", (Kind.LEVEL,)),
    "kg": ("kg", (Kind.LEVEL, Kind.COUNTER)),
    "pcs": ("pcs", (Kind.COUNTER,)),
}
# A word in the name -> its kind, and the unit it most often has.
_WORDS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("temperature", "temp", "temperatur", "temperatura"), (Kind.TEMPERATURE, "°C")),
    **dict.fromkeys(
        ("vibration", "vib", "vrms", "accel", "acceleration", "wibracje", "drgania"), (Kind.VIBRATION, "mm/s")
    ),
    **dict.fromkeys(("current", "amperage", "strom", "prad"), (Kind.CURRENT, "A")),
    **dict.fromkeys(("power", "leistung", "moc", "load"), (Kind.POWER, "kW")),
    **dict.fromkeys(("pressure", "press", "druck", "cisnienie"), (Kind.PRESSURE, "bar")),
    **dict.fromkeys(("flow", "flowrate", "durchfluss", "przeplyw"), (Kind.FLOW, "l/min")),
    **dict.fromkeys(("speed", "rpm", "velocity", "drehzahl", "predkosc"), (Kind.SPEED, "rpm")),
    **dict.fromkeys(("level", "fill", "fullstand", "poziom"), (Kind.LEVEL, "%")),
    **dict.fromkeys(("humidity", "rh", "moisture", "feuchte", "wilgotnosc"), (Kind.HUMIDITY, "%")),
    **dict.fromkeys(
        ("count", "counter", "total", "cycles", "pieces", "units", "energy", "parts", "rejects"), (Kind.COUNTER, "")
    ),
    **dict.fromkeys(
        ("state", "status", "running", "run", "mode", "alarm", "fault", "enabled", "open", "on"), (Kind.STATE, "")
    ),
}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPLIT = re.compile(r"[\s_.:\-/]+")


@lru_cache(maxsize=10_000)
def infer_metric(name: str) -> tuple[str, str, float]:
    """Unit, kind and confidence (0 to 1) for a metric's name.

    >>> infer_metric("bearing_temperature_c")
    ('°C', 'temperature', 0.95)
    >>> infer_metric("vibration")
    ('mm/s', 'vibration', 0.6)
    >>> infer_metric("x17")
    ('', 'other', 0.0)
    """
    words = [word for word in _SPLIT.split(_CAMEL.sub("_", name).lower()) if word]
    said = next((_WORDS[word] for word in reversed(words) if word in _WORDS), None)
    unit = _unit_of(words)
    if unit and said:
        return _agreed(unit, *said)
    if unit:
        # One letter alone may be anything: “phase a” is no current.
        return unit[0], unit[1][0], 0.7 if len(words[-1]) > 1 else 0.4
    if said:
        return said[1], str(said[0]), 0.6
    return "", str(Kind.OTHER), 0.0


def _unit_of(words: list[str]) -> tuple[str, tuple[str, ...]] | None:
    """The unit at the end of a name; alone, a word is a name and no unit, except unmistakable ones."""
    if len(words) >= 3 and f"{words[-2]}_{words[-1]}" in _UNITS:
        return _UNITS[f"{words[-2]}_{words[-1]}"]
    if len(words) >= 2 or (words and words[0] in {"rpm", "kwh", "kw"}):
        return _UNITS.get(words[-1])
    return None


def _agreed(unit: tuple[str, tuple[str, ...]], kind: str, usual_unit: str) -> tuple[str, str, float]:
    sign, kinds = unit
    if kind in kinds or sign == usual_unit:
        return sign, str(kind), 0.95
    if kind in {Kind.COUNTER, Kind.STATE}:
        return sign, str(kind), 0.6
    # “flow_temperature_bar”: the unit is what a person typed on purpose.
    return sign, str(kinds[0]), 0.5
