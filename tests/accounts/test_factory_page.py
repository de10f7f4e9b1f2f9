"""What owners decide about the factory, and how staff comes in: by their leave alone."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.test import Client

from accounts import attempts
from accounts.access import Access
from accounts.models import AuditEntry, CustomRole, FactoryExport, SupportGrant, User
from accounts.support import (
    SupportNotGrantedError,
    support_enter,
    support_expire,
    support_grant,
    support_handover_url,
    support_revoke,
    support_user_email,
)
from common import clock
from tenants.context import factory_context, factory_get
from tenants.life import factory_suspend
from tenants.models import Factory
from tests.conftest import PASSWORD, FactoryClient, host_of

ClientFor = Callable[..., FactoryClient]


def test_an_owner_renames_the_factory_and_it_is_written_down(
    in_acme: Factory, owner: User, client_for: ClientFor
) -> None:
    data = {"name": "Acme Mills", "time_zone": "Europe/Berlin", "mfa_required": "", "idle_minutes": "480"}
    assert client_for(owner).post("/factory", data).status_code == 302
    assert (factory_get("acme").name, factory_get("acme").time_zone) == ("Acme Mills", "Europe/Berlin")
    entry = AuditEntry.objects.get(action="factory.changed")
    assert (entry.before["name"], entry.after["name"]) == ("Acme Foods", "Acme Mills")


@pytest.mark.parametrize("role", ["admin", "supervisor"])
def test_only_owners_decide_about_the_factory(
    acme: Factory, request: pytest.FixtureRequest, client_for: ClientFor, role: str
) -> None:
    browser = client_for(request.getfixturevalue(role))
    assert browser.get("/factory").status_code == 403
    assert browser.post("/factory/export").status_code == 403
    assert browser.post("/factory/delete", {"confirm": "acme", "password": PASSWORD}).status_code == 403


def test_deleting_takes_the_address_and_the_password_and_can_be_taken_back(
    acme: Factory, owner: User, operator: User, client_for: ClientFor
) -> None:
    browser, theirs = client_for(owner), client_for(operator)
    assert browser.post("/factory/delete", {"confirm": "acme", "password": "wrong"}).status_code == 422
    assert browser.post("/factory/delete", {"confirm": "borg", "password": PASSWORD}).status_code == 422
    assert not factory_get("acme").shut
    assert browser.post("/factory/delete", {"confirm": "acme", "password": PASSWORD}).status_code == 302
    assert theirs.get("/").status_code == 403
    assert browser.get("/").status_code == 403
    assert "Keep the factory" in browser.get("/factory").content.decode()
    assert theirs.get("/factory").status_code == 403
    assert browser.post("/factory/keep").status_code == 302
    assert theirs.get("/").status_code == 200


def test_a_suspended_factorys_owner_can_still_take_everything_along(
    acme: Factory, owner: User, client_for: ClientFor
) -> None:
    browser = client_for(owner)
    factory_suspend(acme, reason="")
    assert browser.get("/").status_code == 403
    assert browser.post("/factory/export")["Location"] == "/factory#export"
    with factory_context(acme):
        assert FactoryExport.objects.get().state == "waiting"


@pytest.fixture
def staff(db: None) -> Client:
    User.objects.create_superuser("staff@factorypulse.example", "a long password")
    client = Client(HTTP_HOST=host_of(None))
    assert client.login(email="staff@factorypulse.example", password="a long password")
    return client


def test_staff_comes_in_by_an_owners_leave_alone_as_a_viewer_and_is_written_down(
    acme: Factory, owner: User, client_for: ClientFor, staff: Client
) -> None:
    assert staff.get("/admin/support/acme/")["Location"] == "/admin/tenants/factory/"
    client_for(owner).post("/factory/support", {"reason": "The line is silent", "hours": "4"})
    way_in = staff.get("/admin/support/acme/")["Location"]
    assert way_in.startswith(f"http://acme.{settings.DOMAIN}/support/")
    path = way_in.partition(settings.DOMAIN)[2]
    visitor = FactoryClient(host=host_of(acme))
    assert visitor.get(path)["Location"] == "/"
    assert visitor.get("/").status_code == 200
    assert [visitor.get(page).status_code for page in ("/people", "/audit", "/factory", "/admin/")] == [403] * 4
    assert FactoryClient(host=host_of(acme)).get(path)["Location"].startswith("/accounts/login/"), "a link works once"
    with factory_context(acme):
        entry = AuditEntry.objects.get(action="support.entered")
        assert (entry.actor, entry.target) == ("staff staff@factorypulse.example", "The line is silent")
        grant = SupportGrant.objects.get()
    client_for(owner).post(f"/factory/support/{grant.pk}/end")
    assert visitor.get("/").status_code == 302


def test_a_grant_ends_by_itself(in_acme: Factory, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    support_grant(actor=owner, reason="x", lasting=timedelta(hours=4))
    url = support_handover_url(factory=in_acme, staff_email="s@x.example")
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=4, seconds=1))
    with pytest.raises(SupportNotGrantedError):
        support_handover_url(factory=in_acme, staff_email="s@x.example")
    with pytest.raises(SupportNotGrantedError):
        support_enter(url.rpartition("/")[2], factory=in_acme)


def test_a_way_into_one_factory_is_none_into_another(in_acme: Factory, borg: Factory, owner: User) -> None:
    support_grant(actor=owner, reason="x", lasting=timedelta(hours=4))
    token = support_handover_url(factory=in_acme, staff_email="s@x.example").rpartition("/")[2]
    with factory_context(borg), pytest.raises(SupportNotGrantedError):
        support_enter(token, factory=borg)


def test_ending_one_of_two_grants_leaves_the_other(in_acme: Factory, owner: User) -> None:
    first = support_grant(actor=owner, reason="x", lasting=timedelta(hours=4))
    support_grant(actor=owner, reason="y", lasting=timedelta(hours=4))
    token = support_handover_url(factory=in_acme, staff_email="s@x.example").rpartition("/")[2]
    support_enter(token, factory=in_acme)
    support_revoke(actor=owner, grant_id=first.pk)
    assert User.objects.get(email=support_user_email()).is_active


@pytest.fixture
def visitor(in_acme: Factory, owner: User) -> FactoryClient:
    """Staff that an owner has let in for four hours."""
    support_grant(actor=owner, reason="x", lasting=timedelta(hours=4))
    url = support_handover_url(factory=in_acme, staff_email="s@x.example")
    browser = FactoryClient(host=host_of(in_acme))
    assert browser.get(url.partition(settings.DOMAIN)[2])["Location"] == "/"
    return browser


def test_a_visit_ends_with_its_grant_however_much_is_looked_at(
    visitor: FactoryClient, in_acme: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    for hour in range(4):
        monkeypatch.setattr(clock, "now", lambda hour=hour: now + timedelta(hours=hour))
        assert visitor.get("/").status_code == 200
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=4, seconds=1))
    assert visitor.get("/").status_code == 302
    support_expire()
    assert not User.objects.get(email=support_user_email()).is_active


def test_support_changes_nothing_and_makes_the_account_nobodys_own(visitor: FactoryClient, in_acme: Factory) -> None:
    for page in (
        "/account",
        "/accounts/email/",
        "/accounts/2fa/",
        "/accounts/2fa/webauthn/add/",
        "/accounts/sessions/",
    ):
        assert visitor.get(page).status_code == 403, page
    for deed in ("/account/language", "/accounts/email/", "/accounts/password/set/", "/account/notifications"):
        assert visitor.post(deed, {"email": "mine@staff.example", "language": "de"}).status_code == 403, deed
    assert visitor.post("/api/v1/auth/ws-ticket").json()["code"] == "not_permitted"
    assert visitor.get("/alerts").status_code == 200
    assert visitor.post("/accounts/logout/").status_code == 302


def test_whoever_reads_supports_mailbox_gets_in_by_no_password(visitor: FactoryClient, in_acme: Factory) -> None:
    user = User.objects.get(email=support_user_email())
    user.set_password(PASSWORD)
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    browser = FactoryClient(host=host_of(in_acme))
    browser.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert browser.get("/").status_code == 302
    answer = browser.post_json("/api/v1/auth/login", {"email": user.email, "password": PASSWORD})
    assert answer.json()["code"] == "login_failed"


def test_support_looks_as_a_viewer_whatever_the_account_was_given(in_acme: Factory, owner: User) -> None:
    role = CustomRole.objects.create(name="All", actions=["people", "equipment"])
    User.objects.create_user(support_user_email(), custom_role=role, extra_actions=["rules"], reach={"sites": [1]})
    support_grant(actor=owner, reason="x", lasting=timedelta(hours=4))
    token = support_handover_url(factory=in_acme, staff_email="s@x.example").rpartition("/")[2]
    user, _grant = support_enter(token, factory=in_acme)
    assert (Access.of(user).actions, user.reach) == (frozenset({"view"}), None)


def test_guessing_the_password_of_a_deletion_is_stopped(
    in_acme: Factory, owner: User, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FAILURES_PER_ACCOUNT", 3)
    browser = client_for(owner)
    for _attempt in range(3):
        assert browser.post("/factory/delete", {"confirm": "acme", "password": "wrong"}).status_code == 422
    refused = browser.post("/factory/delete", {"confirm": "acme", "password": PASSWORD})
    assert (refused.status_code, "Too many failed attempts" in refused.content.decode()) == (422, True)
    assert not factory_get("acme").shut
