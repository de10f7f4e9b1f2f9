"""What a machine's own history taught, and how it is now."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.models import Machine


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
    # Event time from which on the machine is as somebody said is normal now; what lies before teaches nothing more.
    level_from_ms = models.BigIntegerField(null=True, blank=True, editable=False)
    limit_factor = models.FloatField(
        _("limits raised by"), default=1.0, editable=False, help_text=_("1 is as taught; steered by false alarms.")
    )
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.machine}: {self.get_status_display()}"


class LimitStep(models.Model):
    """One step by which a detector's limits were raised or lowered, and what made it: written once."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="limit_steps")
    at = models.DateTimeField(_("at"))
    before = models.FloatField(_("before"))
    after = models.FloatField(_("after"))
    false_alarms = models.FloatField(_("false alarms"), help_text=_("Since the step before."))
    weeks = models.FloatField(_("weeks watched"), help_text=_("Since the step before."))

    class Meta:
        ordering: ClassVar[list[str]] = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.machine}: {self.before:g} -> {self.after:g}"
