"""From readings in the store to an alert and back: the detector on a machine's stream, as the worker runs it."""

import random

import numpy as np
import pytest

from anomalies.detection.registry import models_active, normal_bands
from anomalies.detection.score import analyze
from anomalies.detection.train import machine_learn, progress_measure, training_due
from anomalies.models import Alert, AlertState, DetectorModel, HealthStatus, MachineHealth, Rule
from anomalies.watch import machines_evaluate
from common import clock
from common.errors import InvalidInputError
from telemetry.models import Machine, Metric
from tests.anomalies.synthetic import healthy, series_of, stored

HISTORY_S, LIVE_S = 3600, 900
SICK_FROM, SICK_TO = 200, 450


@pytest.fixture
def frozen(monkeypatch) -> int:
    """Now: a moment after the last reading of these tests."""
    now_ms = 1_795_300_000_000
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms)
    return now_ms


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    """Forty healthy minutes, then fifteen live ones in which the bearing is bad for four."""
    columns = healthy(HISTORY_S + LIVE_S, seed=5)
    columns["vibration_mm_s"][HISTORY_S + SICK_FROM : HISTORY_S + SICK_TO] += 4.0
    return columns


def window(columns, first: int, last: int, now_ms: int):
    start_ms = now_ms - (HISTORY_S + LIVE_S) * 1000
    part = {name: values[first:last] for name, values in columns.items()}
    return series_of(part, start_ms=start_ms + first * 1000)


def taught(columns, now_ms: int) -> Machine:
    machine = stored(window(columns, 0, HISTORY_S, now_ms))
    assert machine_learn(machine, newest_ms=now_ms - LIVE_S * 1000) is not None
    return machine


def live(columns, now_ms: int, *, steps: list[int]) -> list[tuple[int, str]]:
    """Feed the live part in pieces and evaluate after each; answers (seconds, state) whenever the alert changed."""
    told: list[tuple[int, str]] = []
    for first, last in zip([0, *steps], steps, strict=False):
        machine = stored(window(columns, HISTORY_S + first, HISTORY_S + last, now_ms))
        machines_evaluate([machine])
        state = Alert.objects.values_list("state", flat=True).first() or ""
        if state and (not told or told[-1][1] != state):
            told.append((last, state))
    return told


def test_a_bearing_goes_bad_is_told_with_its_reason_and_returns(in_acme, columns, frozen):
    machine = taught(columns, frozen)
    told = live(columns, frozen, steps=list(range(10, LIVE_S + 1, 10)))
    assert [state for _, state in told] == [AlertState.ACTIVE_UNACKNOWLEDGED, AlertState.RETURNED_UNACKNOWLEDGED]
    (raised_s, _), (returned_s, _) = told
    assert SICK_FROM < raised_s <= SICK_FROM + 40
    assert SICK_TO < returned_s <= SICK_TO + 180
    alert = Alert.objects.get()
    first = alert.evidence["metrics"][0]
    assert (first["metric"], first["aspect"]) == ("vibration_mm_s", "level")
    low, high = first["expected"]
    assert low < 2.0 < high < first["observed"]
    assert alert.evidence["score"] > alert.evidence["threshold"] == 1.0
    start_s = frozen / 1000 - LIVE_S
    assert SICK_FROM <= alert.since_at.timestamp() - start_s <= SICK_FROM + 15
    assert "Vibration" in alert.title
    assert "CET" in alert.summary
    assert MachineHealth.objects.get(machine=machine).status == HealthStatus.NORMAL


def test_the_evidence_stays_that_of_the_worst_while_the_slowest_recovers(in_acme, columns, frozen):
    sick = slice(HISTORY_S + SICK_FROM, HISTORY_S + SICK_TO + 300)
    columns["bearing_temperature_c"][sick] += np.minimum(np.linspace(0, 4, 550), np.linspace(12, 0, 550))
    taught(columns, frozen)
    live(columns, frozen, steps=list(range(20, LIVE_S + 1, 20)))
    alert = Alert.objects.get()
    assert alert.returned_at.timestamp() - frozen / 1000 + LIVE_S > SICK_TO + 200, "the bearing was still warm"
    assert alert.evidence["metrics"][0]["metric"] == "vibration_mm_s"


def test_while_it_lasts_the_machine_is_anomalous_and_its_health_low(in_acme, columns, frozen):
    machine = taught(columns, frozen)
    live(columns, frozen, steps=[100, 300])
    health = MachineHealth.objects.get(machine=machine)
    assert health.status == HealthStatus.ANOMALOUS
    assert health.score > health.threshold
    assert health.health_percent <= 50


