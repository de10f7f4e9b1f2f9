"""A person's own list of what they were told, in the app: read, marked, and counted in every open browser of theirs.

A message in the app is told when it is written: no server of others can keep it back.
"""

from collections.abc import Iterable

from django.db import connection, transaction
from django.db.models import Q, QuerySet

from accounts.models import User
from accounts.reach import reach_current
from anomalies.models import Alert, ChannelName, Notification, NotificationState
from common import clock
from common.errors import NotFoundError
from telemetry.live.hub import live_publish
from tenants.context import factory_current

# Shown behind the bell; the page has all.
NEWEST = 12


class InboxEntryNotFoundError(NotFoundError):
    """No such message to this person."""

    code = "inbox_entry_not_found"


def inbox_of(person: User) -> QuerySet[Notification]:
    """What a person was told in the app, the newest first; of alerts, those within their present reach."""
    # Whoever is restricted was also told of many alerts together, which hang on no machine.
    own = Notification._base_manager.filter(user=person, channel=ChannelName.IN_APP)
    if reach_current() is not None:
        own = own.filter(Q(alert=None) | Q(alert__in=Alert.objects.all()))
    return own.select_related("alert").order_by("-pk")


def unread_count(person: User) -> int:
    """How much of it the person has not read."""
    return inbox_of(person).filter(read_at=None).count()


def inbox_entry(person: User, entry_id: int) -> Notification:
    """One message to this person. Raises InboxEntryNotFoundError, for everybody else's too."""
    found = inbox_of(person).filter(pk=entry_id).first()
    if found is None:
        raise InboxEntryNotFoundError(f"There is no message {entry_id} to you.")
    return found


def inbox_read(entries: QuerySet[Notification], person: User) -> int:
    """Mark these entries of the person's inbox as read, in every browser of theirs; how many were not yet."""
    read = entries.filter(user=person, read_at=None).order_by().update(read_at=clock.now())
    if read:
        inbox_tell([person.pk])
    return read


def inbox_unread(entry: Notification, person: User) -> None:
    """Keep it for later: it counts as new again."""
    Notification._base_manager.filter(pk=entry.pk, user=person).update(read_at=None)
    inbox_tell([person.pk])


def inbox_tell(people: Iterable[int]) -> None:
    """Tell each one's open browsers, once the transaction is through, how much is unread: `{"type": "inbox"}`."""
    factory, concerned = factory_current(), sorted(set(people))
    if factory is None or not concerned:
        return

    def tell() -> None:
        for person in concerned:
            unread = Notification._base_manager.filter(user=person, channel=ChannelName.IN_APP, read_at=None).count()
            live_publish(factory.slug, {"type": "inbox", "unread": unread}, user_id=person)

    transaction.on_commit(tell, using=connection.alias)


def delivered_if_in_app(row: Notification) -> Notification:
    """A new message of the outbox; one in the app has arrived by being written."""
    if row.channel == ChannelName.IN_APP:
        row.state, row.sent_at = NotificationState.SENT, clock.now()
    return row


def inbox_tell_of(rows: Iterable[Notification]) -> None:
    """New messages were written: whoever has one in the app sees it."""
    inbox_tell(row.user_id for row in rows if row.channel == ChannelName.IN_APP and row.user_id is not None)
