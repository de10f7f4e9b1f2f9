"""In the app: the message is where it belongs as soon as it is written, see `anomalies.notify.inbox`."""

from anomalies.models import ChannelName, Notification
from anomalies.notify.delivery import Content
from anomalies.notify.news import News
from anomalies.notify.wording import heading, sentence

_NAMED = 6


class InAppChannel:
    """A line in the person's own inbox."""

    name = ChannelName.IN_APP.value
    groups = True

    def compose(self, news: News) -> Content:
        """Heading, sentence, and how it looks."""
        text = _machines(news) if news.many else sentence(news.first)
        return Content(subject=heading(news), text=text, payload={"severity": _look(news)})

    def plain(self, *, subject: str, text: str, url: str) -> Content:
        """The words."""
        return Content(subject=subject, text=text)

    def send(self, row: Notification) -> None:
        """Nothing is left to do: the row is the message."""


def _machines(news: News) -> str:
    """The first few machines of many; “…” where there are more."""
    names = list(dict.fromkeys(item.machine for item in news.items))
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")


def _look(news: News) -> str:
    """The severity of what is wrong; `normal` where all of it is over."""
    return "normal" if all(item.returned for item in news.items) else news.severity
