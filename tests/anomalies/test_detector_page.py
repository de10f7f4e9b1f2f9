"""The page and the API of a machine's detector: what it knows, how often it was wrong, versions, teaching."""

import pytest

from accounts.models import AuditEntry, Role
from anomalies import tasks
from anomalies.detection.train import machine_learn
from anomalies.models import DetectorModel, MachineHealth
from common import clock
from telemetry.models import Machine
from tests.anomalies.synthetic import healthy, series_of, stored
from tests.conftest import person_make


@pytest.fixture
def machine(in_acme) -> Machine:
    """One that was taught twice."""
    now_ms = clock.now_ms()
    machine = stored(series_of(healthy(3000), machine="Hall/M1", start_ms=now_ms - 3_000_000))
    MachineHealth.objects.create(machine=machine)
    assert machine_learn(machine, newest_ms=now_ms - 60_000) is not None
    assert machine_learn(machine, newest_ms=now_ms) is not None
    return machine


@pytest.fixture
def chief(acme, client_for):
    return client_for(person_make(acme, "chief@acme.example", Role.SUPERVISOR))


def test_the_page_tells_versions_and_an_older_one_can_judge_again(machine, chief):
    old, new = DetectorModel.objects.order_by("version")
    page = chief.get("/detectors/Hall/M1").content.decode()
    assert f"/detector-versions/{old.pk}/activate" in page
    assert f"/detector-versions/{new.pk}/activate" not in page, "it judges already"
    assert "watched for less than a day" in page
    assert chief.post(f"/detector-versions/{old.pk}/activate").headers["Location"] == "/detectors/Hall/M1"
    assert DetectorModel.objects.get(active=True) == old
    entry = AuditEntry.objects.get(action="detector.activate")
    assert (entry.before, entry.after) == ({"version": 2}, {"version": 1, "pinned": True})
    answer = chief.post(f"/api/v1/detector-versions/{new.pk}/activate")
    assert (answer.status_code, answer.json()["active"], answer.json()["version"]) == (200, True, 2)


def test_a_damaged_version_is_refused_and_the_present_one_goes_on(machine, chief):
    old, new = DetectorModel.objects.order_by("version")
    DetectorModel.objects.filter(pk=old.pk).update(arrays=b"x")
    answer = chief.post(f"/api/v1/detector-versions/{old.pk}/activate")
    assert (answer.status_code, answer.json()["code"]) == (409, "version_damaged")
    assert DetectorModel.objects.get(active=True) == new
    assert chief.post("/api/v1/detector-versions/999999/activate").status_code == 404


def test_teaching_that_was_asked_for_is_seen_by_whoever_looks_until_it_is_done(machine, chief, monkeypatch):
    asked: list[tuple] = []
    monkeypatch.setattr(tasks.train_machine, "for_factory", lambda *call: asked.append(call))
    answer = chief.post("/api/v1/detector-teaching/Hall/M1")
    assert (answer.status_code, answer.json()) == (202, {"begun": True})
    assert chief.post("/api/v1/detector-teaching/Hall/M1").json() == {"begun": False}
    assert asked == [("acme", machine.pk)]
    assert "Being taught" in chief.get("/detectors/Hall/M1").content.decode()
    assert chief.get("/api/v1/detectors/Hall/M1").json()["teaching"] is True
    assert tasks.train_machine(machine.pk, factory_slug="acme") is True
    told = chief.get("/api/v1/detectors/Hall/M1").json()
    assert (told["teaching"], told["learned"], [row["version"] for row in told["versions"]]) == (False, 1.0, [3, 2, 1])


def test_a_teaching_that_came_to_nothing_says_so(in_acme, chief, monkeypatch):
    monkeypatch.setattr(tasks.train_machine, "for_factory", lambda *_call: None)
    bare = Machine.objects.create(key="M9")
    assert chief.post("/detector-teaching/M9").status_code == 302
    assert tasks.train_machine(bare.pk, factory_slug="acme") is False
    assert "came to nothing" in chief.get("/detectors/M9").content.decode()


def test_an_operator_sees_it_and_changes_nothing(acme, machine, client_for):
    operator = client_for(person_make(acme, "op@acme.example", Role.OPERATOR))
    page = operator.get("/detectors/Hall/M1").content.decode()
    assert "/activate" not in page
    assert "/detector-teaching/" not in page
    assert operator.post("/detector-teaching/Hall/M1").status_code == 403
    assert operator.post("/api/v1/detector-teaching/Hall/M1").status_code == 403
