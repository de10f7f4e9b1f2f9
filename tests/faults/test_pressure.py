"""More comes than can be taken: memory stays bounded, senders wait, and one factory's flood is its own trouble."""

from urllib.parse import urlsplit, urlunsplit

import pytest

from accounts.api_keys import api_key_create
from tenants.context import factory_context
from tenants.models import Plan
from tests.conftest import FactoryClient, host_of
from tests.faults.conftest import Plant
from tests.faults.slow_line import SlowLine

MIB = 1024 * 1024
# What arrives while the disk or the store can't keep up: several times this much if nobody held it back.
GROWTH_AT_MOST = 160 * MIB


@pytest.fixture
def slow_line(plant):
    """PostgreSQL over a line that can be slowed down."""
    url = urlsplit(plant.environment["DATABASE_URL"])
    line = SlowLine(url.port)
    host = f"{url.username}:{url.password}@127.0.0.1:{line.port}"
    plant.environment["DATABASE_URL"] = urlunsplit(url._replace(netloc=host))
    yield line
    line.close()


def test_a_slow_store_costs_neither_acknowledgements_nor_memory(plant, slow_line, running):
    ingest = running()
    sender = plant.sender(ingest, block=200)
    sender.start()
    sender.wait_for_more(5_000)
    before = ingest.memory_bytes()
    slow_line.delay_s = 0.2
    sender.wait_for_more(200_000)
    waiting = journal_bytes(plant)
    grown = ingest.memory_bytes() - before
    slow_line.delay_s = 0.0
    sender.finish()
    plant.drained(within_s=120)
    verdict = plant.verdict(sender)
    print(f"{waiting / MIB:.1f} MiB waited on disk; memory grew by {grown / MIB:.1f} MiB")
    assert verdict.clean, verdict
    assert grown < GROWTH_AT_MOST


def journal_bytes(plant):
    return sum(path.stat().st_size for path in plant.journal_dir.glob("journal.sqlite3*"))


def test_a_slow_disk_withholds_acknowledgements_and_costs_no_memory(plant, disk, running):
    ingest = running()
    senders = [plant.sender(ingest, f"M{number}", block=200, window=100) for number in range(3)]
    for sender in senders:
        sender.start()
        sender.wait_for_more(5_000)
    before = ingest.memory_bytes()
    disk.set(sync_takes_us=400_000)
    most = 0
    goal = disk.syncs + 6
    while disk.syncs < goal:
        most = max(most, ingest.memory_bytes())
        senders[0].wait_for_more(1)
    for sender in senders:
        sender.stop_sending()
    disk.set(sync_takes_us=0)
    for sender in senders:
        sender.finish()
    plant.drained(within_s=120)
    print(f"memory grew by {(most - before) / MIB:.1f} MiB")
    for sender in senders:
        verdict = plant.verdict(sender)
        assert verdict.clean, verdict
    assert most - before < GROWTH_AT_MOST


@pytest.fixture
def noisy(plant, live_factories):
    """Another factory on the same doors, with a plan of 200 readings a second."""
    factory = live_factories(name="Noisy")
    small = Plan.objects.create(slug="small-for-faults", name="Small", max_readings_per_s=200)
    factory.plan = small
    factory.save(update_fields=["plan"])
    with factory_context(factory):
        key = api_key_create(name="ledger", scopes=["ingest"])[1]
    yield Plant(factory, key, plant.folder, plant.environment)
    factory.plan = plant.factory.plan
    factory.save(update_fields=["plan"])
    small.delete()


def test_a_factory_at_fifty_times_its_quota_is_told_so_alone(plant, noisy, running, http_door):
    ingest = running()
    client, _ = http_door()
    flood = FactoryClient(host=host_of(noisy.factory), HTTP_X_API_KEY=noisy.key)
    quiet, loud = plant.sender(ingest, "quiet", block=10), noisy.sender(ingest, "loud", block=100, window=100)
    loud.start()
    loud.wait_for_more(1_000)
    quiet.start()
    told, answers = [], []
    while len(told) < 50:
        told.append(posted(flood, noisy.stream("flood").start_ms + 1_000 * len(told), readings=200))
        answers.append(posted(client, plant.stream("calm").start_ms + 10 * len(told), readings=10))
    quiet.wait_for_more(10_000)
    taken = loud.acknowledged
    quiet.finish()
    loud.finish(within_s=1)
    for each in (plant, noisy):
        each.drained()
    refused = [answer for answer in told if answer.status_code != 201]
    assert {answer.status_code for answer in refused} == {429}
    assert len(refused) > 25
    assert all(int(answer["Retry-After"]) >= 1 for answer in refused)
    assert {answer.status_code for answer in answers} == {201}
    assert taken < quiet.acknowledged
    for each, sender in ((plant, quiet), (noisy, loud)):
        verdict = each.verdict(sender)
        assert verdict.clean, verdict


def posted(client, t_ms, *, readings):
    times = [t_ms + at for at in range(readings)]
    body = {"machine": "M09", "timestamps": times, "metrics": {"n": list(range(readings))}}
    return client.post_json("/api/v1/telemetry/ingest", body)
