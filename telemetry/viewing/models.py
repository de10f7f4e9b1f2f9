"""How a person likes to look at machines: units, which metrics of a machine, and views kept by name."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from common.units import UnitSystem

_UNIT_SYSTEMS = [
    (UnitSystem.STORED.value, _("As the machine sends them")),
    (UnitSystem.METRIC.value, _("Metric (°C, bar, mm/s)")),
    (UnitSystem.US.value, _("US (°F, psi, in/s)")),
]


class ViewingPreference(models.Model):
    """What a person chose for every page."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="viewing")
    units = models.CharField(_("units"), max_length=10, choices=_UNIT_SYSTEMS, default=UnitSystem.STORED.value)

    def __str__(self) -> str:
        return f"{self.user}: {self.units}"


class MetricChoice(models.Model):
    """Which metrics of a machine a person has on its page, in which order."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    machine = models.ForeignKey("telemetry.Machine", on_delete=models.CASCADE, related_name="+")
    names = models.JSONField(default=list)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "machine"], name="one_metric_choice_per_person_and_machine")
        ]

    def __str__(self) -> str:
        return f"{self.user}, {self.machine}: {', '.join(self.names)}"


class SavedView(models.Model):
    """A comparison kept under a name: the query of its address. Shared ones are everybody's in the factory."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(_("name"), max_length=80)
    query = models.CharField(max_length=4000)
    shared = models.BooleanField(_("shared"), default=False, help_text=_("Everybody in the factory finds it."))
    saved_at = models.DateTimeField(_("saved"), auto_now=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name", "id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_name_once_per_person")
        ]

    def __str__(self) -> str:
        return self.name
