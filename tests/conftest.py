"""The cast and the stage: two factories with real schemas, the people of one, a stranger from the other.

`acme` and `borg` are made once per session (and worker) and stay; a test's own rows roll back. A test that needs
committed rows, threads or other processes uses `live_factory`, which is made for it and deleted afterwards.
"""

import json
import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client
from django.test.utils import setup_databases, teardown_databases

from accounts.api_keys import api_key_create
from accounts.models import Role, User
from tenants.context import factory_context, factory_get
from tenants.hosts import hosts_forget
from tenants.models import Factory
from tenants.provisioning import factory_create, factory_delete, public_ensure
from tests.telemetry.store.influx_process import influx_running

PASSWORD = "correct horse battery"


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_modify_db_settings: None, django_db_blocker: Any
) -> Iterator[None]:
    """The test database with the public site and both factories in it, committed.

    In place of pytest-django's, which makes no database while no test of the run is marked to roll back.
    """
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False, aliases={"default"})
        public_ensure()
        for slug, name in (("acme", "Acme Foods"), ("borg", "Borg Bakery")):
            factory_create(slug=slug, name=name, time_zone="Europe/Warsaw")
    yield
    with django_db_blocker.unblock():
        _sessions_end()
        teardown_databases(made, verbosity=0)


def _sessions_end() -> None:
    """Threads of executors keep their connections, and a database in use can't be dropped."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@pytest.fixture(autouse=True)
def _fresh_memories() -> Iterator[None]:
    """No test sees what another one left in caches of this process or in Valkey."""
    hosts_forget()
    yield
    if settings.configured:
        _clear_cache()


def _clear_cache() -> None:
    from accounts import api_keys
    from telemetry.ingest import admission

    api_keys.keys_forget()
    admission.plans_forget()
    cache.clear()


@pytest.fixture
def transactional_db() -> None:
    """Refused: its flush would delete the factories themselves."""
    raise pytest.UsageError("use the fixture live_factory: transactional_db would empty the public schema")


@pytest.fixture
def acme(db: None) -> Factory:
    """The factory most tests happen in; the connection is not bound to it, see `in_acme`."""
    return factory_get("acme")


@pytest.fixture
def borg(db: None) -> Factory:
    """Another factory, which must never see anything of acme."""
    return factory_get("borg")


@pytest.fixture
def in_acme(acme: Factory) -> Iterator[Factory]:
    """The test runs inside acme, as a task or a consumer would."""
    with factory_context(acme):
        yield acme


def person_make(factory: Factory, email: str, role: str) -> User:
    """Somebody of a factory with a confirmed address; the password is `PASSWORD`."""
    from allauth.account.models import EmailAddress

    with factory_context(factory):
        user = User.objects.create_user(email=email, password=PASSWORD, role=role)
        EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    user.factory = factory  # type: ignore[attr-defined]  # for client_for
    return user


@pytest.fixture
def owner(acme: Factory) -> User:
    return person_make(acme, "olga.owner@acme.example", Role.OWNER)


@pytest.fixture
def admin(acme: Factory) -> User:
    return person_make(acme, "adam.admin@acme.example", Role.ADMIN)


@pytest.fixture
def supervisor(acme: Factory) -> User:
    return person_make(acme, "susan.supervisor@acme.example", Role.SUPERVISOR)


@pytest.fixture
def operator(acme: Factory) -> User:
    return person_make(acme, "omar.operator@acme.example", Role.OPERATOR)


@pytest.fixture
def viewer(acme: Factory) -> User:
    return person_make(acme, "vera.viewer@acme.example", Role.VIEWER)


@pytest.fixture
def outsider(borg: Factory) -> User:
    """The owner of borg: powerful there, nobody at acme."""
    return person_make(borg, "otto.outsider@borg.example", Role.OWNER)


class FactoryClient(Client):
    """Django's test client on one host, which leaves the test's own connection bound to what it was bound to."""

    def __init__(self, *, host: str, **defaults: Any) -> None:
        super().__init__(raise_request_exception=True, HTTP_HOST=host, **defaults)

    def request(self, **request: Any) -> Any:
        tenant, include_public = connection.tenant, connection.include_public_schema
        try:
            return super().request(**request)
        finally:
            connection.set_tenant(tenant, include_public=include_public)

    def post_json(self, path: str, body: Any, **extra: Any) -> Any:
        """POST a JSON body."""
        return self.post(path, json.dumps(body), content_type="application/json", **extra)

    def patch_json(self, path: str, body: Any, **extra: Any) -> Any:
        """PATCH with a JSON body."""
        return self.patch(path, json.dumps(body), content_type="application/json", **extra)


def host_of(factory: Factory | str | None) -> str:
    """The Host header of a factory, or of the public site for None."""
    slug = factory.slug if isinstance(factory, Factory) else factory
    return f"{slug}.{settings.DOMAIN}" if slug else settings.DOMAIN


@pytest.fixture
def client_for() -> Callable[..., FactoryClient]:
    """`client_for(user)`: a browser signed in at the user's own factory; `at=` takes that session to another host."""

    def make(user: User, *, at: Factory | str | None = None) -> FactoryClient:
        home: Factory = getattr(user, "factory", None) or factory_get("acme")
        client = FactoryClient(host=host_of(at or home))
        with factory_context(home):
            client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return make


