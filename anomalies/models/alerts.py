"""The alerts that rules and detectors raise, and their timelines."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from anomalies.models.rules import Rule, Severity
from telemetry.models import Machine

Evidence = dict[str, Any]


class AlertState(models.TextChoices):
    """ISA-18.2, the part that stands today."""

    ACTIVE_UNACKNOWLEDGED = "active_unacknowledged", _("Active")
    ACTIVE_ACKNOWLEDGED = "active_acknowledged", _("Acknowledged")
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged", _("Returned, not acknowledged")
    NORMAL = "normal", _("Cleared")


OPEN_STATES = (
    AlertState.ACTIVE_UNACKNOWLEDGED,
    AlertState.ACTIVE_ACKNOWLEDGED,
    AlertState.RETURNED_UNACKNOWLEDGED,
)


class Alert(models.Model):
    """One thing that is wrong with one machine, from its first sign to its end.

    evidence: {"score", "threshold", "model_version", "metrics": [{"metric", "unit", "share", "observed",
    "expected": [low, high]}]}; the contract's `anomalies[].metrics` with the unit beside.
    """

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="alerts", verbose_name=_("machine"))
    cause = models.CharField(_("cause"), max_length=80, help_text=_("“detector” or “rule:<id>”: one open alert each."))
    rule = models.ForeignKey(Rule, on_delete=models.SET_NULL, null=True, blank=True, related_name="alerts")
    severity = models.CharField(_("severity"), max_length=10, choices=Severity, default=Severity.HIGH)
    state = models.CharField(
        _("state"), max_length=24, choices=AlertState, default=AlertState.ACTIVE_UNACKNOWLEDGED, db_index=True
    )
    title = models.CharField(_("title"), max_length=200)
    summary = models.CharField(_("summary"), max_length=400)
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    since_at = models.DateTimeField(_("since"), help_text=_("Event time of the first reading outside normal."))
    raised_at = models.DateTimeField(_("raised"), auto_now_add=True)
    returned_at = models.DateTimeField(_("returned to normal"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged"), null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["-raised_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # One alert per cause under any number of workers: a constraint, not a lock.
            models.UniqueConstraint(
                fields=["machine", "cause"],
                condition=~models.Q(state=AlertState.NORMAL),
                name="one_open_alert_per_cause",
            )
        ]

    def __str__(self) -> str:
        return self.title


class AlertEvent(models.Model):
    """One entry of an alert's timeline."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    # Raised and returned: when it was so by the readings' own time, which may lie before we knew.
    event_at = models.DateTimeField(null=True, blank=True)
    kind = models.CharField(max_length=24)  # raised, updated, acknowledged, returned, cleared, commented
    actor = models.CharField(max_length=254, blank=True)
    comment = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.alert_id}"
