"""Browser push (RFC 8030, 8291, 8292): encrypted for one browser, handed to its maker's push service.

The payload that the service worker shows: {"title", "body", "url", "tag", "severity"}; one tag an alert, so that its
end takes the place of its beginning.
"""

import json
from urllib.parse import urlsplit

from django.conf import settings
from pywebpush import WebPusher, WebPushException

from anomalies.models import ChannelName, Notification, PushSubscription
from anomalies.notify.delivery import Content, DeliveryError
from anomalies.notify.http_delivery import refusal
from anomalies.notify.news import News
from anomalies.notify.safe_http import AddressRefusedError, CallFailedError, post
from anomalies.notify.vapid import vapid
from anomalies.notify.wording import heading, sentence
from common import clock

_KEPT_S = 4 * 3600
_GONE = frozenset({404, 410})
_TOKEN_S = 12 * 3600
_LONGEST = 300


class PushChannel:
    """A browser that its owner allowed to show messages."""

    name = ChannelName.PUSH.value
    groups = True

    def compose(self, news: News) -> Content:
        """What the service worker shows."""
        text = "" if news.many else sentence(news.first)[:_LONGEST]
        shown = {
            "title": heading(news)[:120],
            "body": text,
            "url": urlsplit(news.alerts_url).path,
            "tag": news.thread,
            "severity": news.severity,
        }
        return Content(subject=heading(news), text=text, payload={"push": shown})

    def plain(self, *, subject: str, text: str, url: str) -> Content:
        """The words, under a tag of their own."""
        shown = {"title": subject, "body": text, "url": urlsplit(url).path, "tag": "test", "severity": "low"}
        return Content(subject=subject, text=text, payload={"push": shown})

    def send(self, row: Notification) -> None:
        """Encrypt and hand over; a subscription that is gone is forgotten. Raises DeliveryError."""
        subscription = PushSubscription.objects.filter(pk=row.payload.get("subscription")).first()
        if subscription is None:
            raise DeliveryError("This browser has unsubscribed.", final=True)
        urgent = row.payload["push"].get("severity") in {"critical", "high"}
        try:
            answer = post(
                subscription.endpoint,
                _encrypted(subscription, row),
                {
                    "Content-Encoding": "aes128gcm",
                    "Content-Type": "application/octet-stream",
                    "TTL": str(_KEPT_S),
                    "Urgency": "high" if urgent else "normal",
                    **_authorization(subscription.endpoint),
                },
            )
        except AddressRefusedError as error:
            raise DeliveryError(error.detail, final=True) from error
        except CallFailedError as error:
            raise DeliveryError(str(error)) from error
        if answer.status in _GONE:
            subscription.delete()
            raise DeliveryError("This browser has unsubscribed.", final=True)
        if not 200 <= answer.status < 300:
            raise refusal(answer)


def _encrypted(subscription: PushSubscription, row: Notification) -> bytes:
    keys = {"p256dh": subscription.p256dh, "auth": subscription.auth}
    data = json.dumps(row.payload["push"], ensure_ascii=False).encode()
    try:
        encoded = WebPusher({"endpoint": subscription.endpoint, "keys": keys}).encode(data)
    except (WebPushException, ValueError) as error:
        raise DeliveryError(f"This browser's keys are of no use: {error}", final=True) from error
    return bytes(encoded["body"])


def _authorization(endpoint: str) -> dict[str, str]:
    parts = urlsplit(endpoint)
    claims = {
        "aud": f"{parts.scheme}://{parts.netloc}",
        "exp": clock.now_ms() // 1000 + _TOKEN_S,
        "sub": f"mailto:no-reply@{settings.DOMAIN_HOST}",
    }
    return dict(vapid().sign(claims))
