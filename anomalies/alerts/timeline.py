"""What happened to an alert, written down once for everybody: its timeline, and the news to open browsers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from anomalies.alerts.lifecycle import Happening, State, transition
from anomalies.alerts.presenting import alert_as_dict
from anomalies.models import Alert, AlertEvent
from telemetry.live.hub import live_publish
from tenants.context import factory_current

SYSTEM = "FactoryPulse"


def alert_move(alert: Alert, happening: Happening, *, wrong: bool | None = None) -> State | None:
    """Carry the alert to the state that follows, without saving it; None, and unchanged, where nothing follows.

    wrong: whether what it tells of was so until now, where that is not what `returned_at` says.
    """
    state = transition(alert.state, happening, wrong=alert.returned_at is None if wrong is None else wrong)
    if state is not None:
        alert.state = state.value
    return state


def event_record(
    alert: Alert,
    kind: str,
    *,
    before: str = "",
    actor: str = "",
    comment: str = "",
    verdict: str = "",
    event_at: datetime | None = None,
) -> AlertEvent:
    """Add an entry to the timeline. before: the state until now, for an entry that tells of a transition.

    event_at: when it was so by the readings' own time. It belongs to entries that begin or end a stretch in which the
    machine was wrong, and to no others: training reads the stretches from here.
    """
    return AlertEvent.objects.create(
        alert=alert,
        kind=kind,
        event_at=event_at,
        from_state=before,
        to_state=alert.state if before else "",
        actor=actor[:254],
        comment=comment,
        verdict=verdict,
    )


def alert_publish(alert: Alert, event: str) -> None:
    """News to open browsers, once the transaction is through; its content is that of this very moment."""
    factory = factory_current()
    if factory is None:
        return
    message: Mapping[str, Any] = {"type": "alert", "event": event, "alert": alert_as_dict(alert)}
    transaction.on_commit(lambda: live_publish(factory.slug, message), using=connection.alias)


def actor_name(user: Any) -> str:
    """How the timeline names a person, a key, or (for None) the product itself."""
    return SYSTEM if user is None else str(getattr(user, "email", "") or getattr(user, "name", "") or user)
