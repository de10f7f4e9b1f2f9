"""Everything the product leans on is killed, restarted, away or slow: acknowledgements go on, and nothing is lost."""

import http.client
import time

import pytest
from django.db import connection

from anomalies.models import Alert, MachineHealth, Rule
from common import clock
from telemetry.models import Metric
from tenants.context import factory_context
from tests.conftest import person_make
from tests.faults.conftest import LONG, plant_make
from tests.faults.processes import wait_until
from tests.faults.senders import HttpSender
from tests.faults.world import Viewer, World, forget_valkey, wait_web, wait_worker

# One world for all, so one worker for all.
pytestmark = [pytest.mark.timeout(1_500 if LONG else 300)]


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        made = World()
        try:
            with made.as_database():
                made.migrate()
                yield made
        finally:
            made.close()


@pytest.fixture
def plant(world, live_factory, unlimited, tmp_path, settings):
    """A factory in the world that may be killed."""
    settings.REDIS_URL = world.services.valkey.url()
    forget_valkey()
    yield plant_make(live_factory, tmp_path, world.environment)
    forget_valkey()


def over_http(plant, world):
    """A function that posts a body to the real web process; 0 when it does not answer."""
    headers = {
        "Host": f"{plant.factory.slug}.localhost:{world.web_port}",
        "X-API-Key": plant.key,
        "Content-Type": "application/json",
    }

    def post(body):
        line = http.client.HTTPConnection("127.0.0.1", world.web_port, timeout=20)
        try:
            line.request("POST", "/api/v1/telemetry/ingest", body, headers)
            return line.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            line.close()

    return post


def test_everything_killed_at_once_loses_nothing_and_mails_nobody_twice(world, plant, running):
    person_make(plant.factory, "omar.operator@live.example", "operator")
    ingest, web, worker = running(), world.web(plant.environment), world.worker(plant.environment)
    ready = wait_worker(worker)
    web.start()
    worker.start()
    wait_web(world, web)
    wait_until(ready)
    try:
        by_mqtt = plant.sender(ingest, "mqtt", block=10, pause_s=0.02)
        by_http = HttpSender(
            over_http(plant, world), plant.stream("http"), plant.folder / "http.ledger", block=10, pause_s=0.05
        )
        by_mqtt.start()
        by_http.start()
        raised(plant, "mqtt", ingest, worker)
        wait_until(lambda: len(world.mails()) == 1, what="no mail came")
        for kill in (world.postgres_kill, world.valkey_kill, ingest.kill, web.kill, worker.kill):
            kill()
        world.postgres_start()
        world.valkey_start()
        ready, restarted_at = wait_worker(worker), clock.now()
        for process in (ingest, web, worker):
            process.start()
        wait_web(world, web)
        wait_until(ready)
        for sender in (by_mqtt, by_http):
            sender.wait_for_more(500)
            sender.finish()
        plant.drained()
        wait_until(lambda: evaluated_since(plant, "mqtt", restarted_at), what="nothing was evaluated again")
    finally:
        for process in (web, worker):
            process.kill()
    for sender in (by_mqtt, by_http):
        verdict = plant.verdict(sender)
        assert verdict.clean, verdict
    with factory_context(plant.factory):
        assert Alert.objects.count() == 1
    assert len(world.mails()) == 1


def raised(plant, machine, *processes):
    """Set a limit that the numbers soon pass, and wait for the alert; without one, what the processes said is told."""
    with factory_context(plant.factory):
        # Once its newest reading is known, for these are of hours ago: a rule begins ten minutes before that.
        wait_until(lambda: Metric.objects.filter(machine__key=machine, name="n", last_at__isnull=False).exists())
        when = {"all": [{"metric": "n", "op": "above", "value": 50}]}
        Rule.objects.create(name="n", machines=[machine], when=when)
        return wait_until(Alert.objects.first, what=lambda: f"no alert was raised\n{evidence(processes)}")


def evidence(processes):
    """The last words of processes, and what the database's sessions are at."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state, wait_event, now() - xact_start, left(query, 200) FROM pg_stat_activity")
        sessions = [str(row) for row in cursor.fetchall() if row[0] not in (None, "idle")]
    rows = MachineHealth.objects.values_list("machine__key", "updated_at", "state__rules")
    return "\n".join([*(process.said()[-6_000:] for process in processes), *sessions, str(list(rows))])


def evaluated_since(plant, machine, at):
    """Whether the rules have been carried over something since an instant."""
    with factory_context(plant.factory):
        return MachineHealth.objects.filter(machine__key=machine, updated_at__gt=at).exists()


def test_a_store_that_is_away_delays_history_and_nothing_else(world, plant, running):
    ingest = running()
    sender = plant.sender(ingest, "M01", block=100, pause_s=0.005)
    sender.start()
    sender.wait_for_more(1_000)
    viewer = Viewer(world.services.valkey.url(), plant.factory.slug, "M01")
    viewer.start()
    try:
        wait_until(lambda: viewer.count(b"readings"), what="nothing live")
        world.postgres_stop()
        breaks = sender.breaks
        sender.wait_for_more(600_000 if LONG else 60_000, within_s=600)
        live = viewer.count(b"readings")
        wait_until(lambda: viewer.count(b"history_delayed"), what="nobody was told that history is delayed")
        wait_until(lambda: viewer.count(b"readings") > live, what="live charts stand still")
        assert sender.breaks == breaks
        sender.finish()
        world.postgres_start()
        back_s = time.monotonic()
        plant.drained(within_s=60)
        print(
            f"{sender.acknowledged:,} readings drained in {time.monotonic() - back_s:.1f} s after PostgreSQL was back"
        )
        wait_until(lambda: viewer.count(b"history_current"), what="nobody was told that history is back")
    finally:
        viewer.close()
    verdict = plant.verdict(sender)
    assert verdict.clean, verdict


def test_ingest_goes_on_from_memory_while_postgresql_is_killed_and_restarted(world, plant, running):
    ingest = running()
    sender, known = plant.sender(ingest, "M01", block=10), plant.sender(ingest, "M02", block=10)
    sender.start()
    sender.wait_for_more(500)
    world.postgres_kill()
    breaks = sender.breaks
    sender.wait_for_more(500)
    known.start()  # a device that connects meanwhile, with a key that was seen before
    known.wait_for_more(500)
    world.postgres_start()
    for each in (sender, known):
        each.wait_for_more(500)
        each.finish()
    plant.drained()
    assert sender.breaks == breaks
    for each in (sender, known):
        verdict = plant.verdict(each)
        assert verdict.clean, verdict
