from datetime import timedelta

import pytest

from anomalies.alerts.opening import Finding, alert_raise, alert_return
from anomalies.models import Alert
from common import clock
from common.times import rfc3339
from telemetry.models import Machine
from tenants.context import factory_context


@pytest.fixture
def alerts(acme) -> list[Alert]:
    with factory_context(acme):
        machines = [Machine.objects.create(key=key, last_seen_at=clock.now()) for key in ("M01", "M02")]
        made = []
        for machine, cause, severity in (
            (machines[0], "detector", "critical"),
            (machines[0], "rule:1", "low"),
            (machines[1], "detector", "high"),
        ):
            finding = Finding(
                machine=machine,
                cause=cause,
                severity=severity,
                title="Vibration above normal",
                summary="Vibration 7.90 mm/s",
                since_at=clock.now() - timedelta(hours=1),
            )
            made.append(alert_raise(finding))
        alert_return(machine=machines[0], cause="rule:1", at=clock.now() - timedelta(minutes=30))
        return made


def ids(response) -> list[int]:
    assert response.status_code == 200, response.content
    return [row["id"] for row in response.json()["results"]]


def test_alerts_are_listed_newest_first_and_narrowed(alerts, viewer, client_for):
    client = client_for(viewer)
    first, second, third = (alert.pk for alert in alerts)
    assert ids(client.get("/api/v1/alerts")) == [third, second, first]
    assert ids(client.get("/api/v1/alerts?severity=critical,high")) == [third, first]
    assert ids(client.get("/api/v1/alerts?machine=M01&state=active")) == [first]
    assert ids(client.get("/api/v1/alerts?state=returned_unacknowledged")) == [second]
    recent = rfc3339(clock.now() - timedelta(minutes=10))
    assert ids(client.get("/api/v1/alerts", {"from": recent})) == [third, first]
    assert ids(client.get("/api/v1/alerts", {"to": rfc3339(clock.now() - timedelta(hours=2))})) == []


def test_pages_follow_a_cursor(alerts, viewer, client_for):
    client = client_for(viewer)
    page = client.get("/api/v1/alerts?limit=2").json()
    rest = client.get(page["next"].partition("localhost:8000")[2]).json()
    assert [row["id"] for row in page["results"] + rest["results"]] == [alert.pk for alert in reversed(alerts)]
    assert rest["next"] is None


@pytest.mark.parametrize("query", ["state=broken", "severity=worst", "from=yesterday"])
def test_a_filter_that_means_nothing_is_refused(alerts, viewer, client_for, query):
    response = client_for(viewer).get(f"/api/v1/alerts?{query}")
    assert response.status_code == 400
    assert response.json()["code"] in {"invalid_input", "window_invalid"}


def test_an_operator_acknowledges_and_a_second_time_is_the_same_answer(alerts, operator, client_for):
    client, path = client_for(operator), f"/api/v1/alerts/{alerts[0].pk}/acknowledge"
    first = client.post_json(path, {"comment": "On my way"})
    second = client.post_json(path, {"comment": "Again"})
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert first.json()["state"] == "active_acknowledged"
    assert [event["kind"] for event in first.json()["events"]] == ["raised", "acknowledged"]
    assert first.json()["events"][1]["comment"] == "On my way"


def test_a_viewer_reads_and_may_not_acknowledge(alerts, viewer, client_for):
    client = client_for(viewer)
    assert client.get(f"/api/v1/alerts/{alerts[0].pk}").json()["machine"] == "M01"
    assert client.post_json(f"/api/v1/alerts/{alerts[0].pk}/acknowledge", {}).status_code == 403


def test_a_stranger_and_another_factory_see_nothing(alerts, outsider, anonymous, foreign_key, api_client, client_for):
    path = f"/api/v1/alerts/{alerts[0].pk}"
    assert anonymous.get(path).status_code == 401
    assert client_for(outsider).get(path).status_code == 404
    assert api_client(foreign_key).get(path).status_code in {401, 403}
    with factory_context("acme"):
        assert Alert.objects.filter(state="active_unacknowledged").count() == 2


def test_a_key_may_acknowledge_with_scope_write_only(alerts, read_key, write_key, api_client):
    path = f"/api/v1/alerts/{alerts[0].pk}/acknowledge"
    assert api_client(read_key).post_json(path, {}).status_code == 403
    answer = api_client(write_key).post_json(path, {})
    assert answer.status_code == 200
    assert answer.json()["acknowledged_by"] is None, "a program is no person; the timeline names it"
    assert answer.json()["events"][1]["actor"]


def test_analyze_says_learning_and_refuses_nonsense(alerts, operator, viewer, client_for):
    client, window = client_for(operator), {"from": 1_795_255_200_000, "to": "2026-11-21T11:00:00Z"}
    answer = client.post_json("/api/v1/telemetry/analyze/M01", window)
    assert answer.status_code == 200, answer.content
    assert answer.json() == {
        "status": "learning", "score": None, "threshold": 1.0, "model_version": None, "anomalies": [],
    }  # fmt: skip
    assert client_for(viewer).post_json("/api/v1/telemetry/analyze/M01", window).status_code == 403
    assert client.post_json("/api/v1/telemetry/analyze/M99", window).json()["code"] == "machine_not_found"
    for body in ({}, {"from": 1}, {"from": "x", "to": "y"}, [1], {"from": 0, "to": 90_000_000}):
        assert client.post_json("/api/v1/telemetry/analyze/M01", body).status_code == 400, body


def test_the_summary_counts_machines_health_and_alerts(alerts, viewer, client_for):
    summary = client_for(viewer).get("/api/v1/dashboard/summary").json()
    assert summary["machines"] == {"total": 2, "live": 2, "silent": 0, "new": 0}
    assert summary["alerts"] == {
        "open": 3,
        "unacknowledged": 3,
        "by_severity": {"low": 1, "medium": 0, "high": 1, "critical": 1},
    }
    assert summary["health"]["learning"] == 2
    assert summary["ingest"] == {"readings_per_s": 0.0}
