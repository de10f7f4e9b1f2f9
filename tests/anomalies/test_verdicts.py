"""What verdicts say of rules and detectors, the limits they propose, and the pages about the alarm system."""

import csv
from datetime import timedelta
from io import StringIO

import pytest

from accounts.models import AuditEntry
from anomalies.alerts.handling import alert_close
from anomalies.alerts.measuring import alarm_figures
from anomalies.alerts.opening import alert_raise
from anomalies.alerts.verdicts import precisions, proposal_of, threshold_of
from anomalies.models import Alert, MaintenanceWindow, Rule
from common import clock
from telemetry.models import Line, Machine, Metric, Site
from tests.anomalies.test_alerts import finding


@pytest.fixture
def machine(in_acme) -> Machine:
    machine = Machine.objects.create(key="M01")
    Metric.objects.create(machine=machine, name="vibration", unit="mm/s", last_value=2.0)
    return machine


@pytest.fixture
def rule(machine) -> Rule:
    when = {"all": [{"metric": "vibration", "op": "above", "value": 4.5, "for_s": 10, "clear": 4.0}]}
    return Rule.objects.create(name="Vibration", machines=["M01"], when=when)


def judged(machine: Machine, user, cause: str, verdict: str, observed: float, limit: float | None = 4.5) -> Alert:
    part = {"metric": "vibration", "share": 1.0, "observed": observed, "limit": limit}
    alert = alert_raise(finding(machine, cause=cause, since_at=clock.now(), evidence={"metrics": [part]}))
    return alert_close(alert=alert, user=user, verdict=verdict)


@pytest.fixture
def verdicts(rule, machine, operator) -> Rule:
    for observed in (4.6, 4.8, 5.1):
        judged(machine, operator, f"rule:{rule.pk}", "false", observed)
    for observed in (7.2, 8.9):
        judged(machine, operator, f"rule:{rule.pk}", "true", observed)
    judged(machine, operator, f"rule:{rule.pk}", "expected", 4.7)
    judged(machine, operator, "detector", "true", 7.0)
    return rule


def test_precision_is_told_by_rule_and_detector(verdicts, machine):
    by_name = {each.name: each for each in precisions()}
    rule = by_name["Vibration"]
    assert (rule.true, rule.false, rule.expected, rule.precision, rule.useful) == (2, 3, 1, 0.5, 2 / 6)
    assert by_name["Detector of M01"].precision == 1.0
    assert next(each.name for each in precisions()) == "Vibration", "the least trusted first"


def test_a_better_limit_is_proposed_and_taken_with_one_click(verdicts, supervisor, operator, client_for):
    proposal = proposal_of(verdicts)
    assert (proposal.limit, proposal.spared, proposal.false, proposal.kept) == (6.0, 3, 3, 2)
    page = client_for(supervisor).get("/alerts/verdicts").content.decode()
    assert "would have spared 3 of 3 false alarms and kept all 2 that were real" in page
    path = f"/alerts/verdicts/{verdicts.pk}/apply"
    assert client_for(operator).post(path).status_code == 403
    assert client_for(supervisor).post(path).status_code == 302
    verdicts.refresh_from_db()
    leaf = threshold_of(verdicts.when)
    assert (leaf["value"], leaf["clear"]) == (6.0, 5.5)
    again = client_for(supervisor).post_json(f"/api/v1/alerts/precision/{verdicts.pk}/apply", {})
    assert (again.status_code, again.json()["code"]) == (409, "no_proposal"), "verdicts on the old limit are spent"


def test_too_little_or_mixed_evidence_proposes_nothing(rule, machine, operator):
    for observed in (4.6, 4.8, 9.9):
        judged(machine, operator, f"rule:{rule.pk}", "false", observed)
    judged(machine, operator, f"rule:{rule.pk}", "true", 4.55)
    assert proposal_of(rule) is None
    for _time in range(3):
        judged(machine, operator, f"rule:{rule.pk}", "true", 4.55)
    assert proposal_of(rule) is None, "every better limit would lose a real one"


@pytest.mark.parametrize(
    "when",
    [
        {"any": [{"metric": "a", "op": "above", "value": 1}, {"metric": "b", "op": "above", "value": 1}]},
        {"metric": "a", "op": "outside", "value": [1, 2]},
        {"metric": "a", "op": "stuck", "for_s": 60},
    ],
)
def test_only_a_single_limit_is_ever_moved(when):
    assert threshold_of(when) is None


def test_precision_over_the_api(verdicts, viewer, outsider, client_for):
    rows = {row["name"]: row for row in client_for(viewer).get("/api/v1/alerts/precision").json()["results"]}
    assert rows["Vibration"]["proposal"] == {"limit": 6.0, "present": 4.5, "spared": 3, "false": 3, "kept": 2}
    assert rows["Vibration"]["rule_id"] == verdicts.pk
    assert client_for(outsider).get("/api/v1/alerts/precision").json()["results"] == []
    assert client_for(viewer).post_json(f"/api/v1/alerts/precision/{verdicts.pk}/apply", {}).status_code == 403


