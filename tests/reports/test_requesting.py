"""Which reports come to be: one for a period, whoever and however many ask."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from accounts.jobs import JobState
from common import clock
from common.errors import InvalidInputError
from reports import tasks
from reports.models import Report, Schedule
from reports.requesting import report_request, report_schedule_due, schedules_ensured
from reports.schedule import Period, week_until
from tenants.context import factory_context

MONDAY_SEVEN = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)  # 07:00 in Warsaw


@pytest.fixture
def schedule(in_acme) -> Schedule:
    made = Schedule.objects.create(recipients=["boss@acme.example"])
    Schedule.objects.update(created_at=MONDAY_SEVEN - timedelta(days=30))
    made.refresh_from_db()
    return made


def test_the_weekly_report_covers_the_seven_plant_days_before(in_acme, schedule):
    report = report_schedule_due(factory=in_acme, schedule=schedule, now=MONDAY_SEVEN)
    assert report.scheduled
    zone = in_acme.zone
    assert report.period_from_at.astimezone(zone).isoformat() == "2026-11-16T00:00:00+01:00"
    assert report.period_to_at.astimezone(zone).isoformat() == "2026-11-23T00:00:00+01:00"


def test_a_second_look_in_the_same_week_makes_nothing(in_acme, schedule):
    assert report_schedule_due(factory=in_acme, schedule=schedule, now=MONDAY_SEVEN)
    for later in (timedelta(minutes=1), timedelta(days=6)):
        assert report_schedule_due(factory=in_acme, schedule=schedule, now=MONDAY_SEVEN + later) is None
    assert report_schedule_due(factory=in_acme, schedule=schedule, now=MONDAY_SEVEN + timedelta(days=7))


def test_a_scheduler_that_slept_over_the_hour_makes_it_late(in_acme, schedule):
    assert report_schedule_due(factory=in_acme, schedule=schedule, now=MONDAY_SEVEN + timedelta(days=2))


def test_a_schedule_does_not_answer_for_the_time_before_it_was_made(in_acme):
    fresh = Schedule.objects.create()
    Schedule.objects.update(created_at=MONDAY_SEVEN)
    fresh.refresh_from_db()
    assert report_schedule_due(factory=in_acme, schedule=fresh, now=MONDAY_SEVEN + timedelta(hours=1)) is None


def test_an_inactive_schedule_makes_nothing(in_acme, schedule):
    schedule.active = False
    assert report_schedule_due(factory=in_acme, schedule=schedule, now=MONDAY_SEVEN) is None


def test_a_report_made_by_hand_for_the_same_period_does_not_stand_in_for_the_scheduled_one(in_acme, schedule):
    first = report_schedule_due(factory=in_acme, schedule=schedule, now=MONDAY_SEVEN)
    period = Period(first.period_from_at, first.period_to_at)
    first.delete()
    report_request(factory=in_acme, period=period, requested_by=None, now=MONDAY_SEVEN)
    assert report_schedule_due(factory=in_acme, schedule=schedule, now=MONDAY_SEVEN).revision == 2


def test_the_usual_schedule_is_made_once_where_there_is_none(in_acme):
    (made,) = schedules_ensured()
    assert (made.weekday, made.hour, made.active) == (0, 6, True)
    assert list(schedules_ensured()) == [made]


def test_a_second_click_gets_the_report_in_the_making_and_a_later_one_a_new_revision(in_acme, supervisor):
    period = week_until(MONDAY_SEVEN)
    ask = {"factory": in_acme, "period": period, "requested_by": supervisor, "now": MONDAY_SEVEN}
    first = report_request(**ask)
    assert report_request(**ask) == first
    Report.objects.update(state=JobState.READY)
    assert report_request(**ask).revision == 2


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (1, 2), (-400, -1), (-1, 1)])
def test_a_period_that_is_empty_too_long_or_not_over_is_refused(in_acme, begin, end):
    period = Period(MONDAY_SEVEN + timedelta(days=begin), MONDAY_SEVEN + timedelta(days=end))
    with pytest.raises(InvalidInputError):
        report_request(factory=in_acme, period=period, requested_by=None, now=MONDAY_SEVEN)


def test_two_schedulers_at_once_make_one_report(live_factory):
    with factory_context(live_factory):
        schedule = Schedule.objects.create()
        Schedule.objects.update(created_at=MONDAY_SEVEN - timedelta(days=30))
        schedule.refresh_from_db()
    together, made = threading.Barrier(4), []

    def schedule_it():
        try:
            with factory_context(live_factory):
                together.wait(timeout=20)
                made.append(report_schedule_due(factory=live_factory, schedule=schedule, now=MONDAY_SEVEN))
        finally:
            connection.close()

    threads = [threading.Thread(target=schedule_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(made) == 4
    assert sum(report is not None for report in made) == 1
    with factory_context(live_factory):
        assert Report.objects.count() == 1


def test_the_minutely_task_enqueues_what_is_due_and_what_was_lost(
    in_acme, schedule, monkeypatch, django_capture_on_commit_callbacks
):
    enqueued = []
    monkeypatch.setattr(tasks.make_report, "for_factory", lambda slug, report_id: enqueued.append((slug, report_id)))
    monkeypatch.setattr(clock, "now", lambda: MONDAY_SEVEN)
    lost = Report.objects.create(
        period_from_at=MONDAY_SEVEN - timedelta(days=1), period_to_at=MONDAY_SEVEN, time_zone="UTC"
    )
    Report.objects.update(created_at=MONDAY_SEVEN - timedelta(hours=1))
    with django_capture_on_commit_callbacks(execute=True):
        tasks.make_due_in_factory(factory_slug="acme")
    due = Report.objects.get(scheduled=True)
    assert enqueued == [("acme", lost.pk), ("acme", due.pk)]
