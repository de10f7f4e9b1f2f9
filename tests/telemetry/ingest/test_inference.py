"""Unit and kind from names in several languages, and from readings that agree or contradict."""

import numpy as np
import pytest

from telemetry.ingest.inference import infer_metric
from telemetry.ingest.value_inference import ENOUGH, infer_from_values

random = np.random.default_rng(7)


@pytest.mark.parametrize(
    ("name", "unit", "kind"),
    [
        ("Temperatur", "°C", "temperature"),
        ("Öltemperatur", "°C", "temperature"),
        ("Hydraulikdruck", "bar", "pressure"),
        ("Motorstrom", "A", "current"),
        ("Drehzahl_U/min", "rpm", "speed"),
        ("Füllstand", "%", "level"),
        ("Durchfluss_l_min", "l/min", "flow"),
        ("Luftfeuchtigkeit", "%", "humidity"),
        ("Stückzähler", "", "counter"),
        ("ciśnienie", "bar", "pressure"),
        ("prąd silnika", "A", "current"),
        ("prędkość_obr_min", "rpm", "speed"),
        ("przepływ", "l/min", "flow"),
        ("wilgotność", "%", "humidity"),
        ("débit m³/h", "m³/h", "flow"),
        ("température", "°C", "temperature"),
        ("temp_°C", "°C", "temperature"),
        ("napięcie", "V", "other"),
    ],
)
def test_names_are_understood_in_the_languages_of_plants(name, unit, kind):
    found = infer_metric(name)
    assert found[:2] == (unit, kind)
    assert found[2] >= 0.6


@pytest.mark.parametrize("name", ["surround", "person", "moon", "Strömung", "typo", "n"])
def test_names_that_only_sound_like_it_are_left_alone(name):
    assert infer_metric(name)[1] == "other"


@pytest.mark.parametrize(
    ("name", "values", "unit", "kind", "surer"),
    [
        ("temperature", random.normal(70, 3, 100), "°C", "temperature", True),
        ("temperature", random.normal(295, 2, 100), "K", "temperature", False),
        ("temperature", random.normal(900, 30, 100), "°C", "temperature", False),
        ("bearing_temperature_c", random.normal(60, 3, 100), "°C", "temperature", True),
        ("bearing_temperature_c", random.normal(295, 2, 100), "°C", "temperature", False),
        ("vibration", random.normal(2.5, 0.3, 100), "mm/s", "vibration", True),
        ("vibration", random.normal(0, 1, 100), "g", "vibration", False),
        ("vibration_mm_s", random.normal(0, 1, 100), "mm/s", "vibration", False),
        ("current", random.normal(12, 1, 100), "A", "current", True),
        ("current", random.normal(12_000, 100, 100), "mA", "current", False),
        ("power", random.normal(22_000, 100, 100), "W", "power", False),
        ("pressure", random.normal(6, 0.1, 100), "bar", "pressure", True),
        ("pressure", random.normal(1_013, 2, 100), "mbar", "pressure", False),
        ("pressure", random.normal(101_325, 200, 100), "Pa", "pressure", False),
        ("flow", random.normal(-80, 2, 100), "l/min", "flow", False),
        ("speed", random.normal(1_480, 5, 100), "rpm", "speed", True),
        ("speed", random.normal(1.2, 0.1, 100), "rpm", "speed", False),
        ("level", random.normal(55, 5, 100), "%", "level", True),
        ("level", random.normal(4_000, 5, 100), "%", "level", False),
        ("humidity", random.normal(45, 2, 100), "%", "humidity", True),
        ("state", random.integers(0, 4, 100).astype(float), "", "state", True),
        ("state", random.normal(0, 1, 100), "", "state", False),
        ("piece_count", np.arange(100.0), "", "counter", True),
        ("piece_count", np.concatenate([np.arange(100.0), np.arange(100.0)]), "", "counter", True),
        ("piece_count", random.normal(50, 5, 100), "", "counter", False),
    ],
)
def test_readings_make_a_name_surer_or_less_sure(name, values, unit, kind, surer):
    found = infer_from_values(name, values)
    assert (found.unit, found.kind) == (unit, kind)
    assert (found.confidence > infer_metric(name)[2]) == surer
    assert 0 < found.confidence < 1


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.arange(100.0) // 3, "counter"),
        (random.integers(0, 3, 100).astype(float), "state"),
        (random.normal(0, 1, 100), "other"),
        (np.full(100, 7.0), "other"),
    ],
)
def test_a_name_that_says_nothing_leaves_it_to_the_readings(values, kind):
    assert infer_from_values("x17", values).kind == kind


def test_a_few_readings_say_nothing():
    assert infer_from_values("temperature", np.full(ENOUGH - 1, 295.0))[:] == infer_metric("temperature")


def test_a_machine_that_stands_still_contradicts_nothing():
    assert infer_from_values("speed", np.zeros(100)) == infer_metric("speed")