# --- the alarm system's figures ------------------------------------------------------------------------------------


def test_figures_count_what_people_saw_and_not_what_maintenance_hid(machine, operator):
    alert_raise(finding(machine))
    line = Line.objects.create(site=Site.objects.create(name="Łódź"), name="Bottling")
    other = Machine.objects.create(key="M02", line=line)
    now = clock.now()
    MaintenanceWindow.objects.create(
        line=line, starts_at=now - timedelta(minutes=1), ends_at=now + timedelta(hours=1), reason="x"
    )
    alert_raise(finding(other))
    found = alarm_figures(from_at=now - timedelta(hours=1), to_at=now + timedelta(minutes=1))
    assert (found.alerts, [actor.machine for actor in found.worst]) == (1, ["M01"])


def test_figures_page_and_csv_and_api_tell_the_same(machine, viewer, client_for):
    for number in range(12):
        alert_raise(finding(machine, cause=f"rule:{number}", title="=1+1"))
    client = client_for(viewer)
    page = client.get("/alerts/figures?range=24h&operators=2").content.decode()
    assert "12 alerts in this period" in page
    assert "bars__bar--flood" in page
    rows = list(csv.DictReader(StringIO(client.get("/alerts/figures.csv?range=24h&operators=2").content.decode())))
    assert [row["value"] for row in rows if row["kind"] == "flood"] == ["12"]
    assert {row["name"] for row in rows if row["kind"] == "worst"} == {"'=1+1"}, "no spreadsheet runs it"
    assert AuditEntry.objects.filter(action="alarm_figures.exported", actor=viewer.email).count() == 1
    told = client.get("/api/v1/alerts/figures?operators=2").json()
    assert (told["alerts"], told["peak_10_min"], told["floods"][0]["alerts"]) == (12, 12, 12)
    for wrong in ("operators=0", "operators=x", "from=2001-01-01T00:00:00Z", "from=x"):
        assert client.get(f"/api/v1/alerts/figures?{wrong}").status_code == 400, wrong
    for odd in ("range=x", "after=2026-13-01", "after=2026-11-02&until=2026-11-01", "operators=-1", "after=0001-01-01"):
        assert client.get(f"/alerts/figures?{odd}").status_code == 200, odd


# --- planned quiet --------------------------------------------------------------------------------------------------


def test_supervisors_plan_maintenance_on_a_page_and_others_only_see_it(machine, supervisor, viewer, client_for):
    client = client_for(supervisor)
    form = {"target": f"machine:{machine.pk}", "from": "2001-01-01T10:00", "reason": "Bearing swap"}
    local = clock.now() + timedelta(days=2)
    answer = client.post("/maintenance/create", {**form, "to": "2001-01-01T12:00"}, follow=True)
    assert "over already" in answer.content.decode()
    now = f"{clock.now():%Y-%m-%dT%H:%M}"
    answer = client.post("/maintenance/create", {**form, "from": now, "to": f"{local:%Y-%m-%dT%H:%M}"}, follow=True)
    assert "Bearing swap" in answer.content.decode()
    window = MaintenanceWindow.objects.get()
    page = client_for(viewer).get("/maintenance").content.decode()
    assert "Bearing swap" in page
    assert "<form" not in page[page.index("<main") : page.index("</main")]
    assert client_for(viewer).post(f"/maintenance/{window.pk}/end").status_code == 403
    for wrong in ({"target": "machine:x"}, {"target": "planet:1"}, {"from": "soon"}, {"reason": " "}):
        client.post("/maintenance/create", {**form, "from": now, "to": f"{local:%Y-%m-%dT%H:%M}", **wrong})
    assert MaintenanceWindow.objects.count() == 1
    client.post("/maintenance/service", {"machine": "M01", "action": "remove", "reason": "Sold"})
    assert machine.service.out_of_service
    client.post("/maintenance/service", {"machine": "M01", "action": "off", "metric": "vibration", "high": "0,5"})
    assert (machine.service.__class__.objects.get().off_metric.name) == "vibration"
    assert "Sold" in client.get("/maintenance").content.decode()
    client.post("/maintenance/service", {"machine": "M01", "action": "restore"})
    client.post("/maintenance/service", {"machine": "M01", "action": "explode"})
    client.post("/maintenance/service", {"machine": "M01", "action": "off", "metric": "vibration", "high": "nan"})
    assert client.post("/maintenance/service", {"machine": "M99", "action": "restore"}).status_code == 404
    assert machine.service.__class__.objects.get().off_high == 0.5
