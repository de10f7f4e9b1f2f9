"""What every channel keeps: how a message is worded for it, and how it is handed over or fails."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from anomalies.models import Notification
    from anomalies.notify.news import News


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A message as the outbox keeps it. payload: what the channel needs beside, JSON values."""

    subject: str
    text: str
    html: str = ""
    payload: dict[str, Any] = field(default_factory=dict)


class DeliveryError(Exception):
    """A message was not taken.

    final: trying again is no use. blames_target: the place itself is in trouble, which its circuit breaker counts; a
    refusal of this one message does not say that. retry_after_s: what the place itself asked for.
    """

    def __init__(
        self, reason: str, *, final: bool = False, blames_target: bool = True, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.final = final
        self.blames_target = blames_target and not final
        self.retry_after_s = retry_after_s


class Channel(Protocol):
    """One way by which a message travels.

    groups: whether many alerts at once become one message; programs get each alert by itself.
    """

    name: str
    groups: bool

    def compose(self, news: "News") -> Content:
        """The message about some news, in this channel's form. Runs inside the factory; reads, never writes."""

    def plain(self, *, subject: str, text: str, url: str) -> Content:
        """A message that is about no alert: a test, a code."""

    def send(self, row: "Notification") -> None:
        """Hand one message over. Raises DeliveryError when it was not taken.

        Called again for the same row after a failure, or when a worker was killed before it could write down that the
        message had gone; what identifies the message must be the same each time.
        """
