import pytest

from anomalies.detection.detector import detector_fit
from anomalies.detection.registry import (
    DetectorDamagedError,
    detector_load,
    detectors_forget,
    model_save,
    models_active,
)
from anomalies.detection.scoring import detector_score
from anomalies.models import DetectorModel
from anomalies.watch import machines_evaluate
from telemetry.models import Machine
from tenants.context import factory_context
from tests.anomalies.synthetic import grid_of, healthy


@pytest.fixture(scope="module")
def detector():
    grid, clock = grid_of(healthy(2400))
    return detector_fit(grid, clock, seed=1)


@pytest.fixture
def machine(in_acme) -> Machine:
    detectors_forget()
    return Machine.objects.create(key="M01")


def save(machine: Machine, detector) -> DetectorModel:
    return model_save(machine, detector, from_ms=0, to_ms=1, cells=1, data_sha256="", seed=1)


def test_a_detector_comes_back_as_it_was(machine, detector):
    model = save(machine, detector)
    again = detector_load(model.pk)
    grid, _ = grid_of(healthy(300, seed=2))
    assert detector_score(again, grid).score.tolist()[100:] == detector_score(detector, grid).score.tolist()[100:]
    assert again is detector_load(model.pk), "the second time from memory"


def test_each_training_is_a_version_and_one_is_active(machine, detector):
    first, second = save(machine, detector), save(machine, detector)
    assert (first.version, second.version) == (1, 2)
    assert models_active([machine])[machine.pk].id == second.pk
    assert set(second.manifest["libraries"]) == {"numpy", "scikit-learn"}


@pytest.mark.parametrize("damage", ["cut", "flipped", "manifest"])
def test_a_damaged_model_is_refused_and_taught_again(machine, detector, damage):
    model = save(machine, detector)
    packed = bytes(model.arrays)
    if damage == "cut":
        model.arrays = packed[: len(packed) // 2]
    elif damage == "flipped":
        model.arrays = packed[:100] + bytes([packed[100] ^ 1]) + packed[101:]
    else:
        model.manifest["sha256"] = "0" * 64
    model.save()
    with pytest.raises(DetectorDamagedError):
        detector_load(model.pk)
    assert models_active([machine]) == {}


def test_a_model_of_another_machine_or_factory_is_refused(machine, detector, borg):
    model = save(machine, detector)
    other = Machine.objects.create(key="M02")
    copied = DetectorModel.objects.create(
        machine=other, version=1, active=True, arrays=bytes(model.arrays), manifest=model.manifest
    )
    with pytest.raises(DetectorDamagedError):
        detector_load(copied.pk)
    with factory_context(borg):
        stranger = Machine.objects.create(pk=machine.pk, key="M01")
        foreign = DetectorModel.objects.create(
            machine=stranger, version=1, active=True, arrays=bytes(model.arrays), manifest=model.manifest
        )
        with pytest.raises(DetectorDamagedError):
            detector_load(foreign.pk)


def test_rules_go_on_when_the_model_is_damaged(machine, detector):
    model = save(machine, detector)
    DetectorModel.objects.filter(pk=model.pk).update(arrays=b"PK nonsense")
    assert machines_evaluate([machine]) == 1
