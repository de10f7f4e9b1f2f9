"""Who belongs to the factory: roles, shutting out, and that there is always an owner."""

from collections.abc import Callable
from functools import partial

import pytest

from accounts.models import ApiKey, AuditEntry, Role, User
from accounts.people import LastOwnerError, RoleTooHighError, person_deactivate, role_change
from tenants.models import Factory
from tests.conftest import FactoryClient, person_make

ClientFor = Callable[..., FactoryClient]


def test_the_page_lists_people_with_roles_and_those_invited(
    in_acme: Factory, owner: User, operator: User, client_for: ClientFor
) -> None:
    browser = client_for(owner)
    browser.post("/people", {"email": "new@acme.example", "role": "viewer"})
    page = browser.get("/people").content.decode()
    assert operator.email in page
    assert "new@acme.example" in page
    assert "Europe/Warsaw" in page


@pytest.mark.parametrize("page", ["/people", "/keys", "/first-run"])
@pytest.mark.parametrize("role", ["viewer", "operator", "supervisor"])
def test_only_admins_and_owners_reach_people_and_keys(
    acme: Factory, client_for: ClientFor, page: str, role: str
) -> None:
    assert client_for(person_make(acme, "x@acme.example", role)).get(page).status_code == 403


def test_the_last_owner_keeps_the_role_and_stays(in_acme: Factory, owner: User) -> None:
    with pytest.raises(LastOwnerError):
        role_change(actor=owner, person=owner, role=Role.ADMIN)
    with pytest.raises(LastOwnerError):
        person_deactivate(actor=owner, person=owner)
    owner.refresh_from_db()
    assert (owner.role, owner.is_active) == (Role.OWNER, True)


def test_whoever_became_an_owner_in_the_meantime_is_no_admins_to_change(
    in_acme: Factory, owner: User, admin: User, operator: User
) -> None:
    as_it_was = User.objects.get(pk=operator.pk)
    role_change(actor=owner, person=operator, role=Role.OWNER)
    for deed in (partial(role_change, role=Role.VIEWER), person_deactivate):
        with pytest.raises(RoleTooHighError):
            deed(actor=admin, person=as_it_was)


def test_an_owner_who_is_shut_out_does_not_count_as_another(in_acme: Factory, owner: User) -> None:
    second = person_make(in_acme, "second@acme.example", Role.OWNER)
    person_deactivate(actor=owner, person=second)
    with pytest.raises(LastOwnerError):
        role_change(actor=owner, person=owner, role=Role.ADMIN)


def test_an_owner_may_leave_the_role_to_another(in_acme: Factory, owner: User, admin: User) -> None:
    role_change(actor=owner, person=admin, role=Role.OWNER)
    role_change(actor=owner, person=owner, role=Role.VIEWER)
    assert list(User.objects.filter(role=Role.OWNER)) == [admin]


@pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
def test_an_admin_neither_makes_nor_unmakes_owners(in_acme: Factory, admin: User, owner: User, role: str) -> None:
    target = admin if role == Role.OWNER else owner
    with pytest.raises(RoleTooHighError):
        role_change(actor=admin, person=target, role=role)


def test_a_change_of_role_holds_at_once_and_is_written_down(
    in_acme: Factory, owner: User, operator: User, client_for: ClientFor
) -> None:
    theirs = client_for(operator)
    assert theirs.get("/people").status_code == 403
    assert client_for(owner).post(f"/people/{operator.pk}", {"role": "admin"}).status_code == 302
    assert theirs.get("/people").status_code == 200
    entry = AuditEntry.objects.get(action="person.access_changed")
    assert (entry.actor, entry.target, entry.address) == (owner.email, operator.email, "127.0.0.1")
    assert (entry.before["role"], entry.after["role"]) == ("operator", "admin")


def test_who_is_shut_out_loses_the_session_at_once(
    in_acme: Factory, owner: User, operator: User, client_for: ClientFor
) -> None:
    theirs = client_for(operator)
    client_for(owner).post(f"/people/{operator.pk}/active")
    assert theirs.get("/first-run").status_code == 302
    client_for(owner).post(f"/people/{operator.pk}/active")
    operator.refresh_from_db()
    assert operator.is_active


def test_a_person_of_another_factory_can_not_be_touched(
    acme: Factory, owner: User, outsider: User, client_for: ClientFor
) -> None:
    response = client_for(owner).post(f"/people/{outsider.pk + 1000}", {"role": "viewer"})
    assert response.status_code == 404


def test_a_key_is_shown_once_and_can_be_revoked(
    in_acme: Factory, admin: User, client_for: ClientFor, api_client: Callable[..., FactoryClient]
) -> None:
    browser = client_for(admin)
    made = browser.post("/keys", {"name": "Gateway hall 2", "scopes": ["ingest", "read"]})
    raw = made.context["raw_key"]
    assert raw in made.content.decode()
    assert raw not in browser.get("/keys").content.decode()
    key = ApiKey.objects.get(name="Gateway hall 2")
    browser.post(f"/keys/{key.pk}/revoke")
    key.refresh_from_db()
    assert key.revoked_at
    assert "revoked" in browser.get("/keys").content.decode()


def test_a_key_needs_a_name_and_a_scope(in_acme: Factory, admin: User, client_for: ClientFor) -> None:
    response = client_for(admin).post("/keys", {"name": ""})
    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"name", "scopes"}
    assert not ApiKey.objects.exists()
