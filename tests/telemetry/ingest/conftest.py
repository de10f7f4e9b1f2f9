"""A journal of the test's own behind the HTTP door, and rates that start full."""

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck, settings

from telemetry import equipment
from telemetry.ingest import admission, line_doors
from telemetry.ingest import http as door
from telemetry.ingest.journal import Journal

# How fast examples come says something about the machine's load, and nothing about the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(autouse=True)
def _fresh_memories_of_ingest():
    admission.plans_forget()
    # The process of the last test may have told its debts since.
    cache.clear()
    equipment._registries.clear()


@pytest.fixture
def door_journal(tmp_path, monkeypatch):
    """The journal that the HTTP doors of this process append to."""
    journal = Journal(tmp_path / "door")
    for room in (door, line_doors):
        monkeypatch.setattr(room, "process_journal", lambda: journal)
    yield journal
    journal.close()
