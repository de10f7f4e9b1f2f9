"""The platform's clock steps: no storm of alerts, no report missed or made twice, no reading refused for it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from anomalies.models import Alert
from anomalies.silence import silence_watch
from common import clock
from reports.models import Report, Schedule
from reports.requesting import report_schedule_due
from telemetry.models import Machine

MACHINES = 50


@pytest.fixture
def at(monkeypatch):
    """`at(seconds)` moves the wall clock to so many seconds after the test's beginning."""
    begin = clock.now()

    def move(seconds):
        monkeypatch.setattr(clock, "now", lambda: begin + timedelta(seconds=seconds))
        return clock.now()

    return move


@pytest.fixture
def machines(in_acme, at):
    Machine.objects.bulk_create(
        Machine(key=f"M{number:02}", silent_after_s=30, last_seen_at=at(0)) for number in range(MACHINES)
    )


def heard(now):
    Machine.objects.update(last_seen_at=now)


def watch():
    silence_watch(Machine.objects.select_related("line__site"))


@pytest.mark.parametrize("step_s", [3_600, -3_600, 86_400])
def test_a_step_of_the_clock_blames_no_machine(machines, at, step_s):
    for second in (0, 15, 30):
        heard(at(second))
        watch()
    at(45 + step_s)
    watch()  # before anybody could report by the new clock
    for second in (60, 75, 90):
        heard(at(second + step_s))
        watch()
    assert not Alert.objects.exists()


def test_a_machine_that_stays_silent_over_a_step_is_told_all_the_same(machines, at):
    for second in (0, 15):
        heard(at(second))
        watch()
    for second in (30, 45, 60, 75, 90):
        at(second + 3_600)
        Machine.objects.exclude(key="M00").update(last_seen_at=clock.now())
        watch()
    assert list(Alert.objects.values_list("machine__key", flat=True)) == ["M00"]


# Warsaw's clock jumps from 02:00 to 03:00 on 29 March and falls back from 03:00 to 02:00 on 25 October.
@pytest.mark.parametrize("jump_on", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
@pytest.mark.parametrize("step_s", [0, 3_600, -3_600])
def test_each_week_around_a_jump_has_one_report_whatever_the_clock_does(in_acme, jump_on, step_s):
    schedule = Schedule.objects.create()
    Schedule.objects.update(created_at=jump_on - timedelta(days=60))
    schedule.refresh_from_db()
    instant, end = jump_on - timedelta(days=10), jump_on + timedelta(days=11)
    while instant < end:
        # An hour before the jump's end the platform's own clock is set wrong, and a day later right again.
        wrong = timedelta(seconds=step_s) if jump_on <= instant < jump_on + timedelta(days=1) else timedelta()
        report_schedule_due(factory=in_acme, schedule=schedule, now=instant + wrong)
        instant += timedelta(hours=2)
    periods = list(Report.objects.order_by("period_to_at").values_list("period_to_at", flat=True))
    assert len(periods) == len(set(periods))
    weeks = [period.astimezone(in_acme.zone).date() for period in periods]
    assert [(later - earlier).days for earlier, later in pairwise(weeks)] == [7] * (len(weeks) - 1)
    assert len(weeks) >= 3
