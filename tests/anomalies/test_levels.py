"""A level that came to stay: accepted by somebody, it is the new normal; what leaves it is told again."""

import numpy as np
import pytest

from accounts.models import AuditEntry, Role
from anomalies.alerts.accepting import alert_accept
from anomalies.alerts.handling import AlertStateError
from anomalies.alerts.opening import alert_raise
from anomalies.detection.detector import detector_fit
from anomalies.detection.levels import LevelUnknownError
from anomalies.detection.registry import models_active
from anomalies.detection.stream import course_anew, course_begin, course_resume, stream_judge
from anomalies.detection.train import machine_learn, training_due
from anomalies.models import Alert, AlertState, HealthStatus, MachineHealth, Verdict
from anomalies.watch import machines_evaluate
from common import clock
from telemetry.models import Machine
from tenants.context import factory_context
from tests.anomalies.synthetic import grid_of, healthy, part_of, series_of, stored
from tests.anomalies.test_alerts import finding
from tests.conftest import person_make

HISTORY_S, NEW_FROM, ACCEPTED, END = 3600, 3800, 4100, 7200
NOW_MS = 1_795_300_000_000
START_MS = NOW_MS - END * 1000


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    """An hour, then another product: the machine draws more and shakes more, and stays so."""
    columns = healthy(END, seed=8)
    columns["motor_current_a"][NEW_FROM:] += 3.0
    columns["vibration_mm_s"][NEW_FROM:] += 1.5
    return columns


@pytest.fixture
def machine(in_acme, columns, monkeypatch) -> Machine:
    """Taught by the old product, and alarming at the new one."""
    monkeypatch.setattr(clock, "now_ms", lambda: NOW_MS)
    machine = fed(columns, 0, HISTORY_S)
    assert machine_learn(machine, newest_ms=START_MS + HISTORY_S * 1000) is not None
    for second in range(HISTORY_S, ACCEPTED, 50):
        machines_evaluate([fed(columns, second, second + 50)])
    assert Alert.objects.get().state == AlertState.ACTIVE_UNACKNOWLEDGED
    return machine


def fed(columns, first: int, last: int) -> Machine:
    part = {name: values[first:last] for name, values in columns.items()}
    return stored(series_of(part, start_ms=START_MS + first * 1000))


def test_an_accepted_level_alarms_no_more_and_what_leaves_it_does(machine, columns, operator):
    alert_accept(alert=Alert.objects.get(), user=operator, comment="Product B")
    for second in range(ACCEPTED, 5000, 100):
        machines_evaluate([fed(columns, second, second + 100)])
    assert Alert.objects.count() == 1, "the new product is normal now"
    columns["vibration_mm_s"][5000:] += 2.0
    machines_evaluate([fed(columns, 5000, 5200)])
    assert Alert.objects.filter(state=AlertState.ACTIVE_UNACKNOWLEDGED).get().evidence["metrics"][0]["metric"] == (
        "vibration_mm_s"
    )


def test_accepting_closes_the_alert_as_expected_and_says_who_and_why(machine, operator):
    alert = alert_accept(alert=Alert.objects.get(), user=operator, comment="Product B")
    assert (alert.state, alert.verdict) == (AlertState.NORMAL, Verdict.EXPECTED)
    entries = {event.kind: event for event in alert.events.all()}
    assert entries["accepted"].actor == operator.email
    assert entries["closed"].comment == "Product B"
    noted = AuditEntry.objects.get(action="detector.accept_level")
    assert (noted.actor, noted.details["machine"]) == (operator.email, machine.key)
    assert noted.details["level_from_ms"] == MachineHealth.objects.get().level_from_ms
    assert MachineHealth.objects.get().status == HealthStatus.NORMAL


def test_the_machine_is_taught_by_the_new_level_alone_as_soon_as_there_is_enough(machine, columns, operator):
    alert_accept(alert=Alert.objects.get(), user=operator)
    level_ms = MachineHealth.objects.get().level_from_ms
    first = models_active([machine])[machine.pk]
    assert not training_due(first, newest_ms=level_ms + 2_100_000, level_from_ms=level_ms)
    assert training_due(first, newest_ms=level_ms + 2_200_000, level_from_ms=level_ms)
    # The alert ended by the wall clock; the readings of this test are of hours before.
    Alert.objects.get().events.model._base_manager.filter(kind="closed")._raw_delete("default")
    Alert.objects.get().events.model._base_manager.filter(kind="raised")._raw_delete("default")
    machine = fed(columns, ACCEPTED, END)
    model = machine_learn(machine, newest_ms=NOW_MS)
    assert model is not None
    assert model.manifest["from_ms"] >= level_ms
    low, high = model.manifest["normal"]["motor_current_a"]
    assert 11.0 < low < 14.0 < high
    second = models_active([machine])[machine.pk]
    assert not training_due(second, newest_ms=NOW_MS, level_from_ms=level_ms)


def test_only_what_a_detector_still_finds_wrong_can_be_accepted(machine, operator):
    by_rule = alert_raise(finding(machine, cause="rule:1"))
    with pytest.raises(AlertStateError):
        alert_accept(alert=by_rule, user=operator)
    accepted = alert_accept(alert=Alert.objects.get(cause="detector"), user=operator)
    with pytest.raises(AlertStateError):
        alert_accept(alert=accepted, user=operator)
    assert AuditEntry.objects.filter(action="detector.accept_level").count() == 1
    bare = Machine.objects.create(key="M99")
    with pytest.raises(LevelUnknownError):
        alert_accept(alert=alert_raise(finding(bare)), user=operator)


def test_whoever_may_teach_detectors_may_accept_on_the_page_and_by_the_api(acme, machine, client_for):
    alert_id = Alert.objects.get().pk
    watcher = client_for(person_make(acme, "op@acme.example", Role.OPERATOR))
    assert f"/alerts/{alert_id}/accept" not in watcher.get(f"/alerts/{alert_id}").content.decode()
    assert watcher.post(f"/alerts/{alert_id}/accept").status_code == 403
    chief = client_for(person_make(acme, "chief@acme.example", Role.SUPERVISOR))
    assert f"/alerts/{alert_id}/accept" in chief.get(f"/alerts/{alert_id}").content.decode()
    answer = chief.post(f"/api/v1/alerts/{alert_id}/accept", {"comment": "B"}, content_type="application/json")
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["verdict"]) == ("normal", "expected")
    assert "Accepted as normal" in chief.get(f"/alerts/{alert_id}").content.decode()
    again = chief.post(f"/api/v1/alerts/{alert_id}/accept", {}, content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (409, "alert_state")
    with factory_context(acme):
        assert Alert.objects.get().verdict == Verdict.EXPECTED


def test_the_stream_goes_on_from_json_as_it_was_accepted():
    columns = healthy(4200, seed=8)
    columns["motor_current_a"][3700:] += 3.0
    grid, ticks = grid_of(columns)
    detector = detector_fit(part_of(grid, slice(0, 3600)), ticks, seed=1)
    course = course_begin(detector)
    stream_judge(detector, course, part_of(grid, slice(3400, 3900)), from_ms=int(grid.t_ms[3600]))
    assert course.active
    course_anew(detector, course, part_of(grid, slice(3400, 3900)))
    assert not course.active
    kept = course_resume(detector, course.to_json())
    rest = part_of(grid, slice(3500, 4200))
    whole = stream_judge(detector, course, rest, from_ms=int(grid.t_ms[3900]))
    again = stream_judge(detector, kept, rest, from_ms=int(grid.t_ms[3900]))
    assert np.array_equal(whole.score, again.score, equal_nan=True)
    assert not whole.active.any()
