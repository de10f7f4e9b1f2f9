"""A plant's own identity provider (OpenID Connect): it proves people who are here already, and makes nobody."""

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.identity_calls import provider_session
from accounts.models import User
from common.errors import InvalidInputError

PROVIDER = "openid_connect"
PROVIDER_ID = "plant"


class IdentityProviderInvalidError(InvalidInputError):
    """The provider's address can't be used."""

    code = "identity_provider_invalid"


class IdentityAdapter(DefaultSocialAccountAdapter):
    """allauth asks here; its providers come from the current factory's own table."""

    def is_open_for_signup(self, request: Any, sociallogin: Any) -> bool:
        """Never: people come by invitation, whatever a provider says."""
        return False

    def get_requests_session(self) -> Any:
        """Whatever is asked of a provider goes by this."""
        return provider_session()

    def can_authenticate_by_email(self, login: Any, email: str) -> bool:
        """Only somebody who is here, active, and whose address the provider has confirmed."""
        confirmed = any(one.email.lower() == email.lower() and one.verified for one in login.email_addresses)
        return confirmed and User.objects.filter(email__iexact=email, is_active=True).exists()


def identity_provider() -> SocialApp | None:
    """The current factory's provider."""
    return SocialApp.objects.filter(provider=PROVIDER, provider_id=PROVIDER_ID).first()


@transaction.atomic
def identity_provider_set(*, actor: User, name: str, server_url: str, client_id: str, secret: str) -> SocialApp:
    """Let people of this factory sign in by a provider. An empty secret keeps the one that is there.

    Raises IdentityProviderInvalidError.
    """
    server_url_check(server_url)
    app = identity_provider() or SocialApp(provider=PROVIDER, provider_id=PROVIDER_ID)
    another = app.settings.get("server_url") != server_url.strip() or app.client_id != client_id.strip()
    # The one that is set was given for one provider: no other hears it.
    if not secret and (another or not app.secret):
        raise IdentityProviderInvalidError(_("A provider needs its client secret, and another one needs another."))
    if another:
        _people_forget()
    before = {"name": app.name, "server_url": app.settings.get("server_url"), "client_id": app.client_id}
    app.name, app.client_id, app.secret = name.strip()[:40], client_id.strip(), secret or app.secret
    app.settings = {"server_url": server_url.strip(), "oauth_pkce_enabled": True}
    app.save()
    after = {"name": app.name, "server_url": server_url, "client_id": app.client_id}
    audit_record(actor=actor, action="identity_provider.set", target=server_url, before=before, after=after)
    return app


@transaction.atomic
def identity_provider_remove(*, actor: User) -> None:
    """People sign in by password again."""
    app = identity_provider()
    if app is not None:
        audit_record(actor=actor, action="identity_provider.removed", target=str(app.settings.get("server_url", "")))
        app.delete()
        _people_forget()


def _people_forget() -> None:
    """A provider's word for somebody says nothing of another's: the same “sub” may be a different person there."""
    SocialAccount.objects.filter(provider=PROVIDER_ID).delete()


def server_url_check(url: str) -> None:
    """Our servers will ask this address, so it is one of the public network. Raises IdentityProviderInvalidError."""
    parts = urlsplit(url.strip())
    if parts.scheme != "https" and not settings.TRIAL:
        raise IdentityProviderInvalidError(_("The provider's address begins with https://."))
    if not parts.hostname or parts.username or parts.scheme not in {"http", "https"}:
        raise IdentityProviderInvalidError(_("This is no address of a provider."))
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(parts.hostname, None)}
    except OSError as error:
        raise IdentityProviderInvalidError(_("The provider's name is not known.")) from error
    if not settings.TRIAL and not all(ipaddress.ip_address(address).is_global for address in found):
        raise IdentityProviderInvalidError(_("The provider's address is not of the public network."))
