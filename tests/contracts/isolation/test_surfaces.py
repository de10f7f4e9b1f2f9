"""Every surface of the product is listed, with how it knows its factory; one that nobody listed fails here.

URLs, sockets and tasks are asked in `test_strangers`; here stand the surfaces that are apart by how they are built.
"""

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.core.management import get_commands
from django.db import models
from django.urls import URLPattern, URLResolver, get_resolver
from django_tenants.utils import get_public_schema_name

from accounts.admin_base import FactoryModelAdmin
from telemetry.ingest.topics import SUBSCRIPTION, topic_parse
from telemetry.live.valkey import valkey
from tenants.admin import staff_site
from tenants.context import factory_context
from tenants.models import Factory

ONE, ALL, PUBLIC, NONE = "one factory, named", "each factory in its own context", "the public site", "no data"
# How every command of ours reaches a factory's data.
COMMANDS = {
    "create_factory": ONE,
    "create_api_key": ONE,
    "delete_factory": ONE,
    "suspend_factory": ONE,
    "backup": ALL,
    "migrate_factories": ALL,
    "reseal": ALL,
    "restore": ALL,
    "permission_table": NONE,
    "drain": ALL,
    "ingest": ALL,
    "dead_letters": ONE,
    "move_readings": ONE,
    "replay": ONE,
    "simulate": ONE,
    "trial_prepare": ONE,
}
# What the public host answers without a factory, by name of the URL; the rest of it is the staff's admin.
PUBLIC_SITE = {
    "landing",
    "plans",
    "signup",
    "signup_address",
    "find_factory",
    "schema",
    "api_docs",
    "api_redoc",
    "influx_ping",
    "influx_health",
    "health_live",
    "health_ready",
    "metrics",
}
ROOMS = ("accounts", "anomalies", "factorypulse", "reports", "telemetry", "tenants")


def test_every_command_of_ours_is_listed() -> None:
    ours = {name for name, app in get_commands().items() if app.partition(".")[0] in ROOMS}
    assert ours - set(COMMANDS) == set()


def test_the_public_host_answers_nothing_that_is_not_listed() -> None:
    names = set()
    for pattern in get_resolver(settings.PUBLIC_SCHEMA_URLCONF).url_patterns:
        names |= _names(pattern, "/")
    assert names - PUBLIC_SITE == set()


def _names(pattern: Any, prefix: str) -> set[str]:
    path = prefix + str(pattern.pattern)
    # The staff's admin asks for staff; the API and the doors of InfluxDB's clients run in the factory that a key names.
    if path.startswith(("/admin/", "/api/v1/", "/api/v2/", "/mailbox/")) or path in {"/write", "/query"}:
        return set()
    if isinstance(pattern, URLResolver):
        return {name for one in pattern.url_patterns for name in _names(one, path)}
    assert isinstance(pattern, URLPattern)
    return {pattern.name or path}


def test_the_factorys_admin_shows_tables_of_the_factory_alone() -> None:
    tenant_apps = {app.split(".")[-1] for app in settings.TENANT_APPS} | {"accounts"}
    for model, page in admin.site._registry.items():
        assert isinstance(page, FactoryModelAdmin), model
        assert model._meta.app_label in tenant_apps, model
        assert model._meta.app_label != "tenants", model


def test_the_staffs_admin_shows_tables_of_the_public_site_alone() -> None:
    shown = {model._meta.label for model in staff_site._registry}
    assert shown <= {"tenants.Factory", "tenants.Plan", "accounts.User"}


def test_topics_name_their_factory_in_the_second_place() -> None:
    assert SUBSCRIPTION.split("/")[1] == "+"
    assert topic_parse("factories/acme/devices/M01/telemetry") == ("acme", "M01")
    # A machine's name can't climb out of its place.
    assert topic_parse("factories/acme/devices/../../borg/devices/M01/telemetry") is None


def test_no_table_of_the_plant_stands_in_the_public_schema(db: None) -> None:
    from django.db import connection

    plant = {app for app in settings.TENANT_APPS if app in {"telemetry", "anomalies", "reports"}}
    tables = {model._meta.db_table for model in _models() if model._meta.app_label in plant}
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [get_public_schema_name()])
        public = {name for (name,) in cursor.fetchall()}
    assert tables & public == set()


def _models() -> list[type[models.Model]]:
    from django.apps import apps

    return list(apps.get_models())


def test_cache_keys_carry_their_factory(acme: Factory, borg: Factory) -> None:
    with factory_context(acme):
        cache.set("seen", "by acme", timeout=60)
    with factory_context(borg):
        assert cache.get("seen") is None
        cache.set("seen", "by borg", timeout=60)
    with factory_context(acme):
        assert cache.get("seen") == "by acme"
    keys = {key.decode() for key in valkey().scan_iter(match="*seen*")}
    assert len([key for key in keys if "f_acme" in key or "f_borg" in key]) == 2


@pytest.mark.parametrize("room", ROOMS)
def test_no_code_sets_a_search_path_or_a_role_by_itself(room: str) -> None:
    """`tenants` alone knows how; everybody else goes through `factory_context`."""
    root = Path(settings.BASE_DIR) / room
    allowed = {"tenants/database/base.py", "tenants/search_path.py", "tenants/context.py", "tenants/roles.py"}
    pattern = re.compile(
        r"set_tenant\(|set_schema\(|SET\s+search_path|SET\s+(LOCAL\s+)?ROLE|set_config\(", re.IGNORECASE
    )
    found = {
        str(file.relative_to(settings.BASE_DIR))
        for file in root.rglob("*.py")
        if pattern.search(file.read_text(encoding="utf-8"))
    }
    assert found - allowed == set()
