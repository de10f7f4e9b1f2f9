"""What stands in the plant (ISA-95: site, area, line, machine) and what it measures."""

from typing import ClassVar
from zoneinfo import ZoneInfo

from django.db import models
from django.utils.translation import gettext_lazy as _

# Models of rooms that stand beside the equipment; Django looks for them here.
from telemetry.notebook.models import MachineDocument, MachineNote
from telemetry.viewing.models import MetricChoice, SavedView, ViewingPreference

__all__ = [
    "Area",
    "Line",
    "Machine",
    "MachineDocument",
    "MachineNote",
    "Metric",
    "MetricChoice",
    "MetricKind",
    "QuarantinedReading",
    "ReadingHour",
    "ReadingRun",
    "SavedView",
    "Site",
    "ViewingPreference",
]


class Site(models.Model):
    """A plant at one place, in one time zone."""

    name = models.CharField(_("name"), max_length=120, unique=True)
    time_zone = models.CharField(
        _("time zone"), max_length=64, default="UTC", help_text=_("Days, shifts and reports follow this zone.")
    )

    class Meta:
        verbose_name = _("site")
        verbose_name_plural = _("sites")
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Area(models.Model):
    """A part of a site, such as a hall."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="areas", verbose_name=_("site"))
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("area")
        verbose_name_plural = _("areas")
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["site", "name"], name="area_once_per_site")
        ]

    def __str__(self) -> str:
        return self.name


class Line(models.Model):
    """Machines that make one product together; stands in a site, optionally in one of its areas."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="lines", verbose_name=_("site"))
    area = models.ForeignKey(
        Area, on_delete=models.SET_NULL, null=True, blank=True, related_name="lines", verbose_name=_("area")
    )
    name = models.CharField(_("name"), max_length=120)

    class Meta:
        verbose_name = _("line")
        verbose_name_plural = _("lines")
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["site", "name"], name="line_once_per_site")
        ]

    def __str__(self) -> str:
        return self.name


class Machine(models.Model):
    """One piece of equipment, known to devices by its key; registers itself when data arrives."""

    key = models.CharField(_("key"), max_length=64, unique=True, help_text=_("How devices name the machine."))
    name = models.CharField(_("name"), max_length=120, blank=True)
    machine_type = models.CharField(_("type"), max_length=60, blank=True, help_text=_("Such as mixer, oven or pump."))
    line = models.ForeignKey(
        Line, on_delete=models.SET_NULL, null=True, blank=True, related_name="machines", verbose_name=_("line")
    )
    silent_after_s = models.PositiveIntegerField(
        _("silent after (s)"), default=60, help_text=_("Shown as silent when nothing arrives for this long.")
    )
    created_at = models.DateTimeField(_("first seen"), auto_now_add=True)
    last_seen_at = models.DateTimeField(_("last seen"), null=True, blank=True, editable=False)
    # By name, for stores that can't remove one field's readings: see telemetry/store/influx_names.py.
    metrics_deleted = models.JSONField(
        _("deleted metrics"), default=dict, editable=False, help_text=_("How often a metric of each name was deleted.")
    )

    class Meta:
        verbose_name = _("machine")
        verbose_name_plural = _("machines")
        ordering: ClassVar[list[str]] = ["key"]

    def __str__(self) -> str:
        return self.name or self.key


class MetricKind(models.TextChoices):
    """What a metric measures; decides default charts and how detection reads it."""

    TEMPERATURE = "temperature", _("Temperature")
    VIBRATION = "vibration", _("Vibration")
    CURRENT = "current", _("Current")
    POWER = "power", _("Power")
    PRESSURE = "pressure", _("Pressure")
    FLOW = "flow", _("Flow")
    SPEED = "speed", _("Speed")
    LEVEL = "level", _("Level")
    HUMIDITY = "humidity", _("Humidity")
    COUNTER = "counter", _("Counter")
    STATE = "state", _("State")
    OTHER = "other", _("Other")


