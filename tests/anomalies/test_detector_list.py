"""All detectors in one list: what wants somebody first, for whoever may see the machine, in few queries."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Role
from anomalies.detector_list import detectors_read
from anomalies.models import Alert, AlertState, DetectorModel, HealthStatus, MachineHealth, Replay
from common import clock
from telemetry.models import Line, Machine, Metric, Site
from tests.conftest import person_make


@pytest.fixture
def plant(in_acme) -> dict[str, Machine]:
    """A machine for each thing that a detector may be doing."""
    line = Line.objects.create(name="Line 1", site=Site.objects.create(name="Works"))
    keys = ("calm", "cut", "new", "noisy", "old", "silent", "warm")
    machines = {key: Machine.objects.create(key=key, line=line if key == "noisy" else None) for key in keys}
    taught = clock.now() - timedelta(weeks=2)
    for key in ("calm", "noisy", "old", "silent"):
        manifest = {"from_ms": 0, "to_ms": 86_400_000}
        version(machines[key], 1, active=True, pinned=key == "old", manifest=manifest)
        status = HealthStatus.NO_DATA if key == "silent" else HealthStatus.NORMAL
        MachineHealth.objects.create(machine=machines[key], status=status, learning_progress=1.0)
    DetectorModel.objects.update(trained_at=taught)
    newer = version(machines["old"], 2)
    Replay.objects.create(
        machine=machines["old"], occasion="challenge", outcome="proposed", state="done", from_ms=0, to_ms=1,
        first=DetectorModel.objects.get(machine=machines["old"], version=1), second=newer,
    )  # fmt: skip
    MachineHealth.objects.create(machine=machines["cut"], damage="cut")
    MachineHealth.objects.create(machine=machines["warm"], learning_progress=0.99, unsettled=["oil_temperature_c"])
    Metric.objects.create(machine=machines["warm"], name="oil_temperature_c", unit="°C")
    MachineHealth.objects.create(machine=machines["new"], learning_progress=0.62)
    for verdict in ("false", "false", "false", "true", ""):
        at = clock.now() - timedelta(days=3)
        alert = Alert.objects.create(
            machine=machines["noisy"], cause="detector", state=AlertState.NORMAL, verdict=verdict, since_at=at
        )
        Alert.objects.filter(pk=alert.pk).update(raised_at=at)
    return machines


def version(machine: Machine, number: int, **given) -> DetectorModel:
    return DetectorModel.objects.create(machine=machine, version=number, arrays=b"", **{"manifest": {}, **given})


def test_what_wants_somebody_stands_first_and_each_says_what_it_does(plant):
    rows = detectors_read()
    assert [(row.machine.key, row.standing.value) for row in rows] == [
        ("cut", "damaged"), ("noisy", "judging"), ("old", "judging"),
        ("warm", "settling"), ("new", "learning"), ("silent", "waiting"), ("calm", "judging"),
    ]  # fmt: skip
    noisy = rows[1].realised
    assert (noisy.false, noisy.true, noisy.unjudged) == (3, 1, 1)
    assert noisy.per_week == pytest.approx(3.75 / 2, rel=0.01)
    assert [row.machine.key for row in rows if row.proposed] == ["old"]


def test_the_page_shows_and_narrows_them(plant, acme, client_for):
    viewer = client_for(person_make(acme, "viewer@acme.example", Role.VIEWER))
    page = viewer.get("/detectors").content.decode()
    for words in ("Damaged", "Not settled yet", "Oil temperature", "62", "a newer one is proposed", "above the aim"):
        assert words in page, words
    for query, keys in (("state=attention", {"cut", "noisy", "old"}), ("state=learning", {"warm", "new"}),
                        ("q=line+1", {"noisy"}), ("q=nothing", set())):  # fmt: skip
        page = viewer.get(f"/detectors?{query}").content.decode()
        assert {key for key in plant if f'href="/detectors/{key}"' in page} == keys, query


def test_programs_get_the_same_and_nobody_elses(plant, acme, client_for, outsider):
    viewer = client_for(person_make(acme, "viewer@acme.example", Role.VIEWER))
    found = {row["machine"]: row for row in viewer.get("/api/v1/detectors").json()["results"]}
    assert found["warm"]["unsettled"] == ["oil_temperature_c"]
    assert (found["old"]["version"], found["old"]["pinned"], found["old"]["proposed"]) == (1, True, True)
    assert found["noisy"]["realised"]["false"] == 3
    assert (found["new"]["learned"], found["new"]["version"]) == (0.62, None)
    assert client_for(outsider).get("/api/v1/detectors").json()["results"] == []


def test_more_machines_ask_no_more_questions(plant):
    with CaptureQueriesContext(connection) as few:
        detectors_read()
    Machine.objects.bulk_create(Machine(key=f"M{number}") for number in range(50))
    with CaptureQueriesContext(connection) as many:
        detectors_read()
    assert len(many) == len(few) <= 7
