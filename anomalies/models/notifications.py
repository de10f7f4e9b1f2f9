"""The outbox: news of alerts, the messages that tell it, and how the places they go to are doing."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from anomalies.models.alerts import Alert
from anomalies.models.routes import RouteStep
from anomalies.models.targets import NotificationTarget


class Occasion(models.TextChoices):
    """What a message is about."""

    RAISED = "raised", _("Raised")
    RETURNED = "returned", _("Back to normal")
    ESCALATED = "escalated", _("Escalated")
    GROUP = "group", _("Many alerts together")
    TEST = "test", _("Test")
    CODE = "code", _("Confirmation code")
    REPORT = "report", _("Report ready")


class ChannelName(models.TextChoices):
    """By which way a message travels."""

    EMAIL = "email", _("E-mail")
    SMS = "sms", _("SMS")
    WHATSAPP = "whatsapp", _("WhatsApp")
    PUSH = "push", _("Browser push")
    IN_APP = "in_app", _("In the app")
    WEBHOOK = "webhook", _("Webhook")
    SLACK = "slack", _("Slack")
    TEAMS = "teams", _("Microsoft Teams")


class Notice(models.Model):
    """News of one alert, written in the transaction of its transition; who is told by what is found out afterwards.

    content: the alert as it was then, see `anomalies.alerts.presenting.alert_as_dict`.
    """

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="notices")
    # Names the transition, so that a second writer adds nothing: “alert:17:raised:<timeline entry>”.
    key = models.CharField(max_length=120, unique=True)
    occasion = models.CharField(max_length=10, choices=Occasion)
    content = models.JSONField(default=dict)
    # An escalation's: the step whose people are told.
    step = models.ForeignKey(RouteStep, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    # Not before: an alert that flaps, or a storm, is told a little later and once.
    due_at = models.DateTimeField()
    routed_at = models.DateTimeField(null=True, blank=True)
    # Whether anybody was told; news that was over before it was told is not.
    told = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["due_at"], name="notices_to_route", condition=models.Q(routed_at=None))
        ]

    def __str__(self) -> str:
        return self.key


class NotificationState(models.TextChoices):
    """How far a message of the outbox came."""

    PENDING = "pending", _("Waiting")
    SENT = "sent", _("Sent")
    DEAD = "dead", _("Given up")


class Notification(models.Model):
    """One message to one recipient by one channel, sent once.

    payload: what the channel needs beside subject and text, such as a webhook's body; `alerts`, the numbers of all
    alerts it tells of; `thread`, the conversation it belongs to.
    """

    alert = models.ForeignKey(
        Alert, on_delete=models.CASCADE, null=True, blank=True, related_name="notifications", verbose_name=_("alert")
    )
    # e.g. "alert:17:raised:5:email:anna@example.com": a second worker's row violates it.
    dedupe_key = models.CharField(max_length=400, unique=True)
    occasion = models.CharField(_("about"), max_length=10, choices=Occasion, default=Occasion.RAISED)
    channel = models.CharField(_("channel"), max_length=12, choices=ChannelName, default=ChannelName.EMAIL)
    recipient = models.CharField(_("recipient"), max_length=254)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="notifications",
        verbose_name=_("user"),
    )
    target = models.ForeignKey(
        NotificationTarget,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="notifications",
        verbose_name=_("target"),
    )
    # Whose failures count together, see TargetHealth: the mail server, a webhook, Twilio.
    target_key = models.CharField(max_length=120, default="email")
    subject = models.CharField(_("subject"), max_length=200)
    body_text = models.TextField(blank=True)
    body_html = models.TextField(blank=True)
    payload = models.JSONField(default=dict, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=NotificationState, default=NotificationState.PENDING)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField()
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    read_at = models.DateTimeField(_("read"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=300, blank=True)
    created_at = models.DateTimeField(_("written"), auto_now_add=True)

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "next_attempt_at"], name="outbox_due"),
            models.Index(fields=["user", "channel", "read_at"], name="outbox_inbox"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} → {self.recipient}: {self.subject}"


class TargetHealth(models.Model):
    """How a place that messages go to has been answering: the circuit breaker's memory.

    Open (nothing is tried) until `open_until`; then one message is a trial, and success closes it.
    """

    key = models.CharField(max_length=120, unique=True)
    failures = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    last_failed_at = models.DateTimeField(null=True, blank=True)
    last_ok_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.key
