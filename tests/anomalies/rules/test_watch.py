"""From stored readings to alerts: states over a kill, edits, late data, silence, other machines."""

import msgspec
import numpy as np
import pytest

from anomalies import receivers, tasks
from anomalies.alerts.handling import alert_acknowledge, alert_close
from anomalies.models import Alert, AlertState, LateReadings, MachineHealth, Notice, Rule
from anomalies.receivers import evaluate_soon
from anomalies.rules.keeping import rule_change, rule_create, rule_delete, rules_enable
from anomalies.rules.late import LateNotes
from anomalies.rules.watch import rules_watch
from common import clock
from common.times import from_ms
from telemetry.models import Machine
from telemetry.readings import ReadingBatch, Series
from tenants.context import factory_current
from tests.anomalies.synthetic import stored

NOW_MS = 1_795_300_000_000
HOT = {"metric": "t", "op": "above", "value": 80, "for_s": 2, "clear": 75}


@pytest.fixture(autouse=True)
def now(in_acme, monkeypatch):
    """A clock that the test moves: seconds after the beginning."""
    at = {"s": 0}
    monkeypatch.setattr(clock, "now_ms", lambda: NOW_MS + at["s"] * 1000)
    monkeypatch.setattr(clock, "now", lambda: from_ms(NOW_MS + at["s"] * 1000))
    monkeypatch.setattr(receivers, "_late", LateNotes())
    return at


def send(now, machine="M01", start_s=None, **metrics):
    """Readings once a second, the last of them now (or from `start_s`), announced as the drain does."""
    length = max(len(values) for values in metrics.values())
    begin = now["s"] if start_s is None else start_s
    parts = [
        Series(machine, name, NOW_MS + (begin + np.arange(len(values))) * 1000, np.array(values, np.float64))
        for name, values in metrics.items()
    ]
    found = stored(parts)
    now["s"] = max(now["s"], begin + length)
    evaluate_soon(factory=factory_current(), machines={}, readings=0, batch=ReadingBatch(parts))
    return found


def rule(when=None, **more):
    return rule_create(actor="test", data={"name": "Hot", "machines": ["M01"], "when": when or {"all": [HOT]}, **more})


def look(*machines):
    return rules_watch(list(Machine.objects.select_related("line__site")) if not machines else list(machines))


def alert():
    return Alert.objects.get()


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    monkeypatch.setattr(tasks.evaluate, "for_factory", lambda *_call: None)
    monkeypatch.setattr(tasks.evaluate, "for_factory_in", lambda *_call: None)


def test_two_conditions_raise_one_alert_that_names_both(now):
    send(now, t=[70, 70], v=[1, 1])
    made = rule({"all": [HOT, {"metric": "v", "op": "above", "value": 5}]}, severity="critical")
    send(now, t=[81, 82, 83, 84], v=[1, 1, 6, 7])
    look()
    found = alert()
    assert (found.cause, found.rule_id, found.severity, found.title) == (f"rule:{made.pk}", made.pk, "critical", "Hot")
    parts = found.evidence["metrics"]
    assert [(part["metric"], part["observed"], part["limit"], part["share"]) for part in parts] == [
        ("t", 83.0, 80.0, 0.5),
        ("v", 6.0, 5.0, 0.5),
    ]
    assert "T 83.0, limit 80.0; V 6.00, limit 5.00, since" in found.summary
    send(now, t=[84], v=[5])
    look()
    assert alert().state == AlertState.RETURNED_UNACKNOWLEDGED


def test_a_killed_worker_goes_on_where_it_stood(now):
    send(now, t=[70])
    rule()
    for value in (81, 81, 81, 81):
        send(now, t=[value])
        look()
    assert alert().since_at.timestamp() * 1000 == NOW_MS + 1000
    assert look() == 1
    assert Alert.objects.count() == 1
    # Where it stands is in the database alone: nothing is held in this process.
    before = MachineHealth.objects.get().state["rules"]
    send(now, t=[74])
    look()
    assert alert().state == AlertState.RETURNED_UNACKNOWLEDGED
    assert MachineHealth.objects.get().state["rules"] != before


