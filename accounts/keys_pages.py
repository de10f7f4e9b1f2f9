"""Keys of devices and programs: made, rotated and revoked by hand."""

from datetime import datetime, time, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.api_keys import api_key_create, api_key_revoke, api_key_rotate
from accounts.forms import ApiKeyForm
from accounts.key_scopes import ScopeTooHighError
from accounts.keys_api import key_get
from accounts.models import ApiKey
from accounts.people import person_asking
from accounts.permissions import page_requires
from common import clock
from common.errors import DomainError
from tenants.context import factory_current


@require_http_methods(["GET", "POST"])
@never_cache
@page_requires("people")
def api_keys(request: HttpRequest) -> HttpResponse:
    """The factory's keys; POST makes one and shows it in the answer, once."""
    form = ApiKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made, raw = api_key_create(**_wanted(form), created_by=person_asking(request))
        except ScopeTooHighError as error:
            form.add_error("scopes", error.detail)
        else:
            return _shown(request, ApiKeyForm(), made, raw)
    return _shown(request, form)


@require_POST
@never_cache
@page_requires("people")
def api_key_renew(request: HttpRequest, key_id: int) -> HttpResponse:
    """A new secret, shown in the answer, once; the one before goes on for a day."""
    key = key_get(key_id)
    try:
        raw = api_key_rotate(key=key, rotated_by=person_asking(request))
    except DomainError as error:
        messages.error(request, error.detail)
        return redirect("api_keys")
    return _shown(request, ApiKeyForm(), key, raw)


@require_POST
@page_requires("people")
def api_key_end(request: HttpRequest, key_id: int) -> HttpResponse:
    """Revoke a key."""
    key = key_get(key_id)
    api_key_revoke(key=key, revoked_by=person_asking(request))
    messages.success(
        request, _("“%(name)s” is revoked: devices that use it are refused from now on.") % {"name": key.name}
    )
    return redirect("api_keys")


def _wanted(form: ApiKeyForm) -> dict[str, Any]:
    wanted = dict(form.cleaned_data)
    last_day, factory = wanted.pop("expires_on"), factory_current()
    if last_day is not None and factory is not None:
        wanted["expires_at"] = datetime.combine(last_day + timedelta(days=1), time(), tzinfo=factory.zone)
    return wanted


def _shown(request: HttpRequest, form: ApiKeyForm, made: ApiKey | None = None, raw: str = "") -> HttpResponse:
    context = {
        "form": form,
        "made": made,
        "raw_key": raw,
        "now": clock.now(),
        "keys": ApiKey.objects.select_related("created_by").order_by("revoked_at", "-created_at"),
    }
    return render(request, "accounts/api_keys.html", context, status=422 if form.errors else 200)
