"""A journal of the test's own behind the HTTP door, and rates that start full."""

import pytest

from telemetry import equipment
from telemetry.ingest import admission
from telemetry.ingest import http as door
from telemetry.ingest.journal import Journal


@pytest.fixture(autouse=True)
def _fresh_memories_of_ingest():
    admission._buckets.clear()
    admission._rates.clear()
    equipment._registries.clear()


@pytest.fixture
def door_journal(tmp_path, monkeypatch):
    """The journal that the HTTP door of this process appends to."""
    journal = Journal(tmp_path / "door")
    monkeypatch.setattr(door, "process_journal", lambda: journal)
    yield journal
    journal.close()
