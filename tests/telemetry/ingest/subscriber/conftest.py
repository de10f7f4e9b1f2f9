"""Real Mosquittos, and a subscriber that reads them into a journal of the test's own."""

import pytest

from telemetry.ingest.broker_address import BrokerAddress
from telemetry.ingest.journal import Journal
from telemetry.ingest.subscriber import Subscriber
from tests.telemetry.ingest.mosquitto import Mosquitto
from tests.telemetry.ingest.subscriber.published import answered


@pytest.fixture
def brokers(tmp_path):
    """`brokers(**options)` makes a Mosquitto, not started yet; all are stopped at the end."""
    made = []

    def make(**options):
        directory = tmp_path / f"mosquitto-{len(made)}"
        directory.mkdir()
        made.append(Mosquitto(directory, **options))
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(brokers):
    broker = brokers()
    broker.start()
    return broker


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


@pytest.fixture
def subscribed(journal, brokers, tmp_path, django_db_setup, django_db_blocker):
    """`subscribed(broker)` starts a subscriber, always the same one to the broker; all are stopped at the end."""
    started = []

    def start(broker, *, address=None, into=journal, ready=True):
        address = address or BrokerAddress("127.0.0.1", broker.port)
        memory = tmp_path / "broker_memory.json"
        started.append(Subscriber(into, address, client_id="factorypulsetest", memory_file=memory))
        started[-1].start()
        if ready:
            answered(broker, journal)
        return started[-1]

    # The subscriber's thread looks factories up over a connection of its own.
    with django_db_blocker.unblock():
        yield start
        for subscriber in started:
            subscriber.stop()
