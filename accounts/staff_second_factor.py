"""The second factor of platform staff, who can shut any factory: an authenticator app, beside the password."""

from typing import Any

import structlog
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, clear_totp_secret, get_totp_secret, validate_totp_code
from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from unfold.forms import AuthenticationForm
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.attempts import TooManyAttemptsError, attempt, network_address
from accounts.login import code_is_right
from accounts.models import User
from tenants.admin import staff_site

_log = structlog.get_logger(__name__)


def _code_field(*, required: bool) -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("Code of the authenticator app"),
        max_length=32,
        required=required,
        help_text="" if required else gettext_lazy("If you have set one up."),
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )


class StaffLoginForm(AuthenticationForm):
    """Address and password, and the app's code from whoever has one."""

    code = _code_field(required=False)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean()
        person = self.get_user()
        if person is not None and is_mfa_enabled(person):
            _prove(self.request, person, data.get("code", ""))
        return data


class CodeForm(forms.Form):
    """A code, to switch the app on or off."""

    code = _code_field(required=True)


@never_cache
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("code")
def second_factor(request: HttpRequest) -> HttpResponse:
    """Set up the app by its first code, or take it away by one."""
    person: User = request.user  # type: ignore[assignment]  # the staff site lets in nobody else
    has_one = is_mfa_enabled(person)
    form = CodeForm(request.POST or None)
    secret = "" if has_one else get_totp_secret(regenerate=request.method == "GET")
    if request.method == "POST" and form.is_valid():
        try:
            _change(request, person, secret, form.cleaned_data["code"])
        except ValidationError as error:
            form.add_error("code", error)
        else:
            return redirect("staff:second_factor")
    adapter = get_adapter()
    context = {
        **staff_site.each_context(request),
        "title": _("Second factor"),
        "form": form,
        "has_one": has_one,
        "secret": secret,
        "picture": adapter.build_totp_svg(adapter.build_totp_url(person, secret)) if secret else "",
    }
    return render(request, "accounts/staff_second_factor.html", context, status=422 if form.errors else 200)


def _change(request: HttpRequest, person: User, secret: str, code: str) -> None:
    """Raises ValidationError for a code that is not the app's."""
    _prove(request, person, code, secret=secret)
    if secret:
        TOTP.activate(person, secret)
        clear_totp_secret(request)
        messages.success(request, _("From now on signing in asks for the app's code."))
    else:
        Authenticator.objects.filter(user=person).delete()
        messages.success(request, _("Signing in asks for the password alone."))
    _log.info("staff_second_factor", person=person.pk, set_up=bool(secret))


def _prove(request: HttpRequest, person: User, code: str, *, secret: str = "") -> None:
    """By the app that is set up, or by the secret of one that is about to be. Raises ValidationError."""
    try:
        with attempt(account=f"staff:{person.pk}", address=network_address(request), failure=ValidationError):
            right = validate_totp_code(secret, code) if secret else bool(code) and code_is_right(person, code)
            if not right:
                raise ValidationError(_("The app's code is missing or wrong."), code="code_wrong")
    except TooManyAttemptsError as error:
        raise ValidationError(error.detail, code=error.code) from error


staff_site.login_form = StaffLoginForm
staff_site.login_template = "accounts/staff_login.html"
staff_site.pages.append(path("second-factor/", staff_site.admin_view(second_factor), name="second_factor"))
