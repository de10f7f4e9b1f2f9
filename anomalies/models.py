"""What is wrong: rules people wrote, models the machine's own history taught, and the alerts both raise."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.models import Machine, Metric


class Severity(models.TextChoices):
    """How much it matters, least first."""

    LOW = "low", _("Low")
    MEDIUM = "medium", _("Medium")
    HIGH = "high", _("High")
    CRITICAL = "critical", _("Critical")


class Operator(models.TextChoices):
    """On which side of the limit a metric is wrong."""

    ABOVE = "above", _("above")
    BELOW = "below", _("below")


class Rule(models.Model):
    """A limit that a person set on one metric: fires after `for_s`, clears beyond `clear_value`."""

    metric = models.ForeignKey(Metric, on_delete=models.CASCADE, related_name="rules", verbose_name=_("metric"))
    operator = models.CharField(_("when"), max_length=10, choices=Operator, default=Operator.ABOVE)
    value = models.FloatField(_("limit"), help_text=_("In the metric's own unit."))
    clear_value = models.FloatField(
        _("clears at"), null=True, blank=True, help_text=_("Back to normal beyond this value; empty: at the limit.")
    )
    for_s = models.PositiveIntegerField(_("for at least (s)"), default=10)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity, default=Severity.HIGH)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["metric", "value"]

    def __str__(self) -> str:
        return f"{self.metric} {self.get_operator_display()} {self.value:g} {self.metric.unit}".strip()


class DetectorModel(models.Model):
    """One immutable training of a machine's detector: arrays only, with a manifest that says what made them."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="detector_models")
    version = models.PositiveIntegerField(_("version"))
    active = models.BooleanField(_("active"), default=False)
    arrays = models.BinaryField(editable=False)
    manifest = models.JSONField(
        _("manifest"), help_text=_("Window, hash of the data, features, calibration, library versions.")
    )
    trained_at = models.DateTimeField(_("trained"), auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["machine", "-version"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["machine", "version"], name="detector_version_once"),
            models.UniqueConstraint(
                fields=["machine"], condition=models.Q(active=True), name="one_active_detector_per_machine"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.machine} v{self.version}"


class HealthStatus(models.TextChoices):
    """What detection can say of a machine."""

    LEARNING = "learning", _("Learning")
    NORMAL = "normal", _("Normal")
    ANOMALOUS = "anomalous", _("Anomalous")
    NO_DATA = "no_data", _("No data")


class MachineHealth(models.Model):
    """What detection thinks of a machine now, and where its stream stands; survives a kill of the worker."""

    machine = models.OneToOneField(Machine, on_delete=models.CASCADE, related_name="health", primary_key=True)
    status = models.CharField(_("status"), max_length=12, choices=HealthStatus, default=HealthStatus.LEARNING)
    learning_progress = models.FloatField(_("learned"), default=0.0, help_text=_("0 to 1."))
    score = models.FloatField(_("score"), null=True, blank=True)
    threshold = models.FloatField(_("threshold"), null=True, blank=True)
    health_percent = models.FloatField(_("health"), null=True, blank=True)
    scored_to_ms = models.BigIntegerField(default=0, editable=False)
    state = models.JSONField(default=dict, editable=False, help_text=_("The detector's own running state."))
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.machine}: {self.get_status_display()}"


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


class NotificationState(models.TextChoices):
    """How far a message of the outbox came."""

    PENDING = "pending", _("Waiting")
    SENT = "sent", _("Sent")
    DEAD = "dead", _("Given up")


class Notification(models.Model):
    """The outbox: written in the transaction that raises the alert, sent afterwards, once."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, null=True, blank=True, related_name="notifications")
    # e.g. "alert:17:raised:email:anna@example.com": a second worker's row violates it.
    dedupe_key = models.CharField(max_length=320, unique=True)
    channel = models.CharField(max_length=12, default="email")
    recipient = models.CharField(max_length=254)
    subject = models.CharField(max_length=200)
    body_text = models.TextField()
    body_html = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=NotificationState, default=NotificationState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["state", "next_attempt_at"], name="outbox_due")]

    def __str__(self) -> str:
        return f"{self.channel} → {self.recipient}: {self.subject}"


Evidence = dict[str, Any]
