"""The row of tabs that the pages share: each person sees those they may open."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.actions import DELIVERIES, NOTIFICATIONS, VIEW
from accounts.permissions import permits
from anomalies.models import Notification, NotificationState


def tabs_for(request: HttpRequest, current: str) -> dict[str, Any]:
    """The template's `tabs` and `tab`."""
    tabs = (
        (NOTIFICATIONS, "routes", _("Who is told"), ""),
        (VIEW, "on_call", _("On call"), ""),
        (NOTIFICATIONS, "targets", _("Webhooks and chat"), ""),
        (DELIVERIES, "deliveries", _("Sent messages"), _given_up(request)),
    )
    items = [
        {"value": value, "label": label, "href": reverse(value), "count": count}
        for action, value, label, count in tabs
        if permits(request.user, action)
    ]
    return {"tabs": items, "tab": current}


def _given_up(request: HttpRequest) -> str:
    if not permits(request.user, DELIVERIES):
        return ""
    count = Notification.objects.filter(state=NotificationState.DEAD).count()
    return str(count) if count else ""
