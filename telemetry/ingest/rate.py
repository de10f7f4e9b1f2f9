"""A token bucket that may go into debt: what has arrived is never thrown away, the next has to wait. Pure."""

import threading
from typing import NamedTuple

from common import clock


class Report(NamedTuple):
    """What one process tells the others about a bucket.

    spent: tokens taken since the last report; level: tokens there are in all, as far as this process knows;
    rate: tokens a second; burst: tokens at most.
    """

    spent: float
    level: float
    rate: float
    burst: float


class TokenBucket:
    """Fills with `rate` tokens a second up to `burst`; a charge may take more than there is.

    Debt instead of refusal, because the size of a body is known only after it was read, and a device that speaks
    MQTT 3.1.1 can't be told “no”: it is made to wait by not being read. Debt is also what lets several processes share
    one rate without asking each other first: what they took too much, they find out a moment later and all wait for.

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
        self._spent = 0.0
        # Of rate and burst, while nobody can be asked; otherwise 1.
        self._share = 1.0
        self._at_s = clock.monotonic_s()
        self._lock = threading.Lock()

    def tune(self, *, rate: float, burst: float) -> None:
        """Take a changed plan without forgetting the debt."""
        with self._lock:
            self._fill()
            self._rate, self._burst = rate, burst
            self._tokens = min(self._tokens, burst * self._share)

    def wait_s(self) -> float:
        """Seconds until something may come again; 0 when it may now."""
        with self._lock:
            self._fill()
            return self._debt_s()

    def charge(self, amount: int) -> float:
        """Take tokens for what has come; returns `wait_s` after it."""
        with self._lock:
            self._fill()
            self._tokens -= amount
            self._spent += amount
            return self._debt_s()

    def spent_s(self) -> float:
        """For how many seconds of the rate the tokens not yet reported stand."""
        return self._spent / self._rate

    def report(self) -> Report:
        """What to tell the other processes; it counts as told."""
        with self._lock:
            self._fill()
            spent, self._spent = self._spent, 0.0
            return Report(spent, self._tokens / self._share, self._rate, self._burst)

    def stand_alone(self, share: float) -> None:
        """Nobody can be asked: take this part (above 0, up to 1) of the rate, and of the level there was.

        >>> bucket = TokenBucket(rate=100.0, burst=100.0)
        >>> bucket.stand_alone(0.25); round(bucket.charge(50), 1)
        1.0
        """
        with self._lock:
            self._fill()
            self._tokens *= share / self._share
            self._share = share

    def settle(self, level: float) -> None:
        """Take the level that all processes together have come to; what was taken since the report goes off it.

        >>> here = TokenBucket(rate=100.0, burst=100.0)
        >>> _ = here.charge(50); told = here.report(); _ = here.charge(10)
        >>> here.settle(-90.0)
        >>> round(here.wait_s())
        1
        """
        with self._lock:
            self._share = 1.0
            self._tokens = min(self._burst, level - self._spent)
            self._at_s = clock.monotonic_s()

    def _fill(self) -> None:
        now_s = clock.monotonic_s()
        # Were it ever behind, it must not make a debt of the difference.
        gone_s = max(0.0, now_s - self._at_s)
        self._tokens = min(self._burst * self._share, self._tokens + gone_s * self._rate * self._share)
        self._at_s = now_s

    def _debt_s(self) -> float:
        return max(0.0, -self._tokens / (self._rate * self._share))
