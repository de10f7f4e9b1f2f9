"""The pages about rules, without a script: building, trying, saving, templates, files."""

import re

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.errands import errand_make
from accounts.models import AuditEntry, Errand
from accounts.tasks import make_errand
from anomalies.models import Rule
from anomalies.rules import trying
from anomalies.rules.drafts import draft_changed, draft_of
from anomalies.rules.gallery import TEMPLATES
from anomalies.rules.keeping import rule_create
from common import clock
from telemetry.models import Machine, Metric
from telemetry.readings import Series
from tenants.context import factory_context
from tests.anomalies.synthetic import stored

FORM = {
    "name": "Hot and loud",
    "machines": ["M01"],
    "join:0": "all",
    "metric:0.0": "t",
    "op:0.0": "above",
    "value:0.0": "80,5",
    "clear:0.0": "75",
    "for_s:0.0": "10",
    "join:0.1": "any",
    "metric:0.1.0": "v",
    "op:0.1.0": "outside",
    "value:0.1.0": "2",
    "high:0.1.0": "4",
    "op:0.1.1": "no_data",
    "metric:0.1.1": "v",
    "for_s:0.1.1": "60",
    "severity": "critical",
    "cooldown_s": "600",
    "days": ["mon", "tue"],
    "from": "06:00",
    "to": "22:00",
    "except_dates": "2026-12-24, 2026-12-31/2027-01-01",
    "country": "PL",
    "then": "off",
    "notify": "role:supervisor\n",
    "override:0": "M01",
    "override_condition:0": "1",
    "override_value:0": "90",
    "enabled": "on",
}
SAVED = {
    "name": "Hot and loud",
    "description": "",
    "machines": ["M01"],
    "when": {
        "all": [
            {"metric": "t", "op": "above", "value": 80.5, "for_s": 10.0, "clear": 75.0},
            {
                "any": [
                    {"metric": "v", "op": "outside", "value": [2.0, 4.0]},
                    {"metric": "v", "op": "no_data", "for_s": 60.0},
                ]
            },
        ]
    },
    "severity": "critical",
    "cooldown_s": 600.0,
    "active": {
        "days": ["mon", "tue"],
        "from": "06:00",
        "to": "22:00",
        "except_dates": ["2026-12-24", "2026-12-31/2027-01-01"],
        "holidays": {"country": "PL"},
    },
    "notify": ["role:supervisor"],
    "overrides": [{"machine": "M01", "condition": 1, "value": 90.0}],
    "enabled": True,
}


@pytest.fixture
def plant(acme):
    with factory_context(acme):
        machine = Machine.objects.create(key="M01", name="Mixer 1", machine_type="mixer")
        Metric.objects.create(machine=machine, name="t", label="Temperature", unit="°C", kind="temperature")
        Metric.objects.create(machine=machine, name="v", label="Vibration", unit="mm/s", kind="vibration")
        Metric.objects.create(machine=machine, name="i", unit="A", kind="current")
    return acme


@pytest.fixture
def browser(plant, supervisor, client_for):
    return client_for(supervisor)


def fields_of(html: str) -> dict:
    """What a browser would send back from the builder's form."""
    found: dict = {}
    for tag in re.findall(r"<input[^>]*>", html):
        name = re.search(r'name="([^"]+)"', tag)
        value = re.search(r'value="([^"]*)"', tag)
        if name is None or ('type="checkbox"' in tag and " checked" not in tag):
            continue
        found.setdefault(name[1], []).append(value[1] if value else "on")
    for name, body in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', html, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', body) or re.search(r'value="([^"]*)"', body)
        found[name] = [chosen[1] if chosen else ""]
    for name, body in re.findall(r'<textarea[^>]*name="([^"]+)"[^>]*>(.*?)</textarea>', html, re.DOTALL):
        found[name] = [body]
    found.pop("csrfmiddlewaretoken", None)
    found.pop("file", None)
    return found


