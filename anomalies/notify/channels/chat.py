"""Slack and Microsoft Teams, by the incoming webhook of a room."""

import json
from typing import Any

from django.utils.translation import gettext as _

from anomalies.models import ChannelName, Notification
from anomalies.notify.channels.webhook import opened, target_of
from anomalies.notify.delivery import Content
from anomalies.notify.http_delivery import deliver
from anomalies.notify.news import News
from anomalies.notify.wording import StormFigures, heading, sentence, storm_figures

_SHOWN = 10
_MARKS = {"critical": "🔴", "high": "🟠", "medium": "🟡", "low": "🔵"}
_CALM = "🟢"
_TEAMS_COLOURS = {"critical": "attention", "high": "warning", "medium": "warning", "low": "accent"}


class _ChatChannel:
    name: str
    groups = True

    def compose(self, news: News) -> Content:
        """The room's own form of message, with a button that leads to the alert."""
        text = _storm_lines(storm_figures(news)) if news.grouped else _place_line(news)
        return Content(subject=heading(news), text=text, payload={"body": self._body(news, text)})

    def send(self, row: Notification) -> None:
        """POST it to the room. Raises DeliveryError."""
        body = json.dumps(row.payload["body"], ensure_ascii=False).encode()
        deliver(opened(target_of(row).address_sealed), body, {"Content-Type": "application/json"})

    def _body(self, news: News, text: str) -> dict[str, Any]:
        raise NotImplementedError


class SlackChannel(_ChatChannel):
    """Block Kit (https://docs.slack.dev/block-kit)."""

    name = ChannelName.SLACK.value

    def _body(self, news: News, text: str) -> dict[str, Any]:
        title = f"{_mark(news)} {heading(news)}"
        button = {"type": "button", "text": {"type": "plain_text", "text": _button(news)}, "url": news.alerts_url}
        return {
            "text": title[:300],
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": title[:150]}},
                {"type": "section", "text": {"type": "mrkdwn", "text": _slack_escape(text)[:2900]}},
                {"type": "actions", "elements": [button]},
            ],
        }


class TeamsChannel(_ChatChannel):
    """An Adaptive Card, as the Workflows app of Teams takes it."""

    name = ChannelName.TEAMS.value

    def _body(self, news: News, text: str) -> dict[str, Any]:
        calm = not news.grouped and news.first.returned
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": [
                {
                    "type": "TextBlock",
                    "text": _teams_escape(heading(news)),
                    "weight": "bolder",
                    "size": "medium",
                    "wrap": True,
                    "color": "good" if calm else _TEAMS_COLOURS.get(news.severity, "default"),
                },
                {"type": "TextBlock", "text": _teams_escape(text), "wrap": True},
            ],
            "actions": [{"type": "Action.OpenUrl", "title": _button(news), "url": news.alerts_url}],
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        return {"type": "message", "attachments": [attachment]}


def _button(news: News) -> str:
    return _("See all open alerts") if news.grouped else _("Open the alert")


def _mark(news: News) -> str:
    return _CALM if not news.grouped and news.first.returned else _MARKS.get(news.severity, "")


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
