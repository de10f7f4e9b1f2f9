"""The staff's page about how factories fare; it shows counts and times, and nothing that a factory calls its own."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from anomalies.factory_health import factories_health, wrongs
from telemetry.ingest.journal import process_journal
from tenants.admin import staff_site


@never_cache
@require_GET
def factory_health(request: HttpRequest) -> HttpResponse:
    """A row a factory, 25 a page; `q` is part of an address or name."""
    search, asked = request.GET.get("q", "").strip().lower()[:60], request.GET.get("page", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1
    page, healths = factories_health(process_journal(), number=number, search=search)
    context = {
        **staff_site.each_context(request),
        "title": _("How factories fare"),
        "page": page,
        "rows": [{"health": health, "wrongs": wrongs(health)} for health in healths],
        "search": search,
    }
    return render(request, "anomalies/factory_health.html", context)


staff_site.pages.append(path("health/", staff_site.admin_view(factory_health), name="factory_health"))
