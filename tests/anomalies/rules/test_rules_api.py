"""Rules on the API: who may, what is refused and where, the past of a rule, files."""

import numpy as np
import pytest

from accounts.models import AuditEntry
from anomalies.models import Rule
from anomalies.rules.backtest import backtest
from anomalies.rules.keeping import rule_create
from anomalies.rules.validation import rule_parse
from anomalies.rules.yaml_files import rules_export
from common import clock
from telemetry.models import Line, Machine, Metric, Site
from telemetry.readings import Series
from tenants.context import factory_context
from tests.anomalies.synthetic import stored

HOT = {"metric": "t", "op": "above", "value": 80, "for_s": 10, "clear": 75}
RULE = {"name": "Hot", "machines": ["M01"], "when": {"all": [HOT]}}


@pytest.fixture
def plant(acme):
    with factory_context(acme):
        machine = Machine.objects.create(key="M01", name="Mixer 1", machine_type="mixer")
        Metric.objects.create(machine=machine, name="t", label="Temperature", unit="°C")
    return acme


@pytest.fixture
def browser(plant, supervisor, client_for):
    return client_for(supervisor)


def test_a_rule_is_written_read_changed_and_deleted(browser, plant):
    made = browser.post_json("/api/v1/rules", {**RULE, "severity": "critical", "cooldown_s": 60})
    assert made.status_code == 201, made.content
    row = made.json()
    assert row["when"] == {"all": [{"metric": "t", "op": "above", "value": 80.0, "for_s": 10.0, "clear": 75.0}]}
    assert row["sentence"] == (
        "When Temperature of Mixer 1 is above 80.0 °C for 10 s (until 75.0 °C), raise Critical, at most once in 1 min."
    )
    path = f"/api/v1/rules/{row['id']}"
    assert browser.get(path).json() == row
    assert [each["name"] for each in browser.get("/api/v1/rules?enabled=true&severity=critical").json()["results"]] == [
        "Hot"
    ]
    assert browser.get("/api/v1/rules?enabled=false").json()["results"] == []
    changed = browser.patch_json(path, {"enabled": False, "severity": "low"}).json()
    assert (changed["enabled"], changed["severity"], changed["when"]) == (False, "low", row["when"])
    replaced = browser.put(path, {**RULE, "name": "Warm"}, content_type="application/json").json()
    assert (replaced["name"], replaced["severity"], replaced["enabled"]) == ("Warm", "high", True)
    assert browser.delete(path).status_code == 204
    assert browser.get(path).status_code == 404
    with factory_context(plant):
        actions = list(AuditEntry.objects.filter(action__startswith="rule.").values_list("action", flat=True))
    assert sorted(actions) == ["rule.changed", "rule.changed", "rule.created", "rule.deleted"]


def test_every_problem_is_told_with_its_place(browser):
    refused = browser.post_json(
        "/api/v1/rules",
        {"name": "x", "machines": ["M01"], "when": {"any": [HOT, {"metric": "t", "op": "above", "value": "7"}]}},
    )
    assert refused.status_code == 400
    problem = refused.json()
    assert problem["code"] == "rule_invalid"
    assert problem["errors"] == [{"field": "when.any[1].value", "code": "not_a_number", "detail": "Give a number."}]


@pytest.mark.parametrize(
    ("changed", "status", "code", "field"),
    [
        ({"machines": ["M99"]}, 400, "rule_invalid", "machines[0]"),
        ({"when": {"all": [{**HOT, "machine": "M99"}]}}, 400, "rule_invalid", "when, condition 1"),
        ({"overrides": [{"machine": "M99", "off": True}]}, 400, "rule_invalid", "overrides[0].machine"),
        ({"notify": ["pigeon:Bert"]}, 400, "notify_invalid", "notify.0"),
        ({"name": "Taken"}, 409, "rule_name_taken", "name"),
    ],
)
def test_what_names_nothing_that_is_here_is_refused(browser, plant, changed, status, code, field):
    browser.post_json("/api/v1/rules", {**RULE, "name": "Taken"})
    refused = browser.post_json("/api/v1/rules", {**RULE, **changed})
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("body", ["[]", "3", "{", '"x"'])
def test_what_is_no_object_is_refused(browser, body):
    for path in ("/api/v1/rules", "/api/v1/rules/backtest"):
        assert browser.post(path, body, content_type="application/json").status_code == 400


