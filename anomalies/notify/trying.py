"""Trying it out: a test message to a place, and who would be told of an alert now."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import uuid4

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from accounts.models import User
from anomalies.models import Alert, Notification, NotificationTarget, Occasion, OnCallSchedule, Route, RouteStep
from anomalies.notify.audience import Audiences, subject_of
from anomalies.notify.channels import CHANNELS
from anomalies.notify.directory import Directory, Tell
from anomalies.notify.inbox import inbox_tell_of
from anomalies.notify.matching import Subject
from anomalies.notify.messages import message_of
from anomalies.notify.notices import drain_soon
from anomalies.notify.routing import told_words
from anomalies.notify.scheduling import unmanned_text
from common import clock
from telemetry.models import Machine
from tenants.addresses import factory_url
from tenants.context import factory_current


@dataclass(frozen=True, slots=True)
class Stage:
    """Whom one step tells. after_min: minutes without an acknowledgement; told: in words, empty for nobody.

    unmanned: which schedules it names have nobody on call now, in words.
    """

    after_min: int
    route: str
    told: str
    unmanned: str = ""


def who_would_be_told(machine: Machine, severity: str) -> list[Stage]:
    """Step by step, for an alert raised now; the machine with `line__site` loaded."""
    audiences, now = Audiences(), clock.now()
    alert = Alert(machine=machine, severity=severity, raised_at=now)
    audience, subject = audiences.at_first(alert), subject_of(alert)
    stages = [Stage(0, ", ".join(audience.routes), told_words(audience.tells), _unmanned_at_first(audience.routes))]
    stages.extend(
        Stage(
            step.after_min,
            step.route.name,
            told_words(list(audiences.of_step(step, subject))),
            unmanned_text(step.schedules.all()),
        )
        for step in sorted(audience.later, key=lambda step: step.after_min)
    )
    return stages


def _unmanned_at_first(routes: Iterable[str]) -> str:
    asked = OnCallSchedule.objects.filter(pk__in=_schedules_at_first(routes))
    return unmanned_text(asked.prefetch_related("members__user", "overrides"))


def _schedules_at_first(routes: Iterable[str]) -> list[int]:
    steps = RouteStep.objects.filter(route__name__in=list(routes), after_min=0, schedules__isnull=False)
    return list(steps.values_list("schedules", flat=True))


def target_test(target: NotificationTarget) -> Notification:
    """Put a test message to a program or room into the outbox."""
    tell = Tell(
        channel=target.kind,
        recipient=target.name,
        name=target.name,
        target=target.pk,
        target_key=target.health_key,
    )
    return _test([tell])[0]


def person_test(person: User, channel: str) -> list[Notification]:
    """Put a test message to a person into the outbox; several for several browsers, none where none is set up."""
    directory = Directory.read()
    # As urgent as can be, so that neither a least severity nor quiet hours hold it back.
    subject = Subject(severity="critical", machine=0, line=None, site=None, at=clock.now())
    if person.pk in directory.people:
        directory.people[person.pk].reach = None
    return _test(directory.person_tells(person.pk, [channel], subject))


def route_test(route: Route) -> list[Notification]:
    """Put a test message to everybody of a route, of all its steps, into the outbox."""
    audiences = Audiences()
    subject = Subject(severity="critical", machine=0, line=None, site=None, at=clock.now())
    tells = [tell for step in route.steps.all() for tell in audiences.of_step(step, subject)]
    return _test({(tell.channel, tell.recipient): tell for tell in tells}.values())


def _test(tells: Iterable[Tell]) -> list[Notification]:
    return messages_write(
        tells,
        occasion=Occasion.TEST,
        subject=gettext_lazy("A test from FactoryPulse"),
        text=gettext_lazy("This is a test: messages about alerts arrive here."),
        path="/alerts",
    )


def messages_write(
    tells: Iterable[Tell], *, occasion: str, subject: str | Promise, text: str | Promise, path: str = ""
) -> list[Notification]:
    """Put messages that are about no alert into the outbox, sent in a moment; lazy words are each reader's."""
    factory = factory_current()
    url = factory_url(factory, path) if factory and path else ""
    rows = []
    with transaction.atomic():
        for tell in tells:
            with tell.reader.speaking():
                content = CHANNELS[tell.channel].plain(subject=str(subject), text=str(text), url=url)
            row = message_of(tell, content, key=f"{occasion}:{uuid4().hex}", occasion=occasion)
            row.save()
            rows.append(row)
        inbox_tell_of(rows)
        transaction.on_commit(lambda: drain_soon(0.0))
    return rows
