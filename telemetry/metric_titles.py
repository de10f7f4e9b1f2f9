"""What a metric is called where nobody has named it: made of the name that devices send, in the reader's language.

Names that plants use again and again are known in full, because a language does not put words together one by one.
"""

import re
from collections.abc import Iterator

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

# “Zone2” is a zone, but “CO2” and “PM10” are no words with a number behind: words are at least so long.
_NUMBERED = re.compile(r"(?<![^\W\d_])([^\W\d_]{3,})(\d+)(?![^\W_])")
_GAPS = re.compile(r"[_.:/\-\s]+")
_FIGURE = re.compile(r"(?<!\S)\d+(?!\S)")
_SUPERSCRIPTS = str.maketrans({"³": "3", "²": "2", "°": "", "/": "_", " ": "_", "%": "percent"})


def stem_of(name: str, unit: str) -> str:
    """A metric's name without the unit at its end.

    >>> stem_of("bearing_temperature_c", "°C"), stem_of("flow_m3_h", "m³/h"), stem_of("c", "°C")
    ('bearing_temperature', 'flow', 'c')
    """
    suffix = "_" + unit.lower().translate(_SUPERSCRIPTS)
    return name[: -len(suffix)] if unit and name.lower().endswith(suffix) and len(name) > len(suffix) else name


def title_of(name: str) -> str:
    """A metric's name, without its unit, for people.

    >>> str(title_of("zone2_temperature")), str(title_of("co2_level")), str(title_of("Motor.current"))
    ('Zone 2 temperature', 'Co2 level', 'Motor current')
    """
    words = _NUMBERED.sub(r"\1 \2", _GAPS.sub(" ", name)).strip()
    figures = _FIGURE.findall(words)
    known = KNOWN.get(_FIGURE.sub("#", words.lower()))
    if known is None:
        return words[:1].upper() + words[1:]
    return _with(str(known), iter(figures))


def _with(text: str, figures: Iterator[str]) -> str:
    return re.sub("#", lambda _mark: next(figures, ""), text)


# Translators: names of measurements, as they stand above a chart; # is a number.
KNOWN: dict[str, Promise] = {
    "temperature": pgettext_lazy("metric", "Temperature"),
    "vibration": pgettext_lazy("metric", "Vibration"),
    "pressure": pgettext_lazy("metric", "Pressure"),
    "power": pgettext_lazy("metric", "Power"),
    "speed": pgettext_lazy("metric", "Speed"),
    "flow": pgettext_lazy("metric", "Flow"),
    "current": pgettext_lazy("metric", "Current"),
    "voltage": pgettext_lazy("metric", "Voltage"),
    "level": pgettext_lazy("metric", "Level"),
    "humidity": pgettext_lazy("metric", "Humidity"),
    "state": pgettext_lazy("metric", "State"),
    "torque": pgettext_lazy("metric", "Torque"),
    "frequency": pgettext_lazy("metric", "Frequency"),
    "energy": pgettext_lazy("metric", "Energy"),
    "weight": pgettext_lazy("metric", "Weight"),
    "count": pgettext_lazy("metric", "Count"),
    "load": pgettext_lazy("metric", "Load"),
    "zone # temperature": pgettext_lazy("metric", "Zone # temperature"),
    "motor # current": pgettext_lazy("metric", "Motor # current"),
    "motor # temperature": pgettext_lazy("metric", "Motor # temperature"),
    "tank # level": pgettext_lazy("metric", "Tank # level"),
    "pump # pressure": pgettext_lazy("metric", "Pump # pressure"),
    "bearing temperature": pgettext_lazy("metric", "Bearing temperature"),
    "motor temperature": pgettext_lazy("metric", "Motor temperature"),
    "motor current": pgettext_lazy("metric", "Motor current"),
    "motor power": pgettext_lazy("metric", "Motor power"),
    "motor speed": pgettext_lazy("metric", "Motor speed"),
    "oil temperature": pgettext_lazy("metric", "Oil temperature"),
    "oil pressure": pgettext_lazy("metric", "Oil pressure"),
    "seal temperature": pgettext_lazy("metric", "Seal temperature"),
    "product temperature": pgettext_lazy("metric", "Product temperature"),
    "product pressure": pgettext_lazy("metric", "Product pressure"),
    "product flow": pgettext_lazy("metric", "Product flow"),
    "supply temperature": pgettext_lazy("metric", "Supply temperature"),
    "return temperature": pgettext_lazy("metric", "Return temperature"),
    "ambient temperature": pgettext_lazy("metric", "Ambient temperature"),
    "water temperature": pgettext_lazy("metric", "Water temperature"),
    "air temperature": pgettext_lazy("metric", "Air temperature"),
    "inlet temperature": pgettext_lazy("metric", "Inlet temperature"),
    "outlet temperature": pgettext_lazy("metric", "Outlet temperature"),
    "discharge pressure": pgettext_lazy("metric", "Discharge pressure"),
    "suction pressure": pgettext_lazy("metric", "Suction pressure"),
    "condensing pressure": pgettext_lazy("metric", "Condensing pressure"),
    "air pressure": pgettext_lazy("metric", "Air pressure"),
    "inlet pressure": pgettext_lazy("metric", "Inlet pressure"),
    "outlet pressure": pgettext_lazy("metric", "Outlet pressure"),
    "water pressure": pgettext_lazy("metric", "Water pressure"),
    "air flow": pgettext_lazy("metric", "Air flow"),
    "gas flow": pgettext_lazy("metric", "Gas flow"),
    "water flow": pgettext_lazy("metric", "Water flow"),
    "belt speed": pgettext_lazy("metric", "Belt speed"),
    "carousel speed": pgettext_lazy("metric", "Carousel speed"),
    "cutter speed": pgettext_lazy("metric", "Cutter speed"),
    "fan speed": pgettext_lazy("metric", "Fan speed"),
    "load state": pgettext_lazy("metric", "Load state"),
    "good count": pgettext_lazy("metric", "Good count"),
    "reject count": pgettext_lazy("metric", "Reject count"),
    "total count": pgettext_lazy("metric", "Total count"),
}
