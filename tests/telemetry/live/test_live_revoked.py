"""Fault 32: a right is taken away while a socket is open, over real sockets and a web process of its own."""

from collections.abc import Callable
from pathlib import Path

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction

from accounts.models import Role, User
from accounts.people import person_deactivate
from tenants.context import factory_context
from tests.conftest import person_make
from tests.telemetry.live.stage import Plant
from tests.telemetry.live.test_live_faults import RawBrowser, daphne

TakenAway = Callable[[User, User], None]


def _shut_out(owner: User, person: User) -> None:
    person_deactivate(actor=owner, person=person)


def _session_ended(owner: User, person: User) -> None:
    session = SessionStore()
    session.save()
    held = UserSession.objects.create(user=person, session_key=session.session_key, ip="127.0.0.1", user_agent="x")
    with transaction.atomic():
        held.delete()


@pytest.mark.parametrize("taken_away", [_shut_out, _session_ended])
def test_whoever_loses_the_right_to_look_loses_the_open_socket_and_nobody_else_does(
    plant: Plant, process_environment: dict[str, str], tmp_path: Path, taken_away: TakenAway
) -> None:
    owner = person_make(plant.factory, "owner@here.example", Role.OWNER)
    other = Plant(plant.factory, owner, plant.machines)
    with daphne(process_environment, tmp_path / "web.log") as port:
        seen, kept = RawBrowser(plant, port), RawBrowser(other, port)
        for browser in (seen, kept):
            assert browser.message() is not None
        with factory_context(plant.factory):
            taken_away(owner, plant.person)
        # The line's own limit of 20 s bounds the wait: `message` is None once the server has closed.
        while seen.message() is not None:
            pass
        kept.send(1, b'{"watch": {"machines": ["M02"], "history_s": 60}}')
        assert kept.until(lambda message: "M02" in str(message))
