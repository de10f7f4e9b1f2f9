"""Reads what a report needs in the current factory: history, alerts, health."""

from collections import defaultdict

from django.db.models import Q, QuerySet

from anomalies.alerts.sentences import metric_title
from anomalies.detection.registry import normal_bands
from anomalies.models import Alert, MachineHealth
from common.times import to_ms
from reports.charts import ChartMetric, MachineChart, Stretch
from reports.contents import SEVERITIES, AlertFacts, MachineFacts, MetricFacts, ReportFacts
from reports.schedule import Period
from telemetry.history.kpis import kpis_window
from telemetry.history.series import series_read
from telemetry.models import Machine, Metric
from tenants.models import Factory

# Half an hour in a week: finer buckets print as a smear.
_CHART_POINTS = 400
# A close-up shows how it began: an hour before the first sign, half an hour after the end.
_BEFORE_MS, _AFTER_MS = 3_600_000, 1_800_000
_CLOSE_UP_METRICS = 3


def gather_facts(factory: Factory, *, period: Period, time_zone: str) -> ReportFacts:
    """The facts of every machine over the period. Raises StoreUnavailableError."""
    alerts = _alerts_by_machine(period)
    machines = Machine.objects.select_related("line", "health").prefetch_related("metrics").order_by("key")
    return ReportFacts(
        factory=factory.slug,
        factory_name=factory.name,
        time_zone=time_zone,
        from_at=period.from_at,
        to_at=period.to_at,
        machines=[_machine_facts(machine, alerts[machine.pk], period) for machine in machines],
    )


def gather_trends(machine: Machine, *, period: Period, time_zone: str) -> MachineChart:
    """What is drawn of one machine: each metric's envelope, its normal band, and when alerts were active.

    Raises StoreUnavailableError.
    """
    from_ms, to_ms = to_ms_of(period)
    metrics = list(machine.metrics.order_by("name"))
    return _chart(machine, metrics, period=period, from_ms=from_ms, to_ms=to_ms, time_zone=time_zone)


def gather_close_up(machine: Machine, *, period: Period, time_zone: str) -> MachineChart | None:
    """The hours around the machine's worst alert of the period, in the metrics that carried it; None without an alert.

    Raises StoreUnavailableError.
    """
    alerts = list(_alerts(period).filter(machine=machine))
    if not alerts:
        return None
    worst = min(
        alerts, key=lambda a: (a.returned_at is not None, SEVERITIES.index(a.severity), -a.since_at.timestamp())
    )
    period_from_ms, period_to_ms = to_ms_of(period)
    since_ms = to_ms(worst.since_at)
    ended_ms = period_to_ms if worst.returned_at is None else to_ms(worst.returned_at)
    return _chart(
        machine,
        _carrying(machine, worst),
        period=period,
        from_ms=max(period_from_ms, since_ms - _BEFORE_MS),
        to_ms=min(period_to_ms, ended_ms + _AFTER_MS),
        time_zone=time_zone,
        title=worst.title,
    )


def _carrying(machine: Machine, alert: Alert) -> list[Metric]:
    named = [part.get("metric") for part in alert.evidence.get("metrics") or []]
    metrics = list(machine.metrics.order_by("name"))
    carrying = [metric for name in dict.fromkeys(named) for metric in metrics if metric.name == name]
    return (carrying or metrics)[:_CLOSE_UP_METRICS]


def _chart(
    machine: Machine,
    metrics: list[Metric],
    *,
    period: Period,
    from_ms: int,
    to_ms: int,
    time_zone: str,
    title: str = "",
) -> MachineChart:
    bands = normal_bands(machine)
    series = series_read(
        machine, [metric.name for metric in metrics], from_ms=from_ms, to_ms=to_ms, points=_CHART_POINTS
    )
    return MachineChart(
        from_ms=from_ms,
        to_ms=to_ms,
        time_zone=time_zone,
        metrics=[
            ChartMetric(
                label=metric_title(metric),
                unit=metric.unit,
                t_ms=part.t_ms,
                minimum=part.minimum,
                maximum=part.maximum,
                mean=part.mean,
                normal=bands.get(metric.name),
            )
            for metric, part in zip(metrics, series, strict=True)
        ],
        stretches=[_stretch(alert, to_ms) for alert in _alerts(period).filter(machine=machine)],
        title=title,
    )


def to_ms_of(period: Period) -> tuple[int, int]:
    """The period's two ends as epoch milliseconds."""
    return to_ms(period.from_at), to_ms(period.to_at)


def _alerts(period: Period) -> QuerySet[Alert]:
    return (
        Alert.objects.filter(since_at__lt=period.to_at)
        .filter(Q(returned_at__isnull=True) | Q(returned_at__gte=period.from_at))
        .select_related("acknowledged_by")
        .order_by("since_at", "id")
    )


def _alerts_by_machine(period: Period) -> dict[int, list[AlertFacts]]:
    grouped: dict[int, list[AlertFacts]] = defaultdict(list)
    for alert in _alerts(period):
        grouped[alert.machine_id].append(
            AlertFacts(
                id=alert.pk,
                severity=alert.severity,
                state=alert.state,
                title=alert.title,
                summary=alert.summary,
                since_at=alert.since_at,
                ended_at=alert.returned_at,
                acknowledged_by=str(alert.acknowledged_by or ""),
            )
        )
    return grouped


def _stretch(alert: Alert, period_to_ms: int) -> Stretch:
    return Stretch(
        severity=alert.severity,
        from_ms=to_ms(alert.since_at),
        to_ms=period_to_ms if alert.returned_at is None else to_ms(alert.returned_at),
    )


def _machine_facts(machine: Machine, alerts: list[AlertFacts], period: Period) -> MachineFacts:
    from_ms, until_ms = to_ms_of(period)
    health = getattr(machine, "health", None)
    titles = {metric.name: metric_title(metric) for metric in machine.metrics.all()}
    return MachineFacts(
        key=machine.key,
        name=str(machine),
        machine_type=machine.machine_type,
        line="" if machine.line is None else str(machine.line),
        last_seen_at=machine.last_seen_at,
        health_status=_health_status(health),
        health_percent=None if health is None else health.health_percent,
        metrics=[
            MetricFacts(
                name=kpis.metric,
                label=titles[kpis.metric],
                unit=kpis.unit,
                kind=kpis.kind,
                count=kpis.count,
                minimum=kpis.minimum,
                maximum=kpis.maximum,
                mean=kpis.mean,
                last=kpis.last,
                availability=round(kpis.availability, 5),
            )
            for kpis in kpis_window(machine, from_ms=from_ms, to_ms=until_ms)
        ],
        alerts=alerts,
    )


def _health_status(health: MachineHealth | None) -> str:
    return "learning" if health is None else str(health.status)
