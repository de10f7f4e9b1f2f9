"""The log of messages as pages and the API read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from anomalies.models import ChannelName, Notification, NotificationState, NotificationTarget, TargetHealth
from anomalies.notify.breaker import OPENS_AFTER
from common import clock

PAGE_SIZE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """What a person asked to see; anything unknown falls back to everything."""

    state: str = ""
    channel: str = ""
    before: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "LogFilter":
        """From a page's query string."""
        state, channel, before = query.get("state", ""), query.get("channel", ""), query.get("before", "")
        return cls(
            state=state if state in NotificationState.values else "",
            channel=channel if channel in ChannelName.values else "",
            before=int(before) if before.isascii() and before.isdigit() and len(before) < 18 else None,
        )

    @property
    def query(self) -> str:
        """As a query string without the place in the list."""
        return urlencode({name: value for name, value in (("state", self.state), ("channel", self.channel)) if value})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """A stretch of the log, newest first, and where the next begins."""

    rows: list[Notification]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class Trouble:
    """A place that does not take messages. name: in words; paused: whether it is left alone just now."""

    key: str
    name: str
    health: TargetHealth
    paused: bool


def log_found(chosen: LogFilter) -> QuerySet[Notification]:
    """The messages a person asked for, newest first."""
    found = Notification.objects.select_related("alert__machine", "user", "target").order_by("-pk")
    if chosen.state:
        found = found.filter(state=chosen.state)
    if chosen.channel:
        found = found.filter(channel=chosen.channel)
    return found


def log_page(chosen: LogFilter) -> LogPage:
    """A page of them."""
    found = log_found(chosen)
    if chosen.before is not None:
        found = found.filter(pk__lt=chosen.before)
    rows = list(found[: PAGE_SIZE + 1])
    more = len(rows) > PAGE_SIZE
    return LogPage(rows=rows[:PAGE_SIZE], next_before=rows[PAGE_SIZE - 1].pk if more else None)


def targets_in_trouble() -> list[Trouble]:
    """Places that failed several times in a row."""
    names = {target.health_key: target.name for target in NotificationTarget.objects.all()}
    now = clock.now()
    return [
        Trouble(
            health.key,
            names.get(health.key) or _place_word(health.key),
            health,
            health.open_until is not None and health.open_until > now,
        )
        for health in TargetHealth.objects.filter(failures__gte=OPENS_AFTER).order_by("key")
    ]


def _place_word(key: str) -> str:
    if key == "email":
        return _("The mail server")
    if key == "twilio":
        return _("Twilio (SMS and WhatsApp)")
    return key.removeprefix("push:")
