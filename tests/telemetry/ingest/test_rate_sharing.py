"""The rate of a plan is one for a factory, however many processes and nodes take readings for it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis

from common import clock
from telemetry.ingest import rate_sharing
from telemetry.ingest.rate import TokenBucket
from telemetry.ingest.rate_sharing import EVERY_S, RateSharing
from telemetry.live.valkey import valkey

ROOT = Path(__file__).resolve().parents[3]


class Process:
    """What one process has of a factory's rate, without its thread."""

    def __init__(self, slug="mill", *, rate=100.0, burst=100.0, client=valkey, node=Path("/nonexistent")):
        self.slug = slug
        self.bucket = TokenBucket(rate=rate, burst=burst)
        self.sharing = RateSharing(client, lambda: node)
        self.sharing._begin = lambda: None

    def charge(self, amount):
        self.sharing.touch(self.slug, self.bucket)
        return self.bucket.charge(amount)

    def round(self):
        self.sharing.touch(self.slug, self.bucket)
        self.sharing._told_s.clear()
        self.sharing.round()
        return self.bucket.wait_s()


def away():
    raise redis.ConnectionError("away")


@pytest.fixture(autouse=True)
def _empty_valkey():
    valkey().flushdb()


def test_what_one_process_took_another_waits_for():
    door, other = Process(), Process()
    assert door.charge(300) > 0
    assert other.bucket.wait_s() == 0
    door.round()
    assert 1.5 < other.round() <= 2.0


def test_what_both_took_is_added_up():
    door, other = Process(), Process()
    for process in (door, other):
        assert process.charge(100) == pytest.approx(0.0, abs=0.1)
    door.round()
    assert other.round() == pytest.approx(1.0, abs=0.2)
    assert door.round() == pytest.approx(1.0, abs=0.2)


def test_one_factorys_debt_is_nobody_elses():
    door, other = Process("mill"), Process("dairy")
    door.charge(1_000)
    door.round()
    assert other.round() == 0.0


def test_while_valkey_is_away_each_process_keeps_the_rate_by_itself():
    door = Process(client=away)
    assert door.charge(200) > 0
    with pytest.raises(redis.RedisError):
        door.round()
    assert door.bucket.wait_s() > 0


def _lose_valkey(*processes):
    for process in processes:
        process.sharing._client = away
        process.charge(0)
        with pytest.raises(redis.RedisError):
            process.round()


def _taken_in(seconds, processes, now, *, block=10):
    """What each process takes when it takes all it may, by the millisecond."""
    taken = [0] * len(processes)
    for _ in range(round(seconds * 1000)):
        now.s += 0.001
        for number, process in enumerate(processes):
            if not process.bucket.wait_s():
                process.charge(block)
                taken[number] += block
    return taken


@pytest.fixture
def now(monkeypatch):
    now = SimpleNamespace(s=1_000.0)
    monkeypatch.setattr(clock, "monotonic_s", lambda: now.s)
    return now


def test_while_valkey_is_away_processes_that_know_each_other_get_the_plans_rate_together(now):
    doors = [Process(rate=1_000.0) for _ in range(3)]
    for _ in range(20):
        for door in doors:
            door.charge(10)
            door.round()
    _lose_valkey(*doors)
    taken = _taken_in(20, doors, now)
    assert sum(taken) == pytest.approx(20 * 1_000, rel=0.02)
    assert max(taken) - min(taken) < 0.3 * 1_000 * 20


def test_while_valkey_is_away_the_door_that_takes_most_keeps_most(now):
    busy, seldom = Process(rate=1_000.0), Process(rate=1_000.0)
    for _ in range(5):
        for process, amount in ((busy, 90), (seldom, 10)):
            process.charge(amount)
            process.round()
    _lose_valkey(busy, seldom)
    most, least = _taken_in(20, [busy, seldom], now)
    assert most > 2 * least > 0
    assert most + least == pytest.approx(20 * 1_000, rel=0.02)


def test_while_valkey_is_away_the_only_door_keeps_the_whole_rate(now):
    door = Process(rate=1_000.0)
    door.charge(10)
    door.round()
    _lose_valkey(door)
    assert sum(_taken_in(10, [door], now)) == pytest.approx(10 * 1_000, rel=0.02)


def test_a_process_that_is_gone_for_long_has_no_share_any_more(monkeypatch):
    monkeypatch.setattr(rate_sharing, "_GONE_S", -1.0)
    door, gone = Process(), Process()
    gone.charge(10)
    gone.round()
    door.charge(10)
    door.round()
    assert door.sharing._shares == {"mill": 1.0}


