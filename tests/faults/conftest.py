"""The stage of the fault tests: a factory without a rate limit, a journal of its own, and the ingest side over it."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from accounts.api_keys import api_key_create
from benchmarks.checker import check
from benchmarks.ledger import Stream
from telemetry.ingest import http
from telemetry.ingest.journal import Journal
from tenants.context import factory_context
from tenants.models import Factory, Plan
from tests.conftest import FactoryClient, host_of
from tests.faults.disk import Disk, library_build
from tests.faults.processes import IngestSide, wait_until
from tests.faults.senders import MqttSender

LONG = os.environ.get("FACTORYPULSE_FAULTS") == "long"
# Long enough for the longest run, and within what every plan accepts.
BACK_MS = 12 * 3_600_000


@dataclass
class Plant:
    """A factory, its key, its journal's folder, and what runs over them."""

    factory: Factory
    key: str
    folder: Path
    environment: dict

    @property
    def journal_dir(self):
        return self.folder / "journal"

    def stream(self, machine="M01", *, step_ms=2):
        """Numbered readings from half a day ago on; the step leaves room for a second one beside each."""
        return Stream(machine, "n", start_ms=int(time.time() * 1000) - BACK_MS, step_ms=step_ms)

    def ingest(self, **options):
        return IngestSide(self.environment, self.folder, **options)

    def sender(self, ingest, machine="M01", **options):
        path = self.folder / f"{machine}.ledger"
        return MqttSender(
            ingest.port, self.factory.slug, self.key, self.stream(machine), path, client_id=machine, **options
        )

    def drained(self, *, within_s=60.0):
        """Wait until the journal holds nothing of the factory."""
        journal = Journal(self.journal_dir)
        try:
            wait_until(lambda: self.factory.slug not in journal.factories(), within_s=within_s, what="not drained")
        finally:
            journal.close()

    def verdict(self, sender):
        """The checker's word on a sender that has finished."""
        found = check(sender.ledger_path, sender.stream, factory=self.factory)
        print(f"{sender.stream.machine}: {found}")
        return found


@pytest.fixture
def unlimited(live_factories):
    """Plans never make a sender wait."""
    rates = dict(Plan.objects.values_list("pk", "max_readings_per_s"))
    Plan.objects.update(max_readings_per_s=10_000_000)
    yield
    for pk, rate in rates.items():
        Plan.objects.filter(pk=pk).update(max_readings_per_s=rate)


def plant_make(factory, folder, environment):
    """A committed factory with a key, and a journal in the folder."""
    with factory_context(factory):
        key = api_key_create(name="ledger", scopes=["ingest"])[1]
    more = {"JOURNAL_DIR": str(folder / "journal"), "FACTORYPULSE_TEST_TRIGGER": str(folder / "trigger")}
    return Plant(factory, key, folder, {**environment, **more})


@pytest.fixture
def plant(unlimited, live_factory, process_environment, tmp_path):
    """A factory on the run's own PostgreSQL."""
    return plant_make(live_factory, tmp_path, process_environment)


@pytest.fixture
def running(plant):
    """`running(faults=…)` starts an ingest side, which ends with the test whatever happens."""
    made = []

    def make(**options):
        made.append(plant.ingest(**options))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.kill()


@pytest.fixture
def http_door(plant, monkeypatch):
    """`http_door(max_bytes=…)`: a client with the plant's key, in this process, and the plant's journal behind it."""
    made = []

    def make(**options):
        made.append(Journal(plant.journal_dir, **options))
        monkeypatch.setattr(http, "process_journal", lambda: made[-1])
        return FactoryClient(host=host_of(plant.factory), HTTP_X_API_KEY=plant.key), made[-1]

    yield make
    for journal in made:
        journal.close()


@pytest.fixture(scope="session")
def disk_library(tmp_path_factory):
    """The compiled disk.c."""
    return library_build(tmp_path_factory.mktemp("disk"))


@pytest.fixture
def disk(disk_library, plant):
    """The disk under the plant's journal; processes started afterwards are on it."""
    made = Disk(disk_library, plant.journal_dir)
    plant.environment.update(made.environment)
    return made
