"""Readings that came late are judged by the detector, too: what nobody was told of is an alert, once, and marked."""

from datetime import timedelta

import numpy as np
import pytest

from anomalies.detection.detector import Detector, detector_fit
from anomalies.detection.registry import detectors_forget, model_save
from anomalies.detector_late import late_tell
from anomalies.detector_replays import replay_step, replays_lost
from anomalies.detector_tasks import replays_resume
from anomalies.models import Alert, AlertState, LateReadings, MachineHealth, Replay
from anomalies.rules.late import late_note
from anomalies.watch import machines_evaluate
from common import clock
from common.times import from_ms
from telemetry.models import Machine
from tests.anomalies.synthetic import grid_of, healthy, series_of, stored

HISTORY_S, LIVE_S = 3_600, 2_400
FAULT = slice(HISTORY_S + 900, HISTORY_S + 1_200)
NOW_MS = 1_795_300_000_000
BEGUN_MS = NOW_MS - (HISTORY_S + LIVE_S) * 1000
SICK = "vibration_mm_s"


@pytest.fixture(scope="module")
def detector() -> Detector:
    history = {name: values[:HISTORY_S] for name, values in healthy(HISTORY_S + LIVE_S, seed=5).items()}
    grid, its_clock = grid_of(history)
    return detector_fit(grid, its_clock, seed=1)


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    """Well but for five minutes, in which the bearing is bad."""
    columns = healthy(HISTORY_S + LIVE_S, seed=5)
    columns[SICK][FAULT] += 4.0
    return columns


@pytest.fixture
def taught(in_acme, detector, columns, monkeypatch) -> Machine:
    monkeypatch.setattr(clock, "now_ms", lambda: NOW_MS)
    monkeypatch.setattr(clock, "now", lambda: from_ms(NOW_MS))
    detectors_forget()
    machine = fed(columns, HISTORY_S - 300, HISTORY_S)
    end_ms = BEGUN_MS + HISTORY_S * 1000
    model_save(machine, detector, from_ms=BEGUN_MS, to_ms=end_ms, cells=HISTORY_S, data_sha256="", seed=1)
    return machine


def fed(columns, first: int, last: int) -> Machine:
    part = {name: values[first:last] for name, values in columns.items()}
    return stored(series_of(part, machine="M01", start_ms=BEGUN_MS + first * 1000))


def lived(columns, *, without: slice | None = None) -> dict[str, np.ndarray]:
    """Everything arrives, but of the bearing's sensor what a gateway held back; that part is answered."""
    held = {SICK: np.full(len(columns[SICK]), np.nan)}
    present = {name: values.copy() for name, values in columns.items()}
    if without is not None:
        held[SICK][without] = columns[SICK][without]
        present[SICK][without] = np.nan
    for second in range(HISTORY_S, HISTORY_S + LIVE_S, 300):
        machines_evaluate([fed(present, second, second + 300)])
    return held


def arrives(held) -> Machine:
    """What was held back is stored, and noted as late by the drain."""
    first = int(np.flatnonzero(np.isfinite(held[SICK]))[0])
    machine = stored(series_of(held, machine="M01", start_ms=BEGUN_MS))
    late_note({"M01": BEGUN_MS + first * 1000})
    return machine


def run_out(replay: Replay) -> None:
    while (moved := replay_step(replay.pk)) is not None and moved.under_way:
        pass


def fault_alerts() -> list[Alert]:
    return list(Alert.objects.filter(cause="detector"))


def test_a_fault_that_only_late_readings_tell_of_is_an_alert_marked_and_over(taught, columns):
    held = lived(columns, without=FAULT)
    assert not fault_alerts(), "the sensor that knew of it was away"
    machines_evaluate([arrives(held)])
    assert not LateReadings.objects.exists(), "rules have looked"
    replay = Replay.objects.get(occasion=Replay.Occasion.LATE)
    run_out(replay)
    assert late_tell(replay) == 1
    (alert,) = fault_alerts()
    assert (alert.retroactive, alert.state) == (True, AlertState.RETURNED_UNACKNOWLEDGED)
    begun = BEGUN_MS / 1000 + FAULT.start
    assert begun <= alert.since_at.timestamp() <= begun + 30
    assert begun + 300 < alert.returned_at.timestamp() < begun + 500
    assert alert.evidence["metrics"][0]["metric"] == SICK
    low, high = alert.evidence["metrics"][0]["expected"]
    assert low < high < alert.evidence["metrics"][0]["observed"]
    assert "Vibration" in alert.title
    assert late_tell(replay) == 0, "once"


