"""Who is told of an alert: people of the routes it takes, or whom its rule names, or everybody who handles alerts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anomalies.models import Alert, ChannelName, Route, RouteStep
from anomalies.notify.directory import Directory, Tell
from anomalies.notify.matching import Condition, Subject, matches
from anomalies.notify.rule_list import Wish, rule_wishes
from telemetry.history.spans import machine_zone

# Today's promise to whoever has set up nothing; each person's own preferences narrow it.
DEFAULT_CHANNELS = (ChannelName.EMAIL, ChannelName.PUSH)


def ways_to_tell(channels: Sequence[str]) -> tuple[str, ...]:
    """By which channels people are told where these are asked for; whatever it is, the app keeps it for them."""
    return tuple(dict.fromkeys((*(channels or DEFAULT_CHANNELS), ChannelName.IN_APP)))


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told now, and the steps that wait for an acknowledgement. routes: the names of those it takes."""

    tells: tuple[Tell, ...]
    later: tuple[RouteStep, ...]
    routes: tuple[str, ...]


class Audiences:
    """Answers for any number of alerts from one reading of routes and directory."""

    def __init__(self) -> None:
        self.directory = Directory.read()
        routes = Route.objects.filter(active=True).prefetch_related(
            "sites", "lines", "machines", "steps__people", "steps__schedules", "steps__targets"
        )
        self._routes = [(route, _condition(route)) for route in routes]

    def at_first(self, alert: Alert, *, returned: bool = False) -> Audience:
        """Whom an alert is told to at once; `returned`: whom its end is told to.

        Wants `machine__line__site` and `rule` loaded. A route's hours ask when the alert was raised, so that its end
        is told to the same people.
        """
        subject = subject_of(alert)
        named = rule_wishes(alert.rule)
        if named:
            return Audience(tuple(self._unique(self._named(named, subject))), (), ())
        taken = [route for route, condition in self._routes if matches(condition, subject)]
        if not taken:
            return Audience(tuple(self._unique(self._everybody(subject))), (), ())
        telling = [route for route in taken if route.tells_return or not returned]
        steps = [step for route in telling for step in route.steps.all()]
        tells = (tell for step in steps if step.after_min == 0 for tell in self.of_step(step, subject))
        later = () if returned else tuple(step for step in steps if step.after_min > 0)
        return Audience(tuple(self._unique(tells)), later, tuple(route.name for route in taken))

    def of_step(self, step: RouteStep, subject: Subject) -> Iterator[Tell]:
        """Whom one step of a route tells: people, whoever is on call, programs and rooms."""
        people = [*self.directory.with_roles(step.roles), *(person.pk for person in step.people.all())]
        people += [
            person
            for schedule in step.schedules.all()
            if (person := self.directory.on_call(schedule.pk, subject.at)) is not None
        ]
        for person in dict.fromkeys(people):
            yield from self.directory.person_tells(person, ways_to_tell(step.channels), subject)
        for target in step.targets.all():
            tell = self.directory.target_tell(target.pk)
            if tell is not None:
                yield tell

    def _everybody(self, subject: Subject) -> Iterator[Tell]:
        for person in self.directory.handlers():
            yield from self.directory.person_tells(person, ways_to_tell(()), subject)

    def _named(self, wishes: Sequence[Wish], subject: Subject) -> Iterator[Tell]:
        """Whom a rule names. A route named is followed whatever it asks for, at its first step."""
        for wish in wishes:
            for person in wish.people(self.directory, subject.at):
                yield from self.directory.person_tells(person, ways_to_tell(wish.channels), subject)
            for target in wish.targets(self.directory):
                if (tell := self.directory.target_tell(target)) is not None:
                    yield tell
            for route, _asked in self._routes:
                if wish.names_route(route.name):
                    for step in route.steps.all():
                        if step.after_min == 0:
                            yield from self.of_step(step, subject)

    @staticmethod
    def _unique(tells: Iterator[Tell]) -> Iterator[Tell]:
        yield from {(tell.channel, tell.recipient): tell for tell in tells}.values()


def subject_of(alert: Alert) -> Subject:
    """An alert as routes see it; wants `machine__line__site` loaded."""
    line = alert.machine.line
    return Subject(
        severity=alert.severity,
        machine=alert.machine_id,
        line=line.pk if line else None,
        site=line.site_id if line else None,
        at=alert.raised_at,
        zone=machine_zone(alert.machine),
    )


def _condition(route: Route) -> Condition:
    return Condition(
        severities=frozenset(route.severities),
        sites=frozenset(site.pk for site in route.sites.all()),
        lines=frozenset(line.pk for line in route.lines.all()),
        machines=frozenset(machine.pk for machine in route.machines.all()),
        days=frozenset(route.days),
        from_time=route.from_time,
        to_time=route.to_time,
    )
