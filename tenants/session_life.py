"""How long a browser's session lasts: from signing in, and from when somebody last used it. Written in the session."""

from datetime import datetime
from typing import Any

from common import clock

# Two weeks after signing in everybody signs in again, however much they use it.
LONGEST_S = 14 * 24 * 3600
_BEGUN, _USED, _ENDS = "begun_s", "used_s", "ends_s"


def session_begun(session: Any) -> None:
    """Somebody has just signed in."""
    session[_BEGUN] = session[_USED] = _now_s()
    session.pop(_ENDS, None)


def session_used(session: Any) -> None:
    """Somebody is there."""
    session.setdefault(_BEGUN, _now_s())
    session[_USED] = _now_s()


def session_ends(session: Any, at: datetime) -> None:
    """It is over then, whatever else happens."""
    session[_ENDS] = int(at.timestamp())


def session_unused_s(session: Any) -> int:
    """Seconds since somebody was last seen to use it; for one that nobody has noted yet, more than any limit."""
    return _now_s() - int(session.get(_USED, 0))


def session_over(session: Any, *, idle_s: float, longest_s: float = LONGEST_S) -> bool:
    """Whether it has ended: by a time that was set, by its age, or because nobody used it for so long.

    A session from before these were noted is good until it is used next.
    """
    now_s = _now_s()
    begun_s = int(session.get(_BEGUN, now_s))
    used_s = int(session.get(_USED, now_s))
    return now_s >= int(session.get(_ENDS, now_s + 1)) or now_s - begun_s >= longest_s or now_s - used_s >= idle_s


def _now_s() -> int:
    return int(clock.now().timestamp())