@pytest.mark.parametrize("seed", range(3))
def test_a_worker_killed_anywhere_goes_on_as_if_nothing_had_been(in_acme, columns, frozen, seed):
    """Pieces of any length, nothing kept in memory between them: the same alert at the same event times."""
    taught(columns, frozen)
    steps = sorted({*random.Random(seed).sample(range(1, LIVE_S), 20), LIVE_S})
    live(columns, frozen, steps=steps)
    alert = Alert.objects.get()
    start_s = frozen / 1000 - LIVE_S
    assert SICK_FROM <= alert.since_at.timestamp() - start_s <= SICK_FROM + 15
    assert alert.state == AlertState.RETURNED_UNACKNOWLEDGED
    assert SICK_TO < alert.returned_at.timestamp() - start_s <= SICK_TO + 180


def test_two_events_that_a_worker_finds_when_it_comes_back_are_each_told_with_their_own_begin(in_acme, columns, frozen):
    columns["motor_current_a"][HISTORY_S + 650 : HISTORY_S + 850] += 6.0
    taught(columns, frozen)
    live(columns, frozen, steps=[LIVE_S])
    alert, start_s = Alert.objects.get(), frozen / 1000 - LIVE_S
    told = [(event.kind, event.event_at.timestamp() - start_s) for event in alert.events.order_by("pk")]
    (kinds, times) = zip(*told, strict=True)
    assert kinds[:3] == ("raised", "returned", "raised")
    assert SICK_FROM <= times[0] <= SICK_FROM + 15 < SICK_TO < times[1] < 650 <= times[2] <= 665
    assert alert.evidence["metrics"][0]["metric"] == "motor_current_a"


def test_evaluating_twice_changes_nothing(in_acme, columns, frozen):
    machine = taught(columns, frozen)
    live(columns, frozen, steps=[300])
    before = MachineHealth.objects.values().get(machine=machine)
    machines_evaluate([machine])
    after = MachineHealth.objects.values().get(machine=machine)
    assert {**before, "updated_at": None} == {**after, "updated_at": None}
    assert Alert.objects.get().events.count() == 1


def test_healthy_hours_stay_quiet(in_acme, frozen):
    columns = healthy(HISTORY_S + LIVE_S, seed=6)
    machine = taught(columns, frozen)
    live(columns, frozen, steps=list(range(30, LIVE_S + 1, 30)))
    assert not Alert.objects.exists()
    health = MachineHealth.objects.get(machine=machine)
    assert (health.status, health.learning_progress) == (HealthStatus.NORMAL, 1.0)
    assert health.health_percent > 80


def test_too_little_history_is_learning_and_says_how_far_it_is(in_acme, frozen):
    machine = stored(window(healthy(HISTORY_S + LIVE_S), 0, 600, frozen))
    newest_ms = frozen - (HISTORY_S + LIVE_S - 600) * 1000
    assert progress_measure(machine, newest_ms=newest_ms) == pytest.approx(0.3, abs=0.04)
    assert machine_learn(machine, newest_ms=newest_ms) is None
    machines_evaluate([machine])
    health = MachineHealth.objects.get(machine=machine)
    assert (health.status, health.score, health.health_percent) == (HealthStatus.LEARNING, None, None)
    answer = analyze(machine, from_ms=newest_ms - 300_000, to_ms=newest_ms)
    assert (answer["status"], answer["score"], answer["anomalies"]) == ("learning", None, [])
    assert normal_bands(machine) == {}


def test_a_window_is_analyzed_on_demand_as_the_stream_saw_it(in_acme, columns, frozen):
    machine = taught(columns, frozen)
    live(columns, frozen, steps=[LIVE_S])
    answer = analyze(machine, from_ms=frozen - LIVE_S * 1000, to_ms=frozen)
    assert answer["status"] == "ok"
    assert len(answer["anomalies"]) == 1
    anomaly = answer["anomalies"][0]
    assert answer["score"] == anomaly["score"] > 1.0
    assert anomaly["metrics"][0]["metric"] == "vibration_mm_s"
    assert analyze(machine, from_ms=frozen + 5_000, to_ms=frozen + 60_000)["status"] == "no_data"
    with pytest.raises(InvalidInputError):
        analyze(machine, from_ms=frozen - 90_000_000, to_ms=frozen)


def test_the_chart_gets_a_band_for_each_metric_that_was_taught(in_acme, columns, frozen):
    machine = taught(columns, frozen)
    bands = normal_bands(machine)
    assert set(bands) == set(columns)
    low, high = bands["vibration_mm_s"]
    assert 1.0 < low < 1.8 < 2.3 < high < 3.0


def test_counters_and_states_are_not_judged(in_acme, frozen):
    columns = healthy(HISTORY_S + LIVE_S)
    columns["packs_total"] = np.arange(HISTORY_S + LIVE_S, dtype=float)
    machine = stored(window(columns, 0, HISTORY_S, frozen))
    Metric.objects.filter(machine=machine, name="packs_total").update(kind="counter")
    machine = Machine.objects.get(pk=machine.pk)
    machine_learn(machine, newest_ms=frozen - LIVE_S * 1000)
    assert "packs_total" not in normal_bands(machine)


