"""Browsers that show messages while no page is open: subscribed by their owners, forgotten when they leave."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import User
from anomalies.models import PushSubscription
from anomalies.notify.safe_http import url_check
from common.errors import InvalidInputError

_BROWSERS_AT_MOST = 20


class SubscriptionInvalidError(InvalidInputError):
    """Not what a browser's `PushSubscription.toJSON()` gives."""

    code = "push_subscription_invalid"


def browser_subscribe(*, person: User, subscription: Any, browser: str) -> PushSubscription:
    """Keep a browser's subscription, `{"endpoint", "keys": {"p256dh", "auth"}}`; a known one changes hands.

    Raises SubscriptionInvalidError, AddressRefusedError.
    """
    endpoint, p256dh, auth = _parts(subscription)
    url_check(endpoint)
    kept, _made = PushSubscription.objects.update_or_create(
        endpoint=endpoint, defaults={"user": person, "p256dh": p256dh, "auth": auth, "browser": browser[:200]}
    )
    surplus = PushSubscription.objects.filter(user=person).order_by("-created_at")[_BROWSERS_AT_MOST:]
    PushSubscription.objects.filter(pk__in=[row.pk for row in surplus]).delete()
    return kept


def browser_forget(*, person: User, endpoint: str) -> None:
    """The person's browser has left."""
    PushSubscription.objects.filter(user=person, endpoint=endpoint).delete()


def _parts(subscription: Any) -> tuple[str, str, str]:
    keys = subscription.get("keys") if isinstance(subscription, Mapping) else None
    if not isinstance(keys, Mapping):
        raise SubscriptionInvalidError(_("Send what the browser's subscription gives: endpoint and keys."))
    endpoint, p256dh, auth = (
        str(part) for part in (subscription.get("endpoint"), keys.get("p256dh"), keys.get("auth"))
    )
    if len(endpoint) > 1000 or (_length(p256dh), _length(auth)) != (65, 16):
        raise SubscriptionInvalidError(_("The subscription's keys are not those of a browser."))
    return endpoint, p256dh, auth


def _length(text: str) -> int:
    try:
        return len(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return 0
