"""The factory as a whole, for its owners: name, second factor, export, deletion, and help from staff."""

import tempfile
from datetime import timedelta

from django.contrib import messages
from django.contrib.auth import login
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.audit import audit_record
from accounts.factory_forms import DeleteForm, FactoryForm, IdentityForm, SupportForm
from accounts.identity import PROVIDER_ID, identity_provider, identity_provider_remove, identity_provider_set
from accounts.mail import factory_link
from accounts.people import person_asking
from accounts.permissions import page_requires, public_page
from accounts.support import support_enter, support_grant, support_grants_open, support_revoke
from common import clock
from common.errors import DomainError
from tenants.archive import archive_name, archive_write
from tenants.life import GRACE, factory_delete_later, factory_keep, factory_mfa_require, factory_rename
from tenants.models import Factory


def _factory(request: HttpRequest) -> Factory:
    factory: Factory = request.tenant  # type: ignore[attr-defined]  # FactoryMiddleware's
    return factory


def _shown(request: HttpRequest, **forms: object) -> HttpResponse:
    factory, person = _factory(request), person_asking(request)
    now = {"name": factory.name, "time_zone": factory.time_zone, "mfa_required": factory.mfa_required}
    identity = identity_provider()
    known = {"name": identity.name, "client_id": identity.client_id, **identity.settings} if identity else None
    context = {
        "form": FactoryForm(initial=now),
        "delete_form": DeleteForm(slug=factory.slug, person=person),
        "support_form": SupportForm(),
        "identity": identity,
        "identity_form": IdentityForm(initial=known),
        "redirect_url": factory_link("openid_connect_callback", PROVIDER_ID),
        "grants": support_grants_open(),
        "grace_days": GRACE.days,
        **forms,
    }
    return render(request, "accounts/factory.html", context, status=422 if forms else 200)


@require_http_methods(["GET", "POST"])
@page_requires("factory")
def factory_home(request: HttpRequest) -> HttpResponse:
    """What the factory is called, and what else an owner decides; POST changes name, time zone and second factor."""
    if request.method != "POST":
        return _shown(request)
    form, factory = FactoryForm(request.POST), _factory(request)
    if not form.is_valid():
        return _shown(request, form=form)
    data = form.cleaned_data
    before = {"name": factory.name, "time_zone": factory.time_zone, "mfa_required": factory.mfa_required}
    factory_rename(factory, name=data["name"], time_zone=data["time_zone"])
    factory_mfa_require(factory, required=data["mfa_required"])
    audit_record(actor=request.user, action="factory.changed", target=factory.slug, before=before, after=data)
    messages.success(request, _("Saved."))
    return redirect("factory_home")


@require_POST
@never_cache
@page_requires("factory")
def factory_export(request: HttpRequest) -> FileResponse:
    """Everything in one file, which `manage.py restore` reads."""
    factory = _factory(request)
    audit_record(actor=request.user, action="factory.exported", target=factory.slug)
    file = tempfile.TemporaryFile()  # noqa: SIM115  # the response closes it
    archive_write(factory, file)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=archive_name(factory), content_type="application/gzip")


@require_POST
@sensitive_post_parameters("password")
@page_requires("factory")
def factory_leave(request: HttpRequest) -> HttpResponse:
    """Shut the doors now, and delete everything when the grace is over."""
    factory = _factory(request)
    form = DeleteForm(request.POST, slug=factory.slug, person=person_asking(request))
    if not form.is_valid():
        return _shown(request, delete_form=form)
    try:
        audit_record(actor=request.user, action="factory.deletion_begun", target=factory.slug)
        factory_delete_later(factory)
    except DomainError as error:
        messages.error(request, error.detail)
    return redirect("factory_home")


@require_POST
@page_requires("factory")
def factory_stay(request: HttpRequest) -> HttpResponse:
    """Take the deletion back."""
    try:
        factory_keep(_factory(request))
        audit_record(actor=request.user, action="factory.kept", target=_factory(request).slug)
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
        return _shown(request, support_form=form)
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
    return _shown(request, identity_form=form)


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
    request.session.set_expiry(max(1, int((grant.until_at - clock.now()).total_seconds())))
    return redirect("fleet")
