"""`manage.py drain`: the process that moves the node's journal to the reading store, and its news to the browsers.

Apart from the doors, so that no acknowledgement waits for a store's batch, and either may be killed without the other.
"""

import contextlib
import gc
import signal
import threading
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections

from common.memory import memory_return
from common.node_figures import figures_publish
from telemetry.ingest.drain import Drain
from telemetry.ingest.full_watch import FullWatch
from telemetry.ingest.journal import JournalError, process_journal
from telemetry.ingest.live_tail import LiveTail

_log = structlog.get_logger(__name__)

# Touched as long as rows are moved: a process without a door has nothing else to ask.
ALIVE_FILE = "drain.alive"
_ALIVE_EVERY_S = 5.0


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT, then drains for a moment, and ends; what is left waits in the journal."""

    # What waits must flow again at once: checks load every URL, admin and page first.
    requires_system_checks = ()
    help = "Moves the node's journal to the reading store and to open browsers. One per node."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            journal = process_journal()
        except JournalError as error:
            raise CommandError(error.detail) from error
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if settings.METRICS_TOKEN:
            figures_publish(settings.FIGURES_DIR, "drain")
        drain = Drain(journal)
        tail = LiveTail(journal, hurry=drain.hurry)
        tail.start()
        drain.start()
        gc.collect()
        gc.freeze()  # looking for garbage among a framework's hundred thousand objects would hold up live news
        _log.info("drain_ready")
        alive, watch = Path(settings.JOURNAL_DIR) / ALIVE_FILE, FullWatch(journal)
        while not stop.wait(_ALIVE_EVERY_S):
            close_old_connections()
            watch.look()
            memory_return()
            if drain.alive:
                _touch(alive)
        _log.info("drain_stopping")
        drain.stop()
        tail.stop()
        journal.close()
        _log.info("drain_stopped")


def _touch(path: Path) -> None:
    # A disk without room for a name must not end what alone can make room.
    with contextlib.suppress(OSError):
        path.touch()
