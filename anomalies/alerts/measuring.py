"""The alarm system's figures from what stands in alerts and their timelines."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q
from django.db.models.functions import Coalesce

from anomalies.alerts.figures import AlarmFigures, Lived, Raised, figures_of
from anomalies.models import Alert, AlertEvent

# Besides a raise, what brings an alert into view: the end of a shelf, of maintenance, of being out of service.
_INTO_VIEW = ("raised", "unshelved", "released", "restored")
_MOST = 200_000


def alarm_figures(*, from_at: datetime, to_at: datetime, operators: int = 1) -> AlarmFigures:
    """The figures of [from_at, to_at) over every alert that the asker may see. operators: at work at any time."""
    raised = list(_raised(from_at, to_at))
    return figures_of(raised, list(_lived(from_at, to_at)), from_at=from_at, to_at=to_at, operators=operators)


def _raised(from_at: datetime, to_at: datetime) -> Iterator[Raised]:
    # What is hidden as it is raised has both entries of one transaction.
    hidden = AlertEvent.objects.filter(
        alert=OuterRef("alert"),
        kind__in=("suppressed", "out_of_service"),
        pk__gt=OuterRef("pk"),
        at__lt=OuterRef("at") + timedelta(seconds=1),
    )
    rows = (
        AlertEvent.objects.filter(kind__in=_INTO_VIEW, at__gte=from_at, at__lt=to_at)
        .filter(Q(to_state="active_unacknowledged") | Q(to_state=""))
        .exclude(Exists(hidden))
        .order_by("at", "pk")
        .values_list("alert_id", "alert__title", "alert__machine__key", "alert__severity", "at")
    )
    for alert, title, machine, severity, at in rows[:_MOST]:
        yield Raised(alert=alert, actor=title, machine=machine, severity=severity, at=at)


def _lived(from_at: datetime, to_at: datetime) -> Iterator[Lived]:
    ended: Any = Coalesce(F("closed_at"), F("returned_at"))
    rows = (
        Alert.objects.filter(raised_at__lt=to_at)
        .exclude(maintenance__isnull=False)
        .exclude(state__in=("suppressed", "out_of_service"))
        .annotate(ended=ended)
        .filter(Q(ended__isnull=True) | Q(ended__gte=from_at))
        .order_by("raised_at")
        .values_list("pk", "severity", "raised_at", "ended", "acknowledged_at")
    )
    for alert, severity, raised_at, ended_at, acknowledged_at in rows[:_MOST]:
        yield Lived(
            alert=alert,
            severity=severity,
            raised_at=raised_at,
            ended_at=ended_at,
            acknowledged_at=acknowledged_at if acknowledged_at is None or acknowledged_at >= raised_at else None,
        )
