"""Which factory a request is for: by its host, or on the public host by the key or token it carries."""

import re
from collections.abc import Callable
from uuid import uuid4

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse, set_urlconf
from django.utils.translation import gettext as _

from tenants.context import factory_enter
from tenants.hosts import factory_of_host, factory_of_slug, is_public_host, public_tenant
from tenants.models import Factory
from tenants.refusals import refusal
from tenants.requests import is_api_path, is_ip_address, named_factory

# What works while a factory is shut: signing in, its own page and API (which ask for the owner), health, static files.
_OPEN_WHILE_SHUT = (
    "/accounts/", "/factory", "/health/", "/static/",
    "/api/v1/factory", "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout",
)  # fmt: skip
_HOST = re.compile(r"([a-z0-9.-]{4,253})(?::\d{1,5})?")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class FactoryMiddleware:
    """Sets `request.tenant`, the URLconf, the connection's schema and the log context; adds X-Request-ID.

    An unknown host is a plain 404. On the public host, API requests run in the factory that their key or token names,
    and are refused when it names none: no API view ever runs in the public schema. So they do at a bare IP address.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = _request_id(request)  # type: ignore[attr-defined]
        structlog.contextvars.unbind_contextvars("factory")
        response = self._answer(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]
        return response

    def _answer(self, request: HttpRequest) -> HttpResponse:
        _enter(request, public_tenant(), settings.PUBLIC_SCHEMA_URLCONF)
        if _has_nul(request):
            # PostgreSQL can't hold the sign, so every query with it would fail: refused once, at the door.
            return _bad_request(request)
        host = _host(request)
        if host is None:
            return _not_found(request)
        on_public_site = is_public_host(host)
        if on_public_site and not is_api_path(request.path):
            return self.get_response(request)
        factory = _factory_asked(request, "" if on_public_site else host)
        if factory is None:
            return _unnamed(request) if on_public_site else _not_found(request)
        return self._answer_within(request, factory)

    def _answer_within(self, request: HttpRequest, factory: Factory) -> HttpResponse:
        structlog.contextvars.bind_contextvars(factory=factory.slug)
        if factory.shut and not request.path.startswith(_OPEN_WHILE_SHUT):
            return _shut(request, factory)
        _enter(request, factory, settings.ROOT_URLCONF)
        response = self.get_response(request)
        if not _is_ours(request.get_host()) and "Strict-Transport-Security" in response:
            # A customer's own name: what stands below it is not ours to force into TLS.
            response["Strict-Transport-Security"] = f"max-age={settings.SECURE_HSTS_SECONDS}"
        return response


def _factory_asked(request: HttpRequest, host: str) -> Factory | None:
    """The factory that a host name, or on the public site (no host) the request's key or token, names."""
    if host:
        return factory_of_host(host)
    slug = named_factory(request)
    return factory_of_slug(slug) if slug else None


def _enter(request: HttpRequest, tenant: Factory, urlconf: str) -> None:
    request.tenant = tenant  # type: ignore[attr-defined]
    request.urlconf = urlconf
    set_urlconf(urlconf)
    factory_enter(tenant)


def _host(request: HttpRequest) -> str | None:
    """The host's name without its port, or None for a host that is not ours.

    A device that knows a node by its bare address alone has the API there as on the public host: its key or token names
    the factory. An address can't be made to point elsewhere, as a name can, and is nothing a browser has our cookies
    for; links in answers carry our own name, whatever the caller wrote.
    """
    try:
        return request.get_host().partition(":")[0]
    except DisallowedHost:
        own = _own_domain(request.META.get("HTTP_HOST", ""))
        if own:
            # Proved to be a factory's, so it is allowed for this request: what cookies, CSRF and links go by.
            request.get_host = lambda: own  # type: ignore[method-assign]
            return own.partition(":")[0]
        if not is_api_path(request.path) or not is_ip_address(request.META.get("HTTP_HOST", "")):
            return None
        request.META["HTTP_HOST"] = settings.DOMAIN
        return str(settings.DOMAIN_HOST)


def _is_ours(host: str) -> bool:
    name = host.partition(":")[0].lower().rstrip(".")
    return name == settings.DOMAIN_HOST or name.endswith(f".{settings.DOMAIN_HOST}")


def _own_domain(host: str) -> str:
    """The Host header as it came when its name is a factory's own; otherwise nothing."""
    found = _HOST.fullmatch(host.lower())
    return host.lower() if found and factory_of_host(found[1]) is not None else ""


def _request_id(request: HttpRequest) -> str:
    """The id that the log context already has; a caller's own is kept only while it is harmless."""
    known = str(structlog.contextvars.get_contextvars().get("request_id", ""))
    request_id = known if _REQUEST_ID.fullmatch(known) else uuid4().hex
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def _has_nul(request: HttpRequest) -> bool:
    return "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", "")


def _bad_request(request: HttpRequest) -> HttpResponse:
    detail = _("This request can't be understood.")
    if is_api_path(request.path):
        return refusal(request, status=400, code="bad_request", detail=detail)
    return HttpResponse(f"400. {detail}\n", status=400, content_type="text/plain; charset=utf-8")


def _shut(request: HttpRequest, factory: Factory) -> HttpResponse:
    """What everybody hears of a factory that is suspended or about to be deleted."""
    if factory.delete_after_at is not None:
        code, detail = "factory_leaving", _("This factory is about to be deleted. Its owner can still take that back.")
    else:
        code, detail = "factory_suspended", _("This factory is suspended.")
        detail = f"{detail} {factory.suspended_reason}".strip()
    if is_api_path(request.path):
        return refusal(request, status=403, code=code, detail=detail)
    factory_page = reverse("factory_home", urlconf=settings.ROOT_URLCONF)
    context = {"detail": detail, "leaving": factory.delete_after_at is not None, "factory_page": factory_page}
    return HttpResponse(render_to_string("public/shut.html", context), status=403)


def _not_found(request: HttpRequest) -> HttpResponse:
    detail = _("There is nothing at this address.")
    if is_api_path(request.path):
        return refusal(request, status=404, code="not_found", detail=detail)
    return HttpResponse(f"404. {detail}\n", status=404, content_type="text/plain; charset=utf-8")


def _unnamed(request: HttpRequest) -> HttpResponse:
    if named_factory(request):
        return refusal(request, status=401, code="key_invalid", detail=_("This key or token is not valid."))
    detail = _("Use your factory's own address here, or a key or token, which names its factory.")
    return refusal(request, status=401, code="not_authenticated", detail=detail)
