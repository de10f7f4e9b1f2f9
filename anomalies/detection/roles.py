"""What kind of course a metric takes, which decides how it is judged. Pure: numpy alone."""

import re
from enum import StrEnum

# Bodies that warm and cool for minutes or hours: where they stand now says little about where they will stand.
_SLOW_NAME = re.compile(r"temp|therm|humid|(^|[_\W])(degc|degf|c|f)$", re.IGNORECASE)


class Role(StrEnum):
    """How a metric moves."""

    FAST = "fast"  # follows the machine at once: vibration, current, pressure, flow, speed, power
    SLOW = "slow"  # thermal: judged by its band, once a long history has shown it


def role_inferred(name: str) -> Role:
    """A metric's role by its name; what tells nothing is fast.

    >>> [role_inferred(name).value for name in ("bearing_temperature_c", "Thermocouple", "flow_m3_h", "value")]
    ['slow', 'slow', 'fast', 'fast']
    """
    return Role.SLOW if _SLOW_NAME.search(name) else Role.FAST
