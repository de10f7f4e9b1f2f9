"""How often somebody may try: failures are counted per account and per network address, in the shared cache."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from allauth.account.adapter import get_adapter
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from common import clock
from common.errors import LimitReachedError

WINDOW_S = 15 * 60
FAILURES_PER_ACCOUNT = 10
FAILURES_PER_ADDRESS = 50


class TooManyAttemptsError(LimitReachedError):
    """Too many failures lately; `retry_after_s` says when the next try is worth it."""

    code = "too_many_attempts"

    def __init__(self, *, retry_after_s: float) -> None:
        super().__init__(_("Too many failed attempts. Wait a few minutes and try again."))
        self.retry_after_s = retry_after_s


@contextmanager
def attempt(*, account: str, address: str, failure: type[Exception]) -> Iterator[None]:
    """One try at proving somebody, counted before it is made, so that many at once are no more than one by one.

    A block that ends well forgives the account; one that raises `failure` stays counted; any other error was no try.
    Raises TooManyAttemptsError when either has failed too often in this window.
    """
    (account_key, _many), (address_key, _more) = counters = _counters(account, address)
    for number, (key, allowed) in enumerate(counters):
        if _count(key) > allowed:
            # What was refused is no failure of whoever else comes from there.
            _uncount(*[other for other, _allowed in counters[: number + 1]])
            raise TooManyAttemptsError(retry_after_s=_left_s())
    try:
        yield
    except failure:
        raise
    except BaseException:
        _uncount(account_key, address_key)
        raise
    # The address stays counted for its failures, since it may try many accounts.
    _uncount(address_key)
    cache.delete(account_key)


def network_address(request: Any) -> str:
    """Where a request comes from, as far as the configured proxies can be believed."""
    try:
        return str(get_adapter().get_client_ip(request))
    except PermissionDenied:
        return "unknown"


def _counters(account: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
    # The window stands in the key, so that counting on never moves its end. Hashed: an account may hold any sign.
    window = int(clock.now().timestamp() // WINDOW_S)
    name = hashlib.sha256(account.strip().lower().encode()).hexdigest()[:32]
    return (
        (f"login-failures:{window}:account:{name}", FAILURES_PER_ACCOUNT),
        (f"login-failures:{window}:address:{address}", FAILURES_PER_ADDRESS),
    )


def _count(key: str) -> int:
    cache.add(key, 0, timeout=WINDOW_S)
    return int(cache.incr(key))


def _uncount(*keys: str) -> None:
    for key in keys:
        # Gone with its window, or with a success beside this one.
        with suppress(ValueError):
            cache.decr(key)


def _left_s() -> float:
    return WINDOW_S - clock.now().timestamp() % WINDOW_S
