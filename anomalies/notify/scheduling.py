"""On-call schedules and routes as people save them, and the turns that come next."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.models import User
from anomalies.models import OnCallMember, OnCallOverride, OnCallSchedule
from anomalies.notify.directory import rotation_of, stand_ins_of
from anomalies.notify.on_call import on_call_at, turn_begins, turn_number
from common import clock

_TURNS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Turn:
    """Who has which stretch of time, by the schedule's own clock."""

    person: User
    begins_at: datetime
    ends_at: datetime
    now: bool


def schedule_save(*, actor: Any, schedule: OnCallSchedule, members: Sequence[User]) -> OnCallSchedule:
    """Keep a schedule with its people in their order."""
    with transaction.atomic():
        made = schedule.pk is None
        schedule.save()
        schedule.members.all().delete()
        OnCallMember.objects.bulk_create(
            OnCallMember(schedule=schedule, user=user, position=place) for place, user in enumerate(members)
        )
        audit_record(
            actor=actor,
            action="on_call.create" if made else "on_call.change",
            target=schedule.name,
            people=[user.email for user in members],
        )
    return schedule


def schedule_delete(*, actor: Any, schedule: OnCallSchedule) -> None:
    """Away with it."""
    with transaction.atomic():
        audit_record(actor=actor, action="on_call.delete", target=schedule.name)
        schedule.delete()


def override_add(*, actor: Any, override: OnCallOverride) -> OnCallOverride:
    """Somebody stands in."""
    with transaction.atomic():
        override.save()
        audit_record(
            actor=actor,
            action="on_call.override",
            target=override.schedule.name,
            who=override.user.email,
            starts_at=override.starts_at.isoformat(),
            ends_at=override.ends_at.isoformat(),
        )
    return override


def override_delete(*, actor: Any, override: OnCallOverride) -> None:
    """Nobody stands in after all."""
    with transaction.atomic():
        audit_record(actor=actor, action="on_call.override_delete", target=override.schedule.name)
        override.delete()


def ordered(people: Iterable[User], places: dict[int, int]) -> list[User]:
    """People by the numbers given beside their names; without one, after the others."""
    return sorted(people, key=lambda user: (places.get(user.pk, 10_000), user.email))


def on_call_now(schedule: OnCallSchedule) -> User | None:
    """Whoever is on call; wants `members__user` and `overrides` loaded."""
    found = on_call_at(rotation_of(schedule), stand_ins_of(schedule), clock.now())
    return User.objects.filter(pk=found, is_active=True).first() if found is not None else None


def unmanned(schedules: Iterable[OnCallSchedule]) -> list[str]:
    """The schedules for which nobody is on call now, by name; wants `members__user` and `overrides` loaded."""
    return [schedule.name for schedule in schedules if on_call_now(schedule) is None]


def unmanned_text(schedules: Iterable[OnCallSchedule]) -> str:
    """That nobody is on call, in words; empty where somebody is."""
    said = [_("Nobody is on call for “%(schedule)s”.") % {"schedule": name} for name in unmanned(schedules)]
    return " ".join(said)


def begins_by_now(handover_at: time, zone: ZoneInfo) -> date:
    """The day on which a first turn begins that is on already: yesterday until today's handover."""
    local = clock.now().astimezone(zone)
    return local.date() - timedelta(days=int(local.time() < handover_at))


def turns_next(schedule: OnCallSchedule) -> list[Turn]:
    """The turn that is on, and those that follow; without overrides."""
    rotation, now = rotation_of(schedule), clock.now()
    people = {member.user_id: member.user for member in schedule.members.all()}
    if not people:
        return []
    zone, first = ZoneInfo(schedule.time_zone), max(0, turn_number(rotation, now))
    turns = []
    for number in range(first, first + _TURNS_SHOWN):
        begins, ends = turn_begins(rotation, number), turn_begins(rotation, number + 1)
        person = people[rotation.people[number % len(rotation.people)]]
        turns.append(Turn(person, begins.astimezone(zone), ends.astimezone(zone), begins <= now < ends))
    return turns


def overrides_ahead(schedule: OnCallSchedule) -> list[OnCallOverride]:
    """Overrides that are on or still come."""
    return list(schedule.overrides.filter(ends_at__gt=clock.now() - timedelta(days=1)).select_related("user"))
