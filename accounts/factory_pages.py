"""The factory as a whole, for its owners: name, second factor, export, deletion, and help from staff."""

from datetime import timedelta

from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import factory_changes
from accounts.attempts import network_address
from accounts.domain_pages import domain_shown
from accounts.export_pages import exports_shown
from accounts.factory_forms import DeleteForm, FactoryForm, IdentityForm, SupportForm
from accounts.identity import PROVIDER_ID, identity_provider, identity_provider_remove, identity_provider_set
from accounts.mail import factory_link
from accounts.people import person_asking
from accounts.permissions import page_requires, public_page
from accounts.support import support_enter, support_grant, support_grants_open, support_revoke
from common.errors import DomainError
from tenants.life import GRACE
from tenants.models import Factory
from tenants.session_life import session_ends


def _factory(request: HttpRequest) -> Factory:
    factory: Factory = request.tenant  # type: ignore[attr-defined]  # FactoryMiddleware's
    return factory


def factory_shown(request: HttpRequest, **forms: object) -> HttpResponse:
    """The page; forms: what was filled in wrongly, in place of an empty one."""
    factory = _factory(request)
    identity = identity_provider()
    known = {"name": identity.name, "client_id": identity.client_id, **identity.settings} if identity else None
    context = {
        "form": FactoryForm(initial=factory_changes.factory_told(factory)),
        "delete_form": DeleteForm(slug=factory.slug),
        "support_form": SupportForm(),
        "identity": identity,
        "identity_form": IdentityForm(initial=known),
        "redirect_url": factory_link("openid_connect_callback", PROVIDER_ID),
        "grants": support_grants_open(),
        "grace_days": GRACE.days,
        **exports_shown(),
        **domain_shown(factory),
        **forms,
    }
    return render(request, "accounts/factory.html", context, status=422 if forms else 200)


@require_http_methods(["GET", "POST"])
@page_requires("factory")
def factory_home(request: HttpRequest) -> HttpResponse:
    """What the factory is called, and what else an owner decides; POST changes name, time zone and second factor."""
    if request.method != "POST":
        return factory_shown(request)
    form, factory = FactoryForm(request.POST), _factory(request)
    if not form.is_valid():
        return factory_shown(request, form=form)
    data = form.cleaned_data
    factory_changes.factory_change(actor=person_asking(request), factory=factory, **data)
    messages.success(request, _("Saved."))
    return redirect("factory_home")


@require_POST
@sensitive_post_parameters("password")
@page_requires("factory")
def factory_leave(request: HttpRequest) -> HttpResponse:
    """Shut the doors now, and delete everything when the grace is over."""
    factory, actor = _factory(request), person_asking(request)
    form = DeleteForm(request.POST, slug=factory.slug)
    try:
        if form.is_valid():
            factory_changes.factory_prove(
                actor=actor, factory=factory, address=network_address(request), **form.cleaned_data
            )
    except DomainError as error:
        form.add_error("password", error.detail)
    if form.errors:
        return factory_shown(request, delete_form=form)
    try:
        factory_changes.factory_leave(actor=actor, factory=factory)
    except DomainError as error:
        messages.error(request, error.detail)
    return redirect("factory_home")


@require_POST
@page_requires("factory")
def factory_stay(request: HttpRequest) -> HttpResponse:
    """Take the deletion back."""
    try:
        factory_changes.factory_stay(actor=person_asking(request), factory=_factory(request))
        messages.success(request, _("Nothing is deleted. Devices and people are let in again."))
    except DomainError as error:
        messages.error(request, error.detail)
    return redirect("factory_home")


@require_POST
@page_requires("factory")
def support_allow(request: HttpRequest) -> HttpResponse:
    """Let staff look in for a time."""
    form = SupportForm(request.POST)
    if not form.is_valid():
        return factory_shown(request, support_form=form)
    lasting = timedelta(hours=form.cleaned_data["hours"])
    support_grant(actor=person_asking(request), reason=form.cleaned_data["reason"], lasting=lasting)
    messages.success(request, _("Support may look in now. You can end that here at any time."))
    return redirect("factory_home")


@require_POST
@page_requires("factory")
def support_end(request: HttpRequest, grant_id: int) -> HttpResponse:
    """Shut the door to staff at once."""
    try:
        support_revoke(actor=person_asking(request), grant_id=grant_id)
        messages.success(request, _("Support can no longer look in."))
    except DomainError as error:
        messages.error(request, error.detail)
    return redirect("factory_home")


@require_POST
@page_requires("factory")
def identity_set(request: HttpRequest) -> HttpResponse:
    """Let people sign in by the plant's own provider; `remove` ends that."""
    actor = person_asking(request)
    if request.POST.get("remove"):
        identity_provider_remove(actor=actor)
        messages.success(request, _("People sign in with a password again."))
        return redirect("factory_home")
    form = IdentityForm(request.POST)
    if form.is_valid():
        try:
            identity_provider_set(actor=actor, **form.cleaned_data)
        except DomainError as error:
            form.add_error("server_url", error.detail)
        else:
            messages.success(request, _("People can sign in by your identity provider."))
            return redirect("factory_home")
    return factory_shown(request, identity_form=form)


@public_page
@require_GET
@never_cache
def support_arrive(request: HttpRequest, token: str) -> HttpResponse:
    """A member of staff comes in by an owner's grant, as a viewer, until it ends."""
    try:
        user, grant = support_enter(token, factory=_factory(request))
    except DomainError as error:
        messages.error(request, error.detail)
        return redirect("account_login")
    login(request, user, backend="allauth.account.auth_backends.AuthenticationBackend")
    session_ends(request.session, grant.until_at)
    return redirect("fleet")
