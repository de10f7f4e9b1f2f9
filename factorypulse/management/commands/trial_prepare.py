"""`manage.py trial_prepare`: database, factory, owner and the simulator's key, in one process because each costs
seconds to start. Running it again changes nothing."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django_tenants.utils import get_public_schema_name, schema_context

from accounts.api_keys import api_key_create, verify_key
from accounts.models import Role, Scope, User
from common.errors import DomainError
from factorypulse.dev.plant.__main__ import state_file_for
from factorypulse.dev.plant.config import PlantConfig, PlantConfigError
from telemetry.models import Line, Machine, Site
from tenants.addresses import public_url
from tenants.context import FactoryNotFoundError, factories_all, factory_context, factory_get
from tenants.models import Factory, Plan
from tenants.provisioning import DEFAULT_PLAN, factory_create, public_ensure

SLUG = "demo"
OWNER = "owner@demo.example"
PLANT_FILE = "plant.json"
# What stands where: line, the machine's key as it reports, its name and type.
EQUIPMENT = (
    ("Line 1", "M01-mixer", "Mixer", "mixer"),
    ("Line 1", "M02-oven", "Oven", "oven"),
    ("Line 1", "M03-filler", "Filler", "filler"),
    ("Line 1", "M04-conveyor", "Conveyor", "conveyor"),
    ("Line 1", "M08-packer", "Packer", "packer"),
    ("Utilities", "M05-compressor", "Air compressor", "compressor"),
    ("Utilities", "M06-chiller", "Chiller", "chiller"),
    ("Utilities", "M07-pump", "Glycol pump", "pump"),
)


class Command(BaseCommand):
    help = "Prepares the one-command trial: migrates, and makes the factory “demo” with an owner and a key."
    requires_system_checks = ()  # the web process makes them a second later

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--equipment", action="store_true", help="describe the simulator's machines, as an admin would"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.TRIAL:
            raise CommandError("trial_prepare is for the trial: it writes a password to a file.")
        _migrate()
        public_ensure()
        factory = _factory()
        _room(factory)
        with factory_context(factory):
            _owner(settings.STATE_DIR / "owner.json")
            _plant_key(factory, settings.STATE_DIR / PLANT_FILE)
            if options["equipment"]:
                _equipment()


def _migrate() -> None:
    """Migrate what is behind: the public schema, and each factory; nothing is run for one that is up to date."""
    public = get_public_schema_name()
    if _is_behind(public):
        call_command("migrate_schemas", schema_name=public, interactive=False, verbosity=1)
    for factory in factories_all():
        if _is_behind(factory.schema_name):
            call_command("migrate_schemas", schema_name=factory.schema_name, interactive=False, verbosity=1)


def _is_behind(schema_name: str) -> bool:
    with schema_context(schema_name):
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def _factory() -> Factory:
    try:
        return factory_get(SLUG)
    except FactoryNotFoundError:
        # A new factory has no history, whatever the simulator remembers to have told an older one.
        state_file_for(settings.STATE_DIR / PLANT_FILE).unlink(missing_ok=True)
        return factory_create(slug=SLUG, name="Demo Foods", time_zone="Europe/Warsaw")


def _room(factory: Factory) -> None:
    """The simulator alone fills the free plan but for two machines: whoever tries the trial brings more."""
    if factory.plan is None or factory.plan.slug == DEFAULT_PLAN:
        with schema_context(get_public_schema_name()):
            factory.plan = Plan.objects.get_or_create(slug="plant", defaults={"name": "Plant", "max_machines": 200})[0]
            factory.save(update_fields=["plan"])


def _owner(file: Path) -> None:
    """Make the owner with a random password; at a later start say it again, unless it was changed since."""
    kept = _read(file)
    owner = User.objects.filter(email=OWNER).first()
    password: str | None = kept.get("password")
    if owner is None:
        password = secrets.token_urlsafe(12)
        owner = User.objects.create_user(OWNER, password, role=Role.OWNER, first_name="Demo", last_name="Owner")
        EmailAddress.objects.create(user=owner, email=OWNER, verified=True, primary=True)
    elif not password or not owner.check_password(password):
        password = None
    _write(file, {"email": OWNER, "password": password})


def _plant_key(factory: Factory, file: Path) -> None:
    """Give the simulator a key like any device's; a start must not leave one more key behind each time."""
    key = _key_kept(file) or api_key_create(name="Plant simulator", scopes=[Scope.INGEST])[1]
    PlantConfig(
        factory=factory.slug,
        api_key=key,
        http_url=public_url("/").rstrip("/"),
        mqtt_host="127.0.0.1",
        mqtt_port=settings.MQTT_PUBLIC_PORT,
    ).write(file)


def _equipment() -> None:
    """Describe the machines once; what an admin changes or deletes afterwards stays so."""
    if Site.objects.exists():
        return
    site = Site.objects.create(name="Demo Foods, Łódź", time_zone="Europe/Warsaw")
    lines = {name: Line.objects.create(site=site, name=name) for name in dict.fromkeys(row[0] for row in EQUIPMENT)}
    for line, key, name, machine_type in EQUIPMENT:
        Machine.objects.update_or_create(
            key=key, defaults={"name": name, "machine_type": machine_type, "line": lines[line]}
        )


def _key_kept(file: Path) -> str | None:
    try:
        key = PlantConfig.read(file).api_key
        verify_key(key, scope=Scope.INGEST)
    except (PlantConfigError, DomainError):
        return None
    return key


def _read(file: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}


def _write(file: Path, content: dict[str, Any]) -> None:
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=2)
