"""What django-axes asks of us: whose account a sign-in is for, where it comes from, and what a locked one hears."""

from datetime import timedelta
from typing import Any

from axes.backends import AxesStandaloneBackend
from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounts.attempts import WINDOW_S, network_address
from common import clock
from common.proofs import proofs_hidden

# Long enough to look into what somebody reports late; whoever guesses all day fills no disk.
SIGN_INS_KEPT = timedelta(days=90)


class LockoutHandler(AxesDatabaseHandler):
    """Keeps who came and who failed; not the link by which a screen or a guest came, which opens for others, too."""

    def user_logged_in(self, sender: Any, request: Any, user: Any, **signal: Any) -> None:
        """Note a success."""
        _hide_proofs(request)
        super().user_logged_in(sender, request, user, **signal)

    def user_login_failed(self, sender: Any, credentials: Any, request: Any = None, **signal: Any) -> None:
        """Note a failure."""
        _hide_proofs(request)
        super().user_login_failed(sender, credentials, request, **signal)


class LockoutBackend(AxesStandaloneBackend):
    """Refuses a locked account before its password is looked at. Code without a request is no door, so it passes."""

    def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **given: Any
    ) -> None:
        """Raises PermissionDenied for a locked account."""
        if request is not None:
            super().authenticate(request, username=username, password=password, **given)


def _hide_proofs(request: Any) -> None:
    if hasattr(request, "axes_path_info"):
        request.axes_path_info = proofs_hidden(request.axes_path_info)


def sign_ins_trim() -> int:
    """Forget who came and who failed 90 days ago and before, in the current schema; how many lines went."""
    before = clock.now() - SIGN_INS_KEPT
    kept = (AccessAttempt, AccessFailureLog, AccessLog)
    return sum(model.objects.filter(attempt_time__lt=before).delete()[0] for model in kept)


def account_named(request: Any, credentials: dict[str, Any] | None = None) -> str:
    """The address that somebody tries, as they meant it."""
    given = credentials or {}
    named = given.get("email") or given.get("username") or getattr(request, "POST", {}).get("login", "")
    return str(named).strip().lower()[:254]


def address_of(request: Any) -> str | None:
    """The network address, or None where proxies can't be believed."""
    address = network_address(request)
    return None if address == "unknown" else address


def locked_out(request: HttpRequest, *_args: Any, **_given: Any) -> HttpResponse:
    """The same for every account, whether or not it is there."""
    detail = _("Too many failed attempts. Wait a quarter of an hour, or choose a new password by mail.")
    response = render(request, "429.html", {"detail": detail}, status=429)
    response["Retry-After"] = str(WINDOW_S)
    return response
