from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from anomalies.alerts.opening import alert_raise, alert_return
from anomalies.alerts.tending import alerts_tend
from anomalies.models import Alert, AlertState, MachineService, MaintenanceWindow, Notification
from common import clock
from telemetry.models import Line, Machine, Metric, Site
from tests.anomalies.test_alerts import finding, kinds
from tests.anomalies.test_handling import at  # noqa: F401  # a fixture


@pytest.fixture
def line(in_acme, operator) -> Line:
    return Line.objects.create(site=Site.objects.create(name="Łódź"), name="Bottling")


@pytest.fixture
def machine(line) -> Machine:
    return Machine.objects.create(key="M07", line=line)


def window(**target) -> MaintenanceWindow:
    now = clock.now()
    return MaintenanceWindow.objects.create(
        starts_at=now - timedelta(minutes=5), ends_at=now + timedelta(hours=1), reason="Bearing swap", **target
    )


@pytest.mark.parametrize("target", ["machine", "line", "site"])
def test_during_maintenance_alerts_are_recorded_and_told_to_nobody(machine, target):
    window(**{target: {"machine": machine, "line": machine.line, "site": machine.line.site}[target]})
    alert = alert_raise(finding(machine))
    assert (alert.state, alert.hidden_reason) == (AlertState.SUPPRESSED, "Maintenance: Bearing swap")
    assert alert.maintenance is not None
    assert kinds(alert) == ["raised", "suppressed"]
    assert not Notification.objects.exists()


def test_maintenance_elsewhere_hides_nothing(machine):
    window(line=Line.objects.create(site=machine.line.site, name="Packing"))
    window(machine=Machine.objects.create(key="M08"))
    assert alert_raise(finding(machine)).state == AlertState.ACTIVE_UNACKNOWLEDGED


def test_what_is_still_wrong_at_its_end_becomes_active_and_is_told(machine, at):  # noqa: F811
    window(line=machine.line)
    still, over = alert_raise(finding(machine)), alert_raise(finding(machine, cause="rule:1"))
    alert_return(machine=machine, cause="rule:1", at=clock.now())
    assert alerts_tend() == 0
    at(61)
    assert alerts_tend() == 2
    still.refresh_from_db()
    over.refresh_from_db()
    assert (still.state, over.state) == (AlertState.ACTIVE_UNACKNOWLEDGED, AlertState.NORMAL)
    assert (still.hidden_reason, still.maintenance) == ("", None)
    assert kinds(still) == ["raised", "suppressed", "released"]
    assert kinds(over) == ["raised", "suppressed", "returned", "released"]
    assert set(Notification.objects.values_list("alert_id", flat=True)) <= {still.pk}


def test_what_is_active_when_maintenance_begins_is_hidden_until_its_end(machine, at):  # noqa: F811
    alert = alert_raise(finding(machine))
    window(machine=machine)
    assert alerts_tend() == 1
    alert.refresh_from_db()
    assert alert.state == AlertState.SUPPRESSED


def test_a_machine_out_of_service_is_out_until_somebody_puts_it_back(machine, at):  # noqa: F811
    service = MachineService.objects.create(machine=machine, out_of_service_at=clock.now(), reason="Sold")
    alert = alert_raise(finding(machine))
    assert (alert.state, alert.hidden_reason) == (AlertState.OUT_OF_SERVICE, "Out of service: Sold")
    at(10_000)
    assert alerts_tend() == 0
    service.out_of_service_at = None
    service.save()
    alerts_tend()
    alert.refresh_from_db()
    assert alert.state == AlertState.ACTIVE_UNACKNOWLEDGED
    assert kinds(alert) == ["raised", "out_of_service", "restored"]


def test_back_in_service_within_a_maintenance_window_it_stays_suppressed(machine):
    service = MachineService.objects.create(machine=machine, out_of_service_at=clock.now())
    alert = alert_raise(finding(machine))
    window(machine=machine)
    service.out_of_service_at = None
    service.save()
    alerts_tend()
    alerts_tend()
    alert.refresh_from_db()
    assert alert.state == AlertState.SUPPRESSED


def test_a_machine_that_is_switched_off_alarms_nobody(machine):
    metric = Metric.objects.create(machine=machine, name="current", unit="A", last_value=0.1)
    MachineService.objects.create(machine=machine, off_metric=metric, off_high=0.5)
    alert = alert_raise(finding(machine))
    assert (alert.state, alert.hidden_reason) == (AlertState.SUPPRESSED, "The machine is switched off")
    Metric.objects.update(last_value=12.0)
    alerts_tend()
    alert.refresh_from_db()
    assert alert.state == AlertState.ACTIVE_UNACKNOWLEDGED


def test_a_window_is_of_one_thing_and_ends_after_it_starts(machine):
    for wrong in ({}, {"machine": machine, "line": machine.line}):
        with pytest.raises(IntegrityError), transaction.atomic():
            window(**wrong)
    now = clock.now()
    with pytest.raises(IntegrityError), transaction.atomic():
        MaintenanceWindow.objects.create(machine=machine, starts_at=now, ends_at=now, reason="x")
    assert not Alert.objects.exists()
