from unittest.mock import patch

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from anomalies import receivers
from anomalies.tasks import evaluate, train_factory
from common import clock
from telemetry.signals import readings_stored


@pytest.fixture
def enqueued(in_acme, monkeypatch):
    calls = []
    monkeypatch.setattr(evaluate, "apply_async", lambda **call: calls.append(call))
    return calls


def announce(factory, readings: int = 10) -> None:
    readings_stored.send(sender=None, factory=factory, machines={"M01": (0, 1)}, readings=readings)


def test_the_first_batch_is_evaluated_at_once_and_the_next_together(in_acme, enqueued):
    for _ in range(50):
        announce(in_acme)
    assert [call.get("countdown") for call in enqueued] == [None]
    receivers.evaluation_begins()
    for _ in range(50):
        announce(in_acme)
    assert [call.get("countdown") for call in enqueued] == [None, receivers._LEAST_S]
    assert all(call["kwargs"]["factory_slug"] == "acme" for call in enqueued)


@pytest.mark.parametrize(("took_s", "waits_s"), [(0.01, 0.15), (0.1, 0.4), (3.0, 1.0)])
def test_the_longer_a_run_takes_the_longer_the_next_waits_up_to_a_second(in_acme, enqueued, took_s, waits_s):
    announce(in_acme)
    receivers.evaluation_begins()
    receivers.evaluation_took(took_s)
    announce(in_acme)
    assert enqueued[-1]["countdown"] == pytest.approx(waits_s)


def test_slow_workers_find_one_run_waiting_and_not_a_heap(in_acme, enqueued):
    for _ in range(5):
        announce(in_acme)
        receivers.cache.delete(receivers._BEGUN)  # as if a second had passed
    assert len(enqueued) == 1


def test_readings_stored_after_a_run_began_get_another(in_acme, enqueued):
    for runs in (1, 2, 3):
        announce(in_acme)
        assert len(enqueued) == runs
        evaluate(factory_slug="acme")


def test_a_broker_that_is_away_does_not_disturb_the_drain(in_acme):
    with patch.object(receivers.cache, "add", side_effect=RedisConnectionError("down")) as asked:
        announce(in_acme)
    assert asked.called


def test_the_rate_is_that_of_the_last_full_ten_seconds(in_acme, enqueued, monkeypatch):
    now_ms = 1_795_300_000_000
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms)
    for _ in range(3):
        announce(in_acme, readings=50)
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms + 10_000)
    assert receivers.ingest_rate() == 15.0
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms + 20_000)
    assert receivers.ingest_rate() == 0.0


def test_a_factory_without_machines_is_nothing_to_do(in_acme):
    assert evaluate(factory_slug="acme") == 0
    assert train_factory(factory_slug="acme") == 0
