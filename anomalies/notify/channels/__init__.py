"""The channels, by name."""

from anomalies.models import ChannelName
from anomalies.notify.channels.chat import SlackChannel, TeamsChannel
from anomalies.notify.channels.email import EmailChannel
from anomalies.notify.channels.in_app import InAppChannel
from anomalies.notify.channels.phone import SmsChannel, WhatsAppChannel
from anomalies.notify.channels.push import PushChannel
from anomalies.notify.channels.webhook import WebhookChannel
from anomalies.notify.delivery import Channel

CHANNELS: dict[str, Channel] = {
    channel.name: channel
    for channel in (
        EmailChannel(),
        SmsChannel(),
        WhatsAppChannel(),
        PushChannel(),
        InAppChannel(),
        WebhookChannel(),
        SlackChannel(),
        TeamsChannel(),
    )
}
# What people are told by, in the order in which pages name them; the others are told to programs and rooms.
PERSONAL = (ChannelName.EMAIL, ChannelName.SMS, ChannelName.WHATSAPP, ChannelName.PUSH, ChannelName.IN_APP)
