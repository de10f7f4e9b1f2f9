"""The live tail: follows the journal's end, and owes browsers to history what did not come its way."""

from pathlib import Path

import numpy as np
import pytest

from common import clock
from telemetry.ingest import live_tail
from telemetry.ingest.journal import Journal
from telemetry.ingest.live_tail import LiveTail
from telemetry.readings import ReadingBatch, Series


class Publisher:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.gaps: list[str] = []

    def add_encoded(self, _factory_slug: str, body: bytes) -> None:
        self.bodies.append(body)

    def gap(self, factory_slug: str) -> None:
        self.gaps.append(factory_slug)

    def flush(self) -> None:
        pass


ROW = ReadingBatch([Series("M01", "a", np.array([1]), np.array([1.0]))]).to_bytes()


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journal:
    monkeypatch.setattr(live_tail, "_OWED_EVERY_S", 0.0)
    monkeypatch.setattr(live_tail, "live_publish", lambda slug, message: None)
    return Journal(tmp_path)


def append(journal: Journal) -> int:
    return journal.append("acme", ROW, 1).result(timeout=10)


def test_what_is_committed_is_published_as_it_is(journal: Journal) -> None:
    publisher = Publisher()
    tail = LiveTail(journal, publisher)  # type: ignore[arg-type]  # a publisher that notes
    append(journal)
    tail.tick()
    assert (publisher.bodies, publisher.gaps) == ([ROW], [])


def test_after_a_jump_browsers_are_sent_to_history_once_the_store_has_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = Publisher()
    tail = LiveTail(journal, publisher)  # type: ignore[arg-type]
    last_id = append(journal)
    later_ms = clock.now_ms() + 60_000
    monkeypatch.setattr(clock, "now_ms", lambda: later_ms)
    tail.tick()
    tail.tick()
    assert (publisher.bodies, publisher.gaps) == ([], [])
    journal.delete_through("acme", last_id).result(timeout=10)
    tail.tick()
    tail.tick()
    assert publisher.gaps == ["acme"]


def test_rows_from_before_the_start_are_told_as_a_gap_once_the_store_has_them(journal: Journal) -> None:
    publisher = Publisher()
    last_id = append(journal)
    tail = LiveTail(journal, publisher)  # type: ignore[arg-type]
    tail.tick()
    assert (publisher.bodies, publisher.gaps) == ([], [])
    journal.delete_through("acme", last_id).result(timeout=10)
    tail.tick()
    assert publisher.gaps == ["acme"]
