"""Joining a factory: by a link that works once, for 48 hours, unless it is taken back."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection

from accounts.invitations import (
    AlreadyHereError,
    InvitationUsedError,
    invitation_accept,
    invitation_create,
    invitation_resend,
)
from accounts.models import AuditEntry, Invitation, Role, User
from accounts.people import PeopleLimitError, RoleTooHighError
from common import clock
from tenants.context import factory_context, factory_current
from tenants.limits import limits_of
from tenants.models import Factory, Plan
from tests.conftest import FactoryClient, host_of

PASSWORD = "a bearing runs warm"
FILLED = {"name": "Ola Nowak", "password": PASSWORD}


def token_in(message: Any) -> str:
    found = re.search(r"/invitations/(\S+)", message.body)
    assert found
    return found[1]


@pytest.fixture
def invited(in_acme: Factory, admin: User) -> str:
    """The token of a fresh invitation of ola@acme.example as operator."""
    invitation_create(actor=admin, email="Ola@Acme.example", access=Role.OPERATOR)
    return token_in(mail.outbox[-1])


def test_the_mail_has_a_link_to_the_factorys_own_host(invited: str) -> None:
    (message,) = mail.outbox
    assert message.to == ["ola@acme.example"]
    assert f"http://{host_of('acme')}/invitations/{invited}" in message.body
    assert f"/invitations/{invited}" in message.alternatives[0][0]
    assert "Acme Foods" in message.subject


def test_the_token_itself_is_not_kept(invited: str) -> None:
    invitation = Invitation.objects.get()
    assert invited not in {str(value) for value in vars(invitation).values()}


def test_accepting_makes_a_confirmed_signed_in_person_with_the_offered_role(
    invited: str, anonymous: FactoryClient
) -> None:
    page = anonymous.get(f"/invitations/{invited}")
    assert b"ola@acme.example" in page.content
    response = anonymous.post(f"/invitations/{invited}", FILLED)
    assert (response.status_code, response["Location"]) == (302, "/")
    person = User.objects.get(email="ola@acme.example")
    assert (person.first_name, person.last_name, person.role) == ("Ola", "Nowak", Role.OPERATOR)
    assert EmailAddress.objects.get(user=person).verified
    assert anonymous.get("/people").status_code == 403
    assert AuditEntry.objects.filter(action="invitation.accepted", actor="ola@acme.example").exists()


def test_a_weak_password_is_refused_at_its_field_and_the_invitation_stays_good(
    invited: str, anonymous: FactoryClient
) -> None:
    response = anonymous.post(f"/invitations/{invited}", {**FILLED, "password": "short"})
    assert response.status_code == 422
    assert "too short" in str(response.context["form"].errors["password"])
    assert anonymous.post(f"/invitations/{invited}", FILLED).status_code == 302


def gone(client: FactoryClient, token: str) -> list[tuple[int, str]]:
    """Status and code of looking at the invitation, and of accepting it."""
    answers = []
    for response in (client.get(f"/invitations/{token}"), client.post(f"/invitations/{token}", FILLED)):
        found = re.search(r'data-code="(\w+)"', response.content.decode())
        answers.append((response.status_code, found[1] if found else ""))
    return answers


def test_a_used_invitation_says_so(invited: str, anonymous: FactoryClient) -> None:
    anonymous.post(f"/invitations/{invited}", FILLED)
    stranger = FactoryClient(host=host_of("acme"))
    assert gone(stranger, invited) == [(410, "invitation_used")] * 2


def test_an_expired_invitation_says_so(invited: str, anonymous: FactoryClient) -> None:
    Invitation.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    assert gone(anonymous, invited) == [(410, "invitation_expired")] * 2
    assert not User.objects.filter(email="ola@acme.example").exists()


def test_an_invitation_is_good_for_48_hours(invited: str) -> None:
    invitation = Invitation.objects.get()
    assert abs(invitation.expires_at - clock.now() - timedelta(hours=48)) < timedelta(minutes=1)


def test_a_revoked_invitation_says_so(
    invited: str, anonymous: FactoryClient, admin: User, client_for: Callable[..., FactoryClient]
) -> None:
    client_for(admin).post(f"/people/invitations/{Invitation.objects.get().pk}/revoke")
    assert gone(anonymous, invited) == [(410, "invitation_revoked")] * 2


def test_an_unknown_invitation_is_not_found(acme: Factory, anonymous: FactoryClient) -> None:
    assert gone(anonymous, "no-such-token") == [(404, "invitation_not_found")] * 2


def test_an_invitation_of_one_factory_does_not_exist_in_another(invited: str, borg: Factory) -> None:
    assert gone(FactoryClient(host=host_of("borg")), invited) == [(404, "invitation_not_found")] * 2


def test_sending_again_gives_a_new_link_and_the_old_one_dies(
    invited: str, admin: User, anonymous: FactoryClient
) -> None:
    Invitation.objects.update(expires_at=clock.now() - timedelta(hours=1))
    invitation_resend(actor=admin, invitation=Invitation.objects.get())
    fresh = token_in(mail.outbox[-1])
    assert gone(anonymous, invited) == [(404, "invitation_not_found")] * 2
    assert anonymous.post(f"/invitations/{fresh}", FILLED).status_code == 302


def test_of_many_who_accept_at_once_exactly_one_succeeds(live_factory: Factory) -> None:
    with factory_context(live_factory):
        actor = User.objects.create_user("admin@live.example", PASSWORD, role=Role.ADMIN)
        invitation_create(actor=actor, email="raced@live.example", access=Role.OPERATOR)
    token, racers = token_in(mail.outbox[-1]), 6
    start = Barrier(racers)

    def race(number: int) -> str:
        try:
            with factory_context(live_factory):
                start.wait(timeout=20)
                invitation_accept(token=token, name=f"Racer {number}", password=PASSWORD)
                return "accepted"
        except InvitationUsedError as error:
            return error.code
        finally:
            connection.close()

    with ThreadPoolExecutor(racers) as pool:
        outcomes = sorted(pool.map(race, range(racers)))
    assert outcomes == ["accepted"] + ["invitation_used"] * (racers - 1)
    with factory_context(live_factory):
        assert User.objects.filter(email="raced@live.example").count() == 1


def test_of_many_who_invite_at_once_no_more_are_let_in_than_there_is_room_for(
    live_factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("accounts.people.limits_of", lambda factory: replace(limits_of(factory), people=3))
    with factory_context(live_factory):
        actor = User.objects.create_user("admin@live.example", PASSWORD, role=Role.ADMIN)
    start = Barrier(6)

    def race(number: int) -> str:
        try:
            with factory_context(live_factory):
                start.wait(timeout=20)
                # Twice the same address each, for which there is one place at most.
                invitation_create(actor=actor, email=f"raced{number // 2}@live.example", access=Role.OPERATOR)
                return "invited"
        except (AlreadyHereError, PeopleLimitError) as error:
            return error.code
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(race, range(6)))
    assert outcomes.count("invited") == 2, outcomes
    with factory_context(live_factory):
        assert Invitation.objects.values("email").distinct().count() == Invitation.objects.count() == 2


def test_a_person_of_the_factory_is_not_invited_again(in_acme: Factory, admin: User, operator: User) -> None:
    with pytest.raises(AlreadyHereError):
        invitation_create(actor=admin, email=operator.email.upper(), access=Role.VIEWER)


def test_an_address_is_not_invited_twice_at_once(invited: str, admin: User) -> None:
    with pytest.raises(AlreadyHereError):
        invitation_create(actor=admin, email="ola@acme.example", access=Role.VIEWER)
    assert len(mail.outbox) == 1


def test_an_admin_does_not_invite_an_owner(in_acme: Factory, admin: User) -> None:
    with pytest.raises(RoleTooHighError):
        invitation_create(actor=admin, email="boss@acme.example", access=Role.OWNER)
    assert mail.outbox == []


def test_an_operator_invites_nobody(acme: Factory, operator: User, client_for: Callable[..., FactoryClient]) -> None:
    response = client_for(operator).post("/people", {"email": "pal@acme.example", "role": "viewer"})
    assert response.status_code == 403
    assert mail.outbox == []


def test_the_mail_link_works_as_it_stands(invited: str) -> None:
    url = re.search(r"http://\S+", mail.outbox[0].body)
    assert url
    parts = urlsplit(url[0])
    assert FactoryClient(host=parts.netloc).get(parts.path).status_code == 200


def test_an_invitation_that_ran_out_is_sent_again_only_where_the_plan_still_has_room(invited: str, admin: User) -> None:
    factory = factory_current()
    assert factory is not None
    factory.plan = Plan(max_users=User.objects.count())
    invitation_resend(actor=admin, invitation=Invitation.objects.get())
    Invitation.objects.update(expires_at=clock.now() - timedelta(hours=1))
    with pytest.raises(PeopleLimitError):
        invitation_resend(actor=admin, invitation=Invitation.objects.get())


def test_no_log_holds_a_link_that_still_opens(
    invited: str, anonymous: FactoryClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    assert anonymous.post(f"/invitations/{invited}", {"name": "Ola", "password": "short"}).status_code == 422
    anonymous.handler.enforce_csrf_checks = True
    assert anonymous.post(f"/invitations/{invited}", FILLED).status_code == 403
    assert "/invitations/…" in caplog.text
    assert invited not in caplog.text
