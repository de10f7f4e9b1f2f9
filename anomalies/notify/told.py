"""What people have heard of alerts already, so that one cause is not told twice."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from anomalies.models import AlertEvent, Notice, Notification, Occasion
from anomalies.notify.news import severity_rank
from anomalies.notify.notices import notice_event

Place = tuple[str, str]


def told_before_of(due: Sequence[Notice]) -> Mapping[int, dict[str, datetime | str]]:
    """By alert: when people were last told that it was raised or over, which came `last`, and its `rank` then."""
    found: dict[int, dict[str, datetime | str]] = {}
    rows = Notice.objects.filter(
        alert__in={notice.alert_id for notice in due}, told=True, occasion__in=(Occasion.RAISED, Occasion.RETURNED)
    )
    told = rows.order_by("pk").values_list("alert_id", "occasion", "created_at", "content__severity")
    for alert_id, occasion, at, severity in told:
        found.setdefault(alert_id, {}).update({occasion: at, "last": occasion, "rank": str(severity_rank(severity))})
    return found


def worse_of(due: Sequence[Notice]) -> set[int]:
    """Which of the notices tell that a lasting alert has become severer."""
    entries = {
        entry: notice.pk
        for notice in due
        if notice.occasion == Occasion.RAISED and (entry := notice_event(notice)) is not None
    }
    grown = AlertEvent.objects.filter(pk__in=entries, kind="updated").values_list("pk", flat=True)
    return {entries[entry] for entry in grown}


def places_told(notices: Sequence[Notice]) -> dict[int, set[Place]]:
    """By alert: channel and recipient of every message that says it is wrong, since it was last told to be over."""
    found: dict[int, set[Place]] = {notice.alert_id: set() for notice in notices}
    if not found:
        return found
    told = Notice.objects.filter(alert__in=found, occasion=Occasion.RETURNED, told=True)
    over_at = dict(told.order_by("pk").values_list("alert_id", "created_at"))
    for alert_id, channel, recipient, at in _messages(notices):
        if alert_id not in over_at or at > over_at[alert_id]:
            found[alert_id].add((channel, recipient))
    return found


def _messages(notices: Sequence[Notice]) -> list[tuple[int, str, str, datetime]]:
    """Alert, channel, recipient and time of the messages about these alerts, alone or among others."""
    concerned = {notice.alert_id for notice in notices}
    alone = Notification.objects.filter(alert__in=concerned, occasion__in=(Occasion.RAISED, Occasion.ESCALATED))
    rows = list(alone.values_list("alert_id", "channel", "recipient", "created_at"))
    since = min(notice.alert.raised_at for notice in notices)
    together = Notification.objects.filter(occasion=Occasion.GROUP, created_at__gte=since)
    for alerts, channel, recipient, at in together.values_list("payload__alerts", "channel", "recipient", "created_at"):
        rows += [(alert, channel, recipient, at) for alert in concerned.intersection(alerts or ())]
    return rows
