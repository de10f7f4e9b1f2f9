"""What pages say of alerts."""

from django import template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from anomalies.models import Alert
from telemetry import figures

register = template.Library()

_WORDS = {
    "raised": gettext_noop("Raised"),
    "updated": gettext_noop("Changed"),
    "acknowledged": gettext_noop("Acknowledged"),
    "returned": gettext_noop("Back to normal"),
    "reopened": gettext_noop("Wrong again"),
    "cleared": gettext_noop("Cleared"),
    "commented": gettext_noop("Commented"),
}


@register.filter
def event_word(kind: str) -> str:
    """An entry of the timeline in a word."""
    return _(_WORDS[kind]) if kind in _WORDS else kind.capitalize()


@register.filter
def lasted(alert: Alert) -> str:
    """From the first sign until normal, or nothing while it lasts."""
    return figures.age((alert.returned_at - alert.since_at).total_seconds()) if alert.returned_at else ""
