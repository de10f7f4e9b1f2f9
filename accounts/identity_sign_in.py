"""Signing in by a plant's identity provider, stricter than allauth alone.

allauth keeps state and PKCE. Here the provider has to be the one whose address the owner gave, its id token is signed
by its keys, says the nonce that this browser was sent with, and is of the person whom the user info names.
"""

import secrets
from typing import Any
from urllib.parse import urlencode

import jwt
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.internal import jwtkit
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from requests import RequestException

from accounts.permissions import public_page

# Keys of two halves alone: with a shared one, whoever checks a token can also make one.
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_NONCE = "identity_nonce"
# Browsers are sent there, too, so nothing but a page may be named.
_SCHEMES = {False: ("https://",), True: ("https://", "http://")}
_NEEDED = ("issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri")


class PlantAdapter(OpenIDConnectOAuth2Adapter):
    """One factory's provider."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """Its description, which has to be its own. Raises OAuth2Error, RequestException."""
        config: Any = super().openid_config
        if not isinstance(config, dict) or not all(isinstance(config.get(name), str) for name in _NEEDED):
            raise OAuth2Error("the provider's description lacks something")
        if not all(config[name].startswith(_SCHEMES[settings.TRIAL]) for name in _NEEDED):
            raise OAuth2Error("the provider's description leads into the open")
        if _issuer(config["issuer"]) != _issuer(str(self.get_provider().app.settings["server_url"])):
            raise OAuth2Error("the provider's description is another one's")
        return config

    def complete_login(self, request: HttpRequest, app: SocialApp, token: Any, **kwargs: Any) -> SocialLogin:
        """Whom the provider has signed in. Raises OAuth2Error, RequestException."""
        login = super().complete_login(request, app, token, **kwargs)
        told = login.account.extra_data
        claims, nonce = told.get("id_token"), request.session.pop(_NONCE, "")
        if claims is None or not nonce or str(claims.get("nonce")) != nonce:
            raise OAuth2Error("the id token is missing, or was made for another sign-in")
        if told["userinfo"]["sub"] != claims.get("sub"):
            raise OAuth2Error("the id token and the user info are two people's")
        return login

    def _fetch_user_info(self, access_token: str) -> dict[str, Any]:
        about: Any = super()._fetch_user_info(access_token)
        if not isinstance(about, dict) or not isinstance(about.get("sub"), str):
            raise OAuth2Error("the user info names nobody")
        return about

    def _decode_id_token(self, app: SocialApp, id_token: str) -> dict[str, Any]:
        config = self.openid_config
        try:
            if jwt.get_unverified_header(id_token).get("alg") not in _ALGORITHMS:
                raise OAuth2Error("the id token is not signed by a key of two halves")
            claims: dict[str, Any] = jwtkit.verify_and_decode(
                credential=id_token,
                keys_url=config["jwks_uri"],
                issuer=config["issuer"],
                audience=app.client_id,
                lookup_kid=jwtkit.lookup_kid_jwk,
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError) as error:
            raise OAuth2Error("the id token or the provider's keys can't be read") from error
        return claims


@public_page
def identity_leave(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Send the browser to the provider."""
    adapter = _adapter(request, provider_id)
    request.session[_NONCE] = secrets.token_urlsafe(24)
    query = request.GET.copy()
    query.pop("scope", None)
    # What else is asked of the provider is ours to say, whatever stands in the address.
    query["auth_params"] = urlencode({"nonce": request.session[_NONCE]})
    request.GET = query  # type: ignore[assignment]  # made by ourselves, and read by allauth alone
    answer = _guarded(OAuth2LoginView, adapter, request)
    if answer.status_code != 302:
        return answer
    # A page that leads there, and no redirect: browsers hold it to the form's policy (`form-action`), wherever the
    # provider sends them on to, and would stop.
    context = {"address": answer["Location"], "provider_name": adapter.get_provider().app.name}
    return render(request, "accounts/identity_leave.html", context)


@public_page
def identity_return(request: HttpRequest, provider_id: str) -> HttpResponse:
    """The browser comes back from it."""
    return _guarded(OAuth2CallbackView, _adapter(request, provider_id), request)


def _adapter(request: HttpRequest, provider_id: str) -> PlantAdapter:
    adapter = PlantAdapter(request, provider_id)
    try:
        adapter.get_provider()
    except SocialApp.DoesNotExist as error:
        raise Http404 from error
    return adapter


def _guarded(view: Any, adapter: PlantAdapter, request: HttpRequest) -> HttpResponse:
    """The view's answer, or a page that says that the provider could not be asked."""
    try:
        adapter.openid_config  # noqa: B018  # fetched, or refused, before anybody is sent there
        answer: HttpResponse = view.adapter_view(adapter)(request)
    except (OAuth2Error, RequestException) as error:
        answer = render_authentication_error(request, adapter.get_provider(), exception=error)
    return answer


def _issuer(address: Any) -> str:
    return str(address or "").partition("/.well-known/")[0].rstrip("/")
