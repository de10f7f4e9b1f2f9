"""The socket of a hall's screen ends with the link that opened it, though nobody revokes it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from accounts.wall_links import wall_link_make, wall_links_expire
from common import clock
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import person_make
from tests.tenants.test_consumers import Echo


async def test_the_socket_of_a_screen_closes_when_the_time_of_its_link_is_over(
    live_factories: Callable[..., Factory], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = await sync_to_async(live_factories)()

    def opened_by_link() -> str:
        admin = person_make(here, "ada@here.example", "admin")
        with factory_context(here):
            user = wall_link_make(actor=admin, name="Hall 2", days=1, reach=None)[0].user
            session = SessionStore()
            session[SESSION_KEY] = str(user.pk)
            session[BACKEND_SESSION_KEY] = "accounts.wall_links.WallLinkBackend"
            session[HASH_SESSION_KEY] = user.get_session_auth_hash()
            session.save()
        return str(session.session_key)

    def a_day_later() -> int:
        later = clock.now() + timedelta(days=1, seconds=1)
        monkeypatch.setattr(clock, "now", lambda: later)
        with factory_context(here):
            return wall_links_expire()

    cookie = f"{settings.SESSION_COOKIE_NAME}={await sync_to_async(opened_by_link)()}"
    headers = [(b"host", f"{here.slug}.localhost:8000".encode()), (b"cookie", cookie.encode())]
    socket = WebsocketCommunicator(Echo.as_asgi(), "/ws/live", headers=headers)
    await socket.connect(timeout=10)
    await socket.receive_from(timeout=10)
    assert await sync_to_async(a_day_later)() == 1
    assert (await socket.receive_output(timeout=10))["code"] == 4403
