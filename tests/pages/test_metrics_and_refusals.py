"""Pages on which an admin settles what was inferred, and sees what was refused and what to do about it."""

from datetime import timedelta

import numpy as np
import pytest

from accounts.models import AuditEntry
from common import clock
from telemetry.ingest.quarantine import KEPT_FOR, quarantine_trim
from telemetry.models import Machine, Metric, QuarantinedReading
from telemetry.readings import ReadingBatch, Series
from telemetry.refused import PAGE_SIZE
from telemetry.remedies import _BY_CODE
from telemetry.store import reading_store
from telemetry.tasks import trim_quarantine_in_factory

HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def machine(in_acme):
    machine = Machine.objects.create(key="Hall 1/M01", last_seen_at=clock.now())
    for name, unit, kind, confidence in (("temp", "°C", "temperature", 0.76), ("x17", "", "other", 0.0)):
        Metric.objects.create(machine=machine, name=name, unit=unit, kind=kind, confidence=confidence, last_value=1.5)
    return machine


def text(response):
    return response.content.decode()


def part(machine):
    return f"/parts/metrics/{machine.key}"


def test_an_admin_deletes_a_metric_with_what_it_read(machine, client_for, admin, operator):
    temp, other = machine.metrics.get(name="temp"), machine.metrics.get(name="x17")
    series = [Series(machine.key, name, np.array([1000]), np.array([1.0])) for name in ("temp", "x17")]
    reading_store().write(ReadingBatch(series), machines={machine.key: machine})

    assert client_for(operator).post(f"/metrics/{temp.pk}/remove", **HTMX).status_code == 403
    table = text(client_for(admin).post(f"/metrics/{temp.pk}/remove", **HTMX))

    assert f"/metrics/{other.pk}/remove" in table
    assert f"/metrics/{temp.pk}/remove" not in table
    assert AuditEntry.objects.filter(action="metric.deleted", target=f"{machine.key} temp").count() == 1
    assert reading_store().delete_before(10_000) == 1


def test_the_admin_site_deletes_metrics_as_the_page_does(machine, client_for, admin):
    client, metric = client_for(admin), machine.metrics.get(name="temp")
    series = [Series(machine.key, "temp", np.array([1000]), np.array([1.0]))]
    reading_store().write(ReadingBatch(series), machines={machine.key: machine})
    address = f"/admin/telemetry/metric/{metric.pk}/delete/"

    assert "all its readings" in text(client.get(address))
    client.post(address, {"post": "yes"})

    assert not machine.metrics.filter(name="temp").exists()
    assert AuditEntry.objects.filter(action="metric.deleted").count() == 1
    assert reading_store().delete_before(10_000) == 0


def test_everybody_sees_units_and_admins_confirm_them(machine, client_for, admin, viewer):
    seen = text(client_for(viewer).get(part(machine)))
    assert "likely, 76 %" in seen
    assert "Confirm" not in seen
    assert "Delete" not in seen
    page = text(client_for(admin).get(part(machine)))
    assert "2 units were inferred" in page
    assert "Confirm all" in page


def test_one_click_confirms_one_or_all(machine, client_for, admin):
    metric, browser = machine.metrics.get(name="temp"), client_for(admin)
    answer = browser.post(f"/metrics/{metric.pk}/confirm", {"unit": "°C", "kind": "temperature"}, **HTMX)
    assert "1 unit was inferred" in text(answer)
    metric.refresh_from_db()
    assert (metric.confirmed, metric.unit) == (True, "°C")
    answer = browser.post(f"/metrics/confirm/{machine.key}", **HTMX)
    assert "all confirmed" in text(answer)
    assert AuditEntry.objects.filter(action__in=["metric.changed", "metrics.confirmed"]).count() == 2


def test_a_wrong_guess_is_corrected_by_confirming_it(machine, client_for, admin):
    metric, browser = machine.metrics.get(name="x17"), client_for(admin)
    answer = browser.post(f"/metrics/{metric.pk}/confirm", {"unit": " bar\0" + "x" * 30, "kind": "pressure"})
    assert answer["Location"] == f"/machines/{machine.key.replace(' ', '%20')}"
    metric.refresh_from_db()
    assert (metric.unit, metric.kind, metric.confirmed) == ("bar" + "x" * 17, "pressure", True)
    browser.post(f"/metrics/{metric.pk}/confirm", {"kind": "nonsense"})
    metric.refresh_from_db()
    assert metric.kind == "pressure"


