from anomalies.alerts.lifecycle import Happening, State, is_active, is_open, transition
from anomalies.models import OPEN_STATES, AlertState


def test_the_states_are_those_of_the_model():
    assert {state.value for state in State} == set(AlertState.values)
    assert {state.value for state in State if is_open(state)} == set(OPEN_STATES)


def walk(*happenings: Happening) -> State:
    state = State.NORMAL
    for happening in happenings:
        state = transition(state, happening) or state
    return state


def test_the_usual_life_ends_cleared():
    assert walk(Happening.RAISE, Happening.ACKNOWLEDGE, Happening.RETURN) is State.NORMAL


def test_what_returned_unseen_waits_for_somebody():
    assert walk(Happening.RAISE, Happening.RETURN) is State.RETURNED_UNACKNOWLEDGED
    assert walk(Happening.RAISE, Happening.RETURN, Happening.ACKNOWLEDGE) is State.NORMAL


def test_what_comes_back_unseen_is_the_same_alert_again():
    assert walk(Happening.RAISE, Happening.RETURN, Happening.RAISE) is State.ACTIVE_UNACKNOWLEDGED


def test_twice_changes_nothing():
    assert transition(State.ACTIVE_ACKNOWLEDGED, Happening.ACKNOWLEDGE) is None
    assert transition(State.ACTIVE_UNACKNOWLEDGED, Happening.RAISE) is None
    assert transition(State.NORMAL, Happening.RETURN) is None
    assert not is_active(State.RETURNED_UNACKNOWLEDGED)
