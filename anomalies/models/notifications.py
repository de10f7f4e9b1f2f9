"""The outbox: who is told, and how far each message came."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from anomalies.models.alerts import Alert


class NotificationState(models.TextChoices):
    """How far a message of the outbox came."""

    PENDING = "pending", _("Waiting")
    SENT = "sent", _("Sent")
    DEAD = "dead", _("Given up")


class Notification(models.Model):
    """The outbox: written in the transaction that raises the alert, sent afterwards, once."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, null=True, blank=True, related_name="notifications")
    # e.g. "alert:17:raised:email:anna@example.com": a second worker's row violates it.
    dedupe_key = models.CharField(max_length=320, unique=True)
    channel = models.CharField(max_length=12, default="email")
    recipient = models.CharField(max_length=254)
    subject = models.CharField(max_length=200)
    body_text = models.TextField()
    body_html = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=NotificationState, default=NotificationState.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [models.Index(fields=["state", "next_attempt_at"], name="outbox_due")]

    def __str__(self) -> str:
        return f"{self.channel} → {self.recipient}: {self.subject}"
