"""What a machine's own history taught, and how it is now."""

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from common.times import from_ms
from telemetry.models import Machine, Metric


class DetectorModel(models.Model):
    """One immutable training of a machine's detector: arrays only, with a manifest that says what made them."""

    machine = models.ForeignKey(
        Machine, on_delete=models.CASCADE, related_name="detector_models", verbose_name=_("machine")
    )
    version = models.PositiveIntegerField(_("version"))
    active = models.BooleanField(_("active"), default=False)
    pinned = models.BooleanField(
        _("pinned"), default=False, help_text=_("Somebody went back to it: no teaching replaces it by itself.")
    )
    arrays = models.BinaryField(editable=False)
    manifest = models.JSONField(
        _("manifest"), help_text=_("Window, hash of the data, features, calibration, library versions.")
    )
    trained_at = models.DateTimeField(_("trained"), auto_now_add=True)

    class Meta:
        verbose_name = _("detector model")
        verbose_name_plural = _("detector models")
        ordering: ClassVar[list[str]] = ["machine", "-version"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["machine", "version"], name="detector_version_once"),
            models.UniqueConstraint(
                fields=["machine"], condition=models.Q(active=True), name="one_active_detector_per_machine"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.machine} v{self.version}"

    @property
    def taught_from_at(self) -> datetime:
        """Where the readings that taught it begin."""
        return from_ms(self.manifest["from_ms"])

    @property
    def taught_to_at(self) -> datetime:
        """And where they end."""
        return from_ms(self.manifest["to_ms"])


class MetricRole(models.Model):
    """The role that a person gave a metric in place of what its name and kind tell; the next teaching uses it."""

    class Role(models.TextChoices):
        """As `anomalies.detection.roles.Role`, in words."""

        FAST = "fast", _("Fast: follows the machine at once")
        SLOW = "slow", _("Slow: warms and cools for minutes")
        COUNTER = "counter", _("Counter: only grows")
        STATE = "state", _("State: jumps between a few values")

    metric = models.OneToOneField(
        Metric, on_delete=models.CASCADE, primary_key=True, related_name="role_chosen", verbose_name=_("metric")
    )
    role = models.CharField(_("role"), max_length=8, choices=Role)
    chosen_by = models.CharField(_("chosen by"), max_length=254, blank=True)
    chosen_at = models.DateTimeField(_("chosen"), auto_now=True)

    class Meta:
        verbose_name = _("metric role")
        verbose_name_plural = _("metric roles")

    def __str__(self) -> str:
        return f"{self.metric}: {self.get_role_display()}"


class Replay(models.Model):
    """A stretch of a machine's past, run through one version or two: asked for by a person, by the night, or because
    readings came late.

    work: where the run stands, so that the next step (or another worker) goes on. result: see
    `anomalies.detector_replay`. The second version of a challenge is the newcomer.
    """

    class Occasion(models.TextChoices):
        """Why it is run."""

        ASKED = "asked", _("Back-test")
        CHALLENGE = "challenge", _("Newcomer beside the version that judges")
        LATE = "late", _("Readings that came late")

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    class Outcome(models.TextChoices):
        """What became of a newcomer, or of what late readings told."""

        PROMOTED = "promoted", _("Took over")
        PROPOSED = "proposed", _("Proposed")
        WORSE = "worse", _("Not taken: worse")
        OVERTAKEN = "overtaken", _("Overtaken by another version")
        TOLD = "told", _("Looked at")

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="replays", verbose_name=_("machine"))
    occasion = models.CharField(_("occasion"), max_length=10, choices=Occasion, default=Occasion.ASKED)
    first = models.ForeignKey(DetectorModel, on_delete=models.CASCADE, related_name="+", verbose_name=_("version"))
    second = models.ForeignKey(
        DetectorModel, on_delete=models.CASCADE, related_name="+", null=True, blank=True, verbose_name=_("beside")
    )
    from_ms = models.BigIntegerField(editable=False)
    to_ms = models.BigIntegerField(editable=False)
    state = models.CharField(_("state"), max_length=8, choices=State, default=State.WAITING)
    progress = models.FloatField(_("done"), default=0.0, help_text=_("0 to 1."))
    work = models.JSONField(default=dict, editable=False)
    result = models.JSONField(_("result"), default=dict, editable=False)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, blank=True)
    failure = models.CharField(_("failure"), max_length=200, blank=True)
    asked_by = models.CharField(_("asked by"), max_length=254, blank=True)
    asked_at = models.DateTimeField(_("asked"), auto_now_add=True)
    moved_at = models.DateTimeField(auto_now=True, editable=False)

    class Meta:
        verbose_name = _("back-test")
        verbose_name_plural = _("back-tests")
        ordering: ClassVar[list[str]] = ["-asked_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["machine", "-asked_at"], name="replay_newest")]

    def __str__(self) -> str:
        return f"{self.machine}: {self.get_occasion_display()} {self.pk}"

    @property
    def from_at(self) -> datetime:
        """Where the stretch begins."""
        return from_ms(self.from_ms)

    @property
    def to_at(self) -> datetime:
        """And where it ends."""
        return from_ms(self.to_ms)

    @property
    def under_way(self) -> bool:
        """Whether a worker has it, or will."""
        return self.state in (self.State.WAITING, self.State.RUNNING)


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
    # Why no detector judges although the machine was taught: what is stored can't be trusted. Empty while all is well.
    damage = models.CharField(_("damage"), max_length=200, blank=True, default="", editable=False)
    # Metrics whose level still moves, so that a machine with enough history goes on learning; empty while none does.
    unsettled = models.JSONField(_("not settled"), default=list, blank=True, editable=False)
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
