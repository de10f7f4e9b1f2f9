"""SMS and WhatsApp by Twilio, to numbers their owners have confirmed, no more a day than the operator allows."""

from datetime import timedelta

from django.conf import settings

from anomalies.models import ChannelName, Notification, NotificationState, Occasion
from anomalies.notify.delivery import Content, DeliveryError
from anomalies.notify.news import News
from anomalies.notify.twilio_api import TwilioRefusedError, TwilioSettings, message_create
from anomalies.notify.wording import heading, short
from common import clock


class SmsChannel:
    """A text message."""

    name = ChannelName.SMS.value
    groups = True

    def compose(self, news: News) -> Content:
        """What fits on a phone's screen."""
        return Content(subject=heading(news), text=short(news))

    def plain(self, *, subject: str, text: str, url: str) -> Content:
        """The words alone."""
        return Content(subject=subject, text=f"{text} {url}".strip())

    def send(self, row: Notification) -> None:
        """Have Twilio send it. Raises DeliveryError."""
        account = TwilioSettings.read()
        sender = self.sender(account) if account else ""
        if account is None or not sender:
            raise DeliveryError("The operator of this installation has not set up Twilio for this.", final=True)
        _cap(row)
        try:
            message_create(account, sender=sender, to=self.number(row.recipient), text=row.body_text)
        except TwilioRefusedError as error:
            raise DeliveryError(
                str(error), final=error.final, blames_target=error.blames_account, retry_after_s=error.retry_after_s
            ) from error

    def sender(self, account: TwilioSettings) -> str:
        """From which number; empty where none is set up."""
        return account.sms_from

    def number(self, phone: str) -> str:
        """How Twilio names the phone on this channel."""
        return phone


class WhatsAppChannel(SmsChannel):
    """The same by WhatsApp."""

    name = ChannelName.WHATSAPP.value

    def sender(self, account: TwilioSettings) -> str:
        return f"whatsapp:{account.whatsapp_from}" if account.whatsapp_from else ""

    def number(self, phone: str) -> str:
        return f"whatsapp:{phone}"


def phone_sent_today(phone: str) -> int:
    """Messages sent to a number within the last 24 hours, by either way."""
    return Notification.objects.filter(
        recipient=phone,
        channel__in=(ChannelName.SMS, ChannelName.WHATSAPP),
        state=NotificationState.SENT,
        sent_at__gte=clock.now() - timedelta(days=1),
    ).count()


def _cap(row: Notification) -> None:
    # A code is counted where it is asked for; one that never arrived must not lock its owner out.
    if row.occasion != Occasion.CODE and phone_sent_today(row.recipient) >= settings.PHONE_MESSAGES_A_DAY:
        raise DeliveryError(
            f"This number has had its {settings.PHONE_MESSAGES_A_DAY} messages of the day.",
            final=True,
        )
