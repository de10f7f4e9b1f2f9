"""Whoever is restricted to a part of the plant meets nothing beyond it, through any door."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.urls import reverse

from accounts.access import Access, AccessInvalidError
from accounts.models import AuditEntry, Role, User
from accounts.people import RoleTooHighError, access_change
from accounts.reach import Reach, ReachInvalidError, reach_bound, reach_checked
from anomalies.models import Alert
from common import clock
from telemetry.live.watching import machines_named
from telemetry.models import Line, Machine, Metric, Site
from telemetry.reach import WithinReach, hangs_on_plant, machine_keys_within, rows_within
from tenants.models import Factory
from tests.conftest import FactoryClient, person_make

ClientFor = Callable[..., FactoryClient]
FAR = "far-away-canary"


class Plant(NamedTuple):
    """Two lines of one site, and another site."""

    near: Machine
    far: Machine
    loose: Machine
    line: Line
    site: Site


@pytest.fixture
def plant(in_acme: Factory) -> Plant:
    here, there = Site.objects.create(name="Here"), Site.objects.create(name=f"Site {FAR}")
    line = Line.objects.create(site=here, name="Near line")
    near = Machine.objects.create(key="near", line=line)
    far = Machine.objects.create(key=FAR, name=FAR, line=Line.objects.create(site=there, name=f"Line {FAR}"))
    loose = Machine.objects.create(key=f"loose-{FAR}")
    for machine in (near, far, loose):
        Metric.objects.create(machine=machine, name="vibration", last_value=1.0, last_at=clock.now())
        Alert.objects.create(machine=machine, cause="x", title=f"Alert of {machine.key}", since_at=clock.now())
    return Plant(near, far, loose, line, here)


@pytest.fixture
def restricted(plant: Plant, supervisor: User) -> User:
    """A supervisor of the near line alone."""
    supervisor.reach = {"sites": [], "lines": [plant.line.pk]}
    supervisor.save()
    return supervisor


def _pages(plant: Plant) -> list[str]:
    """Every page and every read of the API that names no machine, and those of the machine within."""
    named = ["/api/v1/machines", "/api/v1/alerts", "/api/v1/dashboard/summary", f"/api/v1/machines/{plant.near.key}"]
    return [reverse("fleet"), reverse("alerts"), reverse("reports"), f"/machines/{plant.near.key}", *named]


def test_no_page_and_no_list_shows_anything_beyond_the_line(
    plant: Plant, restricted: User, client_for: ClientFor
) -> None:
    browser = client_for(restricted)
    for path in _pages(plant):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert FAR not in answer.content.decode(), path
    assert "near" in browser.get("/api/v1/machines").content.decode()
    assert "Alert of near" in browser.get(reverse("alerts")).content.decode()


def test_what_lies_beyond_does_not_exist(plant: Plant, restricted: User, client_for: ClientFor) -> None:
    browser = client_for(restricted)
    for key in (plant.far.key, plant.loose.key):
        alert = Alert.objects.get(machine__key=key)
        for path in (
            f"/machines/{key}",
            f"/api/v1/machines/{key}",
            f"/api/v1/machines/{key}/metrics",
            f"/api/v1/machines/{key}/kpis/live",
            f"/api/v1/telemetry/{key}?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z",
            f"/alerts/{alert.pk}",
            f"/api/v1/alerts/{alert.pk}",
        ):
            assert browser.get(path).status_code == 404, path
        assert browser.post_json(f"/api/v1/alerts/{alert.pk}/acknowledge", {}).status_code == 404
        alert.refresh_from_db()
        assert alert.acknowledged_by is None


def test_a_key_for_some_machines_reads_those_alone(
    plant: Plant, admin: User, client_for: ClientFor, api_client: Callable[..., FactoryClient]
) -> None:
    wanted = {"name": "Panel", "scopes": ["read"], "machines": [plant.near.key]}
    raw = client_for(admin).post_json("/api/v1/api-keys", wanted).json()["key"]
    panel = api_client(raw)
    assert [one["key"] for one in panel.get("/api/v1/machines").json()["results"]] == ["near"]
    assert panel.get(f"/api/v1/machines/{plant.far.key}").status_code == 404


def test_the_next_request_of_the_same_thread_sees_the_whole_factory_again(
    plant: Plant, restricted: User, admin: User, client_for: ClientFor
) -> None:
    client_for(restricted).get(reverse("fleet"))
    assert FAR in client_for(admin).get("/api/v1/machines").content.decode()
    assert Machine.objects.count() == 3


def test_a_site_reaches_its_lines_and_a_place_that_is_gone_reaches_nothing(plant: Plant) -> None:
    assert machine_keys_within(Reach(sites=frozenset({plant.site.pk}))) == {"near"}
    assert machine_keys_within(Reach(lines=frozenset({10**9}))) == frozenset()
    with reach_bound(Reach.stored({"sites": "everything"})):
        assert not Machine.objects.exists()


def test_every_model_that_hangs_on_the_plant_is_filtered(plant: Plant) -> None:
    """Also those that were made after this was written: rows of a factory without reach are none."""
    reached = set()
    for model in apps.get_models():
        if model._meta.app_label in {"telemetry", "anomalies", "reports"} and hangs_on_plant(model):
            assert isinstance(model._default_manager, WithinReach), model
            with reach_bound(Reach()):
                assert not model._default_manager.exists(), model
            assert model._base_manager.filter(rows_within(model, Reach())).count() == 0
            reached.add(model.__name__)
    assert reached >= {"Site", "Area", "Line", "Machine", "Metric", "Alert", "AlertEvent", "DetectorModel", "Rule"}


def test_live_messages_name_their_machine_or_go_to_nobody_who_is_restricted() -> None:
    assert machines_named(b'{"type":"state","machine":"near"}') == {"near"}
    assert machines_named(b'{"type":"alert","event":"raised","alert":{"machine":"far","id":1}}') == {"far"}
    assert machines_named(b'{"type":"status","code":"lagging"}') == frozenset()
    assert machines_named(b'{"type":"something_new"}') - {"near", "far"}


def test_a_restriction_names_places_that_exist(plant: Plant) -> None:
    assert reach_checked(None) is None
    assert reach_checked({"lines": [plant.line.pk]}) == Reach(lines=frozenset({plant.line.pk}))
    for wrong in ({}, {"lines": []}, {"lines": [10**9]}, {"machines": ["near"]}, [1], {"sites": [True]}):
        with pytest.raises(ReachInvalidError):
            reach_checked(wrong)


def test_whoever_is_restricted_looks_after_no_people(plant: Plant, restricted: User, client_for: ClientFor) -> None:
    restricted.extra_actions = ["people", "audit"]
    restricted.save()
    browser = client_for(restricted)
    assert [browser.get(path).status_code for path in ("/people", "/keys", "/audit")] == [403, 403, 403]


def test_admins_and_owners_can_not_be_restricted(plant: Plant, owner: User, admin: User) -> None:
    with pytest.raises(AccessInvalidError):
        access_change(actor=owner, person=admin, access=Access(Role.ADMIN, reach=Reach(lines=frozenset({1}))))


def test_an_admin_restricts_a_person_on_the_page_and_it_holds_at_once(
    plant: Plant, admin: User, operator: User, client_for: ClientFor
) -> None:
    theirs = client_for(operator)
    assert FAR in theirs.get("/api/v1/machines").content.decode()
    data = {"role": "operator", "extra_actions": ["analytics"], "reach": [f"line-{plant.line.pk}"]}
    assert client_for(admin).post(f"/people/{operator.pk}", data).status_code == 302
    assert FAR not in theirs.get("/api/v1/machines").content.decode()
    entry = AuditEntry.objects.get(action="person.access_changed")
    assert entry.after == {
        "role": "operator",
        "extra_actions": ["analytics"],
        "reach": {"sites": [], "lines": [plant.line.pk]},
    }
    assert "Here, Near line" in client_for(admin).get("/people").content.decode()


def test_nobody_gives_what_they_may_not_do_themselves(in_acme: Factory, owner: User, operator: User) -> None:
    helper = person_make(in_acme, "helper@acme.example", Role.OPERATOR)
    access_change(actor=owner, person=helper, access=Access(Role.OPERATOR, extra_actions=frozenset({"people"})))
    helper = User.objects.get(pk=helper.pk)
    access_change(actor=helper, person=operator, access=Access(Role.VIEWER))
    for too_much in (
        Access(Role.SUPERVISOR),
        Access(Role.ADMIN),
        Access(Role.VIEWER, extra_actions=frozenset({"rules"})),
    ):
        with pytest.raises(RoleTooHighError):
            access_change(actor=helper, person=operator, access=too_much)
        with pytest.raises(RoleTooHighError):
            access_change(actor=helper, person=helper, access=too_much)


def test_the_api_changes_access_in_parts(plant: Plant, admin: User, operator: User, client_for: ClientFor) -> None:
    browser, door = client_for(admin), f"/api/v1/users/{operator.pk}"
    changed: Any = browser.patch_json(
        door, {"reach": {"sites": [plant.site.pk]}, "extra_actions": ["analytics"]}
    ).json()
    assert (changed["role"], changed["reach"]) == ("operator", {"sites": [plant.site.pk], "lines": []})
    assert changed["actions"] == ["acknowledge", "analytics", "view"]
    assert browser.patch_json(door, {"reach": None}).json()["reach"] is None
    assert browser.patch_json(door, {"reach": {"lines": [10**9]}}).json()["code"] == "reach_invalid"
    assert browser.patch_json(door, {"extra_actions": ["factory"]}).status_code == 400
