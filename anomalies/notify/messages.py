"""Messages of the outbox: each is made here, whatever it is about."""

from typing import Any

from anomalies.models import Notification
from anomalies.notify.delivery import Content
from anomalies.notify.directory import Tell
from anomalies.notify.inbox import delivered_if_in_app
from common import clock


def message_of(
    tell: Tell, content: Content, *, key: str, occasion: str, alert: int | None = None, **payload: Any
) -> Notification:
    """One message to one place, due now and not written yet; what is told in the app has arrived by being written.

    key: of two messages with the same key the outbox takes one. alert: the number of the one alert it is about.
    payload: what is kept beside what the channel and the place need.
    """
    row = Notification(
        alert_id=alert,
        dedupe_key=key,
        occasion=occasion,
        channel=tell.channel,
        recipient=tell.recipient,
        user_id=tell.user,
        target_id=tell.target,
        target_key=tell.target_key,
        subject=content.subject[:200],
        body_text=content.text,
        body_html=content.html,
        payload={**content.payload, **tell.payload, "reader": tell.reader.kept(), **payload},
        next_attempt_at=clock.now(),
    )
    return delivered_if_in_app(row)
