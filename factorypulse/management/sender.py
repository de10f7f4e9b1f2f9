"""What commands that play devices have in common: where the doors are, and a key to them."""

import signal
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from accounts.api_keys import api_key_create, verify_key
from accounts.models import Scope
from common.errors import DomainError
from factorypulse.dev.plant.config import PlantConfig, PlantConfigError
from tenants.addresses import factory_url
from tenants.context import factory_context, factory_get
from tenants.models import Factory


def sender_arguments(parser: CommandParser, *, factory: str | None = None) -> None:
    """Which factory (`factory` unless told), and its doors where they are not the usual ones."""
    told = f"{factory} unless told" if factory else None
    parser.add_argument("--factory", required=factory is None, default=factory, metavar="SLUG", help=told)
    parser.add_argument("--http-url", help="where the HTTP door stands; the factory's own address otherwise")
    parser.add_argument("--mqtt-host", default="127.0.0.1")
    parser.add_argument("--mqtt-port", type=int, default=settings.MQTT_PUBLIC_PORT)


def sender_config(options: dict[str, Any], *, name: str, key_name: str) -> tuple[PlantConfig, Path]:
    """Doors and key for a run, kept in a file so that the next run takes the same key. Raises CommandError."""
    try:
        factory = factory_get(options["factory"])
    except DomainError as error:
        raise CommandError(error.detail) from error
    config_file = Path(settings.STATE_DIR) / f"{name}-{factory.slug}.json"
    parts = urlsplit(options["http_url"] or factory_url(factory))
    config = PlantConfig(
        factory=factory.slug,
        api_key=_key_kept(config_file) or _key_new(factory, key_name),
        http_url=f"{parts.scheme}://{parts.netloc}",
        mqtt_host=options["mqtt_host"],
        mqtt_port=options["mqtt_port"],
    )
    config.write(config_file)
    return config, config_file


def stop_on_signals() -> threading.Event:
    """Set by SIGTERM and Ctrl-C."""
    stop = threading.Event()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_number, lambda *_: stop.set())
    return stop


def _key_kept(config_file: Path) -> str | None:
    """The key of an earlier run, as long as it is good: a start must not leave one more key behind each time."""
    try:
        key = PlantConfig.read(config_file).api_key
        verify_key(key, scope=Scope.INGEST)
    except (PlantConfigError, DomainError):
        return None
    return key


def _key_new(factory: Factory, name: str) -> str:
    with factory_context(factory):
        return api_key_create(name=name, scopes=[Scope.INGEST])[1]
