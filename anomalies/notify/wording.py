"""The words that channels share: a heading, a sentence short enough for a phone, the figures of a storm."""

from collections import Counter
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from anomalies.models import Severity
from anomalies.notify.news import Item, News

# Enough to see what it is about; the list itself is in the app.
SHOWN_OF_A_STORM = 20
# Three parts of an SMS, with room for the address.
_SHORT = 300


@dataclass(frozen=True, slots=True)
class StormFigures:
    """A storm in numbers. by_severity: word and count of what is wrong, the severest first."""

    wrong: int
    returned: int
    by_severity: tuple[tuple[str, int], ...]
    shown: tuple[Item, ...]
    more: int


def heading(news: News) -> str:
    """One line that says what it is about; names come from devices and may hold line breaks, a heading may not."""
    return " ".join(_heading(news).split())[:200]


def sentence(item: Item) -> str:
    """What is wrong, or since when it is over."""
    if item.returned:
        return _over(item) % {"end": item.returned_since, "begin": item.since}
    if item.waited_min:
        waited = ngettext(
            "Nobody has acknowledged it for %(count)s minute.",
            "Nobody has acknowledged it for %(count)s minutes.",
            item.waited_min,
        ) % {"count": item.waited_min}
        return f"{item.summary}. {waited}"
    return f"{item.summary}. {_late(item)}".rstrip()


def _late(item: Item) -> str:
    """That it was found in readings of long before, and whether it is over by now."""
    if not item.content.get("retroactive"):
        return ""
    if item.content.get("returned_at"):
        return _("It was over at %(end)s; the readings came late.") % {"end": item.returned_since}
    return _("The readings that show it came late.")


def _over(item: Item) -> str:
    """That it is over, as fits what it was."""
    kind = str(item.content.get("cause", "")).partition(":")[0]
    if kind in {"silence", "missing"}:
        return _("Since %(end)s readings arrive again. The last one before had come at %(begin)s.")
    if kind == "stuck":
        return _("Since %(end)s it moves again. It had stood still since %(begin)s.")
    return _("Since %(end)s everything is within its limits again. It had begun at %(begin)s.")


def short(news: News) -> str:
    """The whole message for a phone, with the place to look at the end."""
    if news.many:
        places = ", ".join(dict.fromkeys(item.machine for item in news.items[:6]))
        text = f"{heading(news)}: {places}"
    else:
        text = f"{heading(news)}. {sentence(news.first)}"
    text = " ".join(text.split())
    room = _SHORT - len(news.alerts_url) - 1
    return f"{text if len(text) <= room else text[: room - 1] + '…'} {news.alerts_url}"


def storm_figures(news: News) -> StormFigures:
    """How many alerts of which kind a grouped message is about."""
    wrong = [item for item in news.items if not item.returned]
    counts = Counter(item.severity for item in wrong)
    return StormFigures(
        wrong=len(wrong),
        returned=len(news.items) - len(wrong),
        by_severity=tuple(
            (str(Severity(value).label), counts[value]) for value in reversed(Severity.values) if counts[value]
        ),
        shown=news.items[:SHOWN_OF_A_STORM],
        more=max(0, len(news.items) - SHOWN_OF_A_STORM),
    )


def _heading(news: News) -> str:
    if news.many:
        return _storm_heading(news)
    item = news.first
    values = {"severity": item.severity_word, "machine": item.machine, "title": item.title}
    if item.returned:
        return _("Back to normal: %(machine)s – %(title)s") % values
    if item.waited_min:
        return _("Not acknowledged: %(severity)s, %(machine)s – %(title)s") % values
    return _("%(severity)s: %(machine)s – %(title)s") % values


def _storm_heading(news: News) -> str:
    figures = storm_figures(news)
    if not figures.wrong:
        return ngettext(
            "%(count)s alert is back to normal", "%(count)s alerts are back to normal", figures.returned
        ) % {"count": figures.returned}
    # What comes to the next who are asked is told as that, as it is of one alert; it is nothing further.
    escalated = all(item.waited_min for item in news.items if not item.returned)
    if news.update and not escalated:
        alerts = ngettext("%(count)s more alert", "%(count)s more alerts", figures.wrong)
    else:
        alerts = ngettext("%(count)s alert", "%(count)s alerts", figures.wrong)
    machines = len({item.content["machine"] for item in news.items if not item.returned})
    waited, fresh = _("Not acknowledged: %(severity)s, %(alerts)s %(where)s"), _("%(severity)s: %(alerts)s %(where)s")
    return (waited if escalated else fresh) % {
        "severity": news.first.severity_word,
        "alerts": alerts % {"count": figures.wrong},
        "where": ngettext("on %(count)s machine", "on %(count)s machines", machines) % {"count": machines},
    }
