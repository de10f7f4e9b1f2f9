"""What a plan allows, where it bites: the window, the size of a body, names; and memory that no sender can fill."""

import json

import numpy as np
import pytest

from telemetry.ingest import admission
from telemetry.ingest.columns import ParsedPayload
from telemetry.ingest.refusals import TooLargeError
from telemetry.readings import ReadingBatch, Series
from tenants.limits import limit_sentence, limits_of, uses_of
from tenants.models import Factory, Plan

NOW_MS = 1_795_255_200_000
DAY_MS = 86_400_000


def learn(slug="mill", **plan):
    admission.plan_learn(Factory(slug=slug, plan=Plan(**plan)))


def admitted(*times, slug="mill"):
    series = Series("M01", "a", np.array(times, np.int64), np.arange(len(times), dtype=np.float64))
    parsed = ParsedPayload(ReadingBatch([series]), [], np.arange(len(times)))
    return admission.admit(parsed, factory_slug=slug, now_ms=NOW_MS)


def test_the_window_is_the_plans():
    learn(accepted_past_days=30, accepted_ahead_minutes=1)
    found = admitted(NOW_MS - 29 * DAY_MS, NOW_MS - 31 * DAY_MS, NOW_MS + 30_000, NOW_MS + 90_000)
    assert found.batch.series[0].values.tolist() == [0.0, 2.0]
    assert [(one.code, one.detail.partition(":")[0]) for one in found.rejected] == [
        ("timestamp_too_old", "older than 30 days"),
        ("timestamp_in_future", "more than 1 minutes ahead"),
    ]


def test_a_factory_nobody_has_looked_up_has_the_usual_window():
    found = admitted(NOW_MS - 6 * DAY_MS, NOW_MS - 8 * DAY_MS)
    assert found.batch.series[0].values.tolist() == [0.0]


def test_a_changed_plan_counts_from_the_next_look(monkeypatch):
    learn(accepted_past_days=1)
    monkeypatch.setattr(admission._limits, "_fresh_s", 0.0)
    learn(accepted_past_days=10)
    assert len(admitted(NOW_MS - 9 * DAY_MS).batch) == 1


def test_a_body_may_be_as_large_as_the_plan_says():
    learn(max_body_bytes=2_048)
    admission.body_check("mill", 2_048)
    with pytest.raises(TooLargeError, match="2,048 bytes") as refused:
        admission.body_check("mill", 2_049)
    assert refused.value.status == 413
    admission.body_check("dairy", 1024 * 1024)


def test_a_plan_can_forbid_no_body_that_a_device_needs():
    assert limits_of(Factory(plan=Plan(max_body_bytes=0))).body_bytes == 1_024
    assert limits_of(Factory(plan=Plan(max_readings_per_s=0))).readings_per_s == 1


def test_the_http_door_refuses_a_body_beyond_the_plan(api_client, ingest_key, door_journal, acme):
    Plan.objects.filter(pk=acme.plan.pk).update(max_body_bytes=2_000)
    body = {"machine": "M01", "metrics": {f"metric {n}": n for n in range(200)}}
    answer = api_client(ingest_key).post_json("/api/v1/telemetry/ingest", body)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert len(json.dumps(body)) > 2_000


def test_long_names_are_refused_and_never_remembered():
    before = admission._is_machine.cache_info().currsize
    for number in range(100):
        assert admission.name_fault("M" * 10_000 + str(number), "a")[0] == "machine_invalid"
        assert admission.name_fault("M01", "a" * 65 + str(number))[0] == "metric_invalid"
    assert admission._is_machine.cache_info().currsize <= before + 1


def test_a_debt_is_told_with_the_plans_figure():
    learn(max_readings_per_s=100)
    admitted(*[NOW_MS] * 1_000)
    with pytest.raises(admission.RateLimitedError, match="100 readings a second") as limited:
        admission.rate_check("mill")
    assert limited.value.retry_after_s >= 1


def test_what_is_used_is_shown_beside_what_may_be():
    limits = limits_of(Factory(plan=Plan(max_machines=10, max_series=0)))
    machines, series = uses_of(limits, machines=5, series=3)
    assert (machines.used, machines.allowed, machines.share) == (5, 10, 0.5)
    assert series.share == 1.0
    assert "10 machines" in limit_sentence("machines", limits)