def test_an_active_alert_shows_how_far_it_has_gone_and_tells_nobody_again(now):
    send(now, t=[70])
    rule()
    send(now, t=[81, 82, 83])
    look()
    found = alert()
    assert found.evidence["metrics"][0]["observed"] == 83.0
    notices = Notice.objects.count()
    send(now, t=[84, 90, 95, 88, 86, 85])
    look()
    worse = alert()
    assert worse.evidence["metrics"][0]["observed"] == 95.0
    assert "95.0" in worse.summary
    assert (worse.since_at, worse.state) == (found.since_at, found.state)
    # Between the limits and beyond again, but less far: what it shows is the furthest of all.
    send(now, t=[78, 82, 84, 82, 82, 82])
    look()
    assert alert().evidence["metrics"][0]["observed"] == 95.0
    assert Notice.objects.count() == notices
    assert list(found.events.values_list("kind", flat=True)) == ["raised"]


def test_a_lasting_alert_is_not_written_anew_with_every_reading(now):
    send(now, t=[70])
    rule()
    send(now, t=[81, 82, 83])
    look()
    send(now, t=[84])
    look()
    assert alert().evidence["metrics"][0]["observed"] == 83.0
    send(now, t=[85, 86, 87, 88])
    look()
    assert alert().evidence["metrics"][0]["observed"] == 88.0


def test_an_alert_whose_rule_has_become_severer_is_told_again_as_it_worsens(now):
    send(now, t=[70])
    made = rule(severity="medium")
    send(now, t=[81, 82, 83])
    look()
    notices = Notice.objects.count()
    rule_change(made, actor="test", data={**made.as_data(), "severity": "critical"})
    send(now, t=[84, 85, 86, 87, 88, 89])
    look()
    assert (alert().severity, Notice.objects.count()) == ("critical", notices + 1)


def test_an_edited_rule_ends_its_alert_by_its_new_limit(now):
    send(now, t=[70])
    made = rule()
    send(now, t=[81, 82, 83, 84])
    look()
    assert alert().state == AlertState.ACTIVE_UNACKNOWLEDGED
    rule_change(made, actor="test", data={**made.as_data(), "when": {"all": [{**HOT, "value": 100, "clear": 95}]}})
    send(now, t=[84])
    look()
    assert alert().state == AlertState.RETURNED_UNACKNOWLEDGED


@pytest.mark.parametrize(
    "end",
    [
        lambda made: rules_enable([made], actor="test", enabled=False),
        lambda made: rule_delete(made, actor="test"),
        lambda made: rule_change(made, actor="test", data={**made.as_data(), "machines": ["M02"]}),
        lambda made: rule_change(
            made, actor="test", data={**made.as_data(), "overrides": [{"machine": "M01", "off": True}]}
        ),
    ],
)
def test_what_is_no_longer_watched_is_over(now, end):
    send(now, t=[70])
    send(now, machine="M02", t=[70])
    made = rule()
    send(now, t=[81, 82, 83, 84])
    look()
    end(made)
    assert alert().returned_at is not None
    send(now, t=[90, 90, 90, 90])
    look()
    assert Alert.objects.filter(returned_at=None).count() == 0


def test_readings_that_come_late_raise_an_alert_that_is_marked(now):
    send(now, t=[70] * 10)
    rule()
    look()
    send(now, start_s=900, t=[70] * 10)
    look()
    assert not Alert.objects.exists()
    send(now, start_s=300, t=[70, 85, 86, 87, 70])
    assert LateReadings.objects.get().from_ms == NOW_MS + 300_000
    look()
    found = alert()
    assert found.retroactive
    assert found.state == AlertState.RETURNED_UNACKNOWLEDGED
    assert found.since_at.timestamp() * 1000 == NOW_MS + 301_000
    assert not LateReadings.objects.exists()
    look()
    assert Alert.objects.count() == 1


def test_late_readings_before_a_closed_alert_are_its_beginning_and_no_second_alert(now, operator):
    send(now, t=[70] * 10)
    rule()
    send(now, start_s=900, t=[85] * 10 + [70] * 5)
    look()
    alert_close(alert=alert(), user=operator, verdict="true")
    told = Notice.objects.count()
    send(now, start_s=860, t=[85] * 40)
    look()
    found = alert()
    assert (found.since_at, found.returned_at) == (from_ms(NOW_MS + 860_000), from_ms(NOW_MS + 910_000))
    assert (found.state, found.verdict, Notice.objects.count()) == (AlertState.NORMAL, "true", told)
    send(now, start_s=1_000, t=[85] * 4)
    look()
    assert Alert.objects.count() == 2, "what is new is raised as ever"