def test_a_factory_that_was_never_told_of_is_shared_among_as_many_as_another_has(now):
    door, other = Process("dairy"), Process("dairy")
    for process in (door, other, door):
        process.charge(10)
        process.round()
    unknown = TokenBucket(rate=1_000.0, burst=100.0)
    door.sharing.touch("mill", unknown)
    _lose_valkey(door)
    unknown.charge(1_000)
    assert unknown.wait_s() == pytest.approx((1_000 - 50) / 500)


def test_processes_that_start_while_valkey_is_away_share_the_rate_among_as_many_as_there_were(now, tmp_path):
    before = [Process(rate=1_000.0, node=tmp_path) for _ in range(4)]
    for door in before + before:
        door.charge(10)
        door.round()
    started = [Process("dairy", rate=1_000.0, node=tmp_path) for _ in range(4)]
    _lose_valkey(*started)
    assert sum(_taken_in(20, started, now)) == pytest.approx(20 * 1_000, rel=0.03)


def test_a_smaller_node_leaves_word_of_its_own_size(tmp_path):
    (tmp_path / "rate_doors").write_text("16")
    door = Process(node=tmp_path)
    door.charge(1)
    door.round()
    assert (tmp_path / "rate_doors").read_text() == "1"
    assert [file.name for file in tmp_path.iterdir()] == ["rate_doors"]


def test_a_word_that_nobody_can_read_counts_for_nothing(now, tmp_path):
    (tmp_path / "rate_doors").write_text("\0many")
    door = Process(rate=1_000.0, client=away, node=tmp_path)
    _lose_valkey(door)
    assert sum(_taken_in(10, [door], now)) == pytest.approx(10 * 1_000, rel=0.02)


def test_when_valkey_is_back_everybody_has_the_whole_rate_again(now):
    door, other = Process(), Process()
    for process in (door, other, door):
        process.charge(10)
        process.round()
    _lose_valkey(door)
    waits_s = [door.charge(200), door.charge(100)]
    assert waits_s[1] - waits_s[0] > 1.2
    door.sharing._client = valkey
    owed_s = door.round()
    assert door.charge(100) == pytest.approx(owed_s + 1.0)
    assert other.round() == pytest.approx(owed_s, abs=0.2)


def test_what_was_taken_while_valkey_was_away_is_not_charged_twice():
    door, other = Process(), Process()
    for process in (door, other):
        process.charge(50)
        process.round()
        process.sharing._client = away
        process.charge(90)
        with pytest.raises(redis.RedisError):
            process.round()
        process.sharing._client = valkey
    door.round()
    assert other.round() < 1.0


def test_a_flushed_valkey_forgives_no_debt():
    door, other = Process(), Process()
    door.charge(500)
    door.round()
    valkey().flushdb()
    door.round()
    assert other.round() > 2.0


def test_a_clock_that_falls_back_makes_no_debt(monkeypatch):
    bucket = TokenBucket(rate=100.0, burst=100.0)
    later_s = clock.monotonic_s() + 7 * 86_400
    with monkeypatch.context() as ahead:
        ahead.setattr(clock, "monotonic_s", lambda: later_s)
        assert bucket.charge(10) == 0
    assert bucket.wait_s() == 0
    assert bucket.charge(10) == 0


def test_a_quiet_factory_is_told_of_seldom():
    door = Process(rate=10_000.0, burst=10_000.0)
    door.charge(1)
    door.sharing.round()
    door.charge(1)
    assert door.sharing._due() == []
    door.charge(int(10_000 * EVERY_S))
    assert [slug for slug, _ in door.sharing._due()] == ["mill"]


def test_a_factory_that_fell_silent_is_let_go_of():
    door = Process()
    door.charge(1)
    door.round()
    door.sharing._told_s.clear()
    door.sharing.round()
    assert (door.sharing._touched, door.sharing._told_s) == ({}, {})


def test_the_processes_of_a_node_together_get_the_plans_rate():
    rate, processes = 5_000.0, 3
    hogs = [_hog("acme", rate) for _ in range(processes)]
    for hog in hogs:
        assert hog.stdout.readline() == "ready\n"
    for hog in hogs:
        hog.stdin.write("go\n")
        hog.stdin.flush()
    ends = [tuple(map(float, hog.communicate(timeout=60)[0].split())) for hog in hogs]
    taken = sum(end[0] for end in ends)
    lasted_s = max(end[2] for end in ends) - min(end[1] for end in ends)
    # What each may take before the first round, and between two rounds; both are small beside N times the rate.
    allowed = rate * lasted_s + processes * rate / 10 + processes * rate * 3 * EVERY_S
    assert rate * 1.0 < taken <= allowed < processes * rate * lasted_s


def _hog(slug, rate):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.telemetry.ingest.rate_hog", slug, str(rate), "3"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "factorypulse.settings.test"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
