"""A machine that still warms up or runs in is not taught yet: it says so, waits for its levels, and not for ever."""

from unittest.mock import patch

import numpy as np
import pytest

from accounts.models import Role
from anomalies.detection.detector import ENOUGH_CELLS
from anomalies.detection.settled import metrics_unsettled, settled_part
from anomalies.detection.train import machine_learn, progress_measure
from anomalies.health import health_publish
from anomalies.models import DetectorModel, MachineHealth
from common import clock
from tests.anomalies.synthetic import grid_of, healthy, series_of, stored
from tests.conftest import person_make

TEMPERATURE = "bearing_temperature_c"
BOUND = 3 * ENOUGH_CELLS


def grid_with(course: np.ndarray):
    """A healthy machine whose temperature goes another way besides."""
    columns = healthy(len(course), seed=3)
    columns[TEMPERATURE] += course
    return grid_of(columns)[0]


def warming(seconds: int, *, until: int) -> np.ndarray:
    """Twelve degrees up in a straight line, then no more."""
    return np.minimum(np.arange(seconds) / until, 1.0) * 12.0


def test_a_level_that_climbs_all_through_is_not_settled_and_is_named():
    assert metrics_unsettled(grid_with(warming(2200, until=2200))) == (TEMPERATURE,)
    assert settled_part(grid_with(warming(2200, until=2200)), enough=ENOUGH_CELLS, bound=BOUND).start is None


def test_a_level_that_jumped_once_and_stayed_is_not_settled():
    step = np.where(np.arange(2200) < 900, 0.0, 6.0)
    assert metrics_unsettled(grid_with(step)) == (TEMPERATURE,)


def test_what_comes_and_goes_is_settled():
    assert metrics_unsettled(grid_with(np.zeros(2200))) == ()
    on_and_off = np.where(np.arange(2200) // 300 % 2, 0.0, 6.0)
    assert metrics_unsettled(grid_with(on_and_off)) == ()


@pytest.mark.parametrize("phase", np.linspace(0.0, 2.0 * np.pi, 8, endpoint=False))
def test_a_daily_cycle_that_was_seen_whole_is_settled(phase):
    # Minutes, as rows: a little more than a day.
    day = 5.0 * np.sin(2.0 * np.pi * np.arange(2200) / 1440 + phase)
    assert metrics_unsettled(grid_with(day)) == ()


def test_of_a_machine_that_has_warmed_up_only_what_came_after_teaches():
    settled = settled_part(grid_with(warming(4200, until=1500)), enough=ENOUGH_CELLS, bound=BOUND)
    assert 1300 <= settled.start <= 4200 - 2200
    assert settled.moving == ()


def test_a_history_that_never_moved_is_taken_whole():
    assert settled_part(grid_with(np.zeros(5000)), enough=ENOUGH_CELLS, bound=BOUND).start == 0


def test_one_that_never_settles_is_taught_with_three_times_enough_and_marked():
    grid = grid_with(warming(BOUND, until=BOUND))
    settled = settled_part(grid, enough=ENOUGH_CELLS, bound=BOUND)
    assert (settled.start, settled.moving) == (0, (TEMPERATURE,))


def test_gaps_and_metrics_that_are_hardly_known_are_not_taken_for_drifts():
    course = np.where(np.arange(2200) < 2000, np.nan, warming(2200, until=2200))
    assert metrics_unsettled(grid_with(course)) == ()


def test_a_machine_that_warms_up_goes_on_learning_says_why_and_is_taught_once_it_stands(
    in_acme, acme, client_for, django_capture_on_commit_callbacks
):
    columns, now_ms = healthy(4400, seed=3), clock.now_ms()
    columns[TEMPERATURE] += warming(4400, until=2150)
    begin_ms = now_ms - 4_400_000

    def sent(first: int, last: int):
        part = {name: values[first:last] for name, values in columns.items()}
        return stored(series_of(part, start_ms=begin_ms + first * 1000))

    machine = sent(0, 2150)
    MachineHealth.objects.create(machine=machine)
    assert machine_learn(machine, newest_ms=begin_ms + 2_150_000) is None
    assert progress_measure(machine, newest_ms=begin_ms + 2_150_000) == 1.0, "it is tried again"
    health = MachineHealth.objects.get(machine=machine)
    assert (health.unsettled, health.learning_progress) == ([TEMPERATURE], 0.99)
    chief = client_for(person_make(acme, "chief@acme.example", Role.SUPERVISOR))
    page = chief.get("/detectors/M01").content.decode()
    assert "Not settled yet" in page
    assert "Bearing temperature" in page
    assert chief.get("/api/v1/detectors/M01").json()["unsettled"] == [TEMPERATURE]
    assert "Not settled yet" in chief.get("/machines/M01").content.decode()
    with patch("anomalies.health.live_publish") as said, django_capture_on_commit_callbacks(execute=True):
        health_publish(machine, health)
    message = said.call_args.args[1]
    assert (message["health"], message["unsettled"]) == ("learning", [TEMPERATURE])

    machine = sent(2150, 4400)
    model = machine_learn(machine, newest_ms=now_ms)
    assert model is not None
    assert model.manifest["from_ms"] >= begin_ms + 1_850_000, "the warming up teaches nothing"
    assert chief.get("/api/v1/detectors/M01").json()["unsettled"] == []
    later = machine_learn(machine, newest_ms=now_ms)
    assert later.manifest["from_ms"] == model.manifest["from_ms"], "nor does it teach the versions after"


def test_the_page_says_of_what_was_taught_nonetheless_that_it_moved(in_acme, acme, client_for):
    columns, now_ms = healthy(6300, seed=3), clock.now_ms()
    columns[TEMPERATURE] += warming(6300, until=6300)
    machine = stored(series_of(columns, start_ms=now_ms - 6_300_000))
    MachineHealth.objects.create(machine=machine)
    model = machine_learn(machine, newest_ms=now_ms)
    assert model is not None
    assert model.manifest["settling"]["moving"] == [TEMPERATURE]
    chief = client_for(person_make(acme, "chief@acme.example", Role.SUPERVISOR))
    assert "was taught while the level still moved" in chief.get("/detectors/M01").content.decode()
    assert DetectorModel.objects.filter(machine=machine, active=True).exists()
