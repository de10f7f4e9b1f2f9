"""No byte of one factory reaches another over any door, and a door nobody listed fails here.

Every URL of a factory is asked by strangers: without any proof, with another factory's session, key and token. Pages
that strangers may open are listed by name, so that a new one is a decision and no accident.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from celery import current_app
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.api_keys import api_key_create
from accounts.audit import audit_record
from accounts.models import Invitation, User
from accounts.tokens import tokens_issue
from anomalies.models import Alert, Rule
from common import clock
from reports.models import Report
from telemetry.models import Line, Machine, Metric, QuarantinedReading, Site
from tenants.consumers import FactoryConsumer
from tenants.context import factory_context
from tenants.models import Factory
from tenants.requests import is_api_path
from tenants.tasks import FactoryTask
from tenants.tickets import ticket_make
from tests.conftest import FactoryClient, host_of, person_make

SECRET = "acme-secret"

# By name of the URL. Each says nothing about the factory but that it is there.
PUBLIC_PAGES = {
    "health_live",
    "health_ready",
    "schema",
    "api_docs",
    "api_redoc",
    # InfluxDB's clients ask whether somebody is there before they send.
    "influx_ping",
    # A phone asks for these before anybody has signed in: names, colours and icons of the product, none of a factory.
    "manifest",
    "service_worker",
    "influx_health",
    # Signing in, and what belongs to it.
    "account_login",
    "account_logout",
    "account_inactive",
    "account_email_verification_sent",
    "account_confirm_email",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "account_signup",  # closed: says that people are invited
    "invitation_accept",
    "signup_handover",
    "mfa_authenticate",
    "mfa_login_webauthn",
    # By the factory's own identity provider, where it has one.
    "identity_leave",
    "identity_return",
    "openid_connect_login",  # behind those
    "openid_connect_callback",
    "socialaccount_login_cancelled",
    "socialaccount_login_error",
    "socialaccount_signup",  # closed, as above
    "support_enter",  # proves by its link
    "wall_by_link",  # as well
}
PUBLIC_API = {"api_login", "api_refresh", "api_logout"}  # prove by their body
SAMPLES = {"int": "1", "str": SECRET, "slug": SECRET, "path": "1", "uuid": "00000000-0000-0000-0000-000000000001"}

Door = tuple[str, str]  # path, name


def _doors(patterns: Any = None, prefix: str = "/") -> Iterator[Door]:
    for pattern in get_resolver(settings.ROOT_URLCONF).url_patterns if patterns is None else patterns:
        path = prefix + _sample(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _doors(pattern.url_patterns, path)
        else:
            assert isinstance(pattern, URLPattern)
            yield path, pattern.name or pattern.lookup_str


def _sample(route: str) -> str:
    """A path that the route accepts: its own parts filled with identifiers that exist in acme."""
    if "(?P<" in route or route.startswith("^"):
        route = route.replace("(?P<url>.*)", "nothing").replace("(?P<uidb36>[0-9A-Za-z]+)", "1")
        route = route.replace("(?P<provider_id>[^/]+)", "plant")
        return route.replace("(?P<key>.+)", "x").replace("(?P<key>[-:\\w]+)", "x").strip("^$").replace("\\Z", "")
    return re.sub(r"<(?:(\w+):)?\w+>", lambda found: SAMPLES.get(found[1] or "str", "1"), route)


@pytest.fixture
def furnished(acme: Factory, owner: User) -> Factory:
    """Acme with something of everything, each carrying a word that no stranger may read."""
    with factory_context(acme):
        site = Site.objects.create(name=SECRET)
        line = Line.objects.create(site=site, name=SECRET)
        machine = Machine.objects.create(key=SECRET, name=SECRET, line=line)
        metric = Metric.objects.create(machine=machine, name=SECRET, last_value=1.0, last_at=clock.now())
        when = {"all": [{"metric": metric.name, "op": "above", "value": 1.0}]}
        rule = Rule.objects.create(name=SECRET, machines=[machine.key], when=when)
        Alert.objects.create(machine=machine, cause="x", rule=rule, title=SECRET, summary=SECRET, since_at=clock.now())
        Report.objects.create(period_from_at=clock.now(), period_to_at=clock.now(), time_zone="UTC", error=SECRET)
        QuarantinedReading.objects.create(source="HTTP", code="x", detail=SECRET)
        Invitation.objects.create(email=f"{SECRET}@x.example", token_hash="0" * 64, expires_at=clock.now())
        api_key_create(name=SECRET, scopes=["ingest"], created_by=owner)
        audit_record(actor=SECRET, action="x")
    return acme


@pytest.fixture
def strangers(
    furnished: Factory, outsider: User, borg: Factory, foreign_key: str, client_for: Callable[..., FactoryClient]
) -> dict[str, Client]:
    """Everybody who knocks at acme and belongs elsewhere."""
    host = host_of(furnished)
    with factory_context(borg):
        access = tokens_issue(outsider)["access"]
    return {
        "without proof": FactoryClient(host=host),
        "with a session of borg": client_for(outsider, at=furnished),
        "with a key of borg": FactoryClient(host=host, HTTP_X_API_KEY=foreign_key),
        "with a key of borg in Authorization": FactoryClient(host=host, HTTP_AUTHORIZATION=f"Api-Key {foreign_key}"),
        "with a token of borg": FactoryClient(host=host, HTTP_AUTHORIZATION=f"Bearer {access}"),
        "with a forged key": FactoryClient(host=host, HTTP_X_API_KEY="fp_acme_" + "a" * 8 + "_" + "b" * 32),
    }


def _refused(response: Any, path: str) -> bool:
    if is_api_path(path):
        return response.status_code in {401, 403} and SECRET.encode() not in response.content.replace(
            path.encode(), b""
        )
    away = response.status_code == 302 and response["Location"].startswith(
        settings.LOGIN_REDIRECT_URL + "accounts/login/"
    )
    return away or response.status_code in {401, 403}


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_every_door_of_a_factory_refuses_every_stranger(strangers: dict[str, Client], method: str) -> None:
    opened = []
    for path, name in _doors():
        if name in PUBLIC_PAGES | PUBLIC_API:
            continue
        if path.startswith("/admin/") and method not in {"get", "post"}:
            continue  # one guard before some hundred pages of one kind, asked in the two ways that they know
        # Pages look at no key or token, whatever the method; in the two ways that they know they are asked with all.
        cookies_alone = not is_api_path(path) and method not in {"get", "post"}
        for who, client in list(strangers.items())[: 2 if cookies_alone else None]:
            response = getattr(client, method)(path)
            if not _refused(response, path):
                opened.append(f"{method.upper()} {path} ({name}) {who}: {response.status_code}")
    assert opened == []


def test_what_strangers_may_open_says_nothing_about_the_factory(strangers: dict[str, Client]) -> None:
    listed = [(path, name) for path, name in _doors() if name in PUBLIC_PAGES | PUBLIC_API]
    assert {name for _path, name in listed} == PUBLIC_PAGES | PUBLIC_API
    for path, name in listed:
        for who, client in strangers.items():
            for answer in (client.get(path), client.post(path, "{}", content_type="application/json")):
                body = b"".join(answer.streaming_content) if answer.streaming else answer.content
                assert answer.status_code < 500, f"{path} ({name}) {who}"
                assert SECRET.encode() not in body.replace(path.encode(), b""), f"{path} ({name}) {who}"


def test_the_admin_refuses_everybody_but_admins(
    furnished: Factory, client_for: Callable[..., FactoryClient], operator: User, supervisor: User, viewer: User
) -> None:
    for person in (operator, supervisor, viewer):
        client = client_for(person)
        for path, name in _doors():
            if path.startswith("/admin/") and name not in {"login", "logout", "jsi18n"}:
                assert client.get(path).status_code in {302, 403, 404}, (person.role, path)
                assert SECRET.encode() not in client.get(path).content


def test_a_key_on_the_public_host_reaches_its_own_factory_alone(furnished: Factory, foreign_key: str) -> None:
    client = FactoryClient(host=host_of(None), HTTP_X_API_KEY=foreign_key)
    for path, name in _doors():
        if is_api_path(path) and name not in PUBLIC_API:
            answer = client.get(path)
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            # What was asked for is repeated in refusals; nothing else of acme may be.
            assert body.count(SECRET.encode()) <= (1 if answer.status_code >= 400 else 0), path


def test_a_factorys_owner_is_nobody_on_the_public_site(
    owner: User, client_for: Callable[..., FactoryClient], public_client: FactoryClient
) -> None:
    client = client_for(owner)
    visitor = FactoryClient(host=host_of(None))
    visitor.cookies = client.cookies
    for path in ("/admin/", "/admin/tenants/factory/", "/admin/accounts/user/"):
        assert visitor.get(path).status_code == 302
        assert public_client.get(path).status_code == 302


def test_platform_staff_is_nobody_in_a_factory(furnished: Factory) -> None:
    User.objects.create_superuser("staff@factorypulse.example", "a long password")
    staff = Client(HTTP_HOST=host_of(None))
    assert staff.login(email="staff@factorypulse.example", password="a long password")
    assert staff.get("/admin/tenants/factory/").status_code == 200
    visitor = FactoryClient(host=host_of(furnished))
    visitor.cookies = staff.cookies
    for path in ("/", "/admin/", "/people"):
        assert visitor.get(path).status_code == 302


async def test_every_socket_refuses_every_stranger(live_factories: Callable[..., Factory]) -> None:
    from factorypulse.asgi import application

    here, there = [await sync_to_async(live_factories)() for _which in range(2)]
    otto = await sync_to_async(person_make)(there, "otto@there.example", "owner")
    proof = otto.get_session_auth_hash()[:16]
    foreign = ticket_make(factory=there.slug, user_id=otto.pk, proof=proof)
    for path, consumer in _sockets(application):
        assert issubclass(consumer, FactoryConsumer), path
        for query in ("", f"?ticket={foreign}", "?ticket=forged"):
            assert await _closed_with(application, here, path + query) == 4401, (path, query)
        assert await _closed_with(application, here, path, origin="http://evil.example") == "refused", path


def _sockets(application: Any) -> list[tuple[str, type]]:
    router = application.application_mapping["websocket"]
    while not hasattr(router, "routes"):
        router = router.application
    return [("/" + _sample(str(route.pattern)), route.callback.consumer_class) for route in router.routes]


async def _closed_with(application: Any, factory: Factory, path: str, *, origin: str = "") -> Any:
    host = host_of(factory)
    headers = [(b"host", host.encode()), (b"origin", (origin or f"http://{host}").encode())]
    socket = WebsocketCommunicator(application, path, headers=headers)
    connected, _code = await socket.connect(timeout=10)
    if not connected:
        return "refused"
    event = await socket.receive_output(timeout=10)
    return event.get("code", event)


# Fan-outs of the scheduler: they touch no factory but enqueue a task for each.
FAN_OUTS = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
# Of the public site: it looks for an address in all factories, and tells that mailbox alone.
FAN_OUTS |= {"accounts.tasks.find_factory"}


def test_every_task_runs_in_a_factory_or_is_a_listed_fan_out() -> None:
    current_app.loader.import_default_modules()
    rooms = ("accounts.", "telemetry.", "anomalies.", "reports.", "tenants.")
    ours = {name: task for name, task in current_app.tasks.items() if name.startswith(rooms)}
    assert set(ours) >= FAN_OUTS
    loose = {name for name, task in ours.items() if not isinstance(task, FactoryTask)} - FAN_OUTS
    assert loose == set()
