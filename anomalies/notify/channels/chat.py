"""Slack and Microsoft Teams, by the incoming webhook of a room."""

import json
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from anomalies.models import ChannelName, Notification
from anomalies.notify.channels.webhook import opened, target_of
from anomalies.notify.delivery import Content
from anomalies.notify.http_delivery import deliver
from anomalies.notify.news import News
from anomalies.notify.wording import StormFigures, heading, sentence, storm_figures

_SHOWN = 10
_CALM = "normal"
_MARKS = {"critical": "🔴", "high": "🟠", "medium": "🟡", "low": "🔵", _CALM: "🟢"}
_TEAMS_COLOURS = {"critical": "attention", "high": "warning", "medium": "warning", "low": "accent", _CALM: "good"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What a room is told, before it takes the room's form."""

    title: str
    text: str
    button: str
    url: str
    severity: str = ""


class _ChatChannel:
    name: str
    groups = True

    def compose(self, news: News) -> Content:
        """The room's own form of message, with a button that leads to the alert."""
        calm = not news.many and news.first.returned
        said = _Said(
            title=heading(news),
            text=_storm_lines(storm_figures(news)) if news.many else _place_line(news),
            button=_("See all open alerts") if news.many else _("Open the alert"),
            url=news.alerts_url,
            severity=_CALM if calm else news.severity,
        )
        return self._content(said)

    def plain(self, *, subject: str, text: str, url: str) -> Content:
        """The words, with a button."""
        return self._content(_Said(title=subject, text=text, button=_("Open FactoryPulse"), url=url))

    def send(self, row: Notification) -> None:
        """POST it to the room. Raises DeliveryError."""
        body = json.dumps(row.payload["body"], ensure_ascii=False).encode()
        deliver(opened(target_of(row).address_sealed), body, {"Content-Type": "application/json"})

    def _content(self, said: _Said) -> Content:
        return Content(subject=said.title, text=said.text, payload={"body": self._body(said)})

    def _body(self, said: _Said) -> dict[str, Any]:
        raise NotImplementedError


class SlackChannel(_ChatChannel):
    """Block Kit (https://docs.slack.dev/block-kit)."""

    name = ChannelName.SLACK.value

    def _body(self, said: _Said) -> dict[str, Any]:
        title = f"{_MARKS.get(said.severity, '')} {said.title}".strip()
        button = {"type": "button", "text": {"type": "plain_text", "text": said.button}, "url": said.url}
        return {
            # Shown in notifications, and read as their markup.
            "text": _slack_escape(title)[:300],
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": title[:150]}},
                {"type": "section", "text": {"type": "mrkdwn", "text": _slack_escape(said.text)[:2900] or "–"}},
                {"type": "actions", "elements": [button]},
            ],
        }


class TeamsChannel(_ChatChannel):
    """An Adaptive Card, as the Workflows app of Teams takes it."""

    name = ChannelName.TEAMS.value

    def _body(self, said: _Said) -> dict[str, Any]:
        title = {
            "type": "TextBlock",
            "text": _teams_escape(said.title),
            "weight": "bolder",
            "size": "medium",
            "wrap": True,
            "color": _TEAMS_COLOURS.get(said.severity, "default"),
        }
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [title, {"type": "TextBlock", "text": _teams_escape(said.text), "wrap": True}],
            "actions": [{"type": "Action.OpenUrl", "title": said.button, "url": said.url}],
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        return {"type": "message", "attachments": [attachment]}


def _place_line(news: News) -> str:
    item = news.first
    return f"{item.machine}{f' · {item.place}' if item.place else ''}\n{sentence(item)}"


def _storm_lines(figures: StormFigures) -> str:
    counts = " · ".join(f"{word} {count}" for word, count in figures.by_severity)
    lines = [f"{item.machine}: {item.title}" for item in figures.shown[:_SHOWN] if not item.returned]
    more = figures.wrong - len(lines)
    if more > 0:
        lines.append(_("and %(count)s more") % {"count": more})
    if figures.returned:
        lines.append(_("%(count)s back to normal") % {"count": figures.returned})
    return "\n".join([counts, *lines]).strip()


def _slack_escape(text: str) -> str:
    """Names come from devices; “<!channel>” in one must not call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams_escape(text: str) -> str:
    """Cards read Markdown: a link or a picture in a machine's name stays text."""
    for mark in "\\[]()*_`#!":
        text = text.replace(mark, f"\\{mark}")
    # A single line break is none in Markdown.
    return text.replace("\n", "\n\n")
