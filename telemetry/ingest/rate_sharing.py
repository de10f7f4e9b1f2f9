"""One rate for a factory over all processes and nodes: each charges its own bucket, and a thread brings them together.

Doors never wait for Valkey. Every EVERY_S the thread of a process tells what its buckets have spent and learns what is
left of all, so between two rounds a factory can take too much by what arrives in that time; the debt makes everybody
wait for it afterwards. Nothing in Valkey is authoritative: a bucket that was lost with it begins where the first
process that asks stands.

While Valkey is away each process keeps to its share of the rate: half of the rate is divided by what each took of the
factory's readings in the last minutes, because a plant mostly sends through one door, and half evenly, so that a door
that begins to be used is not shut. The shares of those who knew each other add up to one. A process that starts while
Valkey is away knows of nobody: it takes an equal part, of as many as this node's file says there were.
"""

import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import redis
import structlog

from common import clock
from telemetry.ingest.rate import Report, TokenBucket
from telemetry.live.valkey import valkey

_log = structlog.get_logger(__name__)

EVERY_S = 0.1
# A factory far below its rate is told of once in this time: a thousand quiet factories must cost nothing.
_QUIET_S = 1.0
_AWAY_S = 1.0
# How long what a process took counts for its share, and when one that takes nothing is no longer counted at all.
_HABIT_S, _GONE_S = 60.0, 300.0
_FILE = "rate_doors"
# What is left of the bucket, on Valkey's clock; `alone` means that spent tokens were lost count of while it was away.
# Then how many processes take readings of the factory, and which part of them this one took.
_SETTLE = """
local spent, level, rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local alone, door, habit, gone = ARGV[5] == '1', ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local held = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = level
if held[1] then
    local filled = math.min(burst, tonumber(held[1]) + math.max(0, now - tonumber(held[2])) * rate)
    if alone then tokens = math.min(filled, level) else tokens = filled - spent end
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(math.min(86400, (burst - tokens) / rate + 60) * 1000))

local doors, all, mine = 1, spent, spent
local known = redis.call('HGETALL', KEYS[2])
for i = 1, #known, 2 do
    local took, at = string.match(known[i + 1], '(%S+) (%S+)')
    local ago = math.max(0, now - tonumber(at))
    took = tonumber(took) * math.exp(-ago / habit)
    if known[i] == door then
        mine = mine + took
        all = all + took
    elseif ago > gone then
        redis.call('HDEL', KEYS[2], known[i])
    else
        all = all + took
        doors = doors + 1
    end
end
if spent > 0 then redis.call('HSET', KEYS[2], door, string.format('%.6f %.6f', mine, now)) end
redis.call('PEXPIRE', KEYS[2], math.ceil(gone * 1000))
return {string.format('%.6f', tokens), tostring(doors), string.format('%.6f', all > 0 and mine / all or 1 / doors)}
"""


class Settled(NamedTuple):
    """What all processes together have come to. took: which part of the last minutes' tokens this one had, 0 to 1."""

    level: float
    doors: int
    took: float

    @property
    def share(self) -> float:
        """The part of the rate to keep to while nobody can be asked.

        >>> Settled(0.0, 2, 0.9).share + Settled(0.0, 2, 0.1).share
        1.0
        """
        return (self.took + 1 / self.doors) / 2


def _journal_dir() -> Path:
    from django.conf import settings

    return Path(settings.JOURNAL_DIR)


