"""When a browser is signed out by itself: unused, signed in long ago, a visit over; and what it then forgets."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.models import User
from accounts.session_life import sessions_tend
from accounts.wall_links import wall_link_make
from common import clock
from tenants.context import factory_get
from tenants.models import Factory
from tests.conftest import PASSWORD, FactoryClient, host_of

ClientFor = Callable[..., FactoryClient]
Later = Callable[..., None]
BY_HAND = {"HTTP_SEC_FETCH_MODE": "navigate", "HTTP_SEC_FETCH_USER": "?1"}
BY_ITSELF = {"HTTP_SEC_FETCH_MODE": "cors"}


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """`later(minutes=…)`: so much time goes by, for our clocks and the framework's."""
    now, theirs, monotonic_s, gone = clock.now, timezone.now, clock.monotonic_s, timedelta()

    def go_on(**time: float) -> None:
        nonlocal gone
        gone += timedelta(**time)
        monkeypatch.setattr(clock, "now", lambda: now() + gone)
        monkeypatch.setattr(timezone, "now", lambda: theirs() + gone)
        monkeypatch.setattr(clock, "monotonic_s", lambda: monotonic_s() + gone.total_seconds())

    return go_on


@pytest.fixture
def quarter_hour(in_acme: Factory, owner: User, client_for: ClientFor) -> Factory:
    """A factory whose owner wants unused browsers signed out after 15 minutes."""
    data = {"name": "Acme Foods", "time_zone": "Europe/Warsaw", "mfa_required": "", "idle_minutes": "15"}
    assert client_for(owner).post("/factory", data).status_code == 302
    in_acme.idle_minutes = factory_get("acme").idle_minutes
    return in_acme


def test_a_browser_that_nobody_uses_is_signed_out_though_its_page_goes_on_asking(
    quarter_hour: Factory, operator: User, client_for: ClientFor, later: Later
) -> None:
    browser = client_for(operator)
    assert browser.get("/", **BY_HAND).status_code == 200
    for _time in range(2):
        later(minutes=5)
        assert browser.get("/", HTTP_HX_REQUEST="true", **BY_ITSELF).status_code == 200
    later(minutes=5)
    answer = browser.get("/", **BY_ITSELF)
    assert answer["Location"].startswith("/accounts/login/")
    assert answer["Clear-Site-Data"] == '"cache"'
    assert "not used for a while" in browser.get(answer["Location"]).content.decode()
    assert not UserSession.objects.filter(user=operator).exists()


def test_whoever_moves_or_types_stays(
    quarter_hour: Factory, operator: User, client_for: ClientFor, later: Later
) -> None:
    browser = client_for(operator)
    for _tenth in range(4):
        later(minutes=10)
        assert browser.post("/account/still-here", **BY_ITSELF).status_code == 204
    assert browser.get("/", **BY_ITSELF).status_code == 200


def test_after_two_weeks_everybody_signs_in_again(
    in_acme: Factory, operator: User, client_for: ClientFor, later: Later
) -> None:
    browser = client_for(operator)
    for _day in range(13):
        later(days=1)
        assert browser.get("/", **BY_HAND).status_code == 200
    later(days=1)
    assert browser.get("/", **BY_HAND).status_code == 302


def test_what_an_unused_browser_watches_is_shut_by_the_clock(
    quarter_hour: Factory, operator: User, viewer: User, client_for: ClientFor, later: Later
) -> None:
    left, used = client_for(operator), client_for(viewer)
    for browser in (left, used):
        browser.get("/", **BY_HAND)
    later(minutes=10)
    used.get("/", **BY_HAND)
    later(minutes=10)
    assert sessions_tend() == 2, "and the owner's, who set the time and left"
    assert left.get("/", **BY_HAND).status_code == 302
    assert used.get("/", **BY_HAND).status_code == 200


def test_a_halls_screen_is_nobodys_and_stays(quarter_hour: Factory, owner: User, later: Later) -> None:
    _link, address = wall_link_make(actor=owner, name="Hall 1", days=90, reach=None)
    screen = FactoryClient(host=host_of(quarter_hour))
    assert screen.get("/wall/" + address.rpartition("/wall/")[2]).status_code == 200
    later(days=20)
    assert sessions_tend() == 1, "the owner's alone"
    assert screen.get("/wall", **BY_ITSELF).status_code == 200


def test_staff_is_signed_out_after_half_an_hour(db: None, later: Later) -> None:
    User.objects.create_superuser("staff@factorypulse.example", "a long password")
    staff = Client(HTTP_HOST=host_of(None))
    assert staff.login(email="staff@factorypulse.example", password="a long password")
    assert staff.get("/admin/", **BY_HAND).status_code == 200
    later(minutes=31)
    assert staff.get("/admin/", **BY_HAND)["Location"].startswith("/admin/login/")


def test_sessions_that_ran_out_are_forgotten(in_acme: Factory, later: Later) -> None:
    Session.objects.create(session_key="old", session_data="", expire_date=clock.now() + timedelta(days=1))
    later(days=2)
    sessions_tend()
    assert not Session.objects.filter(session_key="old").exists()


def test_signing_out_tells_the_browser_to_forget(in_acme: Factory, operator: User) -> None:
    browser = FactoryClient(host=host_of(in_acme))
    browser.post("/accounts/login/", {"login": operator.email, "password": PASSWORD})
    assert "Clear-Site-Data" not in browser.get("/")
    assert browser.post("/accounts/logout/")["Clear-Site-Data"] == '"cache"'


def test_nothing_that_a_factory_answers_is_kept_on_the_way(
    in_acme: Factory, operator: User, client_for: ClientFor
) -> None:
    browser = client_for(operator)
    for path in ("/", "/alerts", "/account", "/accounts/2fa/", "/api/v1/machines", "/api/v1/sessions", "/nothing"):
        assert "no-store" in browser.get(path)["Cache-Control"], path
    assert "no-store" not in browser.get("/static/css/base.css")["Cache-Control"]


@pytest.mark.parametrize("minutes", [4, 20_161, "x"])
def test_a_time_that_cannot_be_is_refused(
    in_acme: Factory, owner: User, client_for: ClientFor, minutes: object
) -> None:
    answer = client_for(owner).patch_json("/api/v1/factory", {"idle_minutes": minutes})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "idle_minutes")


def test_a_time_that_a_program_has_set_stands_among_the_choices(
    in_acme: Factory, owner: User, client_for: ClientFor
) -> None:
    browser = client_for(owner)
    assert browser.patch_json("/api/v1/factory", {"idle_minutes": 90}).json()["idle_minutes"] == 90
    assert "90 minutes" in browser.get("/factory").content.decode()