def test_what_was_told_in_time_is_not_told_again(taught, columns):
    other = slice(FAULT.stop + 300, FAULT.stop + 400)
    held = lived(columns, without=other)
    (before,) = fault_alerts()
    held[SICK][FAULT] = columns[SICK][FAULT]
    machines_evaluate([arrives(held)])
    replay = Replay.objects.get()
    assert replay.from_ms < BEGUN_MS + FAULT.start * 1000 - 60_000, "it begins before the trouble, not within"
    run_out(replay)
    assert late_tell(replay) == 0
    (after,) = fault_alerts()
    assert (after.since_at, after.returned_at, after.occurrences) == (before.since_at, before.returned_at, 1)
    assert Replay.objects.get().outcome == Replay.Outcome.TOLD


def test_the_same_readings_late_twice_are_one_alert(taught, columns):
    held = lived(columns, without=FAULT)
    for _time in range(2):
        machines_evaluate([arrives(held)])
        replay = Replay.objects.get(outcome="")
        run_out(replay)
        late_tell(replay)
    assert len(fault_alerts()) == 1


def test_late_readings_that_go_on_coming_are_one_run_when_they_end_or_after_ten_minutes(taught, columns):
    machine = arrives(lived(columns, without=FAULT))
    for second in (FAULT.stop, FAULT.start + 100, FAULT.start, FAULT.start + 200):
        late_note({"M01": BEGUN_MS + second * 1000})
        machines_evaluate([machine])
    replay = Replay.objects.get()
    assert replay.state == Replay.State.WAITING
    first_ms = BEGUN_MS + FAULT.start * 1000
    assert (replay.from_ms, replay.to_ms) == (first_ms - 600_000, MachineHealth.objects.get().scored_to_ms)
    Replay.objects.update(moved_at=from_ms(NOW_MS), asked_at=from_ms(NOW_MS))
    assert replays_lost() == [], "more may come"
    Replay.objects.update(moved_at=from_ms(NOW_MS) - timedelta(minutes=3))
    assert replays_lost() == [replay.pk]
    Replay.objects.update(moved_at=from_ms(NOW_MS), asked_at=from_ms(NOW_MS) - timedelta(minutes=11))
    assert replays_lost() == [replay.pk]


def test_a_run_that_a_killed_worker_left_untold_is_told_by_the_next(acme, taught, columns):
    machines_evaluate([arrives(lived(columns, without=FAULT))])
    run_out(Replay.objects.get())
    assert not fault_alerts()
    Replay.objects.update(moved_at=from_ms(NOW_MS) - timedelta(minutes=3))
    replays_resume(acme.slug)
    assert len(fault_alerts()) == 1
    assert Replay.objects.get().outcome == Replay.Outcome.TOLD


def test_what_is_late_but_still_to_be_judged_in_its_turn_is_no_run(taught, columns):
    machine = fed(columns, HISTORY_S, HISTORY_S + 300)
    machines_evaluate([machine])
    late_note({"M01": BEGUN_MS + (HISTORY_S + 400) * 1000})
    machines_evaluate([machine])
    assert not Replay.objects.exists()


def test_a_version_is_not_run_beyond_a_level_that_it_does_not_know(taught, columns):
    held = lived(columns, without=FAULT)
    MachineHealth.objects.update(level_from_ms=BEGUN_MS + (FAULT.start - 60) * 1000)
    machines_evaluate([arrives(held)])
    replay = Replay.objects.get()
    assert replay.to_ms == BEGUN_MS + (FAULT.start - 60) * 1000
    run_out(replay)
    assert late_tell(replay) == 0