def test_who_may_not_configure_may_not_confirm(machine, client_for, supervisor, operator, viewer, outsider):
    metric = machine.metrics.first()
    for person in (supervisor, operator, viewer):
        browser = client_for(person)
        assert browser.post(f"/metrics/{metric.pk}/confirm").status_code == 403
        assert browser.post(f"/metrics/confirm/{machine.key}").status_code == 403
    stranger = client_for(outsider, at="acme")
    assert stranger.post(f"/metrics/{metric.pk}/confirm").status_code == 302
    assert not Metric.objects.filter(confirmed=True).exists()


def test_a_unit_that_is_set_in_the_admin_counts_as_confirmed(machine, client_for, admin):
    metric = machine.metrics.get(name="temp")
    fields = {"label": "", "unit": "K", "kind": "temperature"}
    assert client_for(admin).post(f"/admin/telemetry/metric/{metric.pk}/change/", fields).status_code == 302
    metric.refresh_from_db()
    assert (metric.unit, metric.confirmed) == ("K", True)


def refuse(count=1, *, code="not_finite", machine="M01", age=timedelta(0), **fields):
    row = QuarantinedReading.objects.create(
        source="HTTP abc", code=code, machine=machine, metric="a", detail="NaN", count=count, **fields
    )
    QuarantinedReading.objects.filter(pk=row.pk).update(received_at=clock.now() - age)
    return row


def test_refusals_are_narrowed_by_reason_machine_and_time(in_acme, client_for, admin):
    refuse(3)
    refuse(5, code="machine_limit", machine="")
    refuse(7, machine="M02", age=timedelta(hours=3))
    browser = client_for(admin)
    assert "15 refused" in text(browser.get("/quarantine"))
    assert "10 refused" in text(browser.get("/quarantine?code=not_finite"))
    assert "7 refused" in text(browser.get("/quarantine?machine=M02"))
    assert "8 refused" in text(browser.get("/quarantine?span=hour"))
    page = text(browser.get("/quarantine?span=hour&machine=M01"))
    assert "3 refused" in page
    assert "All machines of the plan are taken (5)" in page
    nothing = text(browser.get("/quarantine?code=nonsense&span=nonsense&before=x"))
    assert "Nothing matches" in nothing


def test_each_reason_says_what_to_do(in_acme, client_for, admin):
    for code in [*_BY_CODE, "a_new_one"]:
        refuse(code=code)
    page = text(client_for(admin).get("/quarantine"))
    assert "leave the metric out instead" in page
    assert "Look at the payload and at the device" in page


def test_old_refusals_are_paged_to_with_the_same_choice(in_acme, client_for, admin):
    for _number in range(PAGE_SIZE + 1):
        refuse()
    first = text(client_for(admin).get("/quarantine?code=not_finite"))
    assert first.count("<tr>") == PAGE_SIZE + 1
    oldest = QuarantinedReading.objects.order_by("pk").first().pk
    assert f"?code=not_finite&amp;before={oldest + 1}" in first
    assert text(client_for(admin).get(f"/quarantine?before={oldest + 1}")).count("<tr>") == 2


def test_refusals_of_today_are_told_on_the_plants_page_to_those_who_can_mend_them(machine, client_for, admin, viewer):
    assert "Refused today" not in text(client_for(admin).get("/"))
    refuse(4)
    page = text(client_for(admin).get("/"))
    assert "Refused today" in page
    assert 'href="/quarantine?span=day">4<' in page
    assert "Refused today" not in text(client_for(viewer).get("/"))


def test_quarantine_forgets_what_is_old(in_acme):
    refuse(age=KEPT_FOR + timedelta(hours=1))
    kept = refuse(age=KEPT_FOR - timedelta(hours=1))
    assert quarantine_trim(now=clock.now()) == 1
    trim_quarantine_in_factory.apply(kwargs={"factory_slug": "acme"}).get()
    assert list(QuarantinedReading.objects.values_list("pk", flat=True)) == [kept.pk]


def test_the_plan_is_shown_with_what_is_used_of_it(machine, client_for, admin, viewer):
    machine_limit = admin.factory.plan.max_machines
    page = text(client_for(admin).get("/plan"))
    assert f"Machines: <strong>1</strong> / {machine_limit}" in page
    assert "Metrics of all machines: <strong>2</strong>" in page
    assert "7 days" in page
    assert "10 minutes" in page
    assert client_for(viewer).get("/plan").status_code == 403
