"""Find my factory: the mailbox hears it, and nobody else."""

from unittest.mock import Mock

import pytest
from django.core import mail

from accounts import public
from accounts.finding import ASKED_PER_HOUR, MAILS_PER_HOUR, factories_knowing, factories_tell
from accounts.models import User
from tenants.life import factory_suspend
from tenants.models import Factory
from tests.conftest import FactoryClient, person_make


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Mock:
    task = Mock()
    monkeypatch.setattr(public, "find_factory_task", task)
    return task


def test_the_page_says_the_same_to_everybody(public_client: FactoryClient, asked: Mock, operator: User) -> None:
    answers = [public_client.post("/find", {"email": email}) for email in (operator.email, "nobody@x.example")]
    said = {answer.content.replace(str(answer.context["csrf_token"]).encode(), b"") for answer in answers}
    assert len(said) == 1
    assert asked.delay.call_count == 2
    assert public_client.post("/find", {"email": "no address"}).status_code == 422


def test_a_mailbox_hears_of_every_factory_that_knows_it(acme: Factory, borg: Factory) -> None:
    for factory in (acme, borg):
        person_make(factory, "both@x.example", "viewer")
    assert {factory.slug for factory in factories_knowing("Both@x.example")} == {"acme", "borg"}
    factories_tell("both@x.example")
    assert mail.outbox[0].to == ["both@x.example"]
    assert "acme." in str(mail.outbox[0].body)
    assert "borg." in str(mail.outbox[0].body)


def test_strangers_the_shut_out_and_shut_factories_are_not_told(acme: Factory, operator: User, viewer: User) -> None:
    factories_tell("nobody@x.example")
    factory_suspend(acme, reason="")
    factories_tell(operator.email)
    assert mail.outbox == []


def test_nobody_fills_a_mailbox_or_asks_all_day(
    acme: Factory, operator: User, public_client: FactoryClient, asked: Mock
) -> None:
    for _time in range(MAILS_PER_HOUR + 2):
        factories_tell(operator.email)
    assert len(mail.outbox) == MAILS_PER_HOUR
    answers = [public_client.post("/find", {"email": "x@x.example"}).status_code for _time in range(ASKED_PER_HOUR + 1)]
    assert answers[-1] == 422
    assert asked.delay.call_count == ASKED_PER_HOUR
