"""A journal of the test's own behind the HTTP door, and rates that start full."""

import pytest
from django.core.cache import cache
from hypothesis import HealthCheck, settings

from telemetry import equipment
from telemetry.ingest import admission, line_doors
from telemetry.ingest import http as http_door
from telemetry.ingest.journal import Journal
from telemetry.ingest.mqtt import MqttDoor
from tests.telemetry.ingest.mqtt_line import check_key

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
    for room in (http_door, line_doors):
        monkeypatch.setattr(room, "process_journal", lambda: journal)
    yield journal
    journal.close()


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
async def door(journal):
    """An MQTT door that knows the keys of `mqtt_line.check_key`; `door.gone` takes factories whose keys are revoked."""
    gone = set()
    door = MqttDoor(journal, check_key=check_key, gone_keys=lambda keys: {key for key in keys if key.factory in gone})
    door.gone = gone
    door.port = await door.start("127.0.0.1", 0)
    yield door
    await door.stop()
