"""The public site: what the product is, and the way in."""

import structlog
from allauth.core.internal.httpkit import get_client_ip
from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from accounts.finding import finding_admit
from accounts.forms import FindForm, SignupForm
from accounts.signup import (
    ConfirmationMailError,
    SignupLimitError,
    address_suggest,
    factory_signup,
    handover_url,
    signup_admit,
)
from accounts.tasks import find_factory as find_factory_task
from common.errors import DomainError
from tenants.addresses import FactoryAddressTakenError, address_check
from tenants.models import Factory, Plan

_log = structlog.get_logger(__name__)

# The browser counts the redirect that follows the form as part of it, and it leads to the new factory's host.
_LEADS_TO_FACTORY = {"form-action": ["'self'", f"{settings.PUBLIC_SCHEME}://*.{settings.DOMAIN}"]}


@require_GET
def landing(request: HttpRequest) -> HttpResponse:
    """What FactoryPulse is."""
    return render(request, "public/landing.html", {"plans": Plan.objects.order_by("max_machines")})


@require_GET
def plans(request: HttpRequest) -> HttpResponse:
    """What a factory may use."""
    return render(request, "public/plans.html", {"plans": Plan.objects.order_by("max_machines")})


@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters("password")
@csp_update(_LEADS_TO_FACTORY)
def signup(request: HttpRequest) -> HttpResponse:
    """A form, and on POST a factory."""
    form = SignupForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        response = _signed_up(request, form)
        if response:
            return response
    context = {"form": form, "domain": settings.DOMAIN, "scheme": settings.PUBLIC_SCHEME}
    return render(request, "public/signup.html", context, status=422 if form.errors else 200)


def _signed_up(request: HttpRequest, form: SignupForm) -> HttpResponse | None:
    """Where to go once the factory stands; None when the form got an error instead."""
    data = form.cleaned_data
    try:
        signup_admit(network_address=get_client_ip(request) or "", email=data["email"])
        signed_up = factory_signup(
            name=data["name"],
            slug=data["address"],
            email=data["email"],
            password=data["password"],
            time_zone=data["time_zone"],
        )
    except FactoryAddressTakenError as error:
        form.add_error("address", error.detail)
    except ConfirmationMailError as error:
        form.add_error("email", error.detail)
    except (SignupLimitError, DomainError) as error:
        form.add_error(None, error.detail)
    else:
        _log.info("factory_signed_up", factory=signed_up.factory.slug)
        return HttpResponseRedirect(handover_url(signed_up))
    return None


@require_http_methods(["GET", "POST"])
@never_cache
def find_factory(request: HttpRequest) -> HttpResponse:
    """Where somebody signs in, told to their mailbox; the page says the same whether or not anybody knows them."""
    form = FindForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            finding_admit(network_address=get_client_ip(request) or "")
        except DomainError as error:
            form.add_error(None, error.detail)
        else:
            find_factory_task.delay(form.cleaned_data["email"])
            return render(request, "public/find.html", {"asked": True})
    return render(request, "public/find.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
@never_cache
def signup_address(request: HttpRequest) -> HttpResponse:
    """The line under the address field: free, taken, reserved or impossible."""
    slug = request.GET.get("address", "").strip().lower() or address_suggest(request.GET.get("name", ""))
    problem = _address_problem(slug) if slug else ""
    context = {"slug": slug, "problem": problem, "domain": settings.DOMAIN, "scheme": settings.PUBLIC_SCHEME}
    return render(request, "public/partials/_address_status.html", context)


def _address_problem(slug: str) -> str:
    try:
        address_check(slug)
        if Factory.objects.filter(slug=slug).exists():
            raise FactoryAddressTakenError(_("“%(slug)s” is taken. Choose another address.") % {"slug": slug})
    except DomainError as error:
        return error.detail
    return ""