@pytest.fixture
def api_client() -> Callable[..., FactoryClient]:
    """`api_client(raw_key)`: a program with an API key (or, without one, a stranger) at acme; `at=None` is DOMAIN."""

    def make(key: str | None = None, *, at: Factory | str | None = "acme") -> FactoryClient:
        headers = {"HTTP_X_API_KEY": key} if key else {}
        return FactoryClient(host=host_of(at), **headers)

    return make


@pytest.fixture
def anonymous() -> FactoryClient:
    """A stranger's browser at acme."""
    return FactoryClient(host=host_of("acme"))


@pytest.fixture
def public_client(db: None) -> FactoryClient:
    """A stranger's browser on the public site."""
    return FactoryClient(host=host_of(None))


@pytest.fixture
def ingest_key(acme: Factory) -> str:
    """A raw key of acme that may send readings, and nothing else."""
    return _key(acme, "ingest")


@pytest.fixture
def read_key(acme: Factory) -> str:
    """A raw key of acme that may read, and nothing else."""
    return _key(acme, "read")


@pytest.fixture
def write_key(acme: Factory) -> str:
    """A raw key of acme that may change, and nothing else."""
    return _key(acme, "write")


@pytest.fixture
def foreign_key(borg: Factory) -> str:
    """A raw key of borg with every scope."""
    return _key(borg, "ingest", "read", "write")


def _key(factory: Factory, *scopes: str) -> str:
    with factory_context(factory):
        return api_key_create(name="test", scopes=scopes)[1]


# --- for tests that need committed rows, threads or other processes -------------------------------------------------


@pytest.fixture
def live_factories(django_db_setup: None, django_db_blocker: Any) -> Iterator[Callable[..., Factory]]:
    """`live_factories(name="…")` makes a factory of its own, committed, seen by threads and processes alike.

    Everything made is deleted afterwards. Not together with `db` or a fixture that asks for it.
    """
    made: list[Factory] = []

    def make(*, name: str = "Live", time_zone: str = "UTC") -> Factory:
        made.append(factory_create(slug=f"live-{uuid4().hex[:12]}", name=name, time_zone=time_zone))
        return made[-1]

    with django_db_blocker.unblock():
        try:
            yield make
        finally:
            for factory in made:
                factory_delete(factory)
            connection.set_schema_to_public()
            connections.close_all()


@pytest.fixture
def live_factory(live_factories: Callable[..., Factory]) -> Factory:
    """One committed factory of the test's own; enter it with `factory_context`."""
    return live_factories()


@pytest.fixture(scope="session")
def influx_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real InfluxDB 1.6 for the whole run; who writes to it removes it again."""
    with influx_running(tmp_path_factory.mktemp("influxdb")) as url:
        yield url


@pytest.fixture(scope="session")
def process_environment(django_db_setup: None) -> dict[str, str]:
    """The environment for a process of the product that works on the test database."""
    url = urlsplit(os.environ["DATABASE_URL"])
    database = str(connection.settings_dict["NAME"])
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "factorypulse.settings.test",
        "DATABASE_URL": urlunsplit(url._replace(path=f"/{database}")),
        "REDIS_URL": settings.REDIS_URL,
        "STATE_DIR": str(settings.STATE_DIR),
        "DOMAIN": settings.DOMAIN,
    }
