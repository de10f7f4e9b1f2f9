"""What pages say of alerts."""

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from anomalies.alerts.entry_words import comment_said, reason_said
from anomalies.models import Alert, AlertEvent, Severity
from telemetry import figures

register = template.Library()
register.filter("comment_said", comment_said)
register.filter("reason_said", reason_said)

_WORDS = {
    "raised": gettext_noop("Raised"),
    "updated": gettext_noop("Changed"),
    "began_earlier": gettext_noop("Late readings: it had begun earlier"),
    "ended_later": gettext_noop("Late readings: it lasted longer"),
    "wrong_before": gettext_noop("Late readings: it had been wrong before"),
    "right_before": gettext_noop("Late readings: and right again"),
    "acknowledged": gettext_noop("Acknowledged"),
    "returned": gettext_noop("Back to normal"),
    "cleared": gettext_noop("Cleared"),
    "commented": gettext_noop("Commented"),
    "shelved": gettext_noop("Shelved"),
    "unshelved": gettext_noop("Back from the shelf"),
    "suppressed": gettext_noop("Suppressed"),
    "released": gettext_noop("No longer suppressed"),
    "out_of_service": gettext_noop("Out of service"),
    "restored": gettext_noop("Back in service"),
    "chattering": gettext_noop("Chatters: held as one alert and counted"),
    "settled": gettext_noop("No longer chatters"),
    "closed": gettext_noop("Closed"),
    "judged": gettext_noop("Judged"),
    "accepted": gettext_noop("Accepted as normal: the detector learns the new level"),
    "notified": gettext_noop("Told"),
    "escalated": gettext_noop("Goes on to the next"),
}


@register.filter
def event_word(kind: str) -> str:
    """An entry of the timeline in a word."""
    return _(_WORDS[kind]) if kind in _WORDS else kind.capitalize()


@register.filter
def severity_word(text: str) -> str:
    """A severity that was written down in the source's language, in the reader's."""
    return str(Severity(text.lower()).label) if text.lower() in Severity.values else text


_WORTH_TELLING_S = 300
_VERDICT_ICONS = {"true": "maintenance", "false": "close", "expected": "clock"}


@register.filter
def verdict_icon(verdict: str) -> str:
    """The sign beside a verdict."""
    return _VERDICT_ICONS.get(verdict, "new")


@register.filter
def lasted(alert: Alert) -> str:
    """From the first sign until normal, or nothing while it lasts."""
    return figures.age((alert.returned_at - alert.since_at).total_seconds()) if alert.returned_at else ""


@register.filter
def came_late(event: AlertEvent) -> bool:
    """Whether we came to know of it so long after it was so that both times are worth telling."""
    return event.event_at is not None and (event.at - event.event_at).total_seconds() > _WORTH_TELLING_S


@register.filter
def lasting(seconds: float | None) -> str:
    """A length of time in its largest sensible unit, or a dash."""
    return "–" if seconds is None else figures.age(seconds)