def test_who_only_looks_may_read_and_nothing_else(plant, viewer, operator, client_for, browser):
    row = browser.post_json("/api/v1/rules", RULE).json()
    for person in (viewer, operator):
        client = client_for(person)
        assert client.get("/api/v1/rules").status_code == 200
        assert client.get("/api/v1/rules/file").status_code == 200
        path = f"/api/v1/rules/{row['id']}"
        asked = [
            client.post_json("/api/v1/rules", RULE),
            client.patch_json(path, {"enabled": False}),
            client.put(path, RULE, content_type="application/json"),
            client.delete(path),
            client.post_json("/api/v1/rules/backtest", RULE),
            client.post("/api/v1/rules/file", "rules: []", content_type="application/yaml"),
        ]
        assert [response.status_code for response in asked] == [403] * len(asked)


def test_a_rule_of_another_factory_does_not_exist(plant, browser, outsider, client_for):
    row = browser.post_json("/api/v1/rules", RULE).json()
    assert client_for(outsider).get(f"/api/v1/rules/{row['id']}").status_code == 404


# --- the past ---


@pytest.fixture
def past(plant):
    """Two days at one reading a second minute, hot twice: for five minutes, and at the end."""
    now_ms = clock.now_ms()
    with factory_context(plant):
        t_ms = now_ms - 2 * 86_400_000 + np.arange(0, 2 * 86_400_000, 10_000, dtype=np.int64)
        values = np.full(len(t_ms), 70.0)
        values[1000:1030] = 85.0
        values[-6:] = 90.0
        stored([Series("M01", "t", t_ms, values)])
    return t_ms


def test_a_back_test_tells_how_often_when_and_how_long(browser, past):
    found = browser.post_json("/api/v1/rules/backtest", RULE)
    assert found.status_code == 200, found.content
    answer = found.json()
    assert (answer["complete"], answer["fired"]) == (True, 2)
    [machine] = answer["machines"]
    assert (machine["machine"], machine["fired"], machine["readings"]) == ("M01", 2, len(past))
    first, last = machine["firings"]
    assert first["duration_s"] == 290.0
    assert first["metrics"] == [{"metric": "t", "machine": None, "op": "above", "observed": 85.0, "limit": 80.0}]
    assert (last["to"], last["duration_s"]) == (None, None)
    assert 290 + 40 <= machine["active_s"] <= 290 + 120
    window = {"from": int(past[0]), "to": int(past[900])}
    assert browser.post_json("/api/v1/rules/backtest", {**RULE, **window}).json()["fired"] == 0


def test_a_back_test_needs_no_name_and_says_what_is_wrong(browser, past):
    nameless = {name: value for name, value in RULE.items() if name != "name"}
    assert browser.post_json("/api/v1/rules/backtest", nameless).status_code == 200
    refused = browser.post_json("/api/v1/rules/backtest", {**nameless, "from": 0, "to": clock.now_ms()})
    assert (refused.status_code, refused.json()["code"]) == (400, "backtest_invalid")
    refused = browser.post_json("/api/v1/rules/backtest", {**nameless, "when": {"all": []}})
    assert refused.json()["errors"][0]["field"] == "when.all"


def test_a_back_test_without_time_says_how_far_it_came(plant, past):
    ticks = iter(range(1_000))
    with factory_context(plant):
        found = backtest(
            rule_parse(RULE),
            from_ms=int(past[0]),
            to_ms=int(past[-1]) + 1,
            within_s=3,
            monotonic=lambda: float(next(ticks)),
        )
    assert not found.complete
    assert past[0] < found.machines[0].evaluated_to_ms < past[-1]


