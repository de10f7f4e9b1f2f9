"""When alerts are expected: maintenance windows, machines out of service, machines that are switched off."""

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.models import Line, Machine, Metric, Site


class MaintenanceWindow(models.Model):
    """A stretch of time in which what a machine, a line or a site reports is recorded and disturbs nobody."""

    site = models.ForeignKey(
        Site, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("site")
    )
    line = models.ForeignKey(
        Line, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("line")
    )
    machine = models.ForeignKey(
        Machine, on_delete=models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("machine")
    )
    starts_at = models.DateTimeField(_("from"), db_index=True)
    ends_at = models.DateTimeField(_("to"), db_index=True)
    reason = models.CharField(_("reason"), max_length=200, help_text=_("What is done; it stands in each timeline."))
    created_by = models.CharField(_("made by"), max_length=254, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("maintenance window")
        verbose_name_plural = _("maintenance windows")
        ordering: ClassVar[list[str]] = ["-starts_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")),
                name="maintenance_ends_after_it_starts",
                violation_error_message=_("The end must lie after the beginning."),
            ),
            models.CheckConstraint(
                condition=models.Q(site__isnull=False, line__isnull=True, machine__isnull=True)
                | models.Q(site__isnull=True, line__isnull=False, machine__isnull=True)
                | models.Q(site__isnull=True, line__isnull=True, machine__isnull=False),
                name="maintenance_of_one_thing",
                violation_error_message=_("Choose one site, one line or one machine."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.target}: {self.reason}"

    @property
    def target(self) -> Any:
        """The machine, line or site that it is about."""
        return self.machine or self.line or self.site


class MachineService(models.Model):
    """Whether a machine's alerts count: out of service until somebody puts it back, and how to see that it is off."""

    machine = models.OneToOneField(
        Machine, on_delete=models.CASCADE, related_name="service", primary_key=True, verbose_name=_("machine")
    )
    out_of_service_at = models.DateTimeField(_("out of service since"), null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=200, blank=True)
    changed_by = models.CharField(_("changed by"), max_length=254, blank=True, editable=False)
    off_metric = models.ForeignKey(
        Metric,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("metric that shows when it is off"),
    )
    off_low = models.FloatField(_("off from"), null=True, blank=True)
    off_high = models.FloatField(
        _("off up to"),
        null=True,
        blank=True,
        help_text=_("The machine is off while the metric's newest reading lies in this range."),
    )

    class Meta:
        verbose_name = _("machine's service")
        verbose_name_plural = _("machines' service")

    def __str__(self) -> str:
        return str(self.machine)

    @property
    def out_of_service(self) -> bool:
        """Whether it has been taken out of service."""
        return self.out_of_service_at is not None

    @property
    def is_off(self) -> bool:
        """Whether the newest reading says that the machine is switched off."""
        value = self.off_metric.last_value if self.off_metric else None
        if value is None or (self.off_low is None and self.off_high is None):
            return False
        return (self.off_low is None or value >= self.off_low) and (self.off_high is None or value <= self.off_high)
