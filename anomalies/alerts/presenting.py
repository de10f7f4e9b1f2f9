"""An alert as programs see it: the API's answers and the live message are the same object."""

from typing import Any

from anomalies.models import Alert, AlertEvent
from common.times import rfc3339


def alert_as_dict(alert: Alert) -> dict[str, Any]:
    """The alert's public form; wants `machine` (and, where acknowledged, `acknowledged_by`) loaded."""
    return {
        "id": alert.pk,
        "machine": alert.machine.key,
        "machine_name": str(alert.machine),
        "cause": alert.cause,
        "severity": alert.severity,
        "state": alert.state,
        "title": alert.title,
        "summary": alert.summary,
        "evidence": alert.evidence,
        "since_at": rfc3339(alert.since_at),
        "raised_at": rfc3339(alert.raised_at),
        "returned_at": rfc3339(alert.returned_at) if alert.returned_at else None,
        "acknowledged_at": rfc3339(alert.acknowledged_at) if alert.acknowledged_at else None,
        "acknowledged_by": str(alert.acknowledged_by) if alert.acknowledged_by else None,
        "occurrences": alert.occurrences,
        "chattering": alert.chattering,
        "retroactive": alert.retroactive,
        "group": alert.group_id,
        "shelved_until_at": rfc3339(alert.shelved_until_at) if alert.shelved_until_at else None,
        "hidden_reason": alert.hidden_reason,
        "verdict": alert.verdict or None,
        "closed_at": rfc3339(alert.closed_at) if alert.closed_at else None,
    }


def event_as_dict(event: AlertEvent) -> dict[str, Any]:
    """One entry of an alert's timeline."""
    return {
        "at": rfc3339(event.at),
        "event_at": rfc3339(event.event_at) if event.event_at else None,
        "kind": event.kind,
        "from_state": event.from_state or None,
        "to_state": event.to_state or None,
        "verdict": event.verdict or None,
        "actor": event.actor,
        "comment": event.comment,
    }
