"""The factory's admin: for its admins and owners, explained, audited, and blind to every other factory."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from django.contrib import admin as django_admin
from django.db import models
from django.test import RequestFactory

from accounts.admin_base import FactoryModelAdmin
from accounts.api_keys import api_key_create
from accounts.models import ApiKey, AuditEntry, Invitation, Role, User
from anomalies.models import (
    Alert,
    DetectorModel,
    MachineService,
    MaintenanceWindow,
    MetricRole,
    Notification,
    NotificationTarget,
    OnCallSchedule,
    Replay,
    Route,
    Rule,
    VibrationZones,
)
from common import clock
from common.times import to_ms
from reports.models import Report, Schedule
from telemetry.equipment import machines_register
from telemetry.models import Area, Line, Machine, Metric, QuarantinedReading, Site
from telemetry.notebook.models import MachineDocument, MachineNote
from telemetry.readings import ReadingBatch, Series
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of, person_make

ClientFor = Callable[..., FactoryClient]
OURS = [User, Invitation, ApiKey, AuditEntry, Site, Area, Line, Machine, Metric, QuarantinedReading, Rule, Alert]
OURS += [DetectorModel, MetricRole, Replay, Schedule, Report]
OURS += [Notification, NotificationTarget, OnCallSchedule, Route]
OURS += [MachineNote, MachineDocument, VibrationZones, MaintenanceWindow, MachineService]


def path_of(model: type[models.Model], page: str = "") -> str:
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/{page}"


@pytest.fixture
def plant(in_acme: Factory, operator: User) -> dict[type[models.Model], Any]:
    """One of everything."""
    site = Site.objects.create(name="North", time_zone="Europe/Warsaw")
    area = Area.objects.create(site=site, name="Hall 1")
    line = Line.objects.create(site=site, area=area, name="Filling 1")
    machine = Machine.objects.create(key="M01", name="Mixer", line=line)
    metric = Metric.objects.create(machine=machine, name="vibration", unit="mm/s")
    now = clock.now()
    things = [site, area, line, machine, metric]
    when = {"all": [{"metric": metric.name, "op": "above", "value": 4.5}]}
    things.append(Rule.objects.create(name="Rule", machines=[metric.machine.key], when=when))
    things.append(Alert.objects.create(machine=machine, cause="detector", title="Vibration", summary="s", since_at=now))
    things.append(DetectorModel.objects.create(machine=machine, version=1, arrays=b"", manifest={"seed": 1}))
    things.append(MetricRole.objects.create(metric=metric, role="slow", chosen_by="o"))
    things.append(Replay.objects.create(machine=machine, first=things[-2], from_ms=0, to_ms=3_600_000, asked_by="o"))
    things.append(Notification.objects.create(dedupe_key="x", recipient="a@acme.example", next_attempt_at=now))
    things.append(NotificationTarget.objects.create(name="ERP", host="erp.example"))
    things.append(OnCallSchedule.objects.create(name="Maintenance", starts_on=now.date()))
    things.append(Route.objects.create(name="Night"))
    things.append(MachineNote.objects.create(machine=machine, text="Belt is new", author_name="o"))
    things.append(MachineDocument.objects.create(machine=machine, name="Manual", file="x", size=1, added_by_name="o"))
    things.append(MachineService.objects.create(machine=machine))
    things.append(
        MaintenanceWindow.objects.create(machine=machine, starts_at=now, ends_at=now + timedelta(hours=1), reason="Oil")
    )
    things.append(VibrationZones.objects.get())
    things.append(QuarantinedReading.objects.create(source="HTTP", code="not_a_number", detail="NaN"))
    things.append(Schedule.objects.create(recipients=["a@acme.example"]))
    things.append(Report.objects.create(period_from_at=now - timedelta(days=7), period_to_at=now, time_zone="UTC"))
    things.append(Invitation.objects.create(email="i@acme.example", token_hash="x" * 64, expires_at=now))
    things.append(api_key_create(name="PLC", scopes=["ingest"])[0])
    things.append(AuditEntry.objects.create(actor="a", action="b"))
    return {type(thing): thing for thing in [*things, operator]}


@pytest.mark.parametrize("model", OURS)
def test_every_list_and_every_object_opens_for_an_admin(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor, model: type[models.Model]
) -> None:
    browser = client_for(admin)
    assert browser.get(path_of(model)).status_code == 200
    assert browser.get(path_of(model), {"q": "x"}).status_code == 200
    assert browser.get(path_of(model, f"{plant[model].pk}/change/")).status_code == 200


def test_the_admin_holds_our_pages_alone() -> None:
    assert set(django_admin.site._registry) == set(OURS)
    assert all(isinstance(page, FactoryModelAdmin) for page in django_admin.site._registry.values())


@pytest.mark.parametrize("role", ["viewer", "operator", "supervisor"])
def test_who_is_no_admin_is_refused_in_words(acme: Factory, client_for: ClientFor, role: str) -> None:
    browser = client_for(person_make(acme, "x@acme.example", role))
    for path in ("/admin/", path_of(User), path_of(Machine, "add/"), "/admin/search/?s=M"):
        response = browser.get(path)
        assert response.status_code == 403
        assert "Only admins and owners" in response.content.decode()


def test_a_stranger_is_sent_to_the_factorys_own_sign_in(acme: Factory, anonymous: FactoryClient) -> None:
    for path in ("/admin/", "/admin/login/", path_of(Machine)):
        response = anonymous.get(path, follow=True)
        assert response.redirect_chain[-1][0].startswith("/accounts/login/")


def test_an_admin_of_one_factory_sees_nothing_of_another(
    plant: dict[type[models.Model], Any], borg: Factory, outsider: User, admin: User, client_for: ClientFor
) -> None:
    with factory_context(borg):
        machine = Machine.objects.create(key="BORG-SECRET")
    page = client_for(admin).get(path_of(Machine)).content.decode()
    assert "M01" in page
    assert "BORG-SECRET" not in page
    assert "BORG-SECRET" in client_for(outsider).get(path_of(Machine)).content.decode()
    there = client_for(admin, at="borg").get(path_of(Machine, f"{machine.pk}/change/"))
    assert there.status_code == 302


def test_every_field_that_can_be_filled_says_what_it_means(plant: dict[type[models.Model], Any], owner: User) -> None:
    request = RequestFactory().get("/admin/")
    request.user = owner
    silent = []
    for model, page in django_admin.site._registry.items():
        if not page.has_change_permission(request, plant[model]):
            continue
        form = page.get_form(request, plant[model], change=True)
        silent += [f"{model.__name__}.{name}" for name, field in form.base_fields.items() if not field.help_text]
    assert silent == []


@pytest.mark.parametrize("model", [Alert, AuditEntry, DetectorModel, QuarantinedReading, Report, ApiKey, Invitation])
def test_what_is_only_to_look_at_can_not_be_added_changed_or_deleted(
    plant: dict[type[models.Model], Any], owner: User, client_for: ClientFor, model: type[models.Model]
) -> None:
    browser, pk = client_for(owner), plant[model].pk
    assert browser.get(path_of(model, "add/")).status_code == 403
    assert browser.post(path_of(model, f"{pk}/change/"), {}).status_code == 403
    assert browser.post(path_of(model, f"{pk}/delete/"), {"post": "yes"}).status_code == 403
    assert model._default_manager.filter(pk=pk).exists()


def test_no_page_shows_a_hash_or_a_switch_for_more_power(
    plant: dict[type[models.Model], Any], owner: User, operator: User, client_for: ClientFor
) -> None:
    browser = client_for(owner)
    page = browser.get(path_of(User, f"{operator.pk}/change/")).content.decode()
    assert operator.password not in page
    assert not re.search(r'name="(password|is_superuser|is_staff|groups|user_permissions)"', page)
    key = plant[ApiKey]
    assert key.secret_hash not in browser.get(path_of(ApiKey, f"{key.pk}/change/")).content.decode()
    invitation = plant[Invitation]
    assert invitation.token_hash not in browser.get(path_of(Invitation, f"{invitation.pk}/change/")).content.decode()


def test_a_posted_switch_for_more_power_changes_nothing(
    in_acme: Factory, admin: User, operator: User, client_for: ClientFor
) -> None:
    fields = {"first_name": "Omar", "last_name": "", "role": "operator", "is_active": "on", "is_superuser": "on"}
    client_for(admin).post(
        path_of(User, f"{operator.pk}/change/"), {**fields, "is_staff": "on", "email": "x@y.example"}
    )
    operator.refresh_from_db()
    assert (operator.first_name, operator.email) == ("Omar", "omar.operator@acme.example")
    assert (operator.is_superuser, operator.is_staff) == (False, False)


@pytest.mark.parametrize("role", ["owner", "nonsense"])
def test_an_admin_can_not_raise_anybody_above_themselves(
    in_acme: Factory, admin: User, operator: User, client_for: ClientFor, role: str
) -> None:
    fields = {"first_name": "", "last_name": "", "role": role, "is_active": "on"}
    response = client_for(admin).post(path_of(User, f"{operator.pk}/change/"), fields)
    assert response.status_code == 200
    operator.refresh_from_db()
    assert operator.role == Role.OPERATOR


def test_an_admin_can_look_at_an_owner_and_not_change_one(
    in_acme: Factory, admin: User, owner: User, client_for: ClientFor
) -> None:
    browser, path = client_for(admin), path_of(User, f"{owner.pk}/change/")
    assert browser.get(path).status_code == 200
    assert browser.post(path, {"role": "viewer"}).status_code == 403


def test_the_last_owner_can_not_be_switched_off_here_either(
    in_acme: Factory, owner: User, client_for: ClientFor
) -> None:
    fields = {"first_name": "Olga", "last_name": "", "role": "owner"}
    response = client_for(owner).post(path_of(User, f"{owner.pk}/change/"), fields)
    assert "needs an owner" in response.content.decode()
    owner.refresh_from_db()
    assert owner.is_active


def test_a_threshold_is_made_with_the_words_of_the_plant_and_written_down(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    browser = client_for(admin)
    form = browser.get(path_of(Rule, "add/")).content.decode()
    assert "The page “Rules” builds the same with buttons" in form
    definition = f"""
