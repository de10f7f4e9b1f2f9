"""Who may do what, by role and by scope."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from accounts.api_keys import verify_key
from accounts.authentication import KeyUser
from accounts.models import User
from accounts.permissions import ACTIONS, may_administer, page_requires, permits, requires
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import person_make

EXPECTED = {
    "viewer": {"view"},
    "operator": {"view", "acknowledge"},
    "supervisor": {"view", "acknowledge", "reports", "rules", "analytics", "orders", "deliveries"},
    "admin": ACTIONS - {"ingest", "factory"},
    "owner": ACTIONS - {"ingest"},
}


@pytest.mark.parametrize("role", EXPECTED)
def test_a_role_may_do_what_the_table_says_and_nothing_else(in_acme: Factory, role: str) -> None:
    person = person_make(in_acme, "p@acme.example", role)
    assert {action for action in ACTIONS if permits(person, action)} == EXPECTED[role]
    assert may_administer(person) is (role in {"admin", "owner"})
    assert person.has_perm("telemetry.change_machine") is (role in {"admin", "owner"})


@pytest.mark.parametrize(
    ("fixture", "expected"),
    [
        ("ingest_key", {"ingest"}),
        ("read_key", {"view"}),
        ("write_key", {"acknowledge", "reports", "rules", "analytics", "orders", "equipment"}),
    ],
)
def test_a_key_may_do_what_its_scope_says(
    request: pytest.FixtureRequest, in_acme: Factory, fixture: str, expected: set[str]
) -> None:
    key = KeyUser(verify_key(request.getfixturevalue(fixture), scope=None))
    assert {action for action in ACTIONS if permits(key, action)} == expected
    assert not may_administer(key)


def test_nobody_may_do_anything_without_a_factory(owner: User) -> None:
    assert not any(permits(owner, action) for action in ACTIONS)


def test_strangers_and_shut_out_people_may_do_nothing(in_acme: Factory, owner: User) -> None:
    owner.is_active = False
    for nobody in (owner, AnonymousUser(), None, object()):
        assert not any(permits(nobody, action) for action in ACTIONS)


def test_an_action_that_does_not_exist_is_an_error_and_no_refusal(in_acme: Factory) -> None:
    with pytest.raises(ValueError, match="acknowlege"):
        permits(User(role="owner"), "acknowlege")
    with pytest.raises(ValueError, match="veiw"):
        requires("veiw")
    with pytest.raises(ValueError, match="veiw"):
        page_requires("veiw")


@page_requires("rules")
def _page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("rules")


def _ask(user: Any) -> HttpResponse:
    request = RequestFactory().get("/rules?state=open")
    request.user = user
    return _page(request)


def test_a_guarded_page_sends_a_stranger_to_sign_in_and_back(in_acme: Factory) -> None:
    response = _ask(AnonymousUser())
    assert (response.status_code, response["Location"]) == (302, "/accounts/login/?next=/rules%3Fstate%3Dopen")


def test_a_guarded_page_refuses_a_person_without_the_right(acme: Factory, operator: User, supervisor: User) -> None:
    with factory_context(acme):
        assert _ask(supervisor).content == b"rules"
        with pytest.raises(PermissionDenied):
            _ask(operator)
