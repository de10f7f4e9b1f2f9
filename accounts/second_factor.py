"""Second factors as a factory has them: under whose name they are kept, when the last may go, passkeys before keys."""

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter, get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from allauth.mfa.webauthn.views import RemoveWebAuthnView
from django import forms
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.sessions import device_named
from accounts.support import support_user_email
from common.expiring import ExpiringMap
from tenants.context import factory_current

# Who was seen to have one, because pages ask all the time. Short: whoever takes theirs away is asked again.
_seen: ExpiringMap[tuple[str, int], bool] = ExpiringMap(size=10_000, fresh_s=5.0)


class SecondFactorAdapter(DefaultMFAAdapter):
    """allauth asks here."""

    error_messages = {  # noqa: RUF012  # as the library has it
        **DefaultMFAAdapter.error_messages,
        "cannot_delete_authenticator": _(
            "This factory requires a second factor, and this is your last: add another one first."
        ),
    }

    def get_totp_issuer(self) -> str:
        """What the app on somebody's phone calls it: one person may be at several factories."""
        return f"FactoryPulse {_factory_name()}".strip()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """A passkey is bound to the host by the browser, and is called by the factory."""
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return {**entity, "name": _factory_name() or entity["name"]}

    def generate_authenticator_name(self, user: Any, type: Any) -> str:  # noqa: A002  # the library's names
        """The browser that makes it, which people know better than a number."""
        agent = str(context.request.META.get("HTTP_USER_AGENT", ""))
        return device_named(agent) if agent else str(super().generate_authenticator_name(user, type))

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Not the last one where the factory requires one; recovery codes alone don't count."""
        factory = factory_current()
        if factory is None or not factory.mfa_required:
            return True
        own = Authenticator.objects.filter(user_id=authenticator.user_id).exclude(pk=authenticator.pk)
        return bool(own.exclude(type=Authenticator.Type.RECOVERY_CODES).exists())


class PasskeyForm(AddWebAuthnForm):
    """A passkey unless somebody says otherwise: what signs in by itself is what people expect of one."""

    passwordless = forms.BooleanField(
        label=_("Sign in with it alone"),
        required=False,
        initial=True,
        help_text=_("Unlocked by fingerprint, face or PIN. Without the tick it is asked for after the password."),
    )


class PasskeyRemoveView(RemoveWebAuthnView):
    """allauth asks whether the app may go, and of a passkey it does not."""

    sign_in_page = True
    # DELETE would take it away beside the flow that asks, cleans up and writes the mail.
    http_method_names = ("get", "post", "head", "options")

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        """With whether it may go, so that nobody presses a button in vain."""
        context: dict[str, Any] = super().get_context_data(**given)
        return {**context, "may_go": get_adapter().can_delete_authenticator(self.object)}

    def form_valid(self, form: forms.Form) -> HttpResponse:
        """Remove it, or say why it stays."""
        adapter = get_adapter()
        if not adapter.can_delete_authenticator(self.object):
            form.add_error(None, adapter.validation_error("cannot_delete_authenticator"))
            refused: HttpResponse = self.render_to_response(self.get_context_data(form=form), status=422)
            return refused
        removed: HttpResponse = super().form_valid(form)
        return removed


def second_factor_enough(user: Any) -> bool:
    """Whether somebody has what the current factory asks for."""
    factory = factory_current()
    return factory is None or not factory.mfa_required or _excused(user) or second_factor_stands(user)


def second_factor_stands(user: User) -> bool:
    """Whether somebody has a second factor now, or had one seconds ago."""
    factory = factory_current()
    key = (factory.slug if factory is not None else "", user.pk)
    if _seen.fresh(key):
        return True
    if not is_mfa_enabled(user):
        return False
    _seen.put(key, True)
    return True


def second_factors_forget() -> None:
    """Drop what was seen in this process."""
    _seen.clear()


def _excused(user: Any) -> bool:
    """A screen has no hands, and staff has proved itself on the public site and by an owner's leave."""
    return bool(getattr(user, "wall_only", False)) or user.get_username() == support_user_email()


def _factory_name() -> str:
    factory = factory_current()
    return factory.name if factory is not None else ""
