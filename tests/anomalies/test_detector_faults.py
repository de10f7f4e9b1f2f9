"""Models that can't be trusted and sensors that lie: rules go on, pages say so, nothing is scored healthy."""

import numpy as np
import pytest

from accounts.models import Role
from anomalies.detection.detector import Detector, detector_fit
from anomalies.detection.registry import detectors_forget, model_save, models_active
from anomalies.detection.train import machine_learn
from anomalies.models import Alert, AlertState, DetectorModel, HealthStatus, MachineHealth, Rule
from anomalies.watch import machines_evaluate
from common import clock
from telemetry.models import Machine
from tests.anomalies.synthetic import grid_of, healthy, series_of, stored
from tests.conftest import person_make

HISTORY_S, LIVE_S = 2_400, 700
NOW_MS = 1_795_300_000_000
BEGUN_MS = NOW_MS - (HISTORY_S + LIVE_S) * 1000


@pytest.fixture
def columns() -> dict[str, np.ndarray]:
    return healthy(HISTORY_S + LIVE_S, seed=5)


@pytest.fixture(scope="module")
def detector() -> Detector:
    """Taught by the same history, once for all tests: teaching takes seconds."""
    grid, its_clock = grid_of(
        {name: values[:HISTORY_S] for name, values in healthy(HISTORY_S + LIVE_S, seed=5).items()}
    )
    return detector_fit(grid, its_clock, seed=1)


@pytest.fixture
def machine(in_acme, columns, detector, monkeypatch) -> Machine:
    """Taught by its history, judged once, with a limit that somebody set."""
    monkeypatch.setattr(clock, "now_ms", lambda: NOW_MS)
    detectors_forget()
    machine = fed(columns, 0, HISTORY_S)
    end_ms = BEGUN_MS + HISTORY_S * 1000
    model_save(machine, detector, from_ms=BEGUN_MS, to_ms=end_ms, cells=HISTORY_S, data_sha256="", seed=1)
    when = {"all": [{"metric": "vibration_mm_s", "op": "above", "value": 7.1, "clear": 4.5, "for_s": 10}]}
    Rule.objects.create(name="Vibration", machines=[machine.key], when=when)
    machines_evaluate([fed(columns, HISTORY_S, HISTORY_S + 50)])
    assert MachineHealth.objects.get().status == HealthStatus.NORMAL
    return machine


def fed(columns, first: int, last: int) -> Machine:
    part = {name: values[first:last] for name, values in columns.items()}
    return stored(series_of(part, machine="M01", start_ms=BEGUN_MS + first * 1000))


def lived(columns, first: int, last: int, step: int = 50) -> None:
    for second in range(HISTORY_S + first, HISTORY_S + last, step):
        machines_evaluate([fed(columns, second, second + step)])


def cut(model: DetectorModel) -> None:
    model.arrays = bytes(model.arrays)[:500]


def foreign(model: DetectorModel) -> None:
    """Another machine's, with that one's seal."""
    other = Machine.objects.create(key="M02")
    DetectorModel.objects.filter(pk=model.pk).update(machine=other)
    DetectorModel.objects.create(
        machine_id=model.machine_id, version=7, arrays=bytes(model.arrays), active=True, manifest=model.manifest
    )


def wrongly_signed(model: DetectorModel) -> None:
    model.manifest = model.manifest | {"seal": "A" * 43}


@pytest.mark.parametrize("damage", [cut, foreign, wrongly_signed], ids=lambda damage: damage.__name__)
def test_rules_go_on_and_the_pages_say_that_a_model_is_not_to_be_trusted(machine, columns, damage, acme, client_for):
    model = DetectorModel.objects.get()
    damage(model)
    if damage is not foreign:
        model.save()
    detectors_forget()
    columns["vibration_mm_s"][HISTORY_S + 100 :] += 9.0
    lived(columns, 50, 200)
    assert Alert.objects.get().cause.startswith("rule:"), "the limit was told, and nothing else"
    health = MachineHealth.objects.get(machine=machine)
    assert (health.status, health.score) == (HealthStatus.LEARNING, None)
    assert health.damage
    assert models_active([machine]) == {}
    client = client_for(person_make(acme, "op@acme.example", Role.OPERATOR))
    for path in ("/machines/M01", "/detectors/M01"):
        assert "can&#x27;t be trusted" in client.get(path).content.decode().replace("can't", "can&#x27;t"), path
    assert client.get("/api/v1/detectors/M01").json()["damage"]


def test_a_model_whose_row_is_gone_stops_neither_its_machine_nor_the_next(machine, columns, monkeypatch):
    known = models_active([machine])
    DetectorModel.objects.all().delete()
    detectors_forget()
    # Deleted after the worker had looked which models there are.
    monkeypatch.setattr("anomalies.watch.models_active", lambda _machines: known)
    columns["vibration_mm_s"][HISTORY_S + 50 :] += 9.0
    lived(columns, 50, 100)
    assert Alert.objects.get().cause.startswith("rule:")
    assert "gone" in MachineHealth.objects.get(machine=machine).damage


def test_a_machine_taught_again_is_judged_again_and_nothing_is_said_any_more(machine, columns):
    DetectorModel.objects.update(arrays=b"PK nonsense")
    detectors_forget()
    lived(columns, 50, 100)
    assert MachineHealth.objects.get(machine=machine).damage
    assert machine_learn(machine, newest_ms=BEGUN_MS + (HISTORY_S + 100) * 1000) is not None
    lived(columns, 100, 200)
    health = MachineHealth.objects.get(machine=machine)
    assert (health.status, health.damage) == (HealthStatus.NORMAL, "")


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("dead", "missing:vibration_mm_s"), ("stuck", "stuck:vibration_mm_s"), ("flat", "stuck:vibration_mm_s")],
)
def test_a_sensor_that_lies_is_an_alert_of_its_own_and_its_machine_is_never_called_healthy(
    machine, columns, fault, cause
):
    values = columns["vibration_mm_s"]
    from_ = HISTORY_S + 100
    values[from_:] = {"dead": np.nan, "stuck": values[from_], "flat": 0.0}[fault]
    lived(columns, 50, 100)
    lived(columns, 100, 600, step=100)
    alert = Alert.objects.get(cause=cause)
    assert alert.state == AlertState.ACTIVE_UNACKNOWLEDGED
    assert "Vibration" in alert.title
    health = MachineHealth.objects.get(machine=machine)
    assert health.status == HealthStatus.ANOMALOUS
    assert health.health_percent is None or health.health_percent <= 50.0
