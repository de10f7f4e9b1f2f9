"""What people know to be wrong: rules, and how much each matters."""

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.reach import Reach
from telemetry.models import Machine
from telemetry.reach import machine_keys_within


class Severity(models.TextChoices):
    """How much it matters, least first."""

    LOW = "low", _("Low")
    MEDIUM = "medium", _("Medium")
    HIGH = "high", _("High")
    CRITICAL = "critical", _("Critical")


class Rule(models.Model):
    """A tree of conditions that a person wrote, for some machines.

    The fields hold what `anomalies.rules.validation.rule_parse` has taken, in the form of the API; nothing else writes
    them than `anomalies.rules.keeping`. template: where it came from, such as {"name": "vibration", "version": 3}.
    """

    name = models.CharField(_("name"), max_length=120, unique=True)
    description = models.TextField(_("description"), blank=True, max_length=1_000)
    machines = models.JSONField(
        _("machines"), default=list, help_text=_("Keys, “type:pump” for all of a type, or “*” for every machine.")
    )
    when = models.JSONField(_("when"), default=dict, help_text=_("The tree of conditions."))
    severity = models.CharField(_("severity"), max_length=10, choices=Severity, default=Severity.HIGH)
    cooldown_s = models.FloatField(
        _("cool-down (s)"), default=0, help_text=_("After it has fired it does not fire again for so long.")
    )
    active = models.JSONField(
        _("active times"), default=dict, blank=True, help_text=_("Days, hours, dates and holidays in plant time.")
    )
    notify = models.JSONField(
        _("notify"), default=list, blank=True, help_text=_("Who is told, in place of the factory's routes.")
    )
    overrides = models.JSONField(
        _("overrides"), default=list, blank=True, help_text=_("What is different for single machines.")
    )
    enabled = models.BooleanField(_("switched on"), default=True)
    template = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def within_reach(cls, reach: Reach) -> models.Q:
        """Rules for machines within alone: one for a type, or for all, also says something of the others."""
        return models.Q(machines__contained_by=sorted(machine_keys_within(reach)))

    def as_data(self) -> dict[str, Any]:
        """The rule as the API, YAML and the validator know it."""
        names = ("name", "description", "machines", "when", "severity", "cooldown_s", "active", "notify", "overrides")
        return {**{name: getattr(self, name) for name in names}, "enabled": self.enabled}


class LateReadings(models.Model):
    """Readings that arrived behind others of their series: rules are run again from before them. One row a machine.

    from_ms: the earliest of them. count: grows with each note, so that what arrives meanwhile is not taken for done.
    """

    machine = models.OneToOneField(Machine, on_delete=models.CASCADE, primary_key=True, related_name="+")
    from_ms = models.BigIntegerField()
    count = models.PositiveIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.machine_id} from {self.from_ms}"


class VibrationZones(models.Model):
    """A version of the table of vibration limits (ISO 20816-3: RMS velocity, 10-1000 Hz); the newest one is used.

    A version is never changed, so that a rule made from it can say which limits it was made from. rows: [{"group",
    "support": "rigid" or "flexible", "a_b", "b_c", "c_d"}], limits between zones A to D in mm/s.
    """

    version = models.PositiveIntegerField(_("version"), unique=True)
    rows = models.JSONField(_("limits"))
    note = models.CharField(_("note"), max_length=200, blank=True)
    made_by = models.CharField(_("made by"), max_length=254, blank=True)
    made_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-version"]
        verbose_name = _("vibration limits")
        verbose_name_plural = _("vibration limits")

    def __str__(self) -> str:
        return f"ISO 20816, {self.version}"
