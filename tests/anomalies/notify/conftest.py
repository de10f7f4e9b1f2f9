"""Alerts to tell, and real servers to tell them to."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.models import QuerySet

from anomalies.alerts.finding import Finding
from anomalies.alerts.opening import alert_raise
from anomalies.models import Alert, AlertEvent, ChannelName, Notice, Notification
from anomalies.notify.addresses import networks_parse
from anomalies.notify.notices import notice_write
from common import clock
from telemetry.models import Line, Machine, Metric, Site
from tests.anomalies.notify.http_servers import Receiver, receiver_running
from tests.anomalies.notify.smtp_process import SmtpServer, smtp_running


@pytest.fixture
def machine(in_acme: Any) -> Machine:
    line = Line.objects.create(name="Line 1", site=Site.objects.create(name="Łódź", time_zone="Europe/Warsaw"))
    machine = Machine.objects.create(key="M07", name="Pump <7>", line=line)
    Metric.objects.create(machine=machine, name="vibration", unit="mm/s")
    return machine


@pytest.fixture
def raised() -> Callable[..., Alert]:
    """`raised(machine, severity="critical")`: an alert of the detector."""

    def make(machine: Machine, **changes: Any) -> Alert:
        given = {
            "machine": machine,
            "cause": "detector",
            "severity": "high",
            "title": "Vibration above normal",
            "summary": "Vibration 7.90 mm/s, normal 1.80–3.10, since 10:42 CET",
            "since_at": clock.now(),
            "evidence": {"metrics": [{"metric": "vibration", "share": 1.0, "observed": 7.9, "expected": [1.8, 3.1]}]},
        }
        return alert_raise(Finding(**{**given, **changes}))

    return make


@pytest.fixture(scope="session")
def smtp_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmtpServer]:
    with smtp_running(tmp_path_factory.mktemp("smtp")) as server:
        yield server


@pytest.fixture
def smtp(smtp_server: SmtpServer, settings: Any) -> Iterator[SmtpServer]:
    """A mail server that accepts everything until told otherwise, and the product set up to use it."""
    if smtp_server.process is None:
        smtp_server.start()
    for path in Path(smtp_server.folder).glob("*.eml"):
        path.unlink()
    smtp_server.mode("accept")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp_server.port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    yield smtp_server
    smtp_server.mode("accept")


def storm(machines: list[Machine], severity: str = "high") -> list[Alert]:
    """An alert on each machine, as quickly as rows can be written."""
    now = clock.now()
    alerts = Alert.objects.bulk_create(
        Alert(
            machine=machine,
            cause="silence",
            severity=severity,
            title="No readings",
            summary="Nothing has arrived for 1 min",
            since_at=now,
        )
        for machine in machines
    )
    events = AlertEvent.objects.bulk_create(AlertEvent(alert=alert, kind="raised") for alert in alerts)
    for alert, event in zip(alerts, events, strict=True):
        notice_write(alert, occasion="raised", event=event)
    return alerts


def sent_out() -> QuerySet[Notification]:
    """The outbox without what people are told in the app, which never leaves it."""
    return Notification.objects.exclude(channel=ChannelName.IN_APP)


def settle() -> None:
    """As if a storm had grown quiet a while ago."""
    from datetime import timedelta

    Notice.objects.filter(routed_at=None).update(created_at=clock.now() - timedelta(seconds=30))


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """A local HTTP server that webhooks and pushes may reach, as the operator has allowed this range."""
    settings.WEBHOOK_HTTP = True
    settings.WEBHOOK_PRIVATE_RANGES = networks_parse(["127.0.0.0/8"])
    with receiver_running() as found:
        yield found