class RateSharing:
    """The thread of one process, begun with the first bucket that is used; safe from any thread.

    directory: of the node, where all its processes may write.
    """

    def __init__(
        self, client: Callable[[], redis.Redis] = valkey, directory: Callable[[], Path] = _journal_dir
    ) -> None:
        self._client = client
        self._directory = directory
        self._touched: dict[str, TokenBucket] = {}
        self._told_s: dict[str, float] = {}
        self._alone: set[str] = set()
        self._shares: dict[str, float] = {}
        # The most processes that any factory was seen to have, 0 before any: what is guessed of one never settled.
        self._doors = 0
        self._door = uuid.uuid4().hex[:8]
        self._awake = threading.Event()
        self._pid = 0
        self._lock = threading.Lock()

    def touch(self, factory_slug: str, bucket: TokenBucket) -> None:
        """This factory sends something: bring its bucket together with the others' soon. Returns at once."""
        if self._touched.get(factory_slug) is not bucket:
            self._touched[factory_slug] = bucket
        if not self._awake.is_set():
            self._awake.set()
        if self._pid != os.getpid():
            self._begin()

    def forget(self) -> None:
        """Let go of every bucket."""
        self._touched.clear()
        self._told_s.clear()
        self._alone.clear()
        self._shares.clear()

    def round(self) -> None:
        """Tell and learn once, for every factory whose turn it is."""
        due = self._due()
        if not due:
            return
        reports = [(slug, bucket, bucket.report()) for slug, bucket in due]
        try:
            found = self._settle([(slug, report) for slug, _bucket, report in reports])
        except (redis.RedisError, OSError) as error:
            # What was reported is lost count of: those who come back may not be charged for it twice.
            for slug, bucket, _report in reports:
                self._alone.add(slug)
                bucket.stand_alone(self._shares.get(slug) or 1 / self._doors_known())
            _log.warning("rates_not_shared", factories=len(reports), error=str(error)[:200])
            self._awake.clear()
            raise
        for (slug, bucket, report), settled in zip(reports, found, strict=True):
            bucket.settle(settled.level)
            self._alone.discard(slug)
            self._shares[slug] = settled.share
            if not report.spent:
                self._touched.pop(slug, None)
                self._told_s.pop(slug, None)
        self._doors_seen(max(settled.doors for settled in found))

    def _doors_seen(self, doors: int) -> None:
        """Leave word of it to those who start while Valkey is away."""
        if doors <= self._doors:
            return
        self._doors = doors
        try:
            new = self._directory() / f"{_FILE}.{self._door}"
            new.write_text(str(doors), encoding="ascii")
            new.replace(self._directory() / _FILE)
        except OSError as error:
            _log.warning("doors_not_kept", doors=doors, error=str(error))

    def _doors_known(self) -> int:
        """How many processes share a factory's rate, from what was seen or left; 1 where nobody ever knew."""
        if self._doors:
            return self._doors
        try:
            return max(1, int((self._directory() / _FILE).read_text(encoding="ascii")))
        except (OSError, ValueError):
            return 1

    def _due(self) -> list[tuple[str, TokenBucket]]:
        now_s = clock.monotonic_s()
        due = []
        for slug, bucket in list(self._touched.items()):
            if bucket.spent_s() >= EVERY_S / 2 or now_s - self._told_s.get(slug, float("-inf")) >= _QUIET_S:
                self._told_s[slug] = now_s
                due.append((slug, bucket))
        return due

    def _settle(self, reports: list[tuple[str, Report]]) -> list[Settled]:
        pipe = self._client().pipeline(transaction=False)
        for slug, report in reports:
            figures = [f"{number:.6f}" for number in report]
            about = ["1" if slug in self._alone else "0", self._door, _HABIT_S, _GONE_S]
            keys = (f"factorypulse:rate:{slug}", f"factorypulse:rate-doors:{slug}")
            pipe.eval(_SETTLE, len(keys), *keys, *figures, *about)
        return [Settled(float(level), int(doors), float(took)) for level, doors, took in pipe.execute()]

    def _begin(self) -> None:
        """Start the thread, also in a process that was forked from one that had it."""
        with self._lock:
            if self._pid != os.getpid():
                # A forked process is a door of its own.
                self._pid, self._door = os.getpid(), uuid.uuid4().hex[:8]
                threading.Thread(target=self._run, name="rate-sharing", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._awake.wait()
            try:
                self.round()
                if not self._touched:
                    self._awake.clear()
                pause.wait(EVERY_S)
            except (redis.RedisError, OSError):
                pause.wait(_AWAY_S)
            except Exception:  # noqa: BLE001  # a thread's edge: without it each process would keep the rate alone for ever
                _log.exception("rate_sharing_failed")
                pause.wait(_AWAY_S)
