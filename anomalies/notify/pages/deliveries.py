"""What was sent, what waits, and what was given up, with the reason and a button to send it again."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.actions import DELIVERIES
from accounts.audit import audit_record
from accounts.permissions import page_requires
from anomalies.models import ChannelName, Notification, NotificationState
from anomalies.notify.breaker import target_resume
from anomalies.notify.log import LogFilter, log_page, targets_in_trouble
from anomalies.notify.outbox import notification_retry
from anomalies.notify.pages.tabs import tabs_for
from common.errors import DomainError


@require_GET
@page_requires(DELIVERIES)
def deliveries(request: HttpRequest) -> HttpResponse:
    """The log: `?state=` and `?channel=` narrow it, `?before=` goes back."""
    chosen = LogFilter.of(request.GET)
    context = {
        "page": log_page(chosen),
        "chosen": chosen,
        "states": NotificationState.choices,
        "channels": ChannelName.choices,
        "troubled": targets_in_trouble(),
        **tabs_for(request, "deliveries"),
    }
    return render(request, "anomalies/notify/deliveries.html", context)


@require_POST
@page_requires(DELIVERIES)
def delivery_again(request: HttpRequest, notification_id: int) -> HttpResponse:
    """Try a given-up message once more, now."""
    row = get_object_or_404(Notification, pk=notification_id)
    try:
        notification_retry(row)
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        audit_record(actor=request.user, action="notification.retry", target=f"{row.channel} {row.recipient}")
        messages.success(request, _("It is being sent again."))
    return redirect("deliveries")


@require_POST
@page_requires(DELIVERIES)
def delivery_resume(request: HttpRequest) -> HttpResponse:
    """Stop leaving a place alone: it is said to work again."""
    key = request.POST.get("key", "")[:120]
    target_resume(key)
    audit_record(actor=request.user, action="notification.resume", target=key)
    messages.success(request, _("The next message is tried at once."))
    return redirect("deliveries")
