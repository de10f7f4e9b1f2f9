"""Which factories exist. Lives in the public schema alone."""

from typing import ClassVar
from zoneinfo import ZoneInfo

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_tenants.models import DomainMixin, TenantMixin

# A DNS label; hyphens become underscores in the schema's name, so underscores are not allowed here.
SLUG_PATTERN = r"^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$"

# The range of a plan's limit. The doors read no more, whatever the plan: a body is parsed in one piece.
SMALLEST_BODY_BYTES, LARGEST_BODY_BYTES = 1024, 1024 * 1024
# Of a browser that nobody uses: no shorter than a person reads a page, no longer than a session lasts anyway.
LEAST_IDLE_MINUTES, MOST_IDLE_MINUTES = 5, 14 * 24 * 60
_IDLE_MINUTES = 7 * 24 * 60

slug_validator = RegexValidator(
    SLUG_PATTERN, _("Use 1 to 40 small letters, digits and hyphens, beginning with a letter."), code="invalid_slug"
)


class Plan(models.Model):  # type: ignore[django-manager-missing]  # django-tenants' base carries no types
    """What a factory may use. Limits are checked where they bite, see `tenants.limits`."""

    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=80)
    max_machines = models.PositiveIntegerField(_("machines"), default=10)
    max_users = models.PositiveIntegerField(
        _("people"),
        default=50,
        validators=[MinValueValidator(1)],
        help_text=_("Who may sign in, the invited included."),
    )
    max_metrics_per_machine = models.PositiveIntegerField(_("metrics per machine"), default=100)
    max_series = models.PositiveIntegerField(
        _("metrics of all machines"), default=10_000, help_text=_("One metric of one machine is one series.")
    )
    max_readings_per_s = models.PositiveIntegerField(
        _("readings per second"),
        default=5_000,
        validators=[MinValueValidator(1)],
        help_text=_("Over all doors, processes and nodes together."),
    )
    max_body_bytes = models.PositiveIntegerField(
        _("bytes in one body"),
        default=LARGEST_BODY_BYTES,
        validators=[MinValueValidator(SMALLEST_BODY_BYTES), MaxValueValidator(LARGEST_BODY_BYTES)],
        help_text=_("Of a request or an MQTT message, also after inflation; 1 MiB at most."),
    )
    accepted_past_days = models.PositiveSmallIntegerField(
        _("days back"),
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(3_650)],
        help_text=_("Older readings go to quarantine."),
    )
    accepted_ahead_minutes = models.PositiveSmallIntegerField(
        _("minutes ahead"),
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(24 * 60)],
        help_text=_("Readings from further in the future go to quarantine."),
    )
    retention_days = models.PositiveIntegerField(_("days of history kept"), default=90)

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")

    def __str__(self) -> str:
        return self.name


class Factory(TenantMixin):
    """One customer: a PostgreSQL schema, a topic prefix, a channel-group prefix.

    suspended_at: since when every door but the owner's is shut. delete_after_at: when everything goes, unless an owner
    takes it back before. mfa_required: nobody gets far without a second factor. idle_minutes: for how long nobody uses
    a browser before it is signed out.
    """

    slug = models.CharField(_("address"), max_length=40, unique=True, validators=[slug_validator])
    name = models.CharField(_("name"), max_length=120)
    plan = models.ForeignKey(
        Plan, on_delete=models.PROTECT, null=True, blank=True, related_name="factories", verbose_name=_("plan")
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    suspended_at = models.DateTimeField(_("suspended"), null=True, blank=True)
    suspended_reason = models.CharField(_("reason"), max_length=200, blank=True)
    delete_after_at = models.DateTimeField(_("to be deleted after"), null=True, blank=True)
    mfa_required = models.BooleanField(_("second factor required"), default=False)
    idle_minutes = models.PositiveIntegerField(
        _("signed out when unused for, in minutes"),
        default=_IDLE_MINUTES,
        # For processes of the version before, which go on while this one is rolled out.
        db_default=_IDLE_MINUTES,
        validators=[MinValueValidator(LEAST_IDLE_MINUTES), MaxValueValidator(MOST_IDLE_MINUTES)],
    )

    objects: ClassVar[models.Manager["Factory"]] = models.Manager()

    # Statements inside a factory run as its own database role; see tenants.database.
    has_own_role = True

    # Schemas are made by tenants.provisioning (a template replay), never as a side effect of save().
    auto_create_schema = False
    auto_drop_schema = False

    class Meta:
        verbose_name = _("factory")
        verbose_name_plural = _("factories")

    def __str__(self) -> str:
        return self.name

    @property
    def shut(self) -> bool:
        """Whether its doors are closed: suspended by staff, or waiting to be deleted."""
        return self.suspended_at is not None or self.delete_after_at is not None

    @property
    def zone(self) -> ZoneInfo:
        """The plant's time zone; sites may override it."""
        return ZoneInfo(self.time_zone)


class Domain(DomainMixin):
    """A host name that answers for a factory (without port)."""


class DomainClaim(models.Model):
    """A host name that an owner says is theirs, until it is proved; then it becomes a Domain. One a factory.

    Not unique: whoever proves it first has it, so nobody can keep another from their own name by claiming it.
    """

    factory = models.OneToOneField(Factory, on_delete=models.CASCADE, related_name="domain_claim")
    domain = models.CharField(_("domain"), max_length=253)
    token = models.CharField(max_length=64)
    claimed_at = models.DateTimeField(_("entered"), auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.domain} for {self.factory.slug}"


def schema_name_for(slug: str) -> str:
    """The PostgreSQL schema of a factory's slug.

    >>> schema_name_for("north-mill")
    'f_north_mill'
    """
    return "f_" + slug.replace("-", "_")
