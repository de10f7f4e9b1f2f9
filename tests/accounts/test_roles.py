"""Roles of a factory's own."""

from collections.abc import Callable

from accounts.models import AuditEntry, CustomRole, User
from tenants.models import Factory
from tests.conftest import FactoryClient

ClientFor = Callable[..., FactoryClient]
DOOR = "/api/v1/roles"


def test_a_role_is_made_given_changed_and_takes_hold_at_once(
    in_acme: Factory, admin: User, viewer: User, client_for: ClientFor
) -> None:
    browser, theirs = client_for(admin), client_for(viewer)
    made = browser.post_json(DOOR, {"name": "Quality", "actions": ["audit"]}).json()
    assert theirs.get("/audit").status_code == 403
    given = browser.patch_json(f"/api/v1/users/{viewer.pk}", {"custom_role": made["id"]}).json()
    assert (given["role"], given["custom_role"], given["actions"]) == ("viewer", made["id"], ["audit", "view"])
    assert theirs.get("/audit").status_code == 200
    browser.patch_json(f"{DOOR}/{made['id']}", {"actions": ["reports"]})
    assert theirs.get("/audit").status_code == 403
    assert [entry.after for entry in AuditEntry.objects.filter(action="role.changed")] == [
        {"name": "Quality", "actions": ["reports"]}
    ]


def test_a_role_that_somebody_has_stays(in_acme: Factory, admin: User, viewer: User, client_for: ClientFor) -> None:
    role = CustomRole.objects.create(name="Quality", actions=["audit"])
    User.objects.filter(pk=viewer.pk).update(custom_role=role)
    browser = client_for(admin)
    refused = browser.delete(f"{DOOR}/{role.pk}")
    assert (refused.status_code, refused.json()["code"]) == (409, "role_in_use")
    browser.patch_json(f"/api/v1/users/{viewer.pk}", {"role": "operator"})
    assert browser.delete(f"{DOOR}/{role.pk}").status_code == 204
    assert browser.get(f"{DOOR}/{role.pk}").status_code == 404


def test_names_are_taken_once_and_actions_exist(in_acme: Factory, admin: User, client_for: ClientFor) -> None:
    browser = client_for(admin)
    browser.post_json(DOOR, {"name": "Quality", "actions": []})
    again = browser.post_json(DOOR, {"name": "Quality", "actions": []})
    assert (again.status_code, again.json()["code"]) == (409, "role_taken")
    for wrong in (
        {"name": "", "actions": []},
        {"name": "X", "actions": ["factory"]},
        {"name": "X", "actions": ["root"]},
    ):
        assert browser.post_json(DOOR, wrong).status_code == 400, wrong


def test_the_page_makes_changes_and_removes_roles(in_acme: Factory, admin: User, client_for: ClientFor) -> None:
    browser = client_for(admin)
    browser.post("/people/roles", {"name": "Energy", "actions": ["analytics"]})
    role = CustomRole.objects.get(name="Energy")
    assert "Energy" in browser.get("/people/roles").content.decode()
    browser.post("/people/roles", {"role": role.pk, "name": "Energy team", "actions": ["analytics", "reports"]})
    role.refresh_from_db()
    assert (role.name, role.actions) == ("Energy team", ["analytics", "reports"])
    browser.post(f"/people/roles/{role.pk}/delete")
    assert not CustomRole.objects.exists()


def test_somebody_is_invited_with_a_role_of_the_factorys_own(
    in_acme: Factory, admin: User, client_for: ClientFor
) -> None:
    role = CustomRole.objects.create(name="Quality", actions=["audit"])
    made = client_for(admin).post_json("/api/v1/invitations", {"email": "q@acme.example", "custom_role": role.pk})
    assert (made.status_code, made.json()["custom_role"]) == (201, role.pk)