def test_a_rule_is_built_saved_and_comes_back_into_the_same_form(browser, plant):
    saved = browser.post("/rules/new", FORM)
    assert (saved.status_code, saved["Location"]) == (302, "/rules")
    with factory_context(plant):
        row = Rule.objects.get()
        assert row.as_data() == SAVED
    page = browser.get(f"/rules/{row.pk}").content.decode()
    again = fields_of(page)
    assert browser.post(f"/rules/{row.pk}", again).status_code == 302
    with factory_context(plant):
        row.refresh_from_db()
        assert row.as_data() == SAVED
    listed = browser.get("/rules").content.decode()
    assert (
        "When Temperature of Mixer 1 is above 80.5 °C for 10 s (until 75.0 °C) and (Vibration of Mixer 1 is outside"
        " 2.00–4.00 mm/s or Vibration of Mixer 1 has sent nothing for 1 min), raise Critical, at most once in 10 min;"
        " on Mon, Tue, from 06:00 to 22:00, except 2026-12-24, 2026-12-31 – 2027-01-01, not on holidays (PL)"
        " in plant time."
    ) in listed


def test_the_holidays_of_a_part_of_a_country_are_chosen_and_forgotten_with_it(browser, plant):
    form = {**FORM, "country": "DE", "then": "off", "subdivision": "BY"}
    assert browser.post("/rules/new", form).status_code == 302
    with factory_context(plant):
        row = Rule.objects.get()
        assert row.active["holidays"] == {"country": "DE", "subdivision": "BY"}
    again = fields_of(browser.get(f"/rules/{row.pk}").content.decode())
    assert again["subdivision"] == ["BY"]
    assert "not on holidays (DE, Bayern)" in browser.get("/rules").content.decode()
    moved = browser.post("/rules/draft", {**again, "country": "PL"}).content.decode()
    assert fields_of(moved)["subdivision"] == [""]
    assert "Dolnośląskie (02)" in moved


def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(browser, plant):
    page = browser.post("/rules/new", {**FORM, "value:0.0": "hot", "machines": ["M01", "*"]}).content.decode()
    assert "Give a number." in page
    assert 'value="hot"' in page
    assert fields_of(page)["except_dates"] == ["2026-12-24, 2026-12-31/2027-01-01"]
    with factory_context(plant):
        assert not Rule.objects.exists()


