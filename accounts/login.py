"""Proving a person to the API by e-mail address, password and, where it is set up, a second factor."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.contrib.auth import authenticate
from django.utils.translation import gettext as _

from accounts.attempts import attempt, network_address
from accounts.models import User
from accounts.support import support_user_email
from common.errors import NotAuthenticatedError
from tenants.context import factory_current


class LoginFailedError(NotAuthenticatedError):
    """Wrong address or password, or somebody who may not sign in: which of these is nobody's business."""

    code = "login_failed"


class SecondFactorRequiredError(NotAuthenticatedError):
    """The password was right, and the account also asks for a code."""

    code = "second_factor_required"


class SecondFactorMissingError(NotAuthenticatedError):
    """The factory requires a second factor, and the account has none yet."""

    code = "second_factor_missing"


def login_verify(*, request: Any, email: str, password: str, code: str = "") -> User:
    """The person who proved these credentials in the current factory.

    Raises LoginFailedError, SecondFactorRequiredError, SecondFactorMissingError, TooManyAttemptsError.
    """
    with attempt(account=email, address=network_address(request), failure=LoginFailedError):
        user = authenticate(request, email=email, password=password)
        if not isinstance(user, User) or not _may_sign_in(user):
            raise LoginFailedError(_("The e-mail address or the password is wrong."))
        second_factor_check(user)
        if is_mfa_enabled(user):
            if not code:
                raise SecondFactorRequiredError(_("This account asks for a second factor: send its “code” too."))
            if not code_is_right(user, code):
                raise LoginFailedError(_("The code is wrong."))
    return user


def second_factor_check(user: User) -> None:
    """Raises SecondFactorMissingError where the factory requires one and the person has none."""
    factory = factory_current()
    if factory is not None and factory.mfa_required and not is_mfa_enabled(user):
        raise SecondFactorMissingError(_("This factory requires a second factor: set one up on your account page."))


def _may_sign_in(user: User) -> bool:
    if user.email == support_user_email():
        return False
    return user.is_active and EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists()


def code_is_right(user: User, code: str) -> bool:
    """Whether it is the app's code now, or a recovery code that was not used; either is used up by that."""
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
    for authenticator in Authenticator.objects.filter(user=user, type__in=kinds):
        if authenticator.wrap().validate_code(code):
            authenticator.record_usage()
            return True
    return False
