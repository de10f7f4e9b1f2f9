from itertools import product

import pytest

from anomalies.alerts.lifecycle import TABLE, Happening, State, is_active, is_hidden, is_open, transition
from anomalies.models import HIDDEN_STATES, OPEN_STATES, AlertState

# The whole machine, written down a second time: a row for each state, what follows while it is wrong / while it is not.
# “.” stays as it is without a word, “=” is accepted and the state remains.
EVENTS = ["raise", "return", "acknowledge", "shelve", "unshelve", "suppress", "release", "remove", "restore", "close"]
SHORT = {
    "N": State.NORMAL,
    "A": State.ACTIVE_UNACKNOWLEDGED,
    "S": State.ACTIVE_ACKNOWLEDGED,
    "R": State.RETURNED_UNACKNOWLEDGED,
    "H": State.SHELVED,
    "U": State.SUPPRESSED,
    "O": State.OUT_OF_SERVICE,
}
#        raise  return ack   shelve unshelve suppress release remove restore close
ROWS = """
    N    A/A    ./.    ./.   ./.    ./.      ./.      ./.     ./.    ./.     N/N
    A    ./.    R/R    S/S   H/H    ./.      U/U      ./.     O/O    ./.     N/N
    S    ./.    N/N    ./.   H/H    ./.      U/U      ./.     O/O    ./.     N/N
    R    A/A    ./.    N/N   H/H    ./.      ./.      ./.     O/O    ./.     N/N
    H    ./H    H/.    ./.   H/H    A/N      ./.      ./.     ./.    ./.     N/N
    U    ./U    U/.    ./.   ./.    ./.      ./.      A/N     O/O    ./.     N/N
    O    ./O    O/.    ./.   ./.    ./.      ./.      ./.     ./.    A/N     N/N
"""


def cells():
    for line in ROWS.split("\n"):
        if line.strip():
            short, *found = line.split()
            for event, cell in zip(EVENTS, found, strict=True):
                for wrong, after in zip((True, False), cell.split("/"), strict=True):
                    yield SHORT[short], Happening(event), wrong, SHORT.get(after)


@pytest.mark.parametrize(("state", "happening", "wrong", "after"), list(cells()))
def test_every_state_answers_every_event_as_the_table_says(state, happening, wrong, after):
    assert transition(state, happening, wrong=wrong) is after


def test_the_table_above_is_whole():
    assert {(state, happening) for state, happening, _, _ in cells()} == set(product(State, Happening))
    assert set(TABLE) <= set(product(State, Happening))


def test_the_states_are_those_of_the_model():
    assert {state.value for state in State} == set(AlertState.values)
    assert {state.value for state in State if is_open(state)} == set(OPEN_STATES)
    assert {state.value for state in State if is_hidden(state)} == set(HIDDEN_STATES)
    assert not is_active(State.RETURNED_UNACKNOWLEDGED)


def test_a_state_that_does_not_exist_is_an_error():
    with pytest.raises(ValueError, match="asleep"):
        transition("asleep", Happening.RAISE, wrong=True)
