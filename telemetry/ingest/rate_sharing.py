"""One rate for a factory over all processes and nodes: each charges its own bucket, and a thread brings them together.

Doors never wait for Valkey. Every EVERY_S the thread of a process tells what its buckets have spent and learns what is
left of all, so between two rounds a factory can take too much by what arrives in that time; the debt makes everybody
wait for it afterwards. While Valkey is away each process keeps the rate by itself, and nothing there is authoritative:
a bucket that was lost with it begins where the first process that asks stands.
"""

import os
import threading
from collections.abc import Callable

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
# What is left of the bucket, on Valkey's clock; `alone` means that spent tokens were lost count of while it was away.
_SETTLE = """
local spent, level, rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local alone = ARGV[5] == '1'
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
return string.format('%.6f', tokens)
"""


class RateSharing:
    """The thread of one process, begun with the first bucket that is used; safe from any thread."""

    def __init__(self, client: Callable[[], redis.Redis] = valkey) -> None:
        self._client = client
        self._touched: dict[str, TokenBucket] = {}
        self._told_s: dict[str, float] = {}
        self._alone: set[str] = set()
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

    def round(self) -> None:
        """Tell and learn once, for every factory whose turn it is."""
        due = self._due()
        if not due:
            return
        reports = [(slug, bucket, bucket.report()) for slug, bucket in due]
        try:
            levels = self._settle([(slug, report) for slug, _bucket, report in reports])
        except (redis.RedisError, OSError) as error:
            # What was reported is lost count of: those who come back may not be charged for it twice.
            self._alone.update(slug for slug, *_ in reports)
            _log.warning("rates_not_shared", factories=len(reports), error=str(error)[:200])
            self._awake.clear()
            raise
        for (slug, bucket, report), level in zip(reports, levels, strict=True):
            bucket.settle(level)
            self._alone.discard(slug)
            if not report.spent:
                self._touched.pop(slug, None)
                self._told_s.pop(slug, None)

    def _due(self) -> list[tuple[str, TokenBucket]]:
        now_s = clock.monotonic_s()
        due = []
        for slug, bucket in list(self._touched.items()):
            if bucket.spent_s() >= EVERY_S / 2 or now_s - self._told_s.get(slug, float("-inf")) >= _QUIET_S:
                self._told_s[slug] = now_s
                due.append((slug, bucket))
        return due

    def _settle(self, reports: list[tuple[str, Report]]) -> list[float]:
        pipe = self._client().pipeline(transaction=False)
        for slug, report in reports:
            arguments = [*(f"{number:.6f}" for number in report), "1" if slug in self._alone else "0"]
            pipe.eval(_SETTLE, 1, f"factorypulse:rate:{slug}", *arguments)
        return [float(level) for level in pipe.execute()]

    def _begin(self) -> None:
        """Start the thread, also in a process that was forked from one that had it."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
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
