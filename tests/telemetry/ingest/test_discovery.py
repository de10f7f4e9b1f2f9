"""Units and kinds are looked at again once there are readings, until a person has said what they are."""

from datetime import timedelta

import numpy as np
import pytest

from accounts.models import AuditEntry
from common import clock
from common.times import to_ms
from telemetry.discovery import machine_confirm, metrics_review
from telemetry.equipment import registration_of
from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from telemetry.tasks import review_metrics_in_factory


def sent(**metrics):
    """Readings of M01, stored, of metrics that were first seen two minutes ago."""
    now_ms = to_ms(clock.now())
    batch = ReadingBatch(
        [
            Series("M01", name, now_ms - 1_000 * np.arange(len(values), 0, -1), np.array(values, np.float64))
            for name, values in metrics.items()
        ]
    )
    registered = registration_of(batch)
    reading_store().write(registered.batch, machines=registered.machines)
    Metric.objects.update(created_at=clock.now() - timedelta(minutes=2))


def found(name):
    metric = Metric.objects.get(name=name)
    return metric.unit, metric.kind, metric.confidence


def test_readings_correct_what_the_name_suggested(in_acme):
    sent(temperature=[295.0, 296.0] * 20, x17=range(40), speed=[1_480.0] * 40, odd=[1.5, -3.0] * 20)
    assert found("temperature") == ("°C", "temperature", 0.6)
    assert metrics_review(now=clock.now()) == 4
    assert found("temperature") == ("K", "temperature", 0.3)
    assert found("x17") == ("", "counter", 0.6)
    assert found("speed") == ("rpm", "speed", 0.76)
    assert found("odd") == ("", "other", 0.0)


def test_a_metric_is_looked_at_after_a_minute_an_hour_and_a_day(in_acme):
    sent(temperature=[20.0] * 40)
    born = clock.now()
    Metric.objects.update(created_at=born)
    looks = [
        metrics_review(now=born + timedelta(minutes=minutes)) for minutes in (0, 2, 3, 50, 61, 62, 1_400, 1_441, 9_999)
    ]
    assert looks == [0, 1, 0, 0, 1, 0, 0, 1, 0]


def test_a_persons_word_stands(in_acme, admin):
    sent(temperature=[295.0, 296.0] * 20, speed=[1.0] * 40)
    machine = Machine.objects.get()
    assert machine_confirm(actor=admin, machine=machine) == 2
    assert machine_confirm(actor=admin, machine=machine) == 0
    review_metrics_in_factory.apply(kwargs={"factory_slug": "acme"})
    assert found("temperature")[:2] == ("°C", "temperature")
    [entry] = AuditEntry.objects.filter(action="metrics.confirmed")
    assert entry.target == "M01"


def test_the_task_runs_for_a_factory(in_acme):
    sent(pressure=[1_013.0, 1_012.0] * 20)
    review_metrics_in_factory.apply(kwargs={"factory_slug": "acme"}).get()
    assert found("pressure")[0] == "mbar"


@pytest.mark.parametrize(
    ("change", "unit"), [({"confirmed": True}, "K"), ({"unit": "°C", "kind": "temperature"}, "°C")]
)
def test_the_api_confirms_with_one_request(in_acme, api_client, write_key, read_key, change, unit):
    sent(temperature=[295.0, 296.0] * 20)
    metrics_review(now=clock.now())
    path = "/api/v1/machines/M01/metrics/temperature"
    assert api_client(read_key).patch_json(path, change).status_code == 403
    answer = api_client(write_key).patch_json(path, change).json()
    assert (answer["unit"], answer["confirmed"]) == (unit, True)