def test_nothing_is_learnt_while_an_alert_is_active(in_acme, columns, frozen):
    machine = taught(columns, frozen)
    live(columns, frozen, steps=[300])
    assert Alert.objects.get().state == AlertState.ACTIVE_UNACKNOWLEDGED
    assert machine_learn(machine, newest_ms=frozen - (LIVE_S - 300) * 1000) is None
    assert DetectorModel.objects.count() == 1


def test_what_was_wrong_is_left_out_of_later_lessons(in_acme, columns, frozen):
    machine = taught(columns, frozen)
    live(columns, frozen, steps=list(range(30, LIVE_S + 1, 30)))
    model = machine_learn(machine, newest_ms=frozen)
    assert model.version == 2
    assert DetectorModel.objects.filter(active=True).count() == 1
    # The sick stretch lay at 4.0 above; a model that had learnt it would find it normal.
    assert normal_bands(machine)["vibration_mm_s"][1] < 3.5
    answer = analyze(machine, from_ms=frozen - LIVE_S * 1000, to_ms=frozen)
    assert len(answer["anomalies"]) == 1


def test_a_young_model_is_renewed_as_its_history_grows_and_an_old_one_daily(in_acme, columns, frozen):
    machine = taught(columns, frozen)
    model = models_active([machine])[machine.pk]
    end = model.taught_to_ms
    assert model.taught_ms == pytest.approx(HISTORY_S * 1000, rel=0.05)
    assert not training_due(model, newest_ms=end + 15 * 60_000)
    assert training_due(model, newest_ms=end + 30 * 60_000)
    assert training_due(None, newest_ms=end)


def test_a_sensor_that_stands_still_is_an_alert_of_its_own(in_acme, columns, frozen):
    columns["vibration_mm_s"][:] = healthy(HISTORY_S + LIVE_S, seed=5)["vibration_mm_s"]
    stuck = HISTORY_S + 100
    columns["bearing_temperature_c"][stuck : stuck + 600] = columns["bearing_temperature_c"][stuck]
    machine = taught(columns, frozen)
    live(columns, frozen, steps=list(range(50, 600, 50)))
    alert = Alert.objects.get(cause="stuck:bearing_temperature_c")
    assert "Bearing temperature" in alert.title
    assert MachineHealth.objects.get(machine=machine).status == HealthStatus.ANOMALOUS
    live(columns, frozen, steps=list(range(600, LIVE_S + 1, 60)))
    alert.refresh_from_db()
    assert alert.state == AlertState.RETURNED_UNACKNOWLEDGED


def test_a_metric_that_stays_away_while_its_machine_reports_is_told(in_acme, columns, frozen):
    columns["vibration_mm_s"][:] = healthy(HISTORY_S + LIVE_S, seed=5)["vibration_mm_s"]
    columns["motor_current_a"][HISTORY_S + 100 : HISTORY_S + 400] = np.nan
    taught(columns, frozen)
    live(columns, frozen, steps=list(range(20, 400, 20)))
    alert = Alert.objects.get(cause="missing:motor_current_a")
    assert alert.state == AlertState.ACTIVE_UNACKNOWLEDGED
    live(columns, frozen, steps=list(range(400, 500, 20)))
    alert.refresh_from_db()
    assert alert.state == AlertState.RETURNED_UNACKNOWLEDGED


def limit_on(machine, **condition):
    when = {"all": [{"metric": "vibration_mm_s", "op": "above", **condition}]}
    return Rule.objects.create(name="Vibration", machines=[machine.key], when=when)


def test_a_limit_works_while_the_detector_is_still_learning(in_acme, frozen):
    columns = healthy(600)
    columns["vibration_mm_s"][500:560] = 9.0
    start_ms = frozen - 600_000

    def part(first: int, last: int):
        cut = {name: values[first:last] for name, values in columns.items()}
        return stored(series_of(cut, start_ms=start_ms + first * 1000))

    machine = part(0, 490)
    rule = limit_on(machine, value=7.1, clear=4.5, for_s=10)
    machines_evaluate([machine])
    assert not Alert.objects.exists()
    for last in range(500, 601, 10):
        machine = part(last - 10, last)
        machines_evaluate([machine])
    alert = Alert.objects.get()
    assert alert.cause == f"rule:{rule.pk}"
    assert alert.rule == rule
    assert alert.state == AlertState.RETURNED_UNACKNOWLEDGED
    assert (alert.since_at.timestamp() * 1000 - start_ms) / 1000 == 500
    assert (alert.returned_at.timestamp() * 1000 - start_ms) / 1000 == 560
    assert "limit 7.10 mm/s" in alert.summary


def test_an_edited_limit_forgets_what_it_had_counted(in_acme, frozen):
    columns = healthy(120)
    machine = stored(series_of(columns, start_ms=frozen - 120_000))
    rule = limit_on(machine, value=50.0)
    machines_evaluate([machine])
    assert not Alert.objects.exists()
    rule.when["all"][0]["value"] = 0.5
    rule.save()
    machines_evaluate([machine])
    assert Alert.objects.get().cause == f"rule:{rule.pk}"
