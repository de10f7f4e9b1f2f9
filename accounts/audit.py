"""The audit trail: who did what to what; written in the transaction of the deed."""

from typing import Any

import structlog

from accounts.models import AuditEntry

_log = structlog.get_logger(__name__)


def audit_record(*, actor: Any, action: str, target: str = "", **details: Any) -> AuditEntry:
    """Write one entry of the current factory's audit trail.

    actor: a User, an API key, or a word such as “system”; details: JSON values, never a secret.
    """
    request_id = str(structlog.contextvars.get_contextvars().get("request_id", ""))[:64]
    entry = AuditEntry.objects.create(
        actor=_name_of(actor)[:254], action=action[:80], target=target[:254], details=details, request_id=request_id
    )
    _log.info("audit", action=action, actor=entry.actor, target=entry.target)
    return entry


def _name_of(actor: Any) -> str:
    return str(getattr(actor, "email", "") or getattr(actor, "name", "") or actor or "system")
