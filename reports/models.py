"""What happened, told on paper: reports, and when they are made by themselves."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.jobs import Job, JobState

# As the API's description names it.
ReportState = JobState


class Report(Job):
    """The equipment-health report of one period; a new look at the same period is a new revision.

    It tells of the whole plant. What of it somebody gets who sees a part alone is cut in `reports.extracts`.
    """

    period_from_at = models.DateTimeField(_("from"))
    period_to_at = models.DateTimeField(_("to"))
    time_zone = models.CharField(_("time zone"), max_length=64)
    revision = models.PositiveIntegerField(_("revision"), default=1)
    scheduled = models.BooleanField(_("by schedule"), default=False)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("asked for by"),
    )
    contents = models.JSONField(_("contents"), default=dict, editable=False)
    data_hash = models.CharField(_("data hash"), max_length=64, blank=True, help_text=_("SHA-256 of the contents."))
    pdf = models.BinaryField(null=True, editable=False)

    class Meta(Job.Meta):
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["period_from_at", "period_to_at", "revision"], name="report_revision_once"),
            # Two schedulers make one report.
            models.UniqueConstraint(
                fields=["period_from_at", "period_to_at"],
                condition=models.Q(scheduled=True),
                name="scheduled_report_once_per_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.period_from_at:%Y-%m-%d} – {self.period_to_at:%Y-%m-%d} r{self.revision}"


class Schedule(models.Model):
    """When the weekly report is made, in plant time."""

    weekday = models.PositiveSmallIntegerField(
        _("weekday"),
        default=0,
        choices=[
            (0, _("Monday")),
            (1, _("Tuesday")),
            (2, _("Wednesday")),
            (3, _("Thursday")),
            (4, _("Friday")),
            (5, _("Saturday")),
            (6, _("Sunday")),
        ],
        help_text=_("The day it is made, for the seven days before."),
    )
    hour = models.PositiveSmallIntegerField(_("hour"), default=6, help_text=_("0 to 23, plant time."))
    recipients = models.JSONField(_("recipients"), default=list, blank=True, help_text=_("E-mail addresses."))
    active = models.BooleanField(_("active"), default=True)
    # A schedule answers for the due times after it was made, not for those of years before.
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering: ClassVar[list[str]] = ["weekday", "hour"]

    def __str__(self) -> str:
        return f"{self.get_weekday_display()} {self.hour:02d}:00"
