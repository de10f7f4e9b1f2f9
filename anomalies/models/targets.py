"""Where messages go: programs and chat rooms of the factory, people's phones and browsers."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class TargetKind(models.TextChoices):
    """What listens at a target's address."""

    WEBHOOK = "webhook", _("Webhook")
    SLACK = "slack", _("Slack")
    TEAMS = "teams", _("Microsoft Teams")


class NotificationTarget(models.Model):
    """A program or chat room that is told by HTTP.

    Address and secrets are sealed (`anomalies.notify.sealing`): chat addresses are secrets themselves. During a
    rotation the previous secret signs beside the new one until `previous_until`.
    """

    kind = models.CharField(_("kind"), max_length=10, choices=TargetKind, default=TargetKind.WEBHOOK)
    name = models.CharField(_("name"), max_length=80, unique=True)
    host = models.CharField(_("host"), max_length=255, editable=False)
    address_sealed = models.TextField(editable=False)
    secret_sealed = models.TextField(editable=False, blank=True)
    previous_sealed = models.TextField(editable=False, blank=True)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    active = models.BooleanField(_("active"), default=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("made by"),
    )
    created_at = models.DateTimeField(_("made"), auto_now_add=True)

    class Meta:
        verbose_name = _("notification target")
        verbose_name_plural = _("notification targets")
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def health_key(self) -> str:
        """Under which its failures are counted, see TargetHealth."""
        return f"target:{self.pk}"


class ContactPreference(models.Model):
    """How a person wants to be told; without a row, by e-mail and in the app."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="contact_preference", primary_key=True
    )
    email = models.BooleanField(_("E-mail"), default=True)
    push = models.BooleanField(_("Push on this person's browsers"), default=True)
    in_app = models.BooleanField(_("In the app"), default=True)
    sms = models.BooleanField(_("SMS"), default=False)
    whatsapp = models.BooleanField(_("WhatsApp"), default=False)
    # The least severity for each: “low” is everything.
    email_from = models.CharField(_("E-mail from"), max_length=10, default="low")
    push_from = models.CharField(_("Push from"), max_length=10, default="high")
    in_app_from = models.CharField(_("In the app from"), max_length=10, default="low")
    phone_from = models.CharField(_("SMS and WhatsApp from"), max_length=10, default="high")
    quiet_from = models.TimeField(_("Quiet from"), null=True, blank=True)
    quiet_to = models.TimeField(_("Quiet until"), null=True, blank=True)
    phone = models.CharField(_("phone number"), max_length=20, blank=True, help_text=_("E.164, such as +48123456789."))
    phone_verified_at = models.DateTimeField(null=True, blank=True)
    code_hash = models.CharField(max_length=64, blank=True, editable=False)
    code_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    code_tries = models.PositiveSmallIntegerField(default=0, editable=False)

    def __str__(self) -> str:
        return str(self.user)

    @property
    def phone_ready(self) -> bool:
        """Whether messages may be sent to the phone: a number that its owner has confirmed."""
        return bool(self.phone) and self.phone_verified_at is not None


class PushSubscription(models.Model):
    """One browser of one person that shows messages while no page is open (Web Push)."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="push_subscriptions")
    endpoint = models.URLField(max_length=1000, unique=True)
    p256dh = models.CharField(max_length=120)
    auth = models.CharField(max_length=40)
    browser = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.user}: {self.browser}"
