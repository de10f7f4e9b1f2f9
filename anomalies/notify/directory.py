"""Everybody and everything that can be told, read once for any number of alerts."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from accounts.models import User
from accounts.permissions import ACKNOWLEDGE, actions_of
from anomalies.models import (
    ChannelName,
    ContactPreference,
    NotificationTarget,
    OnCallSchedule,
    PushSubscription,
    Severity,
)
from anomalies.notify.matching import Subject, in_hours
from anomalies.notify.on_call import Rotation, StandIn, on_call_at
from anomalies.notify.reader import ANYBODY, Reader, readers_of

_RANK = {severity: rank for rank, severity in enumerate(Severity.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """One place that one message goes to. name: for the timeline; payload: what its channel needs to reach it.

    reader: how whoever reads it wants it worded.
    """

    channel: str
    recipient: str
    name: str
    target_key: str
    user: int | None = None
    target: int | None = None
    payload: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)
    reader: Reader = ANYBODY


@dataclass(slots=True, kw_only=True)
class Directory:
    """People with their addresses and wishes, targets, and on-call schedules of the current factory."""

    people: dict[int, User]
    addresses: dict[int, str]
    wishes: dict[int, ContactPreference]
    browsers: dict[int, list[PushSubscription]]
    targets: dict[int, NotificationTarget]
    schedules: dict[int, tuple[str, Rotation, list[StandIn]]]
    readers: dict[int, Reader]

    @classmethod
    def read(cls) -> Self:
        """As it stands now, in a handful of queries."""
        people = {person.pk: person for person in User.objects.filter(is_active=True).select_related("custom_role")}
        confirmed = User.objects.filter(is_active=True, emailaddress__verified=True, emailaddress__primary=True)
        browsers: dict[int, list[PushSubscription]] = {}
        for subscription in PushSubscription.objects.all():
            browsers.setdefault(subscription.user_id, []).append(subscription)
        return cls(
            people=people,
            addresses=dict(confirmed.values_list("pk", "emailaddress__email")),
            wishes={wish.user_id: wish for wish in ContactPreference.objects.all()},
            browsers=browsers,
            targets={target.pk: target for target in NotificationTarget.objects.filter(active=True)},
            schedules={schedule.pk: _turns(schedule) for schedule in _schedules()},
            readers=readers_of(people.values()),
        )

    def handlers(self) -> list[int]:
        """Everybody who may handle alerts."""
        return [pk for pk, person in self.people.items() if ACKNOWLEDGE in actions_of(person)]

    def with_roles(self, roles: Collection[str]) -> list[int]:
        """Everybody with one of the built-in roles."""
        return [pk for pk, person in self.people.items() if person.role in roles and not person.custom_role_id]

    def on_call(self, schedule: int, at: datetime) -> int | None:
        """Whoever is on call; None where nobody is, or the person is no longer with the factory."""
        if schedule not in self.schedules:
            return None
        _name, rotation, stand_ins = self.schedules[schedule]
        person = on_call_at(rotation, stand_ins, at)
        return person if person in self.people else None

    def person_tells(self, person: int, channels: Iterable[str], subject: Subject) -> Iterator[Tell]:
        """By which of the channels a person hears of an alert: as the person wished, and may."""
        user = self.people.get(person)
        if user is None or not _reaches(user, subject):
            return
        wish = self.wishes.get(person) or ContactPreference(user=user)
        for channel in channels:
            if _wanted(wish, channel, subject):
                yield from self._ways(user, wish, channel)

    def target_tell(self, target: int) -> Tell | None:
        """A target as a place to tell; None when it is switched off or gone."""
        found = self.targets.get(target)
        if found is None:
            return None
        return Tell(
            channel=found.kind, recipient=found.name, name=found.name, target=found.pk, target_key=found.health_key
        )

    def _ways(self, user: User, wish: ContactPreference, channel: str) -> Iterator[Tell]:
        for tell in self._places(user, wish, channel):
            yield replace(tell, reader=self.readers.get(user.pk, ANYBODY))

    def _places(self, user: User, wish: ContactPreference, channel: str) -> Iterator[Tell]:
        name, pk = str(user), user.pk
        if channel == ChannelName.EMAIL and pk in self.addresses:
            yield Tell(channel=channel, recipient=self.addresses[pk], name=name, user=pk, target_key="email")
        elif channel in {ChannelName.SMS, ChannelName.WHATSAPP} and wish.phone_ready:
            yield Tell(channel=channel, recipient=wish.phone, name=name, user=pk, target_key="twilio")
        elif channel == ChannelName.IN_APP:
            yield Tell(channel=channel, recipient=user.email, name=name, user=pk, target_key="in_app")
        elif channel == ChannelName.PUSH:
            for browser in self.browsers.get(pk, ()):
                service = urlsplit(browser.endpoint).hostname or ""
                yield Tell(
                    channel=channel,
                    recipient=f"browser {browser.pk}",
                    name=name,
                    user=pk,
                    target_key=f"push:{service}"[:120],
                    payload={"subscription": browser.pk},
                )


def _wanted(wish: ContactPreference, channel: str, subject: Subject) -> bool:
    on, least = {
        ChannelName.EMAIL: (wish.email, wish.email_from),
        ChannelName.PUSH: (wish.push, wish.push_from),
        ChannelName.SMS: (wish.sms, wish.phone_from),
        ChannelName.WHATSAPP: (wish.whatsapp, wish.phone_from),
        ChannelName.IN_APP: (wish.in_app, wish.in_app_from),
    }[ChannelName(channel)]
    if not on or _RANK[subject.severity] < _RANK.get(str(least), 0):
        return False
    # By night only what is critical wakes somebody; a mail and a line in the app wake nobody.
    if channel in {ChannelName.EMAIL, ChannelName.IN_APP} or subject.severity == Severity.CRITICAL:
        return True
    return not in_hours(wish.quiet_from, wish.quiet_to, subject.at.astimezone(subject.zone))


def _reaches(user: User, subject: Subject) -> bool:
    """A person restricted to some sites or lines hears of those alone."""
    if user.reach is None:
        return True
    return subject.site in user.reach.get("sites", ()) or subject.line in user.reach.get("lines", ())


def _schedules() -> Sequence[OnCallSchedule]:
    return list(OnCallSchedule.objects.prefetch_related("members", "overrides"))


def rotation_of(schedule: OnCallSchedule) -> Rotation:
    """A schedule's turns; wants `members` loaded."""
    return Rotation(
        people=[member.user_id for member in schedule.members.all()],
        starts_on=schedule.starts_on,
        handover_at=schedule.handover_at,
        turn_days=schedule.turn_days,
        zone=ZoneInfo(schedule.time_zone),
    )


def stand_ins_of(schedule: OnCallSchedule) -> list[StandIn]:
    """Its overrides in the order in which they were entered; wants `overrides` loaded."""
    entered = sorted(schedule.overrides.all(), key=lambda override: override.pk)
    return [StandIn(override.user_id, override.starts_at, override.ends_at) for override in entered]


def _turns(schedule: OnCallSchedule) -> tuple[str, Rotation, list[StandIn]]:
    return schedule.name, rotation_of(schedule), stand_ins_of(schedule)
