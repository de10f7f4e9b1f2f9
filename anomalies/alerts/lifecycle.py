"""The life of an alert as one table (ISA-18.2-2016, figure 3). Pure.

An alert has a state, and beside it the fact whether what it tells of is still so. While it is shelved, suppressed or
out of service the fact goes on changing and the state does not; where it goes when it comes back depends on the fact.
Callers ask `transition` and nothing else.
"""

from enum import StrEnum


class State(StrEnum):
    """Where an alert stands; the values are those of `anomalies.models.AlertState`."""

    ACTIVE_UNACKNOWLEDGED = "active_unacknowledged"
    ACTIVE_ACKNOWLEDGED = "active_acknowledged"
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged"
    SHELVED = "shelved"
    SUPPRESSED = "suppressed"
    OUT_OF_SERVICE = "out_of_service"
    NORMAL = "normal"


class Happening(StrEnum):
    """What can happen to it.

    SUPPRESS and RELEASE are the begin and end of a maintenance window, or of the machine being off; REMOVE and RESTORE
    take a machine out of service and put it back.
    """

    RAISE = "raise"
    RETURN = "return"
    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    SUPPRESS = "suppress"
    RELEASE = "release"
    REMOVE = "remove"
    RESTORE = "restore"
    CLOSE = "close"


_ACTIVE, _SEEN, _RETURNED = State.ACTIVE_UNACKNOWLEDGED, State.ACTIVE_ACKNOWLEDGED, State.RETURNED_UNACKNOWLEDGED
_SHELVED, _SUPPRESSED, _OUT, _NORMAL = State.SHELVED, State.SUPPRESSED, State.OUT_OF_SERVICE, State.NORMAL

# The state that follows; or two, where it is still wrong and where it is not. What is not here changes nothing.
TABLE: dict[tuple[State, Happening], State | tuple[State, State]] = {
    (_NORMAL, Happening.RAISE): _ACTIVE,
    # A verdict given, or changed, after the end.
    (_NORMAL, Happening.CLOSE): _NORMAL,
    (_ACTIVE, Happening.RETURN): _RETURNED,
    (_ACTIVE, Happening.ACKNOWLEDGE): _SEEN,
    (_ACTIVE, Happening.SHELVE): _SHELVED,
    (_ACTIVE, Happening.SUPPRESS): _SUPPRESSED,
    (_ACTIVE, Happening.REMOVE): _OUT,
    (_ACTIVE, Happening.CLOSE): _NORMAL,
    (_SEEN, Happening.RETURN): _NORMAL,
    (_SEEN, Happening.SHELVE): _SHELVED,
    (_SEEN, Happening.SUPPRESS): _SUPPRESSED,
    (_SEEN, Happening.REMOVE): _OUT,
    (_SEEN, Happening.CLOSE): _NORMAL,
    # It came back before anybody had seen that it was there: the same alert, active again.
    (_RETURNED, Happening.RAISE): _ACTIVE,
    (_RETURNED, Happening.ACKNOWLEDGE): _NORMAL,
    (_RETURNED, Happening.SHELVE): _SHELVED,
    # Over before the maintenance began: it still waits for somebody. Only what is wrong is suppressed.
    (_RETURNED, Happening.REMOVE): _OUT,
    (_RETURNED, Happening.CLOSE): _NORMAL,
    (_SHELVED, Happening.RAISE): _SHELVED,
    (_SHELVED, Happening.RETURN): _SHELVED,
    # For longer, or shorter, or with another reason.
    (_SHELVED, Happening.SHELVE): _SHELVED,
    (_SHELVED, Happening.UNSHELVE): (_ACTIVE, _NORMAL),
    (_SHELVED, Happening.CLOSE): _NORMAL,
    (_SUPPRESSED, Happening.RAISE): _SUPPRESSED,
    (_SUPPRESSED, Happening.RETURN): _SUPPRESSED,
    (_SUPPRESSED, Happening.RELEASE): (_ACTIVE, _NORMAL),
    (_SUPPRESSED, Happening.REMOVE): _OUT,
    (_SUPPRESSED, Happening.CLOSE): _NORMAL,
    (_OUT, Happening.RAISE): _OUT,
    (_OUT, Happening.RETURN): _OUT,
    (_OUT, Happening.RESTORE): (_ACTIVE, _NORMAL),
    (_OUT, Happening.CLOSE): _NORMAL,
}
_HIDDEN = {_SHELVED, _SUPPRESSED, _OUT}


def transition(state: str, happening: Happening, *, wrong: bool) -> State | None:
    """The state after something happened, or None where it changes nothing (a second acknowledgement, say).

    wrong: whether what the alert tells of was so until now. A hidden alert that is raised while it is wrong, or returns
    while it is not, stays as it is.

    >>> transition("active_unacknowledged", Happening.ACKNOWLEDGE, wrong=True)
    <State.ACTIVE_ACKNOWLEDGED: 'active_acknowledged'>
    >>> transition("active_acknowledged", Happening.ACKNOWLEDGE, wrong=True) is None
    True
    >>> transition("shelved", Happening.UNSHELVE, wrong=False)
    <State.NORMAL: 'normal'>
    """
    known = State(state)
    if known in _HIDDEN and happening is (Happening.RAISE if wrong else Happening.RETURN):
        return None
    found = TABLE.get((known, happening))
    if isinstance(found, tuple):
        return found[0] if wrong else found[1]
    return found


def is_open(state: str) -> bool:
    """Whether the alert still wants something from somebody."""
    return State(state) not in _HIDDEN | {_NORMAL}


def is_active(state: str) -> bool:
    """Whether it tells people of something that is so now."""
    return State(state) in {_ACTIVE, _SEEN}


def is_hidden(state: str) -> bool:
    """Whether it is shelved, suppressed or out of service."""
    return State(state) in _HIDDEN
