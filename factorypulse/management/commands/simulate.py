"""`manage.py simulate --factory demo`: the synthetic plant against a running installation, with a key of its own."""

import signal
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.api_keys import api_key_create, verify_key
from accounts.models import Scope
from common.errors import DomainError
from factorypulse.dev.plant.__main__ import add_arguments, options_from, state_file_for
from factorypulse.dev.plant.config import PlantConfig, PlantConfigError
from factorypulse.dev.plant.run import run_plant
from tenants.addresses import factory_url
from tenants.context import factory_context, factory_get
from tenants.models import Factory


class Command(BaseCommand):
    help = "Runs a synthetic food line of 8 machines that reports over HTTP and MQTT like any device."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--factory", required=True, metavar="SLUG")
        parser.add_argument("--http-url", help="where the HTTP door stands; the factory's own address otherwise")
        parser.add_argument("--mqtt-host", default="127.0.0.1")
        parser.add_argument("--mqtt-port", type=int, default=settings.MQTT_PUBLIC_PORT)
        add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            factory = factory_get(options["factory"])
        except DomainError as error:
            raise CommandError(error.detail) from error
        config_file = Path(settings.STATE_DIR) / f"simulator-{factory.slug}.json"
        parts = urlsplit(options["http_url"] or factory_url(factory))
        config = PlantConfig(
            factory=factory.slug,
            api_key=_key_kept(config_file) or _key_new(factory),
            http_url=f"{parts.scheme}://{parts.netloc}",
            mqtt_host=options["mqtt_host"],
            mqtt_port=options["mqtt_port"],
        )
        config.write(config_file)
        stop = threading.Event()
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, lambda *_: stop.set())
        run_plant(config, state_file=state_file_for(config_file), stop=stop, options=options_from(options))


def _key_kept(config_file: Path) -> str | None:
    """The key of an earlier run, as long as it is good: a start must not leave one more key behind each time."""
    try:
        key = PlantConfig.read(config_file).api_key
        verify_key(key, scope=Scope.INGEST)
    except (PlantConfigError, DomainError):
        return None
    return key


def _key_new(factory: Factory) -> str:
    with factory_context(factory):
        return api_key_create(name="Plant simulator", scopes=[Scope.INGEST])[1]
