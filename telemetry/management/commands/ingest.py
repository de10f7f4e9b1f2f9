"""`manage.py ingest`: the process that speaks MQTT with devices and a broker; `manage.py drain` empties the journal."""

import asyncio
import gc
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.node_figures import figures_publish
from telemetry.ingest.broker_address import BrokerAddress, BrokerAddressError, broker_address
from telemetry.ingest.journal import Journal, JournalError, process_journal
from telemetry.ingest.mqtt import MqttDoor
from telemetry.ingest.subscriber import Subscriber, client_id_kept

_log = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT, then acknowledges what is under way, and ends."""

    # A restart must acknowledge within two seconds: checks load every URL, admin and page first.
    requires_system_checks = ()
    help = "Takes readings from devices and from the broker of MQTT_URL into the node's journal. One per node."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--mqtt-host", default="127.0.0.1", help="Address to listen on (default: %(default)s).")
        parser.add_argument("--mqtt-port", type=int, default=1883, help="Port to listen on (default: %(default)s).")
        parser.add_argument("--tls-certificate", default="", help="Certificate chain (PEM); with --tls-key, speak TLS.")
        parser.add_argument("--tls-key", default="", help="Its private key (PEM).")

    def handle(self, *args: Any, **options: Any) -> None:
        tls = _tls(options["tls_certificate"], options["tls_key"])
        broker = _broker()
        if settings.METRICS_TOKEN:
            figures_publish(settings.FIGURES_DIR, "ingest")
        try:
            journal = process_journal()
        except JournalError as error:
            raise CommandError(error.detail) from error
        try:
            asyncio.run(_serve(journal, options["mqtt_host"], options["mqtt_port"], tls, broker))
        except OSError as error:
            raise CommandError(f"Can't listen on {options['mqtt_host']}:{options['mqtt_port']}: {error}") from error


async def _serve(
    journal: Journal, host: str, port: int, tls: ssl.SSLContext | None, broker: BrokerAddress | None
) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    door = MqttDoor(journal)
    listening = await door.start(host, port, tls=tls)
    _leave_alone_what_stays()
    subscriber = _subscriber(journal, broker)
    if subscriber is not None:
        subscriber.start()
    _log.info("ingest_ready", host=host, port=listening, tls=tls is not None)
    await stop.wait()
    _log.info("ingest_stopping")
    await door.stop()
    if subscriber is not None:
        await asyncio.to_thread(subscriber.stop)
    await asyncio.to_thread(journal.close)
    _log.info("ingest_stopped")


def _leave_alone_what_stays() -> None:
    """Looking for garbage among a framework's hundred thousand objects would hold up acknowledgements."""
    gc.collect()
    gc.freeze()
    # The journal's thread and the event loop hand over to one another many times a message.
    sys.setswitchinterval(0.0005)


def _subscriber(journal: Journal, broker: BrokerAddress | None) -> Subscriber | None:
    if broker is None:
        return None
    directory = Path(settings.JOURNAL_DIR)
    memory = directory / "broker_memory.json"
    return Subscriber(journal, broker, client_id=client_id_kept(directory), memory_file=memory)


def _broker() -> BrokerAddress | None:
    """The broker of MQTT_URL, if there is one."""
    if not settings.MQTT_URL:
        return None
    try:
        return broker_address(settings.MQTT_URL)
    except BrokerAddressError as error:
        raise CommandError(f"MQTT_URL is not mqtt:// or mqtts://user:password@host:port: {error}.") from error


def _tls(certificate: str, key: str) -> ssl.SSLContext | None:
    if not certificate and not key:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key or None)
    except (OSError, ssl.SSLError) as error:
        raise CommandError(f"The TLS certificate or key can't be used: {error}") from error
    return context
