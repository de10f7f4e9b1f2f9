"""What the product itself wrote into timelines, in the reader's language; what people wrote stays as it is."""

import re

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from anomalies.models import AlertEvent, ChannelName
from telemetry.resaying import Resayer, in_source_language

# The kinds whose words nobody typed in; those of the others may be a person's.
_WRITTEN_BY_US = frozenset(
    {"notified", "escalated", "settled", "unshelved", "suppressed", "released", "out_of_service", "restored"}
)
SENTENCES = (
    gettext_noop("Nobody acknowledged it within %(minutes)s min; route “%(route)s” goes on."),
    gettext_noop("Nobody is on call for “%(schedule)s”."),
    gettext_noop("%(count)s times"),
    gettext_noop("Shelved by %(who)s since %(since)s: %(reason)s"),
    gettext_noop("Out of service: %(reason)s"),
    gettext_noop("Maintenance: %(reason)s"),
    gettext_noop("The machine is switched off"),
)
_written = Resayer(*SENTENCES)
_NEXT_SENTENCE = re.compile(r"(?<=\.) (?=Nobody is on call for “)")
_WAYS = re.compile(r"\(([^()]+)\)")
_MORE = re.compile(r"and (\d+) more$")


def comment_said(event: AlertEvent) -> str:
    """What an entry of a timeline says beside its kind."""
    if in_source_language() or event.kind not in _WRITTEN_BY_US:
        return event.comment
    return _told_said(event.comment) if event.kind == "notified" else reason_said(event.comment)


def reason_said(text: str) -> str:
    """Why an alert is hidden, or what became of it by itself."""
    if in_source_language():
        return text
    return " ".join(_written.again(part) or part for part in _NEXT_SENTENCE.split(text))


def _told_said(text: str) -> str:
    """Who was told by which ways, see `anomalies.notify.routing.told_words`."""
    text = _MORE.sub(lambda found: _("and %(count)s more") % {"count": found[1]}, text)
    return _WAYS.sub(lambda found: f"({', '.join(map(_way_said, found[1].split(', ')))})", text)


def _way_said(word: str) -> str:
    with override(settings.LANGUAGE_CODE):
        known = {str(name.label): name for name in ChannelName}
    return str(known[word].label) if word in known else word
