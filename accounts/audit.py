"""The audit trail: who did what to what, from where; written in the transaction of the deed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog

from accounts.models import AuditEntry

_log = structlog.get_logger(__name__)
# How to tell where the current request comes from; asked only when something is written down.
_asked_from: ContextVar[Callable[[], str] | None] = ContextVar("asked_from", default=None)


@contextmanager
def asked_from(address: Callable[[], str]) -> Iterator[None]:
    """Entries of the block come from this network address."""
    token = _asked_from.set(address)
    try:
        yield
    finally:
        _asked_from.reset(token)


def audit_record(
    *,
    actor: Any,
    action: str,
    target: str = "",
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **details: Any,
) -> AuditEntry:
    """Write one entry of the current factory's audit trail.

    actor: a User, an API key, or a word such as “system”; before, after: of what was changed, by name; details: what
    else is worth knowing. All JSON values, never a secret.
    """
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))[:64]
    address = _asked_from.get()
    entry = AuditEntry.objects.create(
        actor=_name_of(actor)[:254],
        action=action[:80],
        target=target[:254],
        details=details,
        before=before,
        after=after,
        address=address()[:45] if address else "",
        request_id=request_id,
    )
    _log.info("audit", action=action, actor=entry.actor, target=entry.target)
    return entry


def _name_of(actor: Any) -> str:
    return str(getattr(actor, "email", "") or getattr(actor, "name", "") or actor or "system")
