from datetime import timedelta

import pytest

from accounts.models import AuditEntry
from anomalies.alerts.opening import alert_raise, alert_return
from anomalies.models import Alert, AlertState, MaintenanceWindow
from common import clock
from common.times import rfc3339, to_ms
from telemetry.models import Line, Machine, Metric, Site
from tests.anomalies.test_alerts import finding


@pytest.fixture
def alert(in_acme) -> Alert:
    return alert_raise(finding(Machine.objects.create(key="M01")))


def path_of(alert: Alert, deed: str) -> str:
    return f"/api/v1/alerts/{alert.pk}/{deed}"


def test_an_alert_lives_its_life_over_the_api(alert, operator, client_for):
    client = client_for(operator)
    until = rfc3339(clock.now() + timedelta(hours=1))
    steps = [
        ("acknowledge", {"comment": "On my way"}, "active_acknowledged"),
        ("comment", {"comment": "Smells hot"}, "active_acknowledged"),
        ("shelve", {"reason": "Fitter comes at noon", "until": until}, "shelved"),
        ("shelve", {"reason": "Fitter comes at one", "for_s": 7200}, "shelved"),
        ("unshelve", {}, "active_unacknowledged"),
        ("close", {"verdict": "true", "comment": "Bearing replaced"}, "normal"),
        ("close", {"verdict": "expected"}, "normal"),
    ]
    for deed, body, state in steps:
        answer = client.post_json(path_of(alert, deed), body)
        assert (deed, answer.status_code) == (deed, 200), answer.content
        assert answer.json()["state"] == state
    whole = client.get(f"/api/v1/alerts/{alert.pk}").json()
    assert whole["verdict"] == "expected"
    assert [(event["kind"], event["to_state"]) for event in whole["events"]] == [
        ("raised", "active_unacknowledged"),
        ("acknowledged", "active_acknowledged"),
        ("commented", None),
        ("shelved", "shelved"),
        ("shelved", "shelved"),
        ("unshelved", "active_unacknowledged"),
        ("closed", "normal"),
        ("judged", "normal"),
    ]
    assert {event["actor"] for event in whole["events"][1:]} == {operator.email}


