"""From an empty factory to its first live machine: a key, lines to paste, and a page that notices the first reading."""

from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from accounts.api_keys import api_key_create
from accounts.models import ApiKey, Scope, User
from accounts.permissions import page_requires
from common import clock
from common.times import from_ms
from telemetry.models import Machine
from tenants.addresses import public_url
from tenants.context import factory_current
from tenants.models import Factory

EXAMPLE_MACHINE = "M01"
_EARLIEST_MS = 0


@require_http_methods(["GET", "POST"])
@never_cache
@page_requires("equipment")
def first_run(request: HttpRequest) -> HttpResponse:
    """Lines to paste, with a key in them: made with the first visit, after that only when asked for by POST.

    The key is shown in this answer alone; a reload shows the lines with a place to put it.
    """
    factory, person = _asked(request)
    raw_key = _key_make(person) if request.method == "POST" else _first_key_make(person)
    context = {
        "raw_key": raw_key,
        "commands": _commands(factory, raw_key or f"fp_{factory.slug}_…"),
        # In an empty factory any machine is the first one, however its clock and ours differ.
        "since_ms": clock.now_ms() if Machine.objects.exists() else _EARLIEST_MS,
        "machines": Machine.objects.exclude(last_seen_at=None).order_by("-created_at")[:5],
    }
    return render(request, "telemetry/first_run.html", context)


@require_GET
@never_cache
@page_requires("equipment")
def first_run_waiting(request: HttpRequest) -> HttpResponse:
    """Asked every second by the page: once a new machine has sent something, the browser goes to its live chart."""
    fresh = Machine.objects.filter(created_at__gte=from_ms(_since_ms(request))).exclude(last_seen_at=None)
    machine = fresh.order_by("created_at").first()
    if machine is None:
        return render(request, "telemetry/partials/_first_run_waiting.html")
    response = HttpResponse(status=200)
    response["HX-Redirect"] = reverse("machine", args=[machine.key])
    return response


def _asked(request: HttpRequest) -> tuple[Factory, User]:
    """The factory and the person, which the page's guard has made sure of."""
    factory = factory_current()
    if factory is None or not isinstance(request.user, User):
        raise RuntimeError("this page is for people of a factory")
    return factory, request.user


def _since_ms(request: HttpRequest) -> int:
    given = request.GET.get("since", "")
    # Up to the year 5138: more digits would overflow a date.
    return int(given) if given.isascii() and given.isdigit() and len(given) < 15 else _EARLIEST_MS


def _first_key_make(person: User) -> str:
    """The factory's first key; empty when it has had one already."""
    with transaction.atomic():
        # Two tabs opened at once wait for each other here, and the second finds the key.
        User.objects.select_for_update().get(pk=person.pk)
        return "" if ApiKey.objects.exists() else _key_make(person)


def _key_make(person: User) -> str:
    _key, raw = api_key_create(name=_("First machine"), scopes=[Scope.INGEST, Scope.READ], created_by=person)
    return raw


def _commands(factory: Factory, key: str) -> list[dict[str, Any]]:
    """What to paste into a terminal, each with a title and an id for its copy button."""
    url = public_url("/api/v1/telemetry/ingest")
    head = f'curl {url} \\\n  -H "X-API-Key: {key}" \\\n  -H "Content-Type: application/json" \\\n  '
    body = f'{{"machine": "{EXAMPLE_MACHINE}", "metrics": {{"vibration": 2.1, "temperature": 71.3}}}}'
    # Plain sh, so that it runs wherever curl does: the last digit of the second moves the values.
    moving = body.replace("2.1", "2.$n").replace("71.3", "7$n.5").replace('"', '\\"')
    topic = f"factories/{factory.slug}/devices/{EXAMPLE_MACHINE}/telemetry"
    return [
        {"id": "command-curl", "title": _("One reading by HTTP"), "text": f"{head}-d '{body}'"},
        {
            "id": "command-loop",
            "title": _("A reading a second, to see the chart move"),
            "text": f'while sleep 1; do n=$(date +%S | cut -c2)\n{head}-s -o /dev/null -d "{moving}"\ndone',
        },
        {
            "id": "command-mqtt",
            "title": _("One reading by MQTT"),
            "text": f"mosquitto_pub -h {settings.DOMAIN_HOST} -p {settings.MQTT_PUBLIC_PORT} \\\n"
            f"  -u {factory.slug} -P {key} -q 1 \\\n  -t {topic} \\\n"
            '  -m \'{"vibration": 2.1, "temperature": 71.3}\'',
        },
    ]
