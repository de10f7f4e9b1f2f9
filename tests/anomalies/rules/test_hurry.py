"""Beside the drain: what turns a rule is an alert as soon as it is stored, with no worker anywhere."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.db import connection, transaction

from anomalies import receivers, tasks
from anomalies.models import Alert, AlertEvent, MachineHealth
from anomalies.rules import hurry
from anomalies.rules.hurry import Hurry
from anomalies.rules.keeping import rule_create
from anomalies.rules.watch import rules_watch
from common import clock
from telemetry.ingest import drain as draining
from telemetry.ingest.drain import Drain
from telemetry.ingest.journal import Journal
from telemetry.ingest.live_tail import LiveTail
from telemetry.models import Machine
from telemetry.readings import ReadingBatch, Series
from tenants.context import factory_context

HOT = {"metric": "t", "op": "above", "value": 80, "clear": 75}
_WITHIN_S = 20.0


class Plant:
    """A factory whose drain and live path run as in the product; its workers never come."""

    def __init__(self, factory, journal):
        self.factory, self.journal = factory, journal
        self.drain = Drain(journal)
        self.tail = LiveTail(journal, hurry=self.drain.hurry)

    def send(self, value, *, machine="M01", metric="t"):
        part = Series(machine, metric, np.array([clock.now_ms()]), np.array([float(value)]))
        self.journal.append(self.factory.slug, ReadingBatch([part]).to_bytes(), 1).result(timeout=10)

    def until(self, happened, *, sending=None):
        """Poll, in the factory, until something is so; sending: a harmless value all the while."""
        end = time.monotonic() + _WITHIN_S
        with factory_context(self.factory):
            while not (found := happened()) and time.monotonic() < end:
                if sending is not None:
                    self.send(sending)
                time.sleep(0.02)
        assert found
        return found


@pytest.fixture
def hurrying(monkeypatch):
    made = Hurry()
    monkeypatch.setattr(receivers, "_hurry", made)
    monkeypatch.setattr(hurry, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(tasks.evaluate, "for_factory", lambda *_call: None)
    monkeypatch.setattr(tasks.evaluate, "for_factory_in", lambda *_call: None)
    yield made
    made.close()


@pytest.fixture
def plant(live_factories, tmp_path, hurrying):
    factory = live_factories()
    journal = Journal(tmp_path)
    found = Plant(factory, journal)
    found.tail.start()
    found.drain.start()
    yield found
    found.drain.stop()
    found.tail.stop()
    hurrying.close()
    journal.close()


def rule_known(plant, hurrying, **more):
    """A rule on M01, which has reported, once this process has seen it."""
    plant.send(70)
    plant.until(lambda: Machine.objects.filter(key="M01").exists(), sending=70)
    with factory_context(plant.factory):
        made = rule_create(actor="test", data={"name": "Hot", "machines": ["M01"], "when": {"all": [HOT]}, **more})
    plant.until(lambda: len(hurrying._watched[plant.factory.slug].screen or ()), sending=70)
    return made


def everybody():
    return list(Machine.objects.select_related("line__site"))


def test_a_reading_beyond_its_limit_is_an_alert_without_any_worker(plant, hurrying, monkeypatch):
    made = rule_known(plant, hurrying)
    # A drain that rests for an hour after each batch: only what may not wait is stored at all.
    monkeypatch.setattr(draining, "_REST", 1e9)
    monkeypatch.setattr(draining, "_REST_AT_MOST_S", 3_600.0)
    plant.until(lambda: not plant.journal.factories())
    plant.send(70)
    plant.until(lambda: plant.drain._lanes[plant.factory.slug].not_before_s > clock.monotonic_s() + 60, sending=70)
    plant.send(95)
    [found] = plant.until(lambda: list(Alert.objects.all()))
    assert (found.cause, found.evidence["metrics"][0]["observed"]) == (f"rule:{made.pk}", 95.0)


def test_the_workers_run_goes_on_from_where_the_hurried_one_stood(plant, hurrying):
    rule_known(plant, hurrying)
    plant.send(95)
    plant.until(Alert.objects.exists)
    with factory_context(plant.factory):
        assert rules_watch(everybody()) == 1
        assert AlertEvent.objects.filter(kind="raised").count() == 1
        plant.send(60)
        plant.until(lambda: rules_watch(everybody()) and Alert.objects.filter(returned_at__isnull=False).exists())
        assert Alert.objects.count() == 1


def test_a_machine_that_a_worker_has_in_hand_is_waited_for(plant, hurrying):
    rule_known(plant, hurrying)
    held, let_go = threading.Event(), threading.Event()

    def work():
        with factory_context(plant.factory), transaction.atomic():
            list(MachineHealth.objects.select_for_update().filter(machine__key="M01"))
            held.set()
            let_go.wait(_WITHIN_S)
        connection.close()

    with factory_context(plant.factory):
        # Its row is made by the first evaluation.
        rules_watch(everybody())
    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(work)
        assert held.wait(_WITHIN_S)
        plant.send(95)
        plant.until(lambda: hurrying._pool._work_queue.empty() and not plant.journal.factories())
        with factory_context(plant.factory):
            assert not Alert.objects.exists()
        let_go.set()
        worker.result(timeout=_WITHIN_S)
    plant.until(Alert.objects.exists)


def test_rules_do_not_wait_for_whoever_writes_machines_last_values(plant, hurrying):
    rule_known(plant, hurrying)
    with factory_context(plant.factory):
        rules_watch(everybody())
    held, let_go = threading.Event(), threading.Event()

    def write():
        with factory_context(plant.factory), transaction.atomic():
            list(Machine.objects.select_for_update())
            held.set()
            let_go.wait(_WITHIN_S)
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        assert held.wait(_WITHIN_S)
        with factory_context(plant.factory):
            assert rules_watch(everybody()) == 1
        let_go.set()
        writer.result(timeout=_WITHIN_S)


def test_a_storm_leaves_most_machines_to_the_workers(plant, hurrying, monkeypatch):
    monkeypatch.setattr(hurry, "_MACHINES_AT_ONCE", 2)
    rule_known(plant, hurrying, machines=["*"])
    keys = [f"M{number:02}" for number in range(1, 7)]
    for key in keys:
        plant.send(70, machine=key)
    plant.until(lambda: len(hurrying._watched[plant.factory.slug].screen) == len(keys), sending=70)
    now = np.array([clock.now_ms()])
    parts = [Series(key, "t", now, np.array([95.0])) for key in keys]
    plant.journal.append(plant.factory.slug, ReadingBatch(parts).to_bytes(), len(keys)).result(timeout=10)
    plant.until(Alert.objects.exists)
    plant.until(lambda: hurrying._pool._work_queue.empty() and not plant.journal.factories())
    with factory_context(plant.factory):
        assert Alert.objects.count() <= 2
        rules_watch(everybody())
        assert Alert.objects.count() == len(keys)


def test_without_a_rule_nothing_is_decoded(hurrying, live_factories):
    factory = live_factories()
    assert hurrying.arrived(factory.slug, [b"no batch"]) is False
    hurrying._pool.submit(lambda: None).result(timeout=_WITHIN_S)
    assert hurrying.arrived(factory.slug, [b"no batch"]) is False
