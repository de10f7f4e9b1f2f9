"""Who may ask. The same tables stand in every factory's schema, and once in the public schema for platform staff."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.jobs import Job


class Role(models.TextChoices):
    """What a person may do, from least to most; see `accounts.permissions`."""

    VIEWER = "viewer", _("Viewer")
    OPERATOR = "operator", _("Operator")
    SUPERVISOR = "supervisor", _("Supervisor")
    ADMIN = "admin", _("Admin")
    OWNER = "owner", _("Owner")


class EmailUserManager(UserManager["User"]):
    """Creates people by e-mail address; there is no user name. Accounts behind links to the wall are no people."""

    def get_queryset(self) -> models.QuerySet["User"]:
        found = super().get_queryset()
        # Migrations use this manager, too, on the table as it was before.
        before = not any(field.name == "wall_only" for field in self.model._meta.fields)
        return found if before else found.filter(wall_only=False)

    def _create_user(self, username: str, email: str | None, password: str | None, **extra_fields: Any) -> "User":
        address = self.normalize_email(email or username)
        user = self.model(email=address, **extra_fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_user(  # type: ignore[override]  # the e-mail address is the name
        self, email: str, password: str | None = None, **extra_fields: Any
    ) -> "User":
        """Create a person; a password of None makes an account that can't sign in by password."""
        extra_fields.setdefault("is_staff", False)
        extra_fields.setdefault("is_superuser", False)
        return self._create_user(email, email, password, **extra_fields)

    def create_superuser(  # type: ignore[override]
        self, email: str, password: str | None = None, **extra_fields: Any
    ) -> "User":
        """Create platform staff (public schema only)."""
        extra_fields["is_staff"] = extra_fields["is_superuser"] = True
        return self._create_user(email, email, password, **extra_fields)


class CustomRole(models.Model):
    """A role of the factory's own: to see everything, and the actions it names (see `accounts.actions`)."""

    name = models.CharField(_("name"), max_length=60, unique=True)
    actions = models.JSONField(pgettext_lazy("permission", "may"), default=list)
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        verbose_name = _("role")

    def __str__(self) -> str:
        return self.name


