"""How often somebody may try: failures are counted per account and per network address, in the shared cache."""

import hashlib
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


def attempts_check(*, account: str, address: str) -> None:
    """Raises TooManyAttemptsError when either has failed too often in this window."""
    for key, allowed in _counters(account, address):
        if int(cache.get(key, 0)) >= allowed:
            raise TooManyAttemptsError(retry_after_s=_left_s())


def attempts_failed(*, account: str, address: str) -> None:
    """Count one failure for both."""
    for key, _allowed in _counters(account, address):
        cache.add(key, 0, timeout=WINDOW_S)
        cache.incr(key)


def attempts_forget(*, account: str, address: str) -> None:
    """Forgive the account after a success; the address stays counted, since it may try many accounts."""
    (account_key, _allowed), _other = _counters(account, address)
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


def _left_s() -> float:
    return WINDOW_S - clock.now().timestamp() % WINDOW_S
