"""The alerts that rules and detectors raise, and their timelines."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from anomalies.alerts.words import words_read
from anomalies.models.rules import Rule, Severity
from telemetry.models import Machine
from telemetry.reach import WithinReach

Evidence = dict[str, Any]


class AlertState(models.TextChoices):
    """ISA-18.2's states; `anomalies.alerts.lifecycle` alone says which follows which."""

    ACTIVE_UNACKNOWLEDGED = "active_unacknowledged", _("Active")
    ACTIVE_ACKNOWLEDGED = "active_acknowledged", _("Acknowledged")
    RETURNED_UNACKNOWLEDGED = "returned_unacknowledged", _("Returned, not acknowledged")
    SHELVED = "shelved", _("Shelved")
    SUPPRESSED = "suppressed", _("Suppressed")
    OUT_OF_SERVICE = "out_of_service", _("Out of service")
    NORMAL = "normal", _("Cleared")


# What wants something from somebody.
OPEN_STATES = (
    AlertState.ACTIVE_UNACKNOWLEDGED,
    AlertState.ACTIVE_ACKNOWLEDGED,
    AlertState.RETURNED_UNACKNOWLEDGED,
)
# Recorded, and kept from people's eyes and ears for a reason; `returned_at` says whether it is still wrong.
HIDDEN_STATES = (AlertState.SHELVED, AlertState.SUPPRESSED, AlertState.OUT_OF_SERVICE)


class Verdict(models.TextChoices):
    """What an alert turned out to be, in the words of whoever closed it."""

    TRUE = "true", _("Real trouble")
    FALSE = "false", _("False alarm")
    EXPECTED = "expected", _("Real, but expected")


class AlertFamily(models.TextChoices):
    """What a storm of alerts has in common."""

    SILENCE = "silence", _("Machines fell silent")
    TROUBLE = "trouble", _("Machines alarm together")


class AlertGroup(models.Model):
    """Alerts of many machines at once that are told as one: a storm, or a plant that falls silent together.

    It stays open while alerts join it. How many they are is counted where it is shown: a counter here would make a
    thousand alerts wait for one row.
    """

    family = models.CharField(_("family"), max_length=12, choices=AlertFamily)
    began_at = models.DateTimeField(_("began"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-began_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # Any number of workers notice a storm at once, and it is one.
            models.UniqueConstraint(
                fields=["family"], condition=models.Q(ended_at__isnull=True), name="one_open_group_per_family"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_family_display()} {self.pk}"


class Alert(models.Model):
    """One thing that is wrong with one machine, from its first sign to its end.

    evidence: {"score", "threshold", "model_version", "metrics": [{"metric", "unit", "share", "observed",
    "expected": [low, high]}]}; the contract's `anomalies[].metrics` with the unit beside.
    """

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="alerts", verbose_name=_("machine"))
    cause = models.CharField(_("cause"), max_length=80, help_text=_("“detector” or “rule:<id>”: one open alert each."))
    group = models.ForeignKey(
        AlertGroup, on_delete=models.SET_NULL, null=True, blank=True, related_name="alerts", verbose_name=_("storm")
    )
    rule = models.ForeignKey(
        Rule, on_delete=models.SET_NULL, null=True, blank=True, related_name="alerts", verbose_name=_("rule")
    )
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
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("acknowledged by"),
    )
    occurrences = models.PositiveIntegerField(
        _("occurrences"), default=1, help_text=_("How often it came back while it was the same alert.")
    )
    chattering = models.BooleanField(_("chattering"), default=False)
    retroactive = models.BooleanField(
        _("retroactive"), default=False, help_text=_("Found in data that arrived well after it was measured.")
    )
    shelved_until_at = models.DateTimeField(_("shelved until"), null=True, blank=True)
    hidden_reason = models.CharField(
        _("reason"), max_length=300, blank=True, help_text=_("Why it is shelved, suppressed or out of service.")
    )
    maintenance = models.ForeignKey(
        "MaintenanceWindow",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="alerts",
        verbose_name=_("maintenance"),
    )
    verdict = models.CharField(_("verdict"), max_length=8, choices=Verdict, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("closed by"),
    )

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering: ClassVar[list[str]] = ["-raised_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["machine", "cause", "-raised_at"], name="alert_history"),
            models.Index(fields=["-raised_at"], name="alert_newest"),
        ]
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

    @property
    def title_said(self) -> str:
        """The heading in the language that is spoken now."""
        return words_read(self.title, self.summary, self.evidence)[0]

    @property
    def summary_said(self) -> str:
        """The sentence in the language that is spoken now."""
        return words_read(self.title, self.summary, self.evidence)[1]

    @property
    def group_key(self) -> str:
        """What is told together: alerts of one storm share it, every other alert has its own.

        Notifications written for alerts of one key within moments of each other belong in one message.
        """
        return f"group:{self.group_id}" if self.group_id else f"alert:{self.pk}"


class TimelineError(Exception):
    """Somebody tried to rewrite what happened."""


class AlertEventQuerySet(models.QuerySet["AlertEvent"]):
    """Entries are written and read. (They go with their alert, when its machine is deleted.)"""

    def update(self, **changes: Any) -> int:
        """Refused. Raises TimelineError."""
        raise TimelineError("an alert's timeline is only ever added to")

    def delete(self) -> tuple[int, dict[str, int]]:
        """Refused. Raises TimelineError."""
        raise TimelineError("an alert's timeline is only ever added to")


AlertEventManager = WithinReach.from_queryset(AlertEventQuerySet)


class AlertEvent(models.Model):
    """One entry of an alert's timeline, which is only ever added to."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    # Raised and returned: when it was so by the readings' own time, which may lie before we knew.
    event_at = models.DateTimeField(null=True, blank=True)
    kind = models.CharField(max_length=24)  # the words are in anomalies.templatetags.alerts
    from_state = models.CharField(max_length=24, blank=True)
    to_state = models.CharField(max_length=24, blank=True)
    actor = models.CharField(max_length=254, blank=True)
    comment = models.TextField(blank=True)
    verdict = models.CharField(max_length=8, choices=Verdict, blank=True)

    objects = AlertEventManager()

    class Meta:
        ordering: ClassVar[list[str]] = ["at", "id"]
        # Storms and the alarm system's figures ask for what was raised lately, whatever the alert.
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["kind", "at"], name="alert_event_newest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.alert_id}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new entry. Raises TimelineError for one that stands."""
        if self.pk is not None and not self._state.adding:
            raise TimelineError("an alert's timeline is only ever added to")
        super().save(*args, **kwargs)
