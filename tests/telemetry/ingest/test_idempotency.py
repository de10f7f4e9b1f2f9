"""An Idempotency-Key gives one answer, whoever asks how often, in whichever process."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from telemetry.ingest import idempotency
from telemetry.ingest.idempotency import (
    Answer,
    IdempotencyKeyInvalidError,
    IdempotencyKeyReusedError,
    IdempotencyKeyRunningError,
    Once,
)
from telemetry.live.valkey import valkey

ANSWER = Answer(201, b'{"accepted": 1}')


@pytest.fixture(autouse=True)
def _empty_valkey():
    valkey().flushdb()


def test_the_second_request_gets_the_first_ones_answer():
    first, second = Once("mill", "k", b"body"), Once("mill", "k", b"body")
    assert first.claim() is None
    first.keep(ANSWER)
    assert second.claim() == ANSWER


def test_a_request_under_way_is_told_as_such_also_with_another_body():
    assert Once("mill", "k", b"body").claim() is None
    with pytest.raises(IdempotencyKeyRunningError) as running:
        Once("mill", "k", b"body").claim()
    assert (running.value.status, running.value.retry_after_s) == (409, 1)
    with pytest.raises(IdempotencyKeyReusedError) as reused:
        Once("mill", "k", b"other").claim()
    assert reused.value.status == 409


def test_of_twenty_at_once_exactly_one_answers():
    def ask(_number):
        try:
            return Once("mill", "k", b"body").claim() is None
        except IdempotencyKeyRunningError:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(ask, range(20))) == 1


def test_a_failed_request_lets_the_next_try_with_the_time_of_the_first(monkeypatch):
    first = Once("mill", "k", b"body")
    first.received_ms = 1_000
    first.claim()
    first.release()
    second = Once("mill", "k", b"body")
    assert second.claim() is None
    assert second.received_ms == 1_000


def test_a_killed_process_holds_its_key_for_a_while_only(monkeypatch):
    monkeypatch.setattr(idempotency, "RUNNING_S", 0)
    dead = Once("mill", "k", b"body")
    dead.claim()
    heir = Once("mill", "k", b"body")
    assert heir.claim() is None
    assert heir.received_ms == dead.received_ms
    # And the dead one's last words change nothing any more.
    dead.release()
    dead.keep(Answer(500, b"late"))
    heir.keep(ANSWER)
    assert Once("mill", "k", b"body").claim() == ANSWER


def test_keys_of_two_factories_never_meet():
    Once("mill", "k", b"body").claim()
    assert Once("dairy", "k", b"other").claim() is None


def test_a_factory_that_uses_very_many_keys_has_them_kept_for_a_minute(monkeypatch):
    monkeypatch.setattr(idempotency, "_MANY", 1)
    few, many = Once("mill", "k1", b"body"), Once("mill", "k2", b"body")
    few.claim()
    many.claim()
    assert valkey().ttl(few._name) > idempotency._KEEP_MANY_S >= valkey().ttl(many._name)


def test_without_valkey_requests_go_on(monkeypatch):
    class Away:
        def eval(self, *_arguments):
            raise redis.ConnectionError("away")

    monkeypatch.setattr(idempotency, "valkey", Away)
    once = Once("mill", "k", b"body")
    assert once.claim() is None
    once.keep(ANSWER)
    once.release()


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "\0"])
def test_a_key_that_makes_no_sense_is_refused(key):
    with pytest.raises(IdempotencyKeyInvalidError):
        Once("mill", key, b"body")
