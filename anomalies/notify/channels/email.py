"""E-mail: text and HTML with the evidence chart inside, threaded, each message under one id whenever it is tried."""

import hashlib
from email.mime.image import MIMEImage
from smtplib import (
    SMTPAuthenticationError,
    SMTPConnectError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from typing import Any

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string

from anomalies.alerts.sentences import part_title
from anomalies.alerts.similar import similar_text
from anomalies.alerts.words import words_read
from anomalies.models import Alert, ChannelName, Notification
from anomalies.notify.charts import evidence_chart
from anomalies.notify.delivery import Content, DeliveryError
from anomalies.notify.news import Item, News
from anomalies.notify.reader import Reader
from anomalies.notify.wording import heading, sentence, storm_figures
from common.units import Conversion, conversion
from telemetry.figures import figure
from telemetry.models import Metric
from telemetry.viewing.sentences import sentence_in
from tenants.context import factory_current

_log = structlog.get_logger(__name__)

# Severity as a colour that carries in light and dark mail programs; the word stands beside it.
_COLOURS = {"critical": "#a61b1b", "high": "#c2410c", "medium": "#a16207", "low": "#3f6212"}
_CALM = "#2b7a3d"
# Where the picture goes once it is drawn, which is when the message is sent.
CHART_PLACE = "<!-- evidence chart -->"
_PICTURE = '<img src="cid:{cid}" width="502" alt="{alt}" style="display:block;width:100%;height:auto;margin:16px 0 0">'


class EmailChannel:
    """Mail to a person by the installation's mail server."""

    name = ChannelName.EMAIL.value
    groups = True

    def compose(self, news: News) -> Content:
        """Subject, text and HTML in the machine's plant time."""
        context = _storm_context(news) if news.many else _context(news)
        template = "email/alerts" if news.many else "email/alert"
        return Content(
            subject=heading(news),
            text=render_to_string(f"{template}.txt", context).strip() + "\n",
            html=render_to_string(f"{template}.html", context),
        )

    def plain(self, *, subject: str, text: str, url: str) -> Content:
        """A few words in our layout."""
        whole = f"{text}\n\n{url}\n"
        context = {"factory": factory_current(), "text": whole, "email": ""}
        return Content(subject=subject, text=whole, html=render_to_string("email/plain.html", context))

    def send(self, row: Notification) -> None:
        """Hand the message to the mail server. Raises DeliveryError."""
        message = EmailMultiAlternatives(
            row.subject,
            row.body_text,
            settings.DEFAULT_FROM_EMAIL,
            [row.recipient],
            headers={"Message-ID": message_id(row.dedupe_key), "Auto-Submitted": "auto-generated", **_thread(row)},
        )
        if row.body_html:
            _attach_html(message, row)
        try:
            message.send()
        except (OSError, SMTPException) as error:
            raise _refusal(error) from error


def message_id(key: str) -> str:
    """The same for every attempt at the same notification, and different in every factory."""
    factory = factory_current()
    digest = hashlib.sha256(f"{factory.schema_name if factory else ''}/{key}".encode()).hexdigest()[:40]
    return f"<{digest}@{settings.DOMAIN_HOST}>"


def _thread(row: Notification) -> dict[str, str]:
    """Mails about one alert, or one storm, are shown together by mail programs."""
    thread = row.payload.get("thread")
    if not thread:
        return {}
    root = message_id(f"{thread}:{row.recipient}")
    return {"References": root, "In-Reply-To": root}


def _attach_html(message: EmailMultiAlternatives, row: Notification) -> None:
    picture, said = _evidence(row) if CHART_PLACE in row.body_html else (None, "")
    shown = ""
    if picture is not None:
        cid = message_id(f"chart:{row.dedupe_key}")[1:-1]
        shown = _PICTURE.format(cid=cid, alt=_attribute(said))
        part = MIMEImage(picture, "png", name="evidence.png")
        part.add_header("Content-ID", f"<{cid}>")
        part.add_header("Content-Disposition", "inline", filename="evidence.png")
        message.mixed_subtype = "related"  # type: ignore[attr-defined]  # the stubs forget it
        message.attach(part)
    message.attach_alternative(row.body_html.replace(CHART_PLACE, shown), "text/html")


def _evidence(row: Notification) -> tuple[bytes | None, str]:
    """The picture, and what it shows in words: in the reader's language and units."""
    alert, reader = row.alert, Reader.of(row.payload)
    if alert is None:
        return None, ""
    with reader.speaking():
        _title, summary = words_read(alert.title, alert.summary, alert.evidence)
        return evidence_chart(alert, reader), sentence_in(summary, reader.units)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _refusal(error: Exception) -> DeliveryError:
    """What a failure of the mail server means: 5xx is about this message, everything else about the server."""
    reason = f"{type(error).__name__}: {error}"
    if isinstance(error, SMTPRecipientsRefused):
        replies = list(error.recipients.values())
        reason = "; ".join(f"{code} {_words(text)}" for code, text in replies)
        return DeliveryError(reason, final=all(500 <= code < 600 for code, _text in replies), blames_target=False)
    if isinstance(error, SMTPResponseException):
        reason = f"{error.smtp_code} {_words(error.smtp_error)}"
        # At the door nobody has looked at the message yet: a wrong password is no fault of it.
        at_the_door = isinstance(error, (SMTPConnectError, SMTPHeloError, SMTPAuthenticationError))
        return DeliveryError(reason, final=not at_the_door and 500 <= error.smtp_code < 600)
    return DeliveryError(reason)


def _words(text: bytes | str) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def _context(news: News) -> dict[str, Any]:
    item = news.first
    return {
        "item": item,
        "factory": news.factory,
        "heading": heading(news),
        "sentence": sentence(item),
        "colour": _CALM if item.returned else _COLOURS.get(item.severity, _COLOURS["high"]),
        "rows": _evidence_rows(item),
        "before": "" if item.returned else _before(item),
        "chart_place": CHART_PLACE,
        "url": item.url,
    }


def _before(item: Item) -> str:
    alert = Alert.objects.select_related("machine__line__site").filter(pk=item.alert).first()
    return "" if alert is None else similar_text(alert)


def _storm_context(news: News) -> dict[str, Any]:
    figures = storm_figures(news)
    return {
        "news": news,
        "factory": news.factory,
        "heading": heading(news),
        "figures": figures,
        "colour": _COLOURS.get(news.severity, _COLOURS["high"]) if figures.wrong else _CALM,
        "url": news.alerts_url,
    }


def _evidence_rows(item: Item) -> list[dict[str, str]]:
    parts = item.content.get("evidence", {}).get("metrics", [])
    names = [part["metric"] for part in parts]
    found = Metric.objects.filter(machine__key=item.content["machine"], name__in=names) if names else ()
    metrics = {metric.name: metric for metric in found}
    rows = []
    for part in parts:
        metric = metrics.get(part["metric"]) or Metric(name=part["metric"], unit=part.get("unit", ""))
        rows.append(_evidence_row(part, metric, conversion(metric.unit, item.units)))
    return rows


def _evidence_row(part: dict[str, Any], metric: Metric, into: Conversion) -> dict[str, str]:
    low, high = part.get("expected") or (None, None)
    # By how much something moves has no zero of its own.
    shown = into.difference if part.get("aspect", "level") != "level" else into.value

    def told(value: float | None) -> str:
        return figure(None if value is None else shown(value))

    return {
        "metric": part_title(part, metric),
        "observed": told(part.get("observed")),
        "expected": f"{told(low)}–{told(high)}" if low is not None and high is not None else "",
        "limit": told(part["limit"]) if part.get("limit") is not None else "",
        "unit": into.unit,
    }
