"""How a person is told: channels, least severities, quiet hours, the phone, browsers; and what they were told."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.people import person_asking
from accounts.permissions import VIEW, page_requires
from anomalies.models import ChannelName, ContactPreference, Notification, PushSubscription
from anomalies.notify.browsers import browser_forget, browser_subscribe
from anomalies.notify.channels import PERSONAL
from anomalies.notify.forms import CodeForm, PhoneForm, PreferenceForm
from anomalies.notify.json_body import json_body
from anomalies.notify.phone_numbers import phone_change, phone_confirm, phone_remove
from anomalies.notify.trying import person_test
from anomalies.notify.twilio_api import TwilioSettings
from anomalies.notify.vapid import public_key
from common import clock
from common.errors import DomainError

_TOLD_SHOWN = 20


@require_http_methods(["GET", "POST"])
@page_requires(VIEW)
def preferences(request: HttpRequest) -> HttpResponse:
    """The person's own page; POST keeps the choices."""
    person = person_asking(request)
    wish = ContactPreference.objects.filter(user=person).first() or ContactPreference(user=person)
    form = PreferenceForm(request.POST or None, instance=wish)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("preferences")
    return _page(request, form=form)


@require_POST
@page_requires(VIEW)
def phone(request: HttpRequest) -> HttpResponse:
    """Take a number and send it a code; with `remove`, forget it."""
    person = person_asking(request)
    if "remove" in request.POST:
        phone_remove(person=person)
        return redirect("preferences")
    form = PhoneForm(request.POST)
    if form.is_valid():
        try:
            phone_change(person=person, number=form.cleaned_data["phone"])
        except DomainError as error:
            form.add_error("phone", error.detail)
        else:
            messages.success(request, _("A code is on its way to that number."))
            return redirect("preferences")
    return _page(request, phone_form=form)


@require_POST
@page_requires(VIEW)
def phone_code(request: HttpRequest) -> HttpResponse:
    """The code typed back."""
    form = CodeForm(request.POST)
    if form.is_valid():
        try:
            phone_confirm(person=person_asking(request), code=form.cleaned_data["code"])
        except DomainError as error:
            form.add_error("code", error.detail)
        else:
            messages.success(request, _("Your number is confirmed."))
            return redirect("preferences")
    return _page(request, code_form=form)


@require_POST
@page_requires(VIEW)
def preference_test(request: HttpRequest) -> HttpResponse:
    """Send oneself a test by one channel."""
    channel = request.POST.get("channel", "")
    if channel in PERSONAL and person_test(person_asking(request), channel):
        messages.success(request, _("The test is on its way."))
    else:
        messages.error(request, _("This way is switched off, or not set up."))
    return redirect("preferences")


@require_http_methods(["POST", "DELETE"])
@page_requires(VIEW)
def browser(request: HttpRequest) -> JsonResponse:
    """A browser subscribes (POST its `PushSubscription.toJSON()`) or leaves (DELETE `{"endpoint"}`)."""
    person, body = person_asking(request), json_body(request)
    try:
        if request.method == "DELETE":
            browser_forget(person=person, endpoint=str(body.get("endpoint", "")))
        else:
            browser_subscribe(person=person, subscription=body, browser=request.headers.get("User-Agent", "")[:200])
    except DomainError as error:
        return JsonResponse({"code": error.code, "detail": error.detail}, status=error.status)
    return JsonResponse({"browsers": PushSubscription.objects.filter(user=person).count()})


def _page(
    request: HttpRequest,
    *,
    form: PreferenceForm | None = None,
    phone_form: PhoneForm | None = None,
    code_form: CodeForm | None = None,
) -> HttpResponse:
    person = person_asking(request)
    wish = ContactPreference.objects.filter(user=person).first() or ContactPreference(user=person)
    # What was sent out of the house; what is in the app has a page of its own.
    sent = Notification.objects.filter(user=person).exclude(channel=ChannelName.IN_APP)
    context: dict[str, Any] = {
        "form": form or PreferenceForm(instance=wish),
        "phone_form": phone_form or PhoneForm(initial={"phone": wish.phone}),
        "code_form": code_form or CodeForm(),
        "wish": wish,
        "code_waits": bool(wish.code_hash and wish.code_expires_at and wish.code_expires_at > clock.now()),
        "phones": TwilioSettings.read(),
        "browsers": PushSubscription.objects.filter(user=person),
        "push_key": public_key(),
        "told": list(sent.select_related("alert__machine").order_by("-pk")[:_TOLD_SHOWN]),
    }
    wrong = any(each is not None and each.errors for each in (form, phone_form, code_form))
    return render(request, "anomalies/notify/preferences.html", context, status=422 if wrong else 200)
