"""The life of an alert as a table (ISA-18.2-2016, figure 3, the states that stand today). Pure.

Shelved, suppressed and out of service join here as further states; callers ask `transition` and nothing else.
"""

from enum import StrEnum


class State(StrEnum):
    """Where an alert stands; the values are those of `anomalies.models.AlertState`."""

    ACTIVE_UNACKNOWLEDGED = "active_unacknowledged"
    ACTIVE_ACKNOWLEDGED = "active_acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"
    NORMAL = "normal"


class Happening(StrEnum):
    """What can happen to it."""

    RAISE = "raise"
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"


_TABLE: dict[tuple[State, Happening], State] = {
    (State.NORMAL, Happening.RAISE): State.ACTIVE_UNACKNOWLEDGED,
    (State.ACTIVE_UNACKNOWLEDGED, Happening.ACKNOWLEDGE): State.ACTIVE_ACKNOWLEDGED,
    (State.ACTIVE_UNACKNOWLEDGED, Happening.RETURN): State.RETURNED_UNACKNOWLEDGED,
    (State.ACTIVE_ACKNOWLEDGED, Happening.RETURN): State.NORMAL,
    (State.RETURNED_UNACKNOWLEDGED, Happening.ACKNOWLEDGE): State.NORMAL,
    # It came back before anybody had seen that it was there: the same alert, active again.
    (State.RETURNED_UNACKNOWLEDGED, Happening.RAISE): State.ACTIVE_UNACKNOWLEDGED,
}


def transition(state: str, happening: Happening) -> State | None:
    """The state after something happened, or None where it changes nothing (a second acknowledgement, say).

    >>> transition("active_unacknowledged", Happening.ACKNOWLEDGE)
    <State.ACTIVE_ACKNOWLEDGED: 'active_acknowledged'>
    >>> transition("active_acknowledged", Happening.ACKNOWLEDGE) is None
    True
    """
    return _TABLE.get((State(state), happening))


def is_open(state: str) -> bool:
    """Whether the alert still wants something from somebody."""
    return State(state) is not State.NORMAL


def is_active(state: str) -> bool:
    """Whether what it tells of is still so."""
    return State(state) in {State.ACTIVE_UNACKNOWLEDGED, State.ACTIVE_ACKNOWLEDGED}
