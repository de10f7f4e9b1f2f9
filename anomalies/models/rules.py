"""What people know to be wrong: rules, and how much each matters."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.models import Metric


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
