"""What kind of course a metric takes, which decides how it is judged. Pure: numpy alone."""

import re
from dataclasses import dataclass
from enum import StrEnum

# Bodies that warm and cool for minutes or hours: where they stand now says little about where they will stand.
_SLOW_NAME = re.compile(r"temp|therm|humid|(^|[_\W])(degc|degf|c|f)$", re.IGNORECASE)


class Role(StrEnum):
    """How a metric moves."""

    FAST = "fast"  # follows the machine at once: vibration, current, pressure, flow, speed, power
    SLOW = "slow"  # thermal: judged by its band, once a long history has shown it
    COUNTER = "counter"  # only grows: not judged
    STATE = "state"  # jumps between a few values: not judged


JUDGED = frozenset({Role.FAST, Role.SLOW})
# By `telemetry.models.MetricKind`; a level of a tank may be either, so its name decides.
_BY_KIND = {
    "temperature": Role.SLOW,
    "humidity": Role.SLOW,
    "counter": Role.COUNTER,
    "state": Role.STATE,
    **dict.fromkeys(("vibration", "current", "power", "pressure", "flow", "speed"), Role.FAST),
}
_NAME_ALONE, _NOTHING_KNOWN, _CONTRADICTED = 0.7, 0.3, 0.5


@dataclass(frozen=True, slots=True)
class Guess:
    """A role as inferred; confidence: 0 to 1."""

    role: Role
    confidence: float


def role_inferred(name: str) -> Role:
    """A metric's role by its name; what tells nothing is fast.

    >>> [role_inferred(name).value for name in ("bearing_temperature_c", "Thermocouple", "flow_m3_h", "value")]
    ['slow', 'slow', 'fast', 'fast']
    """
    return Role.SLOW if _SLOW_NAME.search(name) else Role.FAST


def role_guess(name: str, kind: str, *, confidence: float, confirmed: bool) -> Guess:
    """A metric's role by its name and its kind, with how sure that is.

    kind, confidence, confirmed: as telemetry knows the metric. A person's word on the kind decides; of what was only
    inferred, a name that says “slow” is believed before a kind, because bands forgive and followed levels do not.

    >>> role_guess("T4", "temperature", confidence=0.2, confirmed=True)
    Guess(role=<Role.SLOW: 'slow'>, confidence=1.0)
    >>> role_guess("oil_temperature_c", "temperature", confidence=0.95, confirmed=False)
    Guess(role=<Role.SLOW: 'slow'>, confidence=0.95)
    >>> role_guess("x17", "other", confidence=0.0, confirmed=False)
    Guess(role=<Role.FAST: 'fast'>, confidence=0.3)
    """
    by_name, by_kind = role_inferred(name), _BY_KIND.get(kind)
    if by_kind is not None and confirmed:
        return Guess(by_kind, 1.0)
    if by_kind not in JUDGED and by_kind is not None:
        return Guess(by_kind, confidence)
    if by_name is Role.SLOW:
        return Guess(by_name, max(confidence, _NAME_ALONE) if by_kind in (by_name, None) else _CONTRADICTED)
    if by_kind is Role.SLOW:
        return Guess(by_kind, min(confidence, _NAME_ALONE))
    return Guess(Role.FAST, _NOTHING_KNOWN if by_kind is None else max(confidence, _NOTHING_KNOWN))
