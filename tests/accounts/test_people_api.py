"""People, invitations, keys and audit over the API: for admins and owners, with the refusals of the contract."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core import mail

from accounts.api_keys import api_key_create, api_key_revoke, keys_forget, verify_key
from accounts.models import ApiKey, Invitation, Role, User
from tenants.models import Factory
from tests.conftest import FactoryClient, person_make

ClientFor = Callable[..., FactoryClient]
DOORS = ["/api/v1/users", "/api/v1/invitations", "/api/v1/api-keys", "/api/v1/audit"]


@pytest.mark.parametrize("door", DOORS)
def test_a_supervisor_is_refused_with_a_problem(supervisor: User, client_for: ClientFor, door: str) -> None:
    response = client_for(supervisor).get(door)
    assert (response.status_code, response.json()["code"]) == (403, "not_permitted")


@pytest.mark.parametrize("door", DOORS)
def test_a_key_does_not_look_after_people(write_key: str, api_client: Callable[..., FactoryClient], door: str) -> None:
    assert api_client(write_key).get(door).status_code == 403


def test_lists_go_on_by_cursor(in_acme: Factory, admin: User, client_for: ClientFor) -> None:
    for number in range(4):
        person_make(in_acme, f"p{number}@acme.example", Role.VIEWER)
    browser, seen, cursor = client_for(admin), [], ""
    while cursor is not None:
        page = browser.get("/api/v1/users", {"limit": "2", **({"cursor": cursor} if cursor else {})}).json()
        seen += [person["email"] for person in page["results"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted([admin.email, *(f"p{number}@acme.example" for number in range(4))])
    assert browser.get("/api/v1/users?cursor=-1").json()["code"] == "cursor_invalid"


def test_inviting_and_taking_back(in_acme: Factory, admin: User, client_for: ClientFor) -> None:
    browser = client_for(admin)
    made = browser.post_json("/api/v1/invitations", {"email": "api@acme.example", "role": "viewer"})
    assert made.status_code == 201
    assert len(mail.outbox) == 1
    assert browser.post_json("/api/v1/users", {"email": "api@acme.example"}).json()["code"] == "already_here"
    assert browser.delete(f"/api/v1/invitations/{made.json()['id']}").status_code == 204
    assert Invitation.objects.get().revoked_at
    assert browser.delete(f"/api/v1/invitations/{made.json()['id']}").json()["code"] == "invitation_revoked"


def test_an_admin_can_not_raise_anybody_above_themselves(
    in_acme: Factory, admin: User, operator: User, client_for: ClientFor
) -> None:
    response = client_for(admin).patch_json(f"/api/v1/users/{operator.pk}", {"role": "owner"})
    assert (response.status_code, response.json()["code"]) == (403, "role_too_high")
    assert client_for(admin).patch_json(f"/api/v1/users/{operator.pk}", {"role": "admin"}).json()["role"] == "admin"


def test_the_last_owner_stays_owner(owner: User, client_for: ClientFor) -> None:
    response = client_for(owner).patch_json(f"/api/v1/users/{owner.pk}", {"is_active": False})
    assert (response.status_code, response.json()["code"]) == (409, "last_owner")


def test_a_key_is_made_rotated_and_revoked(
    in_acme: Factory, admin: User, client_for: ClientFor, api_client: Callable[..., FactoryClient]
) -> None:
    browser = client_for(admin)
    made = browser.post_json("/api/v1/api-keys", {"name": "PLC", "scopes": ["ingest"]}).json()
    assert made["key"].startswith("fp_acme_")
    assert "key" not in browser.get("/api/v1/api-keys").json()["results"][0]
    rotated = browser.post_json(f"/api/v1/api-keys/{made['id']}/rotate", {"overlap_s": 60}).json()
    assert rotated["key"] != made["key"]
    assert (rotated["id"], rotated["name"], rotated["scopes"]) == (made["id"], "PLC", ["ingest"])
    assert rotated["old_secret_until_at"]
    assert browser.delete(f"/api/v1/api-keys/{made['id']}").status_code == 204
    again = browser.post_json(f"/api/v1/api-keys/{made['id']}/rotate", {})
    assert (again.status_code, again.json()["code"]) == (409, "api_key_revoked")
    assert not ApiKey.objects.filter(revoked_at=None).exists()
    actions = [entry["action"] for entry in browser.get("/api/v1/audit").json()["results"]]
    assert actions[:3] == ["api_key.revoked", "api_key.rotated", "api_key.created"]


def test_what_a_key_may_is_changed_while_its_secret_stays(in_acme: Factory, admin: User, client_for: ClientFor) -> None:
    browser = client_for(admin)
    made = browser.post_json("/api/v1/api-keys", {"name": "PLC", "scopes": ["ingest"]}).json()
    url = f"/api/v1/api-keys/{made['id']}"
    wanted = {"machines": ["M02", "M01"], "addresses": ["192.0.2.7/24"], "scopes": ["ingest", "read"]}
    changed = browser.patch(url, wanted, content_type="application/json").json()
    assert (changed["machines"], changed["addresses"]) == (["M01", "M02"], ["192.0.2.0/24"])
    assert (changed["name"], changed["prefix"], changed["scopes"]) == ("PLC", made["prefix"], ["ingest", "read"])
    keys_forget()
    assert verify_key(made["key"], scope="read").machines == {"M01", "M02"}
    entry = browser.get("/api/v1/audit").json()["results"][0]
    assert (entry["action"], entry["target"]) == ("api_key.changed", made["prefix"])
    assert entry["before"] == {"scopes": ["ingest"], "machines": [], "addresses": []}


@pytest.mark.parametrize(
    "wrong", [{"scopes": []}, {"addresses": ["the hall"]}, {"expires_at": "2020-01-01T00:00:00Z"}, {"name": ""}]
)
def test_a_change_that_makes_no_sense_changes_nothing(
    in_acme: Factory, admin: User, client_for: ClientFor, wrong: dict[str, Any]
) -> None:
    key, _raw = api_key_create(name="PLC", scopes=["ingest"])
    answer = client_for(admin).patch(
        f"/api/v1/api-keys/{key.pk}", {"machines": ["M01"], **wrong}, content_type="application/json"
    )
    assert answer.status_code == 400
    key.refresh_from_db()
    assert (key.name, key.machines, key.scopes) == ("PLC", [], ["ingest"])


def test_a_revoked_key_is_not_changed(in_acme: Factory, admin: User, client_for: ClientFor) -> None:
    key, _raw = api_key_create(name="PLC", scopes=["ingest"])
    api_key_revoke(key=key)
    answer = client_for(admin).patch(f"/api/v1/api-keys/{key.pk}", {"name": "x"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "api_key_revoked")


def test_a_key_with_an_unknown_scope_is_refused(admin: User, client_for: ClientFor) -> None:
    response = client_for(admin).post_json("/api/v1/api-keys", {"name": "PLC", "scopes": ["everything"]})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_input")
