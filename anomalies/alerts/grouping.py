"""Storms: alerts of many machines at once are one group, so that people are told once.

An alert's `group_key` names what is told together. Whoever writes messages reads it when a message is *sent*, not when
it is queued: the first alerts of a storm are raised before anybody can know that it is one, and join the group when the
fifth machine alarms, at the latest when the transaction that raised them ends.

Two families are kept apart, because they call for different people: machines that fall silent together point to a
gateway or a network; machines that alarm together point to something they share. A group ends when nothing has joined
it for ten minutes (a flood ends, by ISA-18.2-2016 section 16 and EEMUA 191, when ten minutes bring fewer than five).
"""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Q, QuerySet

from anomalies.models import OPEN_STATES, Alert, AlertEvent, AlertFamily, AlertGroup
from common import clock

# So many machines within so long are a storm.
STORM_MACHINES = 5
STORM_WITHIN = timedelta(seconds=60)
STORM_ENDS_AFTER = timedelta(minutes=10)
_SILENT = Q(cause="silence") | Q(cause__startswith="missing:")


def family_of(cause: str) -> AlertFamily:
    """What an alert of this cause has in common with others that are raised at the same time."""
    silent = cause == "silence" or cause.startswith("missing:")
    return AlertFamily.SILENCE if silent else AlertFamily.TROUBLE


def group_join(alert: Alert) -> None:
    """Make a newly raised alert part of the storm it belongs to, if any; call it in the raising transaction."""
    family = family_of(alert.cause)
    group = AlertGroup.objects.filter(family=family, ended_at__isnull=True).first() or _storm(family)
    if group is not None and alert.group_id != group.pk:
        alert.group = group
        alert.save(update_fields=["group"])


def groups_gather() -> None:
    """Take what was raised as a storm began, and was in another worker's hands, into its group."""
    for group in AlertGroup.objects.filter(ended_at__isnull=True):
        _take_in(_recent(AlertFamily(group.family)), group)


def groups_end() -> int:
    """End the groups that nothing joins any more; their number. Any number of workers may call it at once."""
    over = clock.now() - STORM_ENDS_AFTER
    open_groups = AlertGroup.objects.filter(ended_at__isnull=True, began_at__lt=over)
    newest = Max("alerts__events__at", filter=Q(alerts__events__kind="raised"))
    ended = [group.pk for group in open_groups.annotate(newest=newest) if group.newest is None or group.newest < over]
    return AlertGroup.objects.filter(pk__in=ended, ended_at__isnull=True).update(ended_at=clock.now())


def _storm(family: AlertFamily) -> AlertGroup | None:
    recent = _recent(family)
    if recent.aggregate(machines=Count("machine", distinct=True))["machines"] < STORM_MACHINES:
        return None
    group = _group_open(family)
    _take_in(recent, group)
    return group


def _take_in(alerts: QuerySet[Alert], group: AlertGroup) -> None:
    with transaction.atomic():
        # What somebody has in hand just now is left out for the moment: two workers never wait for each other here.
        free = alerts.filter(group__isnull=True).select_for_update(skip_locked=True, of=("self",))
        Alert.objects.filter(pk__in=[alert.pk for alert in free]).update(group=group)


def _recent(family: AlertFamily) -> QuerySet[Alert]:
    raised = AlertEvent.objects.filter(kind="raised", at__gte=clock.now() - STORM_WITHIN).values("alert_id")
    silent = _SILENT if family == AlertFamily.SILENCE else ~_SILENT
    return Alert.objects.filter(silent, pk__in=raised, state__in=OPEN_STATES).order_by()


def _group_open(family: AlertFamily) -> AlertGroup:
    try:
        with transaction.atomic():
            return AlertGroup.objects.create(family=family, began_at=clock.now())
    except IntegrityError:
        return AlertGroup.objects.get(family=family, ended_at__isnull=True)
