"""Webhooks: each transition of each alert as signed JSON, for programs."""

import json
from uuid import NAMESPACE_URL, uuid5

from anomalies.models import ChannelName, Notification, NotificationTarget
from anomalies.notify.channels.email import message_id
from anomalies.notify.delivery import Content, DeliveryError
from anomalies.notify.http_delivery import deliver
from anomalies.notify.news import News
from anomalies.notify.sealing import SealBrokenError, unseal
from anomalies.notify.signing import signature_headers
from anomalies.notify.wording import heading, sentence
from common import clock
from common.times import rfc3339


class WebhookChannel:
    """A program at an address of the factory's choice."""

    name = ChannelName.WEBHOOK.value
    groups = False

    def compose(self, news: News) -> Content:
        """`{"type", "timestamp", "data": {"factory", "alert", "url", "waited_min"}}`, the alert as the API shows it."""
        item = news.first
        body = {
            "type": f"alert.{item.occasion}",
            "timestamp": rfc3339(item.at),
            "data": {
                "factory": news.factory.slug,
                "alert": item.content,
                "url": item.url,
                "waited_min": item.waited_min or None,
            },
        }
        return Content(subject=heading(news), text=sentence(item), payload={"body": body})

    def plain(self, *, subject: str, text: str, url: str) -> Content:
        """`{"type": "test", ...}`, so that a receiver can be tried without an alert."""
        body = {"type": "test", "timestamp": rfc3339(clock.now()), "data": {"message": text, "url": url}}
        return Content(subject=subject, text=text, payload={"body": body})

    def send(self, row: Notification) -> None:
        """POST it, signed anew for this attempt under the delivery's one id. Raises DeliveryError."""
        target = target_of(row)
        body = json.dumps(row.payload["body"], separators=(",", ":"), ensure_ascii=False).encode()
        headers = signature_headers(
            body,
            delivery_id=delivery_id(row),
            at_s=clock.now_ms() // 1000,
            secrets_valid=secrets_valid(target),
        )
        deliver(opened(target.address_sealed), body, {"Content-Type": "application/json", **headers})


def delivery_id(row: Notification) -> str:
    """The same for every attempt at the same delivery."""
    return f"msg_{uuid5(NAMESPACE_URL, message_id(row.dedupe_key)).hex}"


def target_of(row: Notification) -> NotificationTarget:
    """Where a message goes. Raises DeliveryError where that was switched off in the meantime."""
    if row.target is None or not row.target.active:
        raise DeliveryError("This target is switched off.", final=True)
    return row.target


def secrets_valid(target: NotificationTarget) -> list[str]:
    """The secret, and the one before it while a rotation lasts."""
    found = [opened(target.secret_sealed)]
    if target.previous_sealed and target.previous_until is not None and target.previous_until > clock.now():
        found.append(opened(target.previous_sealed))
    return found


def opened(sealed: str) -> str:
    """A sealed text. Raises DeliveryError."""
    try:
        return unseal(sealed)
    except SealBrokenError as error:
        raise DeliveryError(error.detail, final=True) from error
