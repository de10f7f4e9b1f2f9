"""A token bucket that may go into debt: what has arrived is never thrown away, the next has to wait. Pure."""

import threading

from common import clock


class TokenBucket:
    """Fills with `rate` tokens a second up to `burst`; a charge may take more than there is.

    Debt instead of refusal, because the size of a body is known only after it was read, and a device that speaks
    MQTT 3.1.1 can't be told “no”: it is made to wait by not being read.

    >>> bucket = TokenBucket(rate=100.0, burst=100.0)
    >>> bucket.wait_s()
    0.0
    >>> round(bucket.charge(200), 1)
    1.0
    """

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at_s = clock.monotonic_s()
        self._lock = threading.Lock()

    def tune(self, *, rate: float, burst: float) -> None:
        """Take a changed plan without forgetting the debt."""
        with self._lock:
            self._fill()
            self._rate, self._burst = rate, burst
            self._tokens = min(self._tokens, burst)

    def wait_s(self) -> float:
        """Seconds until something may come again; 0 when it may now."""
        with self._lock:
            self._fill()
            return max(0.0, -self._tokens / self._rate)

    def charge(self, amount: int) -> float:
        """Take tokens for what has come; returns `wait_s` after it."""
        with self._lock:
            self._fill()
            self._tokens -= amount
            return max(0.0, -self._tokens / self._rate)

    def _fill(self) -> None:
        now_s = clock.monotonic_s()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
