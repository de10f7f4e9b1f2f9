"""The console and the alert's page: what is shown, and what is done from there."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from anomalies.alerts.handling import alert_close
from anomalies.alerts.opening import alert_raise, alert_return
from anomalies.models import Alert, AlertState
from common import clock
from telemetry.models import Machine
from tests.anomalies.test_alerts import finding
from tests.anomalies.test_grouping import machines


@pytest.fixture
def machine(in_acme) -> Machine:
    return Machine.objects.create(key="M01", name="Pump 7")


def handle(client: Any, **form: Any) -> Any:
    return client.post("/alerts/handle", form, HTTP_HX_REQUEST="true")


def said(answer: Any) -> dict[str, Any]:
    return json.loads(answer["HX-Trigger"])


def shown(client: Any, query: str = "") -> list[int]:
    return [int(number) for number in re.findall(r'id="alert-(\d+)"', client.get(f"/alerts?{query}").content.decode())]


def test_several_alerts_are_shelved_and_closed_together_and_the_list_is_told(machine, operator, client_for):
    alerts = [alert_raise(finding(machine, cause=f"rule:{number}")) for number in range(3)]
    client, ids = client_for(operator), [alert.pk for alert in alerts]
    answer = handle(client, action="shelve", ids=ids[:2], reason="Waiting for a part", minutes="60")
    assert answer.status_code == 204
    assert said(answer)["toast"] == {"text": "2 alerts shelved.", "level": "success"}
    assert {"refresh-alerts", "alerts-handled"} <= set(said(answer))
    assert shown(client) == [ids[2]]
    part = client.get("/alerts", HTTP_HX_REQUEST="true").content.decode()
    assert 'id="alert-tabs" hx-swap-oob="true"' in part, "its counts follow"
    assert set(shown(client, "state=shelved")) == set(ids[:2])
    answer = handle(client, action="close", ids=[ids[2], 999_999], verdict="false", comment="Sensor loose")
    assert said(answer)["toast"] == {"text": "1 alert closed. 1 had moved on.", "level": "warning"}
    assert shown(client, "state=cleared&verdict=false") == [ids[2]]


@pytest.mark.parametrize(
    "form",
    [
        {"action": "shelve", "minutes": "60"},
        {"action": "shelve", "reason": "x", "minutes": "x"},
        {"action": "shelve", "reason": "x", "minutes": "until", "until": "tomorrow"},
        {"action": "shelve", "reason": "x", "minutes": "until", "until": "2001-01-01T10:00"},
        {"action": "close"},
        {"action": "comment"},
        {"action": "explode"},
        {"action": "acknowledge", "ids": []},
    ],
)
def test_a_form_that_makes_no_sense_says_so_and_changes_nothing(machine, operator, client_for, form):
    alert = alert_raise(finding(machine))
    answer = handle(client_for(operator), **{"ids": [alert.pk], **form})
    assert said(answer)["toast"]["level"] == "error"
    assert said(answer)["toast"]["text"]
    assert list(alert.events.values_list("kind", flat=True)) == ["raised"]


def test_a_shelf_ends_by_the_plants_clock(machine, operator, client_for):
    alert = alert_raise(finding(machine))
    local = (clock.now() + timedelta(hours=5)).astimezone(in_warsaw()).replace(second=0, microsecond=0)
    client_for(operator).post(
        f"/alerts/{alert.pk}/shelve",
        {"reason": "Night shift", "minutes": "until", "until": f"{local:%Y-%m-%dT%H:%M}"},
    )
    alert.refresh_from_db()
    assert alert.shelved_until_at == local


def in_warsaw():
    from zoneinfo import ZoneInfo

    return ZoneInfo("Europe/Warsaw")


def test_a_storm_is_one_row_and_is_acknowledged_with_one_click(in_acme, operator, client_for):
    for machine in machines(40):
        alert_raise(finding(machine, cause="silence", severity="medium"))
    alone = alert_raise(finding(Machine.objects.create(key="P-07"), severity="low"))
    client = client_for(operator)
    page = client.get("/alerts").content.decode()
    assert "40 machines fell silent together" in page
    assert shown(client) == [alone.pk], "the storm hides nothing else"
    group = Alert.objects.exclude(group=None).first().group_id
    assert len(shown(client, f"group={group}")) == 40
    assert said(handle(client, action="acknowledge", group=group))["toast"]["text"] == "40 alerts acknowledged."
    assert Alert.objects.filter(state=AlertState.ACTIVE_ACKNOWLEDGED).count() == 40


def test_five_hundred_alerts_are_read_page_by_page_and_none_is_left_out(in_acme, viewer, client_for):
    machine = Machine.objects.create(key="M01")
    Alert.objects.bulk_create(
        Alert(machine=machine, cause=f"rule:{number}", title="x", summary="y", since_at=clock.now())
        for number in range(500)
    )
    client, query, seen = client_for(viewer), "state=open", []
    while query:
        page = client.get(f"/alerts?{query}").content.decode()
        seen += [int(number) for number in re.findall(r'id="alert-(\d+)"', page)]
        older = re.search(r'rel="next" href="/alerts\?([^"]*)"', page)
        query = older.group(1).replace("&amp;", "&") if older else ""
    assert len(seen) == len(set(seen)) == 500


def test_the_console_is_narrowed_by_words_source_and_days(machine, viewer, client_for):
    rule, detector = alert_raise(finding(machine, cause="rule:7", title="Limit")), alert_raise(finding(machine))
    stuck = alert_raise(finding(machine, cause="stuck:flow", title="Flow does not move", summary="Every reading"))
    client = client_for(viewer)
    assert shown(client, "source=rule") == [rule.pk]
    assert shown(client, "source=detector") == [detector.pk]
    assert shown(client, "source=check") == shown(client, "q=flow") == [stuck.pk]
    assert len(shown(client, "q=pump+7")) == 3
    assert shown(client, "q=flow+pump") == [stuck.pk], "words stand anywhere, in any order"
    assert len(shown(client, f"state=all&after={clock.now():%Y-%m-%d}&until=nonsense")) in {0, 3}
    assert shown(client, "state=all&until=2001-01-01") == []
    assert len(shown(client, "state=all&after=0001-01-01&until=9999-12-31")) == 3


def test_an_alert_is_found_by_the_words_in_which_its_reader_sees_it(machine, viewer, client_for):
    said = {"de": {"title": "Vibration über normal", "summary": "Vibration 7,9 mm/s, normal 1,8–3,1"}}
    alert = alert_raise(replace(finding(machine, title="Vibration above normal"), evidence={"said": said}))
    client = client_for(viewer)
    assert shown(client, "q=%C3%BCber") == []
    type(viewer).objects.filter(pk=viewer.pk).update(language="de")
    assert shown(client, "q=%C3%BCber") == shown(client, "q=above") == [alert.pk]


def test_a_viewer_sees_the_shelf_and_can_do_nothing_with_it(machine, operator, viewer, client_for):
    alert = alert_raise(finding(machine))
    handle(client_for(operator), action="shelve", ids=[alert.pk], reason="Known and harmless", minutes="60")
    client = client_for(viewer)
    page = client.get("/alerts?state=shelved").content.decode()
    assert "Known and harmless" in page
    assert "data-deed" not in page
    assert 'name="ids"' not in page
    for path in ("handle", f"{alert.pk}/unshelve", f"{alert.pk}/close"):
        assert client.post(f"/alerts/{path}", {"action": "unshelve", "ids": [alert.pk]}).status_code == 403


def test_the_alerts_page_tells_what_it_was_before_and_what_one_can_do(machine, operator, client_for):
    part = {"metric": "vibration", "share": 1.0, "observed": 7.9, "expected": [1.8, 3.1]}
    before = alert_raise(finding(machine, evidence={"metrics": [part]}))
    alert_close(alert=before, user=operator, verdict="true", comment="Bearing replaced")
    now = alert_raise(finding(machine, since_at=clock.now(), evidence={"metrics": [part]}))
    client = client_for(operator)
    page = client.get(f"/alerts/{now.pk}").content.decode()
    similar = page[page.index('id="similar"') :]
    assert f'href="/alerts/{before.pk}"' in similar
    assert "Real trouble" in similar
    answer = client.post(f"/alerts/{now.pk}/close", {"verdict": "expected", "comment": "Same bearing"}, follow=True)
    assert "Real, but expected" in answer.content.decode()
    assert "Same bearing" in answer.content.decode()
    answer = client.post(f"/alerts/{now.pk}/unshelve", follow=True)
    assert "This can&#x27;t be done" in answer.content.decode() or "can’t be done" in answer.content.decode()


def test_without_scripts_a_deed_leads_back_to_where_it_came_from_and_nowhere_else(machine, operator, client_for):
    alert = alert_raise(finding(machine))
    client = client_for(operator)
    form = {"action": "acknowledge", "ids": [alert.pk]}
    assert client.post("/alerts/handle", {**form, "next": "/alerts?state=all"})["Location"] == "/alerts?state=all"
    assert client.post("/alerts/handle", {**form, "next": "https://evil.example/"})["Location"] == "/alerts"


def test_an_outsider_finds_no_alert_of_this_factory(machine, outsider, client_for):
    alert = alert_raise(finding(machine))
    client = client_for(outsider)
    assert client.post(f"/alerts/{alert.pk}/close", {"verdict": "true"}).status_code == 404
    handle(client, action="close", ids=[alert.pk], verdict="true")
    alert.refresh_from_db()
    assert alert.state == AlertState.ACTIVE_UNACKNOWLEDGED
    alert_return(machine=machine, cause="detector", at=clock.now())


def test_the_plants_page_shows_a_machine_that_has_sent_nothing_yet(machine, viewer, client_for):
    assert client_for(viewer).get("/").status_code == 200