name: Hot
machines: [{plant[Machine].key}]
when: {{all: [{{metric: {plant[Metric].name}, op: above, value: 7.1, clear: 6.5, for_s: 30}}]}}
severity: critical
"""
    saved = browser.post(path_of(Rule, "add/"), {"definition": definition})
    assert saved.status_code == 302
    rule = Rule.objects.get(name="Hot")
    assert rule.when == {
        "all": [{"metric": plant[Metric].name, "op": "above", "value": 7.1, "clear": 6.5, "for_s": 30.0}]
    }
    assert AuditEntry.objects.get(action="rule.created").actor == admin.email
    listed = browser.get(path_of(Rule)).content.decode()
    assert "is above 7.10" in listed
    browser.post(path_of(Rule), {"action": "switch_off", "_selected_action": [rule.pk]})
    rule.refresh_from_db()
    assert not rule.enabled
    assert AuditEntry.objects.get(action="rule.disabled").actor == admin.email
    # The holidays of a part of a country are chosen beside the text, and stay where the text alone is changed.
    change = path_of(Rule, f"{rule.pk}/change/")
    assert (
        browser.post(change, {"definition": definition, "holidays": "DE-BY", "holidays_then": "only"}).status_code
        == 302
    )
    rule.refresh_from_db()
    assert rule.active == {"holidays": {"country": "DE", "subdivision": "BY", "then": "only"}}
    assert 'value="DE-BY" selected' in browser.get(change).content.decode()
    assert browser.post(change, {"definition": definition, "holidays": "DE-XX"}).status_code == 200


def test_a_threshold_that_would_never_clear_is_refused(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    definition = f"""
name: Never
machines: [{plant[Machine].key}]
when: {{all: [{{metric: t, op: above, value: 7, clear: 8}}]}}
"""
    response = client_for(admin).post(path_of(Rule, "add/"), {"definition": definition})
    assert "when.all[0].clear: Must not be above the limit" in response.content.decode()
    assert not Rule.objects.filter(name="Never").exists()


def test_a_version_of_the_vibration_limits_is_replaced_and_never_changed(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    browser = client_for(admin)
    rows = [{"group": 1, "support": "rigid", "a_b": 2.0, "b_c": 4.0, "c_d": 6.0}]
    upside_down = [{**rows[0], "c_d": 3.0}]
    refused = browser.post(path_of(VibrationZones, "add/"), {"rows": json.dumps(upside_down), "note": ""})
    assert "limits rise from A/B to C/D" in refused.content.decode()
    saved = browser.post(path_of(VibrationZones, "add/"), {"rows": json.dumps(rows), "note": "Our own"})
    assert saved.status_code == 302
    assert list(VibrationZones.objects.values_list("version", "made_by")) == [(2, admin.email), (1, "")]
    first = VibrationZones.objects.get(version=1)
    assert browser.post(path_of(VibrationZones, f"{first.pk}/change/"), {"note": "x"}).status_code == 403


def test_metrics_to_choose_from_name_their_machine(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    browser = client_for(admin)
    query = {"app_label": "anomalies", "model_name": "machineservice", "field_name": "off_metric", "term": "vib"}
    (choice,) = browser.get("/admin/autocomplete/", query).json()["results"]
    assert choice == {"id": str(plant[Metric].pk), "text": "Mixer: vibration (mm/s)"}


def test_times_in_the_admin_are_the_plants_and_name_their_zone(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    Machine.objects.update(last_seen_at=datetime(2026, 1, 15, 12, 30, tzinfo=UTC))
    page = client_for(admin).get(path_of(Machine)).content.decode()
    assert "15 Jan 2026, 13:30:00 CET" in page


def test_a_machines_metrics_are_corrected_on_its_page(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    machine, metric = plant[Machine], plant[Metric]
    fields = {
        "name": "Big mixer", "machine_type": "mixer", "line": machine.line_id, "silent_after_s": "90",
        "metrics-TOTAL_FORMS": "1", "metrics-INITIAL_FORMS": "1", "metrics-0-id": metric.pk,
        "metrics-0-machine": machine.pk, "metrics-0-label": "Drive end", "metrics-0-unit": "mm/s",
        "metrics-0-kind": "vibration", "metrics-0-confirmed": "on",
    }  # fmt: skip
    assert client_for(admin).post(path_of(Machine, f"{machine.pk}/change/"), fields).status_code == 302
    metric.refresh_from_db()
    machine.refresh_from_db()
    assert (machine.key, machine.name, metric.label, metric.confirmed) == ("M01", "Big mixer", "Drive end", True)


def test_inferred_units_are_confirmed_in_one_go(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    metric = plant[Metric]
    client_for(admin).post(path_of(Metric), {"action": "confirm", "_selected_action": [metric.pk]})
    metric.refresh_from_db()
    assert metric.confirmed
    assert AuditEntry.objects.filter(action="metric.changed").exists()


def test_keys_and_invitations_are_revoked_from_their_lists(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    browser = client_for(admin)
    for model in (ApiKey, Invitation):
        browser.post(path_of(model), {"action": "revoke", "_selected_action": [plant[model].pk]})
        plant[model].refresh_from_db()
        assert plant[model].revoked_at


def test_recipients_of_a_schedule_are_checked_line_by_line(
    in_acme: Factory, admin: User, client_for: ClientFor
) -> None:
    fields = {"weekday": "0", "hour": "6", "active": "on"}
    wrong = client_for(admin).post(path_of(Schedule, "add/"), {**fields, "recipients": "a@acme.example\nnobody"})
    assert wrong.status_code == 200
    client_for(admin).post(path_of(Schedule, "add/"), {**fields, "recipients": "A@acme.example\n\nb@acme.example"})
    assert Schedule.objects.get().recipients == ["a@acme.example", "b@acme.example"]


def test_an_area_of_another_site_is_refused_for_a_line(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    south = Site.objects.create(name="South")
    response = client_for(admin).post(
        path_of(Line, "add/"), {"site": south.pk, "area": plant[Area].pk, "name": "Filling 2"}
    )
    assert "another site" in response.content.decode()


def test_scripts_of_the_admin_are_allowed_there_and_nowhere_else(
    acme: Factory, owner: User, client_for: ClientFor, anonymous: FactoryClient
) -> None:
    policy = client_for(owner).get("/admin/")["Content-Security-Policy"]
    assert "'unsafe-eval'" in policy
    assert "frame-ancestors 'none'" in policy
    for response in (client_for(owner).get("/people"), anonymous.get("/accounts/login/")):
        assert "unsafe" not in response["Content-Security-Policy"]


def test_the_public_host_has_no_door_to_a_factorys_admin(owner: User, client_for: ClientFor) -> None:
    browser = FactoryClient(host=host_of(None))
    browser.cookies = client_for(owner).cookies
    assert browser.get("/admin/")["Location"].startswith("/admin/login/")
    assert browser.get(path_of(Machine)).status_code in {302, 404}


def test_a_machine_is_deleted_in_the_admin_with_its_readings_and_may_come_back(
    plant: dict[type[models.Model], Any], admin: User, client_for: ClientFor
) -> None:
    browser, machine = client_for(admin), plant[Machine]
    path = path_of(Machine, f"{machine.pk}/delete/")
    assert "all its readings" in browser.get(path).content.decode()
    assert browser.post(path, {"post": "yes"}).status_code == 302
    assert not Machine.objects.filter(key="M01").exists()
    assert AuditEntry.objects.filter(action="machine.deleted", target="M01").count() == 1
    moment = np.array([to_ms(clock.now())])
    found, _kept = machines_register(ReadingBatch([Series("M01", "vibration", moment, np.array([2.1]))]))
    assert found["M01"].pk != machine.pk