def test_a_back_test_fires_where_the_live_rule_would_in_whatever_pieces_it_reads(plant, past, monkeypatch):
    rule = rule_parse(RULE)
    with factory_context(plant):
        whole = backtest(rule, from_ms=int(past[0]), to_ms=int(past[-1]) + 1).as_data()
        monkeypatch.setattr("anomalies.rules.backtest._READINGS_WANTED", 1)
        pieces = backtest(rule, from_ms=int(past[0]), to_ms=int(past[-1]) + 1).as_data()
    assert whole["machines"][0]["firings"] == pieces["machines"][0]["firings"]
    assert whole["active_s"] == pieces["active_s"]


# --- files ---


def test_rules_go_out_as_a_file_and_come_back(browser, plant):
    browser.post_json("/api/v1/rules", {**RULE, "active": {"dates": ["2026-12-24"]}, "cooldown_s": 90.5})
    text = browser.get("/api/v1/rules/file").content.decode()
    assert text == (
        "rules:\n"
        "  - name: Hot\n"
        "    machines:\n"
        "      - M01\n"
        "    when:\n"
        "      all:\n"
        "        - metric: t\n"
        "          op: above\n"
        "          value: 80\n"
        "          for_s: 10\n"
        "          clear: 75\n"
        "    severity: high\n"
        "    cooldown_s: 90.5\n"
        "    active:\n"
        "      dates:\n"
        "        - '2026-12-24'\n"
    )
    more = (
        text
        + "  - {name: Cold, machines: ['type:mixer'], when: {metric: t, op: '<', value: 3},"
        + " active: {dates: [2026-01-01]}}\n"
    )
    done = browser.post("/api/v1/rules/file", more, content_type="application/yaml")
    assert done.json() == {"created": 1, "changed": 1}
    with factory_context(plant):
        assert Rule.objects.get(name="Cold").when == {"all": [{"metric": "t", "op": "below", "value": 3.0}]}
        assert rules_export(Rule.objects.filter(name="Hot")) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "line 1"),
        ("rules: []", "no list"),
        ("just text", "no list"),
        ("a: &a [x]\nb: [*a, *a]\nrules: *a", "Anchors"),
        ("rules: !!python/object/apply:os.system ['true']", "not YAML"),
        ("rules:\n  - {name: A, machines: [M01], when: {metric: t, op: above, value: 1}}\n  - {name: B}", "rules[1]"),
        ("[" * 5_000, "nested"),
    ],
)
def test_a_file_that_is_wrong_changes_nothing(browser, plant, text, said):
    refused = browser.post("/api/v1/rules/file", text, content_type="application/yaml")
    assert refused.status_code == 400
    assert said in refused.json()["detail"]
    with factory_context(plant):
        assert not Rule.objects.exists()


def test_who_is_restricted_to_a_part_of_the_plant_sees_no_rule_of_another_and_writes_none(
    plant, supervisor, client_for
):
    with factory_context(plant):
        line = Line.objects.create(site=Site.objects.create(name="North"), name="L1")
        Machine.objects.create(key="M02", line=line)
        rule_create(actor="test", data=RULE)
        rule_create(actor="test", data={**RULE, "name": "Theirs", "machines": ["M02"]})
        supervisor.reach = {"sites": [], "lines": [line.pk]}
        supervisor.save()
    client = client_for(supervisor)
    assert [row["name"] for row in client.get("/api/v1/rules").json()["results"]] == ["Theirs"]
    for machines in (["M01"], ["*"], ["type:mixer"]):
        refused = client.post_json("/api/v1/rules", {**RULE, "name": "Mine", "machines": machines})
        assert refused.status_code in {400, 403}
