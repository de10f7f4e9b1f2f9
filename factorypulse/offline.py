"""What makes the product an app on a phone: its manifest, its service worker, and whose page an answer is."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.templatetags.static import static
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from accounts.permissions import public_page
from tenants.context import factory_current

_FOLDERS = ("js", "css", "icons", "vendor")


def person_key(user: Any) -> str:
    """A name that says nothing about the person, and changes with their password; empty for nobody."""
    if not getattr(user, "is_authenticated", False) or not hasattr(user, "get_session_auth_hash"):
        return ""
    return salted_hmac("factorypulse.offline", f"{user.pk}.{user.get_session_auth_hash()}").hexdigest()[:24]


class PersonHeaderMiddleware:
    """Says on each HTML page whose it is, so that the service worker never shows one person's page to another."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if factory_current() is not None and response.get("Content-Type", "").startswith("text/html"):
            response["X-Person"] = person_key(getattr(request, "user", None))
        return response


@require_GET
@public_page
@cache_control(max_age=3600, private=True)
def manifest(request: HttpRequest) -> HttpResponse:
    """The web app manifest (W3C): name, icons, colours, and where the app begins."""
    factory = factory_current()
    name = factory.name if factory else "FactoryPulse"
    icons = [
        {"src": static("icons/favicon.svg"), "sizes": "any", "type": "image/svg+xml"},
        *(_icon(f"icon-{size}.png", size) for size in (192, 512)),
        {**_icon("maskable-512.png", 512), "purpose": "maskable"},
    ]
    shortcuts = [{"name": _("Alerts"), "url": "/alerts"}, {"name": _("Wall"), "url": "/wall"}]
    content = {
        "id": "/",
        "name": f"{name} · FactoryPulse",
        "short_name": name,
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#11161a",
        "theme_color": "#11161a",
        "icons": icons,
        "shortcuts": shortcuts,
    }
    return JsonResponse(content, content_type="application/manifest+json")


def _icon(name: str, size: int) -> dict[str, str]:
    return {"src": static(f"icons/{name}"), "sizes": f"{size}x{size}", "type": "image/png"}


@require_GET
@public_page
@cache_control(no_cache=True)
def service_worker(request: HttpRequest) -> HttpResponse:
    """The worker, with the version of all files it keeps; it stands at the root because it serves the root."""
    source = finders.find("service-worker.js") or Path(settings.STATIC_ROOT or "") / "service-worker.js"
    text = f'const VERSION = "{files_version()}";\n{Path(str(source)).read_text(encoding="utf-8")}'
    return HttpResponse(text, content_type="text/javascript; charset=utf-8")


@cache
def files_version() -> str:
    """A digest of every script, style and icon, as this process found them when it began."""
    digest = hashlib.sha256()
    for root in filter(None, (settings.STATIC_ROOT, *settings.STATICFILES_DIRS)):
        for folder in _FOLDERS:
            for path in sorted((Path(root) / folder).rglob("*")):
                if path.is_file():
                    digest.update(f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
