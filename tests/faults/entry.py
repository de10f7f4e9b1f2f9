"""Runs a management command with faults done to it, named in FACTORYPULSE_TEST_FAULTS: for fault tests alone.

A fault is either a broken build that the checker must catch, or a death at an exact place. One that happens once waits
for the file FACTORYPULSE_TEST_TRIGGER, and takes it away.
"""

import os
import signal
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HELD_S = 0.05


def acknowledge_before_disk():
    """A broken build: the acknowledgement leaves at once, the row follows when there is time."""
    from telemetry.ingest.journal import Journal

    append = Journal.append

    def early(journal, *arguments, **options):
        threading.Timer(HELD_S, append, (journal, *arguments), options).start()
        return _done(1)

    Journal.append = early


def drop_every_10000th():
    """A broken build: one reading in 10,000 is lost on its way into the journal."""
    from telemetry.ingest.journal import READINGS, Journal

    append, count, lock = Journal.append, [0], threading.Lock()

    def lossy(journal, factory, body, readings, *arguments, **options):
        if options.get("kind", READINGS) == READINGS:
            with lock:
                before, count[0] = count[0], count[0] + readings
            at = 9_999 - before % 10_000
            if at < readings:
                body = _without(body, at)
        return append(journal, factory, body, readings, *arguments, **options)

    Journal.append = lossy


def store_twice():
    """A broken build: what the store gets, it gets a second time under the time of another write."""
    from telemetry.readings import ReadingBatch, Series
    from telemetry.store import reading_store

    store = type(reading_store())
    write = store.write

    def doubly(self, batch, **options):
        write(self, batch, **options)
        again = [Series(s.machine, s.metric, s.t_ms + 1, s.values) for s in batch.series]
        write(self, ReadingBatch(again), **options)

    store.write = doubly


def journal_without_sync():
    """A broken build: the journal leaves syncing to the kernel."""
    from telemetry.ingest.journal_file import JournalConnection

    def sync_never(self, synced):
        self.execute("PRAGMA synchronous=OFF")

    JournalConnection.sync_on_commit = sync_never


def store_away():
    """The store takes nothing, so that the journal keeps everything."""
    from telemetry.store import reading_store
    from telemetry.store.base import StoreUnavailableError

    def refuse(self, *arguments, **options):
        raise StoreUnavailableError("away for the test")

    type(reading_store()).write = refuse


def die_before_acknowledging():
    """Death between the commit and the acknowledgement, once the trigger is there."""
    from telemetry.ingest.journal import READINGS, Journal

    append = Journal.append

    def fatal(journal, *arguments, **options):
        future = append(journal, *arguments, **options)
        if options.get("kind", READINGS) == READINGS:
            # The first callback: it runs before the door's own.
            future.add_done_callback(lambda _done: _die_if_triggered())
        return future

    Journal.append = fatal


def die_before_forgetting():
    """Death between the store's commit and the journal's deletion, once the trigger is there."""
    from telemetry.store import reading_store

    store = type(reading_store())
    write = store.write

    def fatal(self, *arguments, **options):
        write(self, *arguments, **options)
        _die_if_triggered()

    store.write = fatal


def _die_if_triggered():
    trigger = Path(os.environ["FACTORYPULSE_TEST_TRIGGER"])
    try:
        trigger.unlink()
    except FileNotFoundError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def _without(body, at):
    from telemetry.readings import ReadingBatch, Series

    kept = []
    for s in ReadingBatch.from_bytes(body).series:
        mask = [place != at for place in range(len(s))]
        at -= len(s)
        kept.append(Series(s.machine, s.metric, s.t_ms[mask], s.values[mask]))
    return ReadingBatch(kept).to_bytes()


def _done(value):
    future = Future()
    future.set_result(value)
    return future


FAULTS = {
    fault.__name__: fault
    for fault in (
        acknowledge_before_disk,
        drop_every_10000th,
        store_twice,
        journal_without_sync,
        store_away,
        die_before_acknowledging,
        die_before_forgetting,
    )
}


def main():
    sys.path.insert(0, str(ROOT))
    import django
    from django.core.management import execute_from_command_line

    django.setup()
    for name in os.environ["FACTORYPULSE_TEST_FAULTS"].split():
        FAULTS[name]()
    execute_from_command_line(["manage.py", *sys.argv[1:]])


if __name__ == "__main__":
    main()