@pytest.mark.parametrize(
    ("deed", "body"),
    [
        ("close", {}),
        ("close", {"verdict": "perhaps"}),
        ("shelve", {"for_s": 60}),
        ("shelve", {"reason": "x"}),
        ("shelve", {"reason": "x", "for_s": 60, "until": 1}),
        ("shelve", {"reason": "x", "until": "tomorrow"}),
        ("shelve", {"reason": "x", "until": 0}),
        ("shelve", {"reason": "x", "until": 10**30}),
        ("shelve", {"reason": "x", "for_s": 10**9}),
        ("comment", {}),
        ("comment", {"comment": " "}),
        ("acknowledge", {"comment": "x" * 2_001}),
        ("acknowledge", []),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(alert, operator, client_for, deed, body):
    answer = client_for(operator).post_json(path_of(alert, deed), body)
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert Alert.objects.get().events.count() == 1


def test_what_can_not_be_done_now_is_a_conflict(alert, operator, client_for):
    answer = client_for(operator).post_json(path_of(alert, "unshelve"), {})
    assert (answer.status_code, answer.json()["code"]) == (409, "alert_state")


@pytest.mark.parametrize("deed", ["acknowledge", "shelve", "unshelve", "comment", "close"])
def test_a_viewer_may_do_none_of_it_and_a_stranger_finds_nothing(alert, viewer, outsider, client_for, deed):
    assert client_for(viewer).post_json(path_of(alert, deed), {}).status_code == 403
    stranger = client_for(outsider)
    body = {"comment": "x", "reason": "x", "for_s": 60, "verdict": "true"}
    assert stranger.post_json(path_of(alert, deed), body).status_code == 404
    assert stranger.get(f"/api/v1/alerts/{alert.pk}/similar").status_code == 404


def test_many_at_once_tell_which_were_done_and_which_had_moved_on(alert, operator, client_for):
    other = alert_raise(finding(alert.machine, cause="rule:1"))
    client = client_for(operator)
    answer = client.post_json("/api/v1/alerts/bulk", {"action": "acknowledge", "ids": [alert.pk, other.pk, 999_999]})
    assert answer.json() == {"done": [alert.pk, other.pk], "refused": [999_999]}
    body = {"action": "shelve", "ids": [alert.pk, other.pk], "reason": "Shift change", "for_s": 900}
    client.post_json(path_of(other, "close"), {"verdict": "false"})
    assert client.post_json("/api/v1/alerts/bulk", body).json() == {"done": [alert.pk], "refused": [other.pk]}
    assert AuditEntry.objects.filter(action="alert.acknowledge").count() == 2
    for wrong in ({"action": "shelve", "ids": [1]}, {"action": "close", "ids": [1]}, {"action": "x", "ids": [1]},
                  {"action": "acknowledge", "ids": []}, {"action": "acknowledge", "ids": [1] * 501}):  # fmt: skip
        assert client.post_json("/api/v1/alerts/bulk", wrong).status_code == 400, wrong


def test_hidden_and_judged_alerts_are_found_by_their_words(alert, operator, client_for):
    client = client_for(operator)
    client.post_json(path_of(alert, "shelve"), {"reason": "x", "for_s": 60})

    def ids(query: str) -> list[int]:
        return [row["id"] for row in client.get(f"/api/v1/alerts?{query}").json()["results"]]

    assert ids("state=hidden") == ids("state=shelved") == [alert.pk]
    assert ids("state=open") == []
    client.post_json(path_of(alert, "close"), {"verdict": "false"})
    assert (ids("verdict=false"), ids("verdict=true"), ids("group=1")) == ([alert.pk], [], [])
    assert client.get("/api/v1/alerts?group=x").status_code == 400


def test_similar_alerts_are_those_with_the_same_metrics_on_the_same_side(in_acme, viewer, client_for):
    machine = Machine.objects.create(key="P1", machine_type="pump")
    twin = Machine.objects.create(key="P2", machine_type="Pump")

    def raised(on: Machine, observed: float, cause: str, metric: str = "vibration") -> Alert:
        part = {"metric": metric, "share": 1.0, "observed": observed, "expected": [1.8, 3.1]}
        return alert_raise(finding(on, cause=cause, evidence={"metrics": [part]}))

    high, low = raised(machine, 7.9, "detector"), raised(machine, 0.2, "detector:b")
    other, theirs = raised(machine, 9.0, "detector:c", "temperature"), raised(twin, 8.0, "detector")
    now = raised(machine, 7.0, "detector:d")
    found = client_for(viewer).get(f"/api/v1/alerts/{now.pk}/similar").json()["results"]
    assert [(row["id"], row["likeness"]) for row in found] == [(high.pk, 1.0), (theirs.pk, 0.8)]
    assert {low.pk, other.pk}.isdisjoint(row["id"] for row in found)


# --- planned quiet --------------------------------------------------------------------------------------------------


@pytest.fixture
def line(in_acme) -> Line:
    return Line.objects.create(site=Site.objects.create(name="Łódź"), name="Bottling")


def test_maintenance_is_planned_moved_and_ended(line, supervisor, client_for):
    machine = Machine.objects.create(key="M01", line=line)
    client, now = client_for(supervisor), clock.now()
    body = {"line": line.pk, "ends_at": to_ms(now + timedelta(hours=2)), "reason": "Bearing swap"}
    made = client.post_json("/api/v1/maintenance", body)
    assert made.status_code == 201, made.content
    assert (made.json()["state"], made.json()["created_by"]) == ("running", supervisor.email)
    assert alert_raise(finding(machine)).state == AlertState.SUPPRESSED
    path = f"/api/v1/maintenance/{made.json()['id']}"
    later = rfc3339(now + timedelta(hours=3))
    assert client.patch_json(path, {"ends_at": later}).json()["ends_at"].startswith(later[:16])
    assert client.delete(path).status_code == 204
    assert client.get(path).json()["state"] == "over"
    assert client.delete(path).json()["code"] == "maintenance_over"
    assert [row["id"] for row in client.get("/api/v1/maintenance").json()["results"]] == [made.json()["id"]]
    assert client.get("/api/v1/maintenance?current=true").json()["results"] == []
    assert set(AuditEntry.objects.values_list("action", flat=True)) >= {
        "maintenance.created", "maintenance.changed", "maintenance.ended",
    }  # fmt: skip


def test_what_has_not_begun_is_cancelled(line, supervisor, client_for):
    client, now = client_for(supervisor), clock.now()
    starts, ends = rfc3339(now + timedelta(hours=1)), rfc3339(now + timedelta(hours=2))
    made = client.post_json(
        "/api/v1/maintenance", {"site": line.site_id, "starts_at": starts, "ends_at": ends, "reason": "x"}
    )
    assert made.json()["state"] == "planned"
    assert client.delete(f"/api/v1/maintenance/{made.json()['id']}").status_code == 204
    assert not MaintenanceWindow.objects.exists()


def test_a_window_that_makes_no_sense_is_refused(line, supervisor, client_for):
    now = clock.now()
    good = {"line": line.pk, "ends_at": rfc3339(now + timedelta(hours=2)), "reason": "x"}
    for change in (
        {"line": None}, {"site": line.site_id}, {"line": 999}, {"reason": " "},
        {"ends_at": rfc3339(now - timedelta(1))},
        {"starts_at": rfc3339(now + timedelta(hours=3))}, {"ends_at": rfc3339(now + timedelta(days=100))},
    ):  # fmt: skip
        assert client_for(supervisor).post_json("/api/v1/maintenance", {**good, **change}).status_code == 400, change
    assert not MaintenanceWindow.objects.exists()


def test_operators_see_maintenance_and_do_not_plan_it(line, operator, outsider, client_for):
    window = MaintenanceWindow.objects.create(
        line=line, starts_at=clock.now(), ends_at=clock.now() + timedelta(hours=1), reason="x"
    )
    client = client_for(operator)
    assert client.get("/api/v1/maintenance").status_code == 200
    assert client.post_json("/api/v1/maintenance", {}).status_code == 403
    assert client.delete(f"/api/v1/maintenance/{window.pk}").status_code == 403
    assert client_for(outsider).get(f"/api/v1/maintenance/{window.pk}").status_code == 404


def test_a_machine_is_taken_out_of_service_and_put_back(line, supervisor, client_for):
    machine = Machine.objects.create(key="hall/M01", line=line)
    Metric.objects.create(machine=machine, name="current", unit="A", last_value=0.2)
    client, path = client_for(supervisor), "/api/v1/machine-service/hall/M01"
    assert client.get(path).json()["out_of_service"] is False
    assert client.put(path, {"out_of_service": True}, content_type="application/json").status_code == 400
    out = client.put(path, {"out_of_service": True, "reason": "Sold"}, content_type="application/json").json()
    assert (out["out_of_service"], out["changed_by"]) == (True, supervisor.email)
    alert = alert_raise(finding(machine))
    assert alert.state == AlertState.OUT_OF_SERVICE
    back = client.put(
        path, {"out_of_service": False, "off_when": {"metric": "current", "high": 0.5}}, content_type="application/json"
    ).json()
    assert (back["out_of_service"], back["off"]) == (False, True)
    assert back["off_when"] == {"metric": "current", "low": None, "high": 0.5}
    for wrong in ({"off_when": {"metric": "nothing", "high": 1}}, {"off_when": {"metric": "current"}}):
        assert client.put(path, wrong, content_type="application/json").status_code in {400, 404}
    alert_return(machine=machine, cause="detector", at=clock.now())
