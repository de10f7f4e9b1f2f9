"""In the app: the message is where it belongs as soon as it is written."""

from anomalies.models import ChannelName, Notification
from anomalies.notify.delivery import Content
from anomalies.notify.news import News
from anomalies.notify.wording import heading, sentence


class InAppChannel:
    """A line on the person's own page of notifications."""

    name = ChannelName.IN_APP.value
    groups = True

    def compose(self, news: News) -> Content:
        """Heading, sentence and where it leads."""
        text = "" if news.grouped else sentence(news.first)
        return Content(subject=heading(news), text=text, payload={"url": news.alerts_url, "severity": news.severity})

    def plain(self, *, subject: str, text: str, url: str) -> Content:
        """The words, and where they lead."""
        return Content(subject=subject, text=text, payload={"url": url})

    def send(self, row: Notification) -> None:
        """Nothing is left to do: the row is the message."""
