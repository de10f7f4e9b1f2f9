"""Where somebody is signed in: listed with device and address, ended singly, and nobody else's."""

from collections.abc import Callable

import pytest
from allauth.usersessions.models import UserSession

from accounts.models import AuditEntry, User
from accounts.sessions import device_named
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import PASSWORD, FactoryClient, host_of

_AGENTS = {
    "phone": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Safari/604.1",
    "desk": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
}


def _signed_in(factory: Factory, person: User, agent: str, address: str = "192.0.2.7") -> FactoryClient:
    browser = FactoryClient(host=host_of(factory), HTTP_USER_AGENT=_AGENTS[agent], REMOTE_ADDR=address)
    browser.post("/accounts/login/", {"login": person.email, "password": PASSWORD})
    assert browser.get("/account").status_code == 200
    return browser


def test_one_session_is_ended_from_another(acme: Factory, operator: User) -> None:
    phone, desk = _signed_in(acme, operator, "phone", "192.0.2.7"), _signed_in(acme, operator, "desk", "192.0.2.8")
    page = desk.get("/accounts/sessions/").content.decode()
    assert "Safari, iPhone" in page
    assert "Firefox, Linux" in page
    assert "192.0.2.7" in page
    with factory_context(acme):
        theirs = UserSession.objects.get(ip="192.0.2.7")
    assert desk.post(f"/account/sessions/{theirs.pk}/end")["Location"] == "/accounts/sessions/"
    assert phone.get("/account").status_code == 302
    assert desk.get("/account").status_code == 200
    with factory_context(acme):
        entry = AuditEntry.objects.get(action="session.ended")
    assert (entry.actor, entry.target) == (operator.email, "Safari, iPhone")
    assert entry.details == {"ended_address": "192.0.2.7"}


def test_programs_list_and_end_them_too(acme: Factory, operator: User) -> None:
    phone, desk = _signed_in(acme, operator, "phone"), _signed_in(acme, operator, "desk")
    listed = desk.get("/api/v1/sessions").json()["results"]
    assert [(one["device"], one["current"]) for one in listed if one["current"]] == [("Firefox, Linux", True)]
    other = next(one for one in listed if not one["current"])
    assert desk.delete(f"/api/v1/sessions/{other['id']}").status_code == 204
    assert phone.get("/account").status_code == 302
    assert desk.delete(f"/api/v1/sessions/{other['id']}").json()["code"] == "session_not_found"


def test_nobody_ends_or_sees_anothers_session(
    acme: Factory, operator: User, owner: User, client_for: Callable[..., FactoryClient]
) -> None:
    phone = _signed_in(acme, operator, "phone")
    with factory_context(acme):
        theirs = UserSession.objects.get(user=operator)
    curious = client_for(owner)
    assert "Safari, iPhone" not in curious.get("/accounts/sessions/").content.decode()
    curious.post(f"/account/sessions/{theirs.pk}/end")
    assert curious.delete(f"/api/v1/sessions/{theirs.pk}").status_code == 404
    assert phone.get("/account").status_code == 200


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/17 Safari/605", "Safari, macOS"),
        ("Mozilla/5.0 (Linux; Android 14) AppleWebKit/537 Chrome/126.0 Mobile Safari/537", "Chrome, Android"),
        ("python-requests/2.32", "python-requests/2.32"),
        ("", "–"),
    ],
)
def test_devices_are_called_what_people_call_them(agent: str, name: str) -> None:
    assert device_named(agent) == name


def test_a_key_has_no_sessions(acme: Factory, read_key: str) -> None:
    assert FactoryClient(host=host_of(acme), HTTP_X_API_KEY=read_key).get("/api/v1/sessions").status_code == 403
