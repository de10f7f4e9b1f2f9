"""Who is told of which alert, when, and who next."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from anomalies.alerts.finding import Finding
from anomalies.alerts.handling import alert_acknowledge
from anomalies.alerts.opening import alert_return, alert_update
from anomalies.models import (
    Alert,
    ContactPreference,
    Escalation,
    EscalationState,
    Notice,
    Notification,
    OnCallMember,
    OnCallOverride,
    OnCallSchedule,
    Route,
    RouteStep,
)
from anomalies.notify.escalating import escalations_advance
from anomalies.notify.on_call import Rotation, StandIn, on_call_at
from anomalies.notify.outbox import drain, outbox_trim
from anomalies.notify.rule_list import NotifyListInvalidError, notify_check
from anomalies.notify.trying import who_would_be_told
from common import clock
from telemetry.models import Line, Machine, Site
from tests.anomalies.notify.conftest import sent_out, settle, storm
from tests.conftest import person_make


def route(name="Route", *, roles=("supervisor",), channels=("email",), after_min=0, **given) -> Route:
    places = {key: given.pop(key) for key in ("sites", "lines", "machines") if key in given}
    made = Route.objects.create(name=name, **given)
    for key, values in places.items():
        getattr(made, key).set(values)
    if roles:
        RouteStep.objects.create(route=made, roles=list(roles), channels=list(channels), after_min=after_min)
    return made


def told() -> set[str]:
    drain()
    return set(sent_out().values_list("recipient", flat=True))


def test_an_alert_that_no_route_fits_goes_to_everybody_who_handles_alerts(
    machine, operator, supervisor, viewer, raised
):
    route(severities=["critical"])
    raised(machine, severity="high")
    assert told() == {operator.email, supervisor.email}


def test_routes_choose_by_severity_and_all_that_fit_are_followed_once_each(
    machine, operator, supervisor, admin, raised
):
    route("one", severities=["high", "critical"])
    route("two", severities=["high"], roles=["supervisor", "admin"])
    route("three", severities=["low"], roles=["operator"])
    raised(machine, severity="high")
    assert told() == {supervisor.email, admin.email}
    assert sent_out().count() == 2


def test_a_route_without_steps_keeps_its_alerts_in_the_app(machine, operator, raised):
    route(severities=["low"], roles=())
    raised(machine, severity="low")
    assert told() == set()


@pytest.mark.parametrize("key", ["sites", "lines", "machines"])
def test_routes_choose_by_place(machine, operator, supervisor, raised, key):
    elsewhere = Line.objects.create(name="2", site=Site.objects.create(name="Other"))
    other = Machine.objects.create(key="X1", line=elsewhere)
    place = {"sites": elsewhere.site, "lines": elsewhere, "machines": other}[key]
    route(**{key: [place]})
    raised(machine)
    assert told() == {operator.email, supervisor.email}, "another place: everybody"
    Notification.objects.all().delete()
    raised(other)
    assert told() == {supervisor.email}


def test_routes_choose_by_the_plants_clock_over_midnight(machine, operator, supervisor, raised, monkeypatch):
    route(from_time=time(22), to_time=time(6))
    raised(machine)
    Alert.objects.update(raised_at=datetime(2026, 7, 1, 20, 30, tzinfo=UTC))  # 22:30 in Łódź
    assert told() == {supervisor.email}


def test_the_end_is_told_to_those_who_were_told_of_the_beginning_unless_the_route_says_no(
    machine, operator, supervisor, raised
):
    made = route()
    raised(machine)
    alert_return(machine=machine, cause="detector", at=clock.now())
    drain()
    assert sent_out().filter(recipient=supervisor.email).count() == 2
    made.tells_return = False
    made.save()
    raised(machine, cause="rule:1")
    alert_return(machine=machine, cause="rule:1", at=clock.now())
    drain()
    assert sent_out().filter(recipient=supervisor.email).count() == 3


def test_people_narrow_what_they_are_told_by(machine, operator, supervisor, raised):
    ContactPreference.objects.create(user=operator, email_from="critical")
    ContactPreference.objects.create(user=supervisor, email=False)
    raised(machine, severity="high")
    assert told() == set()
    raised(machine, cause="rule:1", severity="critical")
    assert told() == {operator.email}


def test_a_person_restricted_to_a_line_hears_of_that_line_alone(machine, in_acme, raised):
    other = Line.objects.create(name="2", site=Site.objects.create(name="Other"))
    here = person_make(in_acme, "here@acme.example", "operator")
    there = person_make(in_acme, "there@acme.example", "operator")
    for person, line in ((here, machine.line), (there, other)):
        person.reach = {"sites": [], "lines": [line.pk]}
        person.save()
    raised(machine)
    assert told() == {here.email}


def test_somebody_who_left_is_not_told(machine, operator, supervisor, raised):
    operator.is_active = False
    operator.save()
    raised(machine)
    assert told() == {supervisor.email}


def test_whoever_is_on_call_is_told_and_whoever_stands_in(machine, operator, supervisor, raised):
    now = clock.now()
    schedule = OnCallSchedule.objects.create(name="M", starts_on=now.date() - timedelta(days=1), handover_at=time(0))
    OnCallMember.objects.create(schedule=schedule, user=operator, position=0)
    made = route(roles=())
    RouteStep.objects.create(route=made, channels=["email"]).schedules.add(schedule)
    raised(machine)
    assert told() == {operator.email}
    OnCallOverride.objects.create(
        schedule=schedule, user=supervisor, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1)
    )
    raised(machine, cause="rule:1")
    assert told() == {operator.email, supervisor.email}


def test_turns_follow_the_plants_clock_over_summer_time_and_the_newest_stand_in_holds():
    zone = ZoneInfo("Europe/Warsaw")
    rotation = Rotation(people=[1, 2, 3], starts_on=date(2026, 10, 19), handover_at=time(6), turn_days=7, zone=zone)
    before, after = datetime(2026, 10, 26, 5, 59, tzinfo=zone), datetime(2026, 10, 26, 6, 0, tzinfo=zone)
    assert (on_call_at(rotation, [], before), on_call_at(rotation, [], after)) == (1, 2)
    assert on_call_at(rotation, [], datetime(2026, 10, 19, 5, 0, tzinfo=zone)) is None
    assert on_call_at(rotation, [], datetime(2026, 11, 9, 7, 0, tzinfo=zone)) == 1, "round again"
    day = [StandIn(7, before, after + timedelta(days=1)), StandIn(8, before, after)]
    assert on_call_at(rotation, day, before) == 8
    assert on_call_at(rotation, day, after) == 7


def test_nobody_acknowledges_and_the_next_is_told_once_with_an_entry_in_the_timeline(
    machine, operator, supervisor, admin, raised
):
    made = route(roles=["operator"])
    RouteStep.objects.create(route=made, roles=["supervisor"], channels=["email"], after_min=10)
    RouteStep.objects.create(route=made, roles=["admin"], channels=["email"], after_min=30)
    alert = raised(machine)
    assert told() == {operator.email}
    assert escalations_advance() == 0, "not yet"
    Escalation.objects.filter(step__after_min=10).update(due_at=clock.now())
    assert escalations_advance() == 1
    assert escalations_advance() == 0
    assert told() == {operator.email, supervisor.email}
    message = sent_out().get(recipient=supervisor.email)
    assert message.subject.startswith("Not acknowledged: High")
    assert "Nobody has acknowledged it for 10 minutes." in message.body_text
    kinds = list(alert.events.values_list("kind", flat=True))
    assert kinds == ["raised", "notified", "escalated", "notified"]
    alert_acknowledge(alert=alert, user=operator)
    Escalation.objects.update(due_at=clock.now())
    assert escalations_advance() == 0
    assert told() == {operator.email, supervisor.email}
    assert Escalation.objects.get(step__after_min=30).state == EscalationState.STOPPED


def test_a_storm_that_nobody_acknowledges_is_told_to_the_next_as_that(in_acme, operator, supervisor):
    made = route(roles=["operator"])
    RouteStep.objects.create(route=made, roles=["supervisor"], channels=["email"], after_min=5)
    storm(Machine.objects.bulk_create(Machine(key=f"S{number}") for number in range(6)))
    settle()
    assert told() == {operator.email}
    Escalation.objects.update(due_at=clock.now())
    assert escalations_advance() == 6
    settle()
    Notification.objects.update(created_at=clock.now() - timedelta(seconds=90))
    assert told() == {operator.email, supervisor.email}
    assert sent_out().get(recipient=supervisor.email).subject == "Not acknowledged: High, 6 alerts on 6 machines"


def test_a_step_for_whoever_is_on_call_says_where_nobody_is(machine, operator, raised):
    schedule = OnCallSchedule.objects.create(name="Nights", starts_on=clock.now().date() + timedelta(days=3))
    OnCallMember.objects.create(schedule=schedule, user=operator, position=0)
    made = route("Day", roles=["operator"])
    RouteStep.objects.create(route=made, channels=["email"], after_min=10).schedules.add(schedule)
    first, second = who_would_be_told(machine, "high")
    assert (first.unmanned, second.told, second.unmanned) == ("", "", "Nobody is on call for “Nights”.")
    alert = raised(machine)
    drain()
    Escalation.objects.update(due_at=clock.now())
    assert escalations_advance() == 1
    assert alert.events.get(kind="escalated").comment.endswith("goes on. Nobody is on call for “Nights”.")


def test_what_is_over_is_not_escalated(machine, operator, supervisor, raised):
    made = route(roles=["operator"])
    RouteStep.objects.create(route=made, roles=["supervisor"], channels=["email"], after_min=10)
    raised(machine)
    drain()
    alert_return(machine=machine, cause="detector", at=clock.now())
    Escalation.objects.update(due_at=clock.now())
    assert escalations_advance() == 0
    drain()
    assert not sent_out().filter(recipient=supervisor.email).exists()


def test_an_alert_hidden_before_it_was_told_disturbs_nobody(machine, operator, raised):
    raised(machine)
    Alert.objects.update(state="suppressed")
    assert told() == set()


def test_an_alert_that_flaps_is_told_later_if_it_is_wrong_in_the_end(machine, operator, raised):
    raised(machine)
    drain()
    for _ in range(2):
        alert_return(machine=machine, cause="detector", at=clock.now())
        raised(machine)
        drain()
    words = [row.occasion for row in sent_out().order_by("pk")]
    assert words == ["raised", "returned"]
    Notice.objects.filter(routed_at=None).update(due_at=clock.now(), created_at=clock.now() - timedelta(minutes=10))
    drain()
    words = [row.occasion for row in sent_out().order_by("pk")]
    assert words == ["raised", "returned", "raised"], "people must not go on thinking that it is over"


def test_who_would_be_told_reads_as_words(machine, operator, supervisor):
    made = route("Day", roles=["operator"])
    RouteStep.objects.create(route=made, roles=["supervisor"], channels=["email"], after_min=15)
    first, second = who_would_be_told(machine, "high")
    assert (first.after_min, first.route, first.told) == (0, "Day", f"{operator} (E-mail, In the app)")
    assert (second.after_min, second.told) == (15, f"{supervisor} (E-mail, In the app)")


def test_a_rules_own_list_names_what_exists(in_acme, operator):
    Route.objects.create(name="Night")
    notify_check([f"person:{operator.email}", "role:supervisor/sms,email", "route:Night", "everybody"])
    for wrong in ("person:nobody@x", "role:king", "route:Day", "boss", "role:operator/pigeon", "target:ERP"):
        with pytest.raises(NotifyListInvalidError):
            notify_check([wrong])


def test_routing_a_storm_asks_no_more_questions_than_routing_a_few(in_acme, operator, django_assert_max_num_queries):
    storm(Machine.objects.bulk_create(Machine(key=f"S{number}") for number in range(200)))
    settle()
    from anomalies.notify.routing import notices_route

    with django_assert_max_num_queries(30):
        notices_route()
    assert sent_out().count() == 1


def test_an_alert_that_grows_severer_is_told_to_those_whom_that_concerns(machine, operator, supervisor, raised):
    route("All", roles=["operator"])
    route("Critical", severities=["critical"], roles=["supervisor"])
    alert = raised(machine, severity="medium")
    assert told() == {operator.email}
    finding = Finding(
        machine=machine, cause="detector", severity="critical", title="Worse", summary="w", since_at=alert.since_at
    )
    alert_update(alert, finding)
    assert told() == {operator.email, supervisor.email}
    alert_update(alert, finding)
    drain()
    assert sent_out().count() == 2, "the operator has heard of it already"


def test_the_outbox_forgets_what_was_told_long_ago_and_nothing_that_waits(machine, operator, raised):
    raised(machine)
    drain()
    raised(machine, cause="rule:1")
    long_ago = clock.now() - timedelta(days=91)
    Notice.objects.filter(told=True).update(routed_at=long_ago)
    Notification.objects.update(created_at=long_ago)
    assert outbox_trim() == 2, "the mail, and its line in the app"
    assert Notice.objects.count() == 1
    assert drain() == 1
