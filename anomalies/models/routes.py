"""Who is told what, when and by which channel; who is on call; what happens when nobody acknowledges."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from anomalies.models.alerts import Alert
from anomalies.models.targets import NotificationTarget
from telemetry.models import Line, Machine, Site


class OnCallSchedule(models.Model):
    """People who take turns; who is on call follows from the calendar in the schedule's own zone.

    The first turn begins on `starts_on` at `handover_at` plant time and lasts `turn_days`; then the next person's.
    """

    name = models.CharField(_("name"), max_length=80, unique=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    starts_on = models.DateField(_("first turn begins on"))
    handover_at = models.TimeField(_("handed over at"), default="06:00")
    turn_days = models.PositiveSmallIntegerField(_("a turn lasts (days)"), default=7)

    class Meta:
        verbose_name = _("on-call schedule")
        verbose_name_plural = _("on-call schedules")
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class OnCallMember(models.Model):
    """One person's place in the order of turns."""

    schedule = models.ForeignKey(OnCallSchedule, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar[list[str]] = ["position"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["schedule", "position"], name="one_person_per_turn")
        ]

    def __str__(self) -> str:
        return f"{self.schedule} {self.position}: {self.user}"


class OnCallOverride(models.Model):
    """Somebody stands in for whoever's turn it is. The newest of several holds."""

    schedule = models.ForeignKey(OnCallSchedule, on_delete=models.CASCADE, related_name="overrides")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["starts_at"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="override_has_length")
        ]

    def __str__(self) -> str:
        return f"{self.schedule}: {self.user}"


class Route(models.Model):
    """Alerts that match it are told to the people of its steps; what is empty matches everything.

    days: numbers of weekdays, Monday 0. Hours are plant time of the machine's site and may run over midnight. Every
    matching route is followed; an alert that none matches goes to everybody who may handle alerts, by e-mail. A route
    without steps keeps its alerts from telling anybody.
    """

    name = models.CharField(_("name"), max_length=80, unique=True)
    active = models.BooleanField(_("active"), default=True)
    severities = models.JSONField(_("severities"), default=list, blank=True)
    sites = models.ManyToManyField(Site, blank=True, related_name="+", verbose_name=_("sites"))
    lines = models.ManyToManyField(Line, blank=True, related_name="+", verbose_name=_("lines"))
    machines = models.ManyToManyField(Machine, blank=True, related_name="+", verbose_name=_("machines"))
    days = models.JSONField(_("days"), default=list, blank=True)
    from_time = models.TimeField(_("from"), null=True, blank=True)
    to_time = models.TimeField(_("until"), null=True, blank=True)
    tells_return = models.BooleanField(_("also tells when it is back to normal"), default=True)

    class Meta:
        verbose_name = _("route")
        verbose_name_plural = _("routes")
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name


class RouteStep(models.Model):
    """Whom a route tells, and after how long without an acknowledgement; 0 minutes: at once."""

    route = models.ForeignKey(Route, on_delete=models.CASCADE, related_name="steps")
    after_min = models.PositiveSmallIntegerField(_("after (min)"), default=0)
    roles = models.JSONField(_("everybody with role"), default=list, blank=True)
    people = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="+", verbose_name=_("people"))
    schedules = models.ManyToManyField(
        OnCallSchedule, blank=True, related_name="+", verbose_name=_("whoever is on call for")
    )
    targets = models.ManyToManyField(
        NotificationTarget, blank=True, related_name="+", verbose_name=_("webhooks and chat rooms")
    )
    # By which channels people are told; each person's own preferences narrow them.
    channels = models.JSONField(_("by"), default=list, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["after_min", "pk"]

    def __str__(self) -> str:
        return f"{self.route} +{self.after_min} min"


class EscalationState(models.TextChoices):
    """How far a later step came."""

    WAITING = "waiting", _("Waiting")
    TOLD = "told", _("Told")
    STOPPED = "stopped", _("Stopped")


class Escalation(models.Model):
    """A later step of a route that waits to see whether somebody acknowledges the alert."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="escalations")
    step = models.ForeignKey(RouteStep, on_delete=models.CASCADE, related_name="+")
    # Once for each time that the alert was raised: “<notice>:<step>”.
    key = models.CharField(max_length=60, unique=True)
    due_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=EscalationState, default=EscalationState.WAITING)

    class Meta:
        ordering: ClassVar[list[str]] = ["due_at"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["due_at"], name="escalations_waiting", condition=models.Q(state=EscalationState.WAITING)
            )
        ]

    def __str__(self) -> str:
        return self.key
