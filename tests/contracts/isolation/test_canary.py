"""A canary in every text of one factory, in its series and its cache, is looked for in everything another can get."""

import io
import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.cache import cache
from django.db import DatabaseError, models, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.permission_table import doors
from common import clock
from telemetry.models import Machine, Metric
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of

CANARY = "kanarienvogel"
NUMBER = 918273.0625  # in acme's series, and nowhere else
# Rows that hold a chain of the framework's own and no words of a factory.
_SKIPPED = {"contenttypes.ContentType", "auth.Permission", "auth.Group", "sessions.Session"}


def _value(field: "models.Field[Any, Any]", number: int) -> Any:
    """Something the field takes, with the canary wherever words fit."""
    if isinstance(field, models.JSONField):
        return field.get_default() if callable(field.default) and field.default is dict else [f"{CANARY}{number}"]
    if isinstance(field, models.EmailField):
        return f"{CANARY}{number}@acme.example"
    if isinstance(field, (models.FileField, models.BinaryField)):
        return f"{CANARY}{number}" if isinstance(field, models.FileField) else CANARY.encode()
    if isinstance(field, (models.CharField, models.TextField)):
        if field.choices:
            return field.flatchoices[0][0]
        if field.name == "time_zone":
            return "UTC"
        return f"{CANARY}{number}"[: field.max_length or 100]
    if isinstance(field, models.DateTimeField):
        return clock.now()
    if isinstance(field, models.DateField):
        return clock.now().date()
    if isinstance(field, models.TimeField):
        return clock.now().time()
    if isinstance(field, models.DurationField):
        return timedelta(hours=1)
    if isinstance(field, models.BooleanField):
        return True
    if isinstance(field, models.UUIDField):
        return field.get_default()
    return number % 30_000


def _row(model: type[models.Model], made: dict[type[models.Model], models.Model], number: int) -> models.Model | None:
    given: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if (field.primary_key and (field.auto_created or field.has_default())) or not getattr(field, "column", None):
            continue
        if field.related_model is not None:
            target = made.get(field.related_model)
            if target is None and not field.null:
                return None
            given[field.name] = target
        elif not isinstance(field, models.CompositePrimaryKey):
            given[field.name] = _value(field, number)
    try:
        with transaction.atomic():
            return model._base_manager.create(**given)
    except (DatabaseError, ValueError, TypeError):
        return None


@pytest.fixture
def canaries(acme: Factory) -> set[str]:
    """One row of every table of acme that can hold one; which tables do."""
    made: dict[type[models.Model], models.Model] = {}
    with factory_context(acme):
        waiting = [
            model
            for model in apps.get_models()
            if not model._meta.app_label.startswith(("tenants", "django")) and model._meta.label not in _SKIPPED
        ]
        for _round in range(4):  # what others lean on comes first, whatever the order
            for number, model in enumerate(waiting):
                if model not in made and (row := _row(model, made, number + 1)) is not None:
                    made[model] = row
        machine = Machine.objects.first()
        assert machine is not None
        metric = Metric.objects.create(machine=machine, name=f"{CANARY}-series", last_value=NUMBER, last_at=clock.now())
        times = np.array([clock.now_ms() - 1000], np.int64)
        batch = ReadingBatch([Series(machine.key, metric.name, times, np.array([NUMBER]))])
        reading_store().write(batch, machines={machine.key: machine})
        cache.set(CANARY, CANARY, timeout=60)
    return {model._meta.label for model in made}


def _paths(key: str) -> Iterator[str]:
    for door in doors():
        path = re.sub(r"<(?:int:)?\w*_id>", "1", door.path.replace("…", ""))
        path = re.sub(r"<int:\w+>", "1", path)
        if "(" not in path and "^" not in path:
            yield re.sub(r"<(?:\w+:)?\w+>", key, path)


def _body(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else bytes(answer.content)


def test_nothing_that_another_factory_can_get_holds_a_word_of_this_one(
    canaries: set[str],
    borg: Factory,
    outsider: User,
    foreign_key: str,
    client_for: Callable[..., FactoryClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert canaries >= {"telemetry.Machine", "telemetry.Metric", "anomalies.Alert", "accounts.ApiKey", "reports.Report"}
    heard = io.StringIO()
    listening = logging.StreamHandler(heard)
    logging.getLogger().addHandler(listening)
    browser: Client = client_for(outsider)
    program = FactoryClient(host=host_of(borg), HTTP_X_API_KEY=foreign_key)
    wide = "?from=2020-01-01T00:00:00Z&to=2099-01-01T00:00:00Z"
    found = []
    try:
        for key in ("M01", CANARY, f"{CANARY}1"):
            for path in _paths(key):
                asked = path + (wide if "/telemetry/" in path else "")
                for client in (browser, program) if path.startswith("/api/") else (browser,):
                    body = _body(client.get(asked)).replace(key.encode() if CANARY in key else b"\0", b"")
                    if CANARY.encode() in body or str(NUMBER).encode() in body:
                        found.append(path)
    finally:
        logging.getLogger().removeHandler(listening)
    assert found == []
    assert "f_acme" not in heard.getvalue()
    with factory_context(borg):
        assert cache.get(CANARY) is None
    assert not [one for one in mail.outbox if CANARY in str(one.message()) and outsider.email in one.to]


def test_the_figures_of_the_node_name_no_word_of_a_factory(canaries: set[str], public_client: FactoryClient) -> None:
    for path in ("/metrics", "/health/ready", "/health/live", "/api/schema"):
        assert CANARY.encode() not in _body(public_client.get(path)), path


def test_the_staffs_pages_show_no_word_of_a_factory(canaries: set[str]) -> None:
    User.objects.create_superuser("staff@factorypulse.example", "a long password")
    staff = Client(HTTP_HOST=settings.DOMAIN)
    assert staff.login(email="staff@factorypulse.example", password="a long password")
    for name in ("index", "tenants_factory_changelist", "tenants_plan_changelist", "accounts_user_changelist"):
        answer = staff.get(reverse(f"staff:{name}", urlconf=settings.PUBLIC_SCHEMA_URLCONF))
        assert answer.status_code == 200
        assert CANARY.encode() not in _body(answer), name
