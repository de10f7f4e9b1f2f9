"""Roles of metrics: inferred with a confidence, corrected by people, kept over teaching, and used by it."""

import numpy as np
import pytest

from accounts.models import AuditEntry, Role
from anomalies.detection.detector import detector_fit
from anomalies.detection.metric_roles import roles_choose, roles_judged, roles_read
from anomalies.detection.roles import Role as MetricMoves
from anomalies.models import MetricRole
from telemetry.models import Machine, Metric, MetricKind
from tests.anomalies.synthetic import grid_of, healthy
from tests.conftest import person_make


@pytest.fixture
def machine(in_acme) -> Machine:
    machine = Machine.objects.create(key="M1")
    kinds = (
        ("oil_temperature_c", MetricKind.TEMPERATURE, 0.95),
        ("parts", MetricKind.COUNTER, 0.9),
        ("mode", MetricKind.STATE, 0.8),
        ("vibration_mm_s", MetricKind.VIBRATION, 0.95),
        ("x17", MetricKind.OTHER, 0.0),
    )
    for name, kind, confidence in kinds:
        Metric.objects.create(machine=machine, name=name, kind=kind, confidence=confidence)
    return machine


@pytest.fixture
def chief(acme, client_for):
    return client_for(person_make(acme, "chief@acme.example", Role.SUPERVISOR))


def test_roles_are_inferred_with_how_sure_that_is(machine):
    found = {row.metric.name: (row.role.value, row.inferred.confidence) for row in roles_read(machine)}
    assert found == {
        "oil_temperature_c": ("slow", 0.95),
        "parts": ("counter", 0.9),
        "mode": ("state", 0.8),
        "vibration_mm_s": ("fast", 0.95),
        "x17": ("fast", 0.3),
    }


def test_a_role_that_somebody_chose_stands_and_is_written_down(machine, chief):
    answer = chief.patch_json("/api/v1/detector-roles/M1", {"roles": {"x17": "slow", "parts": "fast"}})
    assert answer.status_code == 200, answer.content
    told = {row["metric"]: row for row in answer.json()["results"]}
    assert (told["x17"]["role"], told["x17"]["inferred"]) == ("slow", "fast")
    assert told["x17"]["chosen_by"] == "chief@acme.example"
    entry = AuditEntry.objects.get(action="detector.roles")
    assert (entry.before, entry.after) == ({"x17": None, "parts": None}, {"x17": "slow", "parts": "fast"})
    chief.patch_json("/api/v1/detector-roles/M1", {"roles": {"x17": "slow"}})
    assert AuditEntry.objects.filter(action="detector.roles").count() == 1, "nothing changed, nothing to write down"
    judged = roles_judged(machine.metrics.select_related("role_chosen"))
    assert judged == {"oil_temperature_c": "slow", "parts": "fast", "vibration_mm_s": "fast", "x17": "slow"}
    chief.patch_json("/api/v1/detector-roles/M1", {"roles": {"x17": None}})
    assert set(MetricRole.objects.values_list("metric__name", flat=True)) == {"parts"}


@pytest.mark.parametrize("asked", [{"roles": {"x17": "quick"}}, {"roles": {"x17": "slow", "y": "fast"}}, {"roles": 3}])
def test_what_is_no_role_or_no_metric_changes_nothing(machine, chief, asked):
    answer = chief.patch_json("/api/v1/detector-roles/M1", asked)
    assert (answer.status_code, answer.json()["code"] in {"role_invalid", "invalid_input"}) == (400, True)
    assert not MetricRole.objects.exists()


def test_the_page_changes_roles_for_whoever_may_and_shows_them_to_the_others(acme, machine, chief, client_for):
    page = chief.get("/detectors/M1").content.decode()
    assert 'name="role:x17"' in page
    assert "a guess, 30 %" in page
    assert chief.post("/detector-roles/M1", {"role:x17": "slow", "role:mode": ""}).status_code == 302
    assert MetricRole.objects.get().role == "slow"
    operator = client_for(person_make(acme, "op@acme.example", Role.OPERATOR))
    page = operator.get("/detectors/M1").content.decode()
    assert "chosen by chief@acme.example" in page
    assert "<select" not in page
    assert operator.post("/detector-roles/M1", {"role:x17": "fast"}).status_code == 403
    assert operator.patch_json("/api/v1/detector-roles/M1", {"roles": {"x17": "fast"}}).status_code == 403


def test_the_next_version_follows_what_was_called_fast_alone():
    grid, its_clock = grid_of(healthy(2_400))
    inferred = detector_fit(grid, its_clock, seed=1)
    told = detector_fit(grid, its_clock, seed=1, roles={"motor_current_a": MetricMoves.SLOW})

    def followed(detector) -> list[str]:
        return [detector.metrics[column] for column in np.asarray(detector.tracked.columns)]

    assert followed(inferred) == ["motor_current_a", "vibration_mm_s"]
    assert followed(told) == ["vibration_mm_s"]


def test_a_choice_outlives_a_confirmed_kind_and_goes_with_its_metric(machine, operator):
    roles_choose(machine, {"x17": "slow"}, actor=operator)
    Metric.objects.filter(name="x17").update(kind=MetricKind.VIBRATION, confirmed=True)
    (row,) = [row for row in roles_read(machine) if row.metric.name == "x17"]
    assert (row.role.value, row.inferred.confidence) == ("slow", 1.0)
    Metric.objects.filter(name="x17").delete()
    assert not MetricRole.objects.exists()