def test_buttons_change_the_tree_without_a_script_and_with_one(browser):
    page = browser.post("/rules/draft", {**FORM, "do": "add:0.1"}).content.decode()
    assert "<html" in page
    assert "op:0.1.2" in fields_of(page)
    part = browser.post("/rules/draft", {**FORM, "do": "remove:0.1"}, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "join:0.1" not in fields_of(part)


@pytest.mark.parametrize("deed", ["remove:9", "add:0.0", "group:1.2", "remove:0", "drop:7", "dance", "add:0.x"])
def test_a_button_that_points_nowhere_changes_nothing(deed):
    from django.http import QueryDict

    fields = QueryDict(mutable=True)
    for name, value in FORM.items():
        fields.setlist(name, value if isinstance(value, list) else [value])
    assert draft_changed(draft_of(fields), deed) == draft_of(fields)


def test_the_sentence_follows_every_change(browser):
    said = browser.post("/rules/said", FORM, headers={"HX-Request": "true"}).content.decode()
    assert "When Temperature of Mixer 1 is above 80.5 °C" in said
    said = browser.post("/rules/said", {**FORM, "value:0.0": ""}, headers={"HX-Request": "true"}).content.decode()
    assert "Not complete yet" in said


def test_the_past_is_shown_before_anything_is_saved(browser, plant):
    now_ms = clock.now_ms()
    with factory_context(plant):
        t_ms = now_ms - 3_600_000 + np.arange(0, 3_500_000, 1000, dtype=np.int64)
        values = np.full(len(t_ms), 70.0)
        values[600:720] = 85.0
        stored([Series("M01", "t", t_ms, values)])
    form = {"machines": ["M01"], "join:0": "all", "metric:0.0": "t", "op:0.0": "above", "value:0.0": "80"}
    part = browser.post("/rules/try", form, headers={"HX-Request": "true"}).content.decode()
    assert "It would have fired <strong>once</strong>" in part
    assert 'data-module="rule-chart"' in part
    assert '"band": [80.0, 80.0]' in part
    assert "once, 2 min in all" in part
    assert f'"from": {int(t_ms[0])},' in part
    page = browser.post("/rules/try", form).content.decode()
    assert "It would have fired <strong>once</strong>" in page
    refused = browser.post("/rules/try", {**form, "value:0.0": ""}, headers={"HX-Request": "true"}).content.decode()
    assert "Give a number." in refused
    with factory_context(plant):
        assert not Rule.objects.exists()


def test_a_past_that_takes_long_is_found_out_by_a_worker_and_is_there_after_a_reload(browser, plant, monkeypatch):
    monkeypatch.setattr(make_errand, "for_factory", lambda _slug, _pk: None)
    monkeypatch.setattr(trying, "AT_ONCE_S", 0.0)
    part = browser.post("/rules/try", FORM, headers={"HX-Request": "true"}).content.decode()
    with factory_context(plant):
        errand = Errand.objects.get()
    path = f"/rules/tried/{errand.pk}"
    assert f'hx-get="{path}"' in part
    assert "<progress" in part
    assert 'value="Hot and loud"' in browser.get(path).content.decode(), "the draft comes back with its past"
    assert path not in browser.get("/errands").content.decode()
    with factory_context(plant):
        assert errand_make(errand.pk, factory=plant)
    assert path in browser.get("/errands").content.decode()
    found = browser.get(path, headers={"HX-Request": "true"}).content.decode()
    assert 'id="rule-past-found"' in found
    assert "hx-trigger" not in found
    whole = browser.get(path).content.decode()
    assert 'id="rule-past-found"' in whole
    assert 'value="Hot and loud"' in whole


@pytest.mark.parametrize("template", [template.key for template in TEMPLATES])
def test_every_template_makes_a_rule_that_can_be_saved_as_it_is(browser, plant, template):
    with factory_context(plant):
        machine = Machine.objects.get(key="M01")
        Metric.objects.create(machine=machine, name="state", kind="state")
    page = browser.get(f"/rules/new?template={template}&machine=M01&zone=2:rigid&rated=12,5").content.decode()
    assert browser.post("/rules/new", fields_of(page)).status_code == 302
    with factory_context(plant):
        row = Rule.objects.get()
    assert row.template["name"] == template
    if template == "vibration_d":
        assert row.template == {"name": "vibration_d", "zones_version": 1, "row": "2:rigid"}
        assert row.when["all"][0]["value"] == 4.5


def test_the_gallery_names_the_tables_limits(browser):
    page = browser.get("/rules/templates").content.decode()
    assert "Group 2, rigid: 1.4 / 2.8 / 4.5 mm/s" in page


def test_rules_are_switched_and_deleted_from_their_pages(browser, plant):
    with factory_context(plant):
        row = rule_create(actor="test", data=SAVED)
    browser.post(f"/rules/{row.pk}/switch", {"enabled": "off"})
    with factory_context(plant):
        row.refresh_from_db()
        assert not row.enabled
    assert browser.post(f"/rules/{row.pk}/delete").status_code == 302
    with factory_context(plant):
        assert not Rule.objects.exists()


def test_a_file_is_taken_as_a_whole_or_refused_with_the_reason(browser, plant):
    good = b"rules:\n  - {name: A, machines: [M01], when: {metric: t, op: above, value: 1}}\n"
    done = browser.post("/rules/upload", {"file": SimpleUploadedFile("rules.yaml", good)}, follow=True)
    assert "1 new rule, 0 replaced." in done.content.decode()
    bad = good + b"  - {name: B, machines: [M01], when: {}}\n"
    refused = browser.post("/rules/upload", {"file": SimpleUploadedFile("rules.yaml", bad)}, follow=True)
    assert "Nothing was imported. rules[1].when" in refused.content.decode()
    assert browser.get("/rules/file")["Content-Disposition"] == 'attachment; filename="rules.yaml"'
    with factory_context(plant):
        assert AuditEntry.objects.filter(action="rules.exported").count() == 1
    with factory_context(plant):
        assert Rule.objects.count() == 1


def test_who_only_looks_sees_the_rules_and_no_button(plant, viewer, client_for):
    with factory_context(plant):
        row = rule_create(actor="test", data=SAVED)
    client = client_for(viewer)
    page = client.get("/rules").content.decode()
    assert "Hot and loud" in page
    assert "Switch off" not in page
    assert "New rule" not in page
    for path in ("/rules/new", f"/rules/{row.pk}", "/rules/templates"):
        assert client.get(path).status_code == 403
    for path in ("/rules/draft", "/rules/said", "/rules/try", f"/rules/{row.pk}/delete", "/rules/upload"):
        assert client.post(path).status_code == 403
