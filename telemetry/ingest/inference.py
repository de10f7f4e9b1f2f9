"""What a metric probably is, from its name alone: unit, kind, and how sure that is. Pure but for the kinds' names.

`value_inference` looks at the readings once there are some.
"""

import re
import unicodedata
from functools import lru_cache

from telemetry.ingest.metric_words import UNITS, WORDS
from telemetry.models import MetricKind as Kind

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPLIT = re.compile(r"[\s_.:\-/]+")
# Letters that have no accent to take off.
_PLAIN = str.maketrans({"ł": "l", "Ł": "L", "ß": "ss", "ø": "o"})
# German writes “Lagertemperatur” in one word; shorter endings than these would match by accident.
_ENDINGS = tuple(word for word in WORDS if len(word) >= 5)


@lru_cache(maxsize=10_000)
def infer_metric(name: str) -> tuple[str, str, float]:
    """Unit, kind and confidence (0 to 1) for a metric's name.

    >>> infer_metric("bearing_temperature_c")
    ('°C', 'temperature', 0.95)
    >>> infer_metric("vibration")
    ('mm/s', 'vibration', 0.6)
    >>> infer_metric("x17")
    ('', 'other', 0.0)
    >>> infer_metric("Ciśnienie oleju"), infer_metric("Lagertemperatur")
    (('bar', 'pressure', 0.6), ('°C', 'temperature', 0.6))
    """
    words = [word for word in _SPLIT.split(_CAMEL.sub("_", _folded(name)).lower()) if word]
    said = _said(words)
    unit = _unit_of(words)
    if unit and said:
        return _agreed(unit, *said)
    if unit:
        # One letter alone may be anything: “phase a” is no current.
        return unit[0], unit[1][0], 0.7 if len(words[-1]) > 1 else 0.4
    if said:
        return said[1], str(said[0]), 0.6
    return "", str(Kind.OTHER), 0.0


def _folded(name: str) -> str:
    """Without accents, but with the degree sign."""
    apart = unicodedata.normalize("NFKD", name.translate(_PLAIN))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _said(words: list[str]) -> tuple[str, str] | None:
    """What the last telling word says; in one written together, its longest ending."""
    for word in reversed(words):
        # “temp2” is the second temperature; “pt100” is a word of its own.
        bare = word if word in WORDS else word.rstrip("0123456789")
        if bare in WORDS:
            return WORDS[bare]
        endings = [ending for ending in _ENDINGS if bare.endswith(ending)]
        if endings:
            return WORDS[max(endings, key=len)]
    return None


def _unit_of(words: list[str]) -> tuple[str, tuple[str, ...]] | None:
    """The unit at the end of a name; alone, a word is a name and no unit, except unmistakable ones."""
    if len(words) >= 3 and f"{words[-2]}_{words[-1]}" in UNITS:
        return UNITS[f"{words[-2]}_{words[-1]}"]
    if len(words) >= 2 or (words and words[0] in {"rpm", "kwh", "kw"}):
        return UNITS.get(words[-1])
    return None


def _agreed(unit: tuple[str, tuple[str, ...]], kind: str, usual_unit: str) -> tuple[str, str, float]:
    sign, kinds = unit
    if kind in kinds or sign == usual_unit:
        return sign, str(kind), 0.95
    if kind in {Kind.COUNTER, Kind.STATE}:
        return sign, str(kind), 0.6
    # “flow_temperature_bar”: the unit is what a person typed on purpose.
    return sign, str(kinds[0]), 0.5
