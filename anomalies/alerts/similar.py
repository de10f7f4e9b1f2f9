"""Earlier alerts like this one, with what they turned out to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from anomalies.alerts.sentences import since_text
from anomalies.models import Alert
from telemetry.history.spans import machine_zone

_LOOKED_AT = 400
_LIKE_ENOUGH = 0.5
# An alert of the same machine tells more than one of its neighbour of the same type.
_OTHER_MACHINE = 0.8


@dataclass(frozen=True, slots=True)
class Similar:
    """An earlier alert, and how like it is: 0 to 1."""

    alert: Alert
    likeness: float


def alerts_similar(alert: Alert, *, at_most: int = 5) -> list[Similar]:
    """Earlier alerts of the machine, and of machines of its type, that tell of the same; the most alike first."""
    machine = alert.machine
    earlier = (
        Alert.objects.exclude(pk=alert.pk).filter(raised_at__lt=alert.raised_at).select_related("machine__line__site")
    )
    own = earlier.filter(machine=machine).order_by("-raised_at", "-pk")[:_LOOKED_AT]
    rows = list(own)
    if machine.machine_type:
        alike = earlier.filter(machine__machine_type__iexact=machine.machine_type).exclude(machine=machine)
        rows += alike.order_by("-raised_at", "-pk")[:_LOOKED_AT]
    found = [Similar(row, round(_likeness(alert, row), 2)) for row in rows]
    found = [each for each in found if each.likeness >= _LIKE_ENOUGH]
    found.sort(key=lambda each: (-each.likeness, -each.alert.raised_at.timestamp()))
    return found[:at_most]


def similar_text(alert: Alert, *, at_most: int = 2) -> str:
    """What happened on the machine that was like this, as a sentence by the plant's clock; empty where nothing did.

    Of its own machine alone: whoever reads it may not see the others.
    """
    own = [each.alert for each in alerts_similar(alert) if each.alert.machine_id == alert.machine_id][:at_most]
    zone = machine_zone(alert.machine)
    told = "; ".join(f"{since_text(each.since_at, zone)} ({_verdict(each)})" for each in own)
    return _("Like it before: %(times)s.") % {"times": told} if told else ""


def _verdict(alert: Alert) -> str:
    return str(alert.get_verdict_display()) if alert.verdict else _("Not judged")


def _likeness(one: Alert, other: Alert) -> float:
    near = 1.0 if one.machine_id == other.machine_id else _OTHER_MACHINE
    if one.cause.partition(":")[0] != other.cause.partition(":")[0]:
        return 0.0
    mine, theirs = _signature(one.evidence), _signature(other.evidence)
    if not mine or not theirs:
        return near if one.cause == other.cause else 0.0
    return near * evidence_likeness(mine, theirs)


def evidence_likeness(mine: Mapping[str, float], theirs: Mapping[str, float]) -> float:
    """The part of the shares that two explanations have in common: 1 for the same, 0 for none.

    Each maps a metric with its side (“vibration+”) to its share of what deviated.

    >>> evidence_likeness({"vibration+": 0.8, "current+": 0.2}, {"vibration+": 0.6, "flow-": 0.4})
    0.6
    """
    return sum(min(share, theirs.get(name, 0.0)) for name, share in mine.items())


def _signature(evidence: Mapping[str, Any]) -> dict[str, float]:
    parts: Sequence[Mapping[str, Any]] = evidence.get("metrics") or []
    shares = {f"{part.get('metric')}{_side(part)}": float(part.get("share") or 0.0) for part in parts}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()} if total > 0 else {}


def _side(part: Mapping[str, Any]) -> str:
    """On which side of what is normal it was: + or -, nothing where there is no band."""
    low, high = part.get("expected") or (None, None)
    observed = part.get("observed")
    if observed is None or low is None or high is None:
        return ""
    return "+" if observed > high else "-" if observed < low else ""