class User(AbstractUser):
    """A person of one factory, named by e-mail address.

    custom_role: stands in place of what `role` allows, which is then “viewer”. extra_actions: given singly on top.
    reach: None for the whole factory, else {"sites": [ids], "lines": [ids]}; an id of something that was deleted
    reaches nothing, so a person never sees more because a place went.
    """

    username = None  # type: ignore[assignment]
    email = models.EmailField(_("e-mail address"), unique=True)
    language = models.CharField(_("language"), max_length=8, blank=True, help_text=_("Empty: as the browser asks."))
    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.VIEWER)
    custom_role = models.ForeignKey(
        CustomRole, on_delete=models.PROTECT, null=True, blank=True, related_name="people", verbose_name=_("own role")
    )
    extra_actions = models.JSONField(_("single permissions"), default=list, blank=True)
    reach = models.JSONField(_("restricted to"), null=True, blank=True, default=None)
    wall_only = models.BooleanField(default=False, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[EmailUserManager] = EmailUserManager()
    # With the accounts that stand behind links to the wall (see `accounts.wall_links`).
    everybody: ClassVar[models.Manager["User"]] = models.Manager()

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    @property
    def role_label(self) -> str:
        """What the role is called."""
        return str(self.custom_role) if self.custom_role_id else self.get_role_display()


class Invitation(models.Model):
    """An offer to join the factory: single use, for 48 hours. The token's hash alone is kept."""

    email = models.EmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=20, choices=Role, default=Role.OPERATOR)
    custom_role = models.ForeignKey(
        CustomRole, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("own role")
    )
    reach = models.JSONField(_("restricted to"), null=True, blank=True, default=None)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="invitations_sent", verbose_name=_("invited by")
    )
    created_at = models.DateTimeField(_("sent"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.email} ({self.role_label})"

    @property
    def role_label(self) -> str:
        """What the role is called."""
        return str(self.custom_role) if self.custom_role_id else self.get_role_display()


class Scope(models.TextChoices):
    """What an API key may do."""

    INGEST = "ingest", _("Send readings")
    READ = "read", _("Read")
    WRITE = "write", _("Change")


class ApiKey(models.Model):
    """A key of a device or a program: `fp_<factory>_<prefix>_<secret>`; only the secret's SHA-256 is kept.

    machines: keys of the machines it may speak of or read; empty for all. addresses: networks (CIDR) it may come from;
    empty for any. During a rotation the secret before goes on until `old_secret_until_at`.
    """

    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)
    old_secret_hash = models.CharField(max_length=64, blank=True, editable=False)
    old_secret_until_at = models.DateTimeField(_("old secret good until"), null=True, blank=True, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    machines = models.JSONField(_("machines"), default=list, blank=True)
    addresses = models.JSONField(_("networks"), default=list, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="api_keys", verbose_name=_("made by")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    last_used_from = models.CharField(_("last used from"), max_length=45, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]
        verbose_name = _("API key")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def scope_words(self) -> list[str]:
        """What it may do, for people."""
        return [str(Scope(scope).label) for scope in self.scopes if scope in Scope.values]


class SupportGrant(models.Model):
    """An owner's leave for platform staff to look into the factory, for a time."""

    reason = models.CharField(_("reason"), max_length=200)
    granted_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    granted_at = models.DateTimeField(_("granted"), auto_now_add=True)
    until_at = models.DateTimeField(_("until"))
    revoked_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-granted_at"]

    def __str__(self) -> str:
        return self.reason


class ExportState(models.TextChoices):
    """Where the making of an export is."""

    WAITING = "waiting", _("Waiting")
    RUNNING = "running", _("Being written")
    READY = "ready", _("Ready")
    FAILED = "failed", _("Failed")
    EXPIRED = "expired", _("Expired")


class FactoryExport(models.Model):
    """One whole-factory export, as an owner asked for it; the file goes when it expires.

    path: in Django's storage, under the factory's folder; empty before it is ready and after it expired.
    """

    state = models.CharField(_("state"), max_length=10, choices=ExportState, default=ExportState.WAITING)
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    requested_at = models.DateTimeField(_("asked for"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    size_bytes = models.BigIntegerField(_("size"), default=0)
    path = models.CharField(max_length=255, blank=True, editable=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # Of two that are asked for at once, one is made.
            models.UniqueConstraint(
                models.Value(1), condition=models.Q(state__in=["waiting", "running"]), name="one_export_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return f"export {self.pk} ({self.state})"


class Errand(Job):
    """What one person asked for and a worker brings, shown to nobody else; it goes when it expires.

    kind: who makes it (`accounts.errands.errand_kinds`), from `asked`. answer: what came of it, for a page. path: the
    file that it brought, in Django's storage under the factory's folder; empty where it brought none.
    """

    kind = models.CharField(max_length=40)
    # Without its person an errand is nobody's: it is put away with its file when its time is over.
    asked_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    title = models.CharField(_("what"), max_length=200)
    asked = models.JSONField(default=dict, editable=False)
    answer = models.JSONField(default=dict, editable=False)
    file_name = models.CharField(max_length=120, blank=True, editable=False)
    path = models.CharField(max_length=255, blank=True, editable=False)
    size_bytes = models.BigIntegerField(_("size"), default=0)

    def __str__(self) -> str:
        return self.title


class WallLink(models.Model):
    """An address that opens the wall on a screen without signing in; only its token's SHA-256 is kept."""

    name = models.CharField(_("where the screen hangs"), max_length=80)
    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="wall_link", editable=False)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(_("made"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    used_at = models.DateTimeField(_("last opened"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class AuditEntry(models.Model):
    """One thing that somebody did: who, what, to what, when, from where, and what it was before and after.

    The factory's database role may add and read rows, and neither change nor remove any (see `tenants.roles`).
    """

    at = models.DateTimeField(_("time"), auto_now_add=True, db_index=True)
    actor = models.CharField(_("who"), max_length=254)
    action = models.CharField(_("action"), max_length=80)
    target = models.CharField(_("target"), max_length=254, blank=True)
    details = models.JSONField(_("details"), default=dict, blank=True)
    before = models.JSONField(_("before"), null=True, blank=True)
    after = models.JSONField(_("after"), null=True, blank=True)
    address = models.CharField(_("from"), max_length=45, blank=True)
    request_id = models.CharField(_("request id"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("audit entry")
        ordering: ClassVar[list[str]] = ["-at", "-id"]
        verbose_name_plural = _("audit entries")

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"
