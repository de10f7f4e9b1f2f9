"""The plant's pages: what each person sees, within how many queries."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import User
from anomalies.models import Alert, AlertState, HealthStatus, MachineHealth
from common import clock
from telemetry.models import Line, Machine, Metric, QuarantinedReading, Site
from tenants.models import Factory
from tests.queries import queries_of

ClientFor = Callable[..., Any]


def machine_make(key: str, *, line: Line | None = None, **fields: Any) -> Machine:
    machine = Machine.objects.create(key=key, line=line, last_seen_at=clock.now(), **fields)
    Metric.objects.create(machine=machine, name="vibration", unit="mm/s", kind="vibration", last_value=2.31)
    Metric.objects.create(machine=machine, name="temperature", unit="°C", kind="temperature", last_value=61.0)
    return machine


def alert_make(machine: Machine, **fields: Any) -> Alert:
    evidence = {
        "score": 0.71,
        "threshold": 0.6,
        "metrics": [
            {"metric": "temperature", "unit": "°C", "share": 0.8, "observed": 91.4, "expected": [58.0, 74.0]},
            {"metric": "vibration", "unit": "mm/s", "share": 0.2, "observed": 3.3, "expected": [1.8, 3.1]},
        ],
    }
    given = {
        "cause": "detector",
        "severity": "critical",
        "title": "Temperature above normal",
        "summary": "Temperature 91.4 °C, normal 58.0–74.0, since 10:42 CET",
        "evidence": evidence,
        "since_at": clock.now() - timedelta(minutes=7),
    }
    return Alert.objects.create(machine=machine, **{**given, **fields})


def plant_make(count: int) -> None:
    site = Site.objects.create(name="Łódź", time_zone="Europe/Warsaw")
    lines = [Line.objects.create(site=site, name=f"Line {number}") for number in range(4)]
    for number in range(count):
        machine = machine_make(f"M{number:03d}", line=lines[number % 4], machine_type="pump")
        MachineHealth.objects.create(machine=machine, status=HealthStatus.NORMAL, health_percent=97.0)
        if number % 5 == 0:
            alert_make(machine)


@pytest.mark.parametrize("path", ["/", "/machines/M000", "/alerts", "/alerts?state=all", "/alerts/banner"])
def test_page_asks_no_more_of_the_database_for_a_bigger_plant(
    path: str, in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    def queries(count: int) -> int:
        Site.objects.all().delete()
        Machine.objects.all().delete()
        plant_make(count)
        client = client_for(viewer)
        assert client.get(path).status_code == 200  # what is asked once a process or a session
        return queries_of(lambda: client.get(path))

    small, large = queries(5), queries(50)
    assert large <= small + 2
    assert large <= 25


def test_fleet_groups_machines_by_line_and_shows_the_metric_that_explains_an_alert(
    in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    site = Site.objects.create(name="Łódź")
    machine = machine_make("P-07", line=Line.objects.create(site=site, name="Bottling"), name="Pump 7")
    machine_make("X-01")
    assert b'data-metric="vibration"' in client_for(viewer).get("/").content
    alert_make(machine)
    page = client_for(viewer).get("/").content.decode()
    places = [page.rindex("Bottling"), page.index('data-machine="P-07"')]
    places += [page.rindex("Not on a line yet"), page.index('data-machine="X-01"')]
    assert places == sorted(places)
    tile = page[page.index('data-machine="P-07"') : page.index('data-machine="X-01"')]
    assert 'data-metric="temperature"' in tile
    assert 'data-severity="critical"' in tile
    assert "Temperature above normal" in tile


def test_machine_that_nothing_is_known_of_is_learning_and_never_normal(
    in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    machine_make("P-07")
    assert "Learning 0 %" in _text(client_for(viewer).get("/"))


def test_empty_plant_leads_an_admin_on_and_tells_a_viewer_to_wait(
    in_acme: Factory, admin: User, viewer: User, client_for: ClientFor
) -> None:
    assert 'href="/first-run"' in _html(client_for(admin).get("/"))
    page = _html(client_for(viewer).get("/"))
    assert "No machine has reported yet" in page
    assert "/first-run" not in page


def test_silent_machine_says_for_how_long(in_acme: Factory, viewer: User, client_for: ClientFor) -> None:
    machine_make("P-07")
    Machine.objects.update(last_seen_at=clock.now() - timedelta(minutes=3, seconds=5))
    assert "Silent 3 min" in _text(client_for(viewer).get("/"))


def test_navigation_shows_only_what_a_person_may_open(
    in_acme: Factory, admin: User, viewer: User, client_for: ClientFor
) -> None:
    closed = ("/people", "/keys", "/quarantine", "/admin/", "/first-run")
    seen_by_viewer, seen_by_admin = _html(client_for(viewer).get("/")), _html(client_for(admin).get("/"))
    for path in closed:
        assert f'href="{path}"' in seen_by_admin
        assert f'href="{path}"' not in seen_by_viewer


def test_machine_page_carries_what_its_charts_need(in_acme: Factory, viewer: User, client_for: ClientFor) -> None:
    alert_make(machine_make("P-07"))
    page = _html(client_for(viewer).get("/machines/P-07"))
    config = _config(page, "machine-config")
    assert [metric["name"] for metric in config["metrics"]] == ["temperature", "vibration"]
    assert config["historyUrl"] == "/api/v1/telemetry/P-07"
    assert config["marks"][0]["metrics"] == ["temperature", "vibration"]
    assert config["zone"] == "Europe/Warsaw"


def test_machine_that_does_not_exist_is_not_found(in_acme: Factory, viewer: User, client_for: ClientFor) -> None:
    assert client_for(viewer).get("/machines/nothing").status_code == 404


def test_banner_is_empty_while_nothing_is_wrong(in_acme: Factory, viewer: User, client_for: ClientFor) -> None:
    # What it brings for the bell is not seen.
    banner = _html(client_for(viewer).get("/alerts/banner")).strip()
    assert banner == '<span hidden data-unread="0"></span>'


def test_banner_shows_the_worst_and_goes_quiet_once_all_is_in_hand(
    in_acme: Factory, operator: User, client_for: ClientFor
) -> None:
    alert_make(machine_make("A"), severity="low", title="Slightly warm")
    worst = alert_make(machine_make("B"), severity="critical", title="Very hot")
    client = client_for(operator)
    page = _html(client.get("/alerts/banner"))
    assert "banner--critical" in page
    assert "Very hot" in page
    assert 'data-unacknowledged="2"' in page
    client.post(f"/alerts/{worst.pk}/acknowledge")
    assert "banner--low" in _html(client.get("/alerts/banner"))
    client.post(f"/alerts/{Alert.objects.get(severity='low').pk}/acknowledge")
    assert "banner--acknowledged" in _html(client.get("/alerts/banner"))


def test_operator_acknowledges_in_place_with_a_comment(in_acme: Factory, operator: User, client_for: ClientFor) -> None:
    alert = alert_make(machine_make("P-07"))
    answer = client_for(operator).post(
        f"/alerts/{alert.pk}/acknowledge", {"comment": "Greased <b>it</b>"}, HTTP_HX_REQUEST="true"
    )
    assert answer["HX-Trigger"] == "refresh-alerts"
    assert "alert--active_acknowledged" in _html(answer)
    alert.refresh_from_db()
    assert (alert.state, alert.acknowledged_by) == (AlertState.ACTIVE_ACKNOWLEDGED, operator)
    page = _html(client_for(operator).get(f"/alerts/{alert.pk}"))
    assert "Greased &lt;b&gt;it&lt;/b&gt;" in page


def test_without_scripts_acknowledging_leads_to_the_alert(
    in_acme: Factory, operator: User, client_for: ClientFor
) -> None:
    alert = alert_make(machine_make("P-07"))
    answer = client_for(operator).post(f"/alerts/{alert.pk}/acknowledge")
    assert (answer.status_code, answer["Location"]) == (302, f"/alerts/{alert.pk}")


def test_viewer_sees_no_button_to_acknowledge_and_may_not(
    in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    alert = alert_make(machine_make("P-07"))
    client = client_for(viewer)
    for path in ("/alerts", f"/alerts/{alert.pk}", "/machines/P-07", "/alerts/banner"):
        assert 'acknowledge"' not in re.sub(r"/parts/\S+", "", _html(client.get(path))), path
    assert client.post(f"/alerts/{alert.pk}/acknowledge").status_code == 403
    alert.refresh_from_db()
    assert alert.state == AlertState.ACTIVE_UNACKNOWLEDGED


def test_outsider_finds_nothing_of_another_factory(in_acme: Factory, outsider: User, client_for: ClientFor) -> None:
    alert = alert_make(machine_make("P-07"))
    client = client_for(outsider)
    assert client.get("/machines/P-07").status_code == 404
    assert client.get(f"/alerts/{alert.pk}").status_code == 404
    assert client.post(f"/alerts/{alert.pk}/acknowledge").status_code == 404
    assert "P-07" not in _html(client.get("/"))


def test_alert_page_says_what_left_its_band_and_by_how_much(
    in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    alert = alert_make(machine_make("P-07"))
    text = _text(client_for(viewer).get(f"/alerts/{alert.pk}"))
    for words in ("Temperature above normal", "91.4 °C", "58.0 – 74.0 °C", "80 %"):
        assert words in text


def test_alert_without_evidence_still_has_a_page(in_acme: Factory, viewer: User, client_for: ClientFor) -> None:
    alert = alert_make(machine_make("P-07"), evidence={}, cause="silence")
    assert client_for(viewer).get(f"/alerts/{alert.pk}").status_code == 200


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"one", "two"}),
        ("?state=acknowledged", {"two"}),
        ("?state=unacknowledged", {"one"}),
        ("?state=cleared", {"three"}),
        ("?state=all", {"one", "two", "three"}),
        ("?severity=low", {"two"}),
        ("?machine=A", {"one"}),
        ("?state=nonsense&severity=nonsense&before=x", {"one", "two"}),
    ],
)
def test_console_narrows_the_list(
    query: str, shown: set[str], in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    alert_make(machine_make("A"), title="Alert one")
    alert_make(machine_make("B"), title="Alert two", severity="low", state=AlertState.ACTIVE_ACKNOWLEDGED)
    alert_make(machine_make("C"), title="Alert three", state=AlertState.NORMAL, returned_at=clock.now())
    found = set(re.findall(r"Alert (one|two|three)", _html(client_for(viewer).get(f"/alerts{query}"))))
    assert found == shown


def test_console_goes_back_through_all_alerts_page_by_page(
    in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    machine = machine_make("A")
    for number in range(120):
        alert_make(machine, cause=f"rule:{number}", title=f"No {number}.", state=AlertState.NORMAL)
    client, path, seen = client_for(viewer), "/alerts?state=all", []
    while path:
        page = _html(client.get(path))
        seen += re.findall(r"No (\d+)\.", page)
        older = re.search(r'href="(/alerts\?[^"]*before=\d+)"', page)
        path = older.group(1).replace("&amp;", "&") if older else ""
    assert seen == [str(number) for number in reversed(range(120))]


def test_quarantine_shows_reasons_and_disarms_what_was_sent(
    in_acme: Factory, admin: User, client_for: ClientFor
) -> None:
    QuarantinedReading.objects.create(
        source="HTTP ab12", code="not_finite", detail="NaN is no number", payload="<script>alert(1)</script>"
    )
    page = _html(client_for(admin).get("/quarantine"))
    assert "NaN is no number" in page
    assert "<script>alert(1)" not in page
    assert "NaN is no number" not in _html(client_for(admin).get("/quarantine?code=other"))


@pytest.mark.parametrize("path", ["/", "/machines/P-07", "/alerts", "/alerts/{alert}", "/quarantine", "/styleguide"])
def test_page_has_no_inline_script_or_style(path: str, in_acme: Factory, owner: User, client_for: ClientFor) -> None:
    alert = alert_make(machine_make("P-07"))
    answer = client_for(owner).get(path.format(alert=alert.pk))
    page = _html(answer)
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", page)
    for script in re.findall(r"<script([^>]*)>", page):
        assert "src=" in script or 'type="application/json"' in script


def test_what_is_over_and_unacknowledged_no_longer_shouts(
    in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    alert_make(machine_make("P-07"), state=AlertState.RETURNED_UNACKNOWLEDGED, returned_at=clock.now())
    client = client_for(viewer)
    assert "banner--returned" in _html(client.get("/alerts/banner"))
    assert 'data-severity="returned"' in _html(client.get("/"))


def _html(answer: Any) -> str:
    return str(answer.content.decode())


def _text(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", _html(answer)))


def _config(page: str, element: str) -> dict[str, Any]:
    found = re.search(rf'<script id="{element}" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert found
    config: dict[str, Any] = json.loads(found.group(1))
    return config