class Metric(models.Model):
    """One series of numbers of one machine: its id is the series id in the PostgreSQL store."""

    machine = models.ForeignKey(Machine, on_delete=models.CASCADE, related_name="metrics", verbose_name=_("machine"))
    name = models.CharField(_("name"), max_length=64, help_text=_("As devices send it."))
    label = models.CharField(_("label"), max_length=120, blank=True, help_text=_("Shown instead of the name."))
    unit = models.CharField(_("unit"), max_length=20, blank=True)
    kind = models.CharField(_("kind"), max_length=20, choices=MetricKind, default=MetricKind.OTHER)
    confidence = models.FloatField(
        _("confidence"), default=0.0, help_text=_("How sure the inference of unit and kind is, 0 to 1.")
    )
    confirmed = models.BooleanField(
        _("confirmed"), default=False, help_text=_("Unit and kind were checked by a person.")
    )
    created_at = models.DateTimeField(_("first seen"), auto_now_add=True)
    reviewed_at = models.DateTimeField(
        _("reviewed"), null=True, blank=True, editable=False, help_text=_("When its readings were last looked at.")
    )
    # Written by the drain with each batch, so that tiles and KPIs never search the store for "last".
    last_value = models.FloatField(_("last value"), null=True, blank=True, editable=False)
    last_at = models.DateTimeField(_("last reading"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("metric")
        verbose_name_plural = _("metrics")
        ordering: ClassVar[list[str]] = ["machine", "name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["machine", "name"], name="metric_once_per_machine")
        ]

    def __str__(self) -> str:
        return self.label or self.name


class ReadingRun(models.Model):
    """Readings of one machine as one batch brought them, until compaction makes hours of them.

    seq grows with every write: of equal (series, time) the run with the highest stands, and any run before an hour.
    level: 0 as written, 1 merged by compaction (and compressed). body: see telemetry/store/run_format.py. No foreign
    key, because runs outlive nothing: a machine's deletion removes them explicitly.
    """

    pk = models.CompositePrimaryKey("machine", "seq")
    machine = models.IntegerField()
    seq = models.BigIntegerField()
    level = models.SmallIntegerField()
    from_ms = models.BigIntegerField()
    to_ms = models.BigIntegerField()
    n = models.IntegerField()
    body = models.BinaryField()


class ReadingHour(models.Model):
    """One hour of one series (a metric's id): its readings, and statistics of the hour and of its minutes.

    hour: hours since the epoch. minutes, body: see telemetry/store/hour_format.py.
    """

    pk = models.CompositePrimaryKey("series", "hour")
    series = models.IntegerField()
    hour = models.IntegerField()
    n = models.IntegerField()
    minimum = models.FloatField()
    maximum = models.FloatField()
    total = models.FloatField()
    minutes = models.BinaryField()
    body = models.BinaryField()


class QuarantinedReading(models.Model):
    """What was refused, kept so that an admin can see who sends what, and why it did not count."""

    received_at = models.DateTimeField(_("received"), auto_now_add=True, db_index=True)
    source = models.CharField(_("source"), max_length=80, help_text=_("HTTP or MQTT, and the key's prefix."))
    machine = models.CharField(_("machine"), max_length=64, blank=True)
    metric = models.CharField(_("metric"), max_length=64, blank=True)
    code = models.CharField(_("code"), max_length=40)
    detail = models.CharField(_("detail"), max_length=300)
    payload = models.TextField(_("payload"), blank=True, help_text=_("The first 2,000 characters."))
    count = models.PositiveIntegerField(
        _("count"), default=1, help_text=_("How many refusals this row stands for: floods are counted, not listed.")
    )

    class Meta:
        verbose_name = _("quarantined reading")
        verbose_name_plural = _("quarantined readings")
        ordering: ClassVar[list[str]] = ["-received_at", "-id"]

    def __str__(self) -> str:
        return f"{self.code} {self.machine} {self.metric}".strip()