def test_an_alert_in_hand_neither_ends_nor_begins_anew_by_what_was_wrong_hours_before(now, operator):
    send(now, t=[70] * 10)
    rule()
    # So far apart that the past is read in pieces.
    send(now, start_s=30_000, t=[85] * 10)
    look()
    alert_acknowledge(alert=alert(), user=operator)
    told = Notice.objects.count()
    send(now, start_s=2_000, t=[70, 85, 86, 87, 70])
    look()
    found = alert()
    assert (found.state, found.occurrences, Notice.objects.count()) == (AlertState.ACTIVE_ACKNOWLEDGED, 2, told)
    assert list(found.events.values_list("kind", flat=True)) == [
        "raised", "acknowledged", "wrong_before", "right_before",
    ]  # fmt: skip
    send(now, start_s=30_010, t=[70])
    look()
    assert alert().state == AlertState.NORMAL


def test_an_alert_in_hand_that_was_right_for_a_while_as_it_turns_out_stays_in_hand(now, operator):
    send(now, t=[70] * 10)
    rule()
    send(now, start_s=900, t=[85] * 5)
    send(now, start_s=940, t=[85] * 5)
    look()
    alert_acknowledge(alert=alert(), user=operator)
    told = Notice.objects.count()
    send(now, start_s=910, t=[70] * 10)
    look()
    assert (alert().state, Notice.objects.count()) == (AlertState.ACTIVE_ACKNOWLEDGED, told)
    send(now, start_s=945, t=[70])
    look()
    assert alert().state == AlertState.NORMAL


def test_readings_in_order_are_never_taken_for_late(now):
    for _turn in range(3):
        send(now, t=[70, 70], v=[1, 1])
    assert not LateReadings.objects.exists()


def test_silence_raises_an_alert_though_nothing_comes_any_more(now):
    send(now, t=[70, 70])
    rule({"all": [{"metric": "t", "op": "no_data", "for_s": 60}]})
    look()
    now["s"] = 50
    assert not Alert.objects.exists()
    now["s"] = 100
    assert rules_watch([]) == 0
    assert alert().title == "Hot"
    send(now, t=[70])
    look()
    assert alert().returned_at is not None


def test_a_rule_may_compare_two_machines(now):
    send(now, t=[70])
    send(now, machine="M02", start_s=0, t=[70])
    rule({"all": [{"metric": "t", "op": "above", "value": 10, "minus": {"metric": "t", "machine": "M02"}}]})
    send(now, start_s=1, t=[85, 85])
    send(now, machine="M02", start_s=1, t=[71, 71])
    look()
    assert alert().machine.key == "M01"


def test_a_rule_for_a_type_runs_on_each_of_its_machines_with_their_own_limits(now):
    for key in ("M01", "M02", "M03"):
        send(now, machine=key, start_s=0, t=[70])
    Machine.objects.exclude(key="M03").update(machine_type="pump")
    rule(machines=["type:pump"], overrides=[{"machine": "M02", "condition": 1, "value": 100}])
    for key in ("M01", "M02", "M03"):
        send(now, machine=key, start_s=1, t=[90, 90, 90, 90])
    look()
    assert alert().machine.key == "M01"


def test_a_rule_that_can_not_be_read_does_not_stop_the_others(now):
    send(now, t=[70])
    rule()
    Rule.objects.create(name="Broken", machines=["M01"], when={"all": [{"metric": "t", "op": "near"}]})
    send(now, t=[81, 82, 83, 84])
    look()
    assert alert().title == "Hot"


def test_a_state_from_before_rules_were_trees_is_begun_anew(now):
    machine = send(now, t=[70])
    made = rule()
    old = {str(made.pk): {"to_ms": NOW_MS, "since_ms": None, "worst": None, "active": True, "rule": "above/80.0"}}
    MachineHealth.objects.create(machine=machine, state={"rules": old})
    send(now, t=[81, 82, 83, 84])
    look()
    assert alert().title == "Hot"
    kept = MachineHealth.objects.get().state["rules"][str(made.pk)]
    assert msgspec.json.encode(kept).startswith(b'["')


def test_a_new_rule_judges_what_a_gateway_measured_hours_ago_and_sends_now(now):
    send(now, start_s=-7_200, t=[70, 81, 82, 83, 84])
    Machine.objects.update(last_seen_at=clock.now())
    rule()
    look()
    assert (alert().state, alert().since_at) == (AlertState.ACTIVE_UNACKNOWLEDGED, from_ms(NOW_MS - 7_199_000))
