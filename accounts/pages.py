"""People and keys: who belongs to the factory, who is invited, and which devices may talk to it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.api_keys import api_key_create, api_key_revoke
from accounts.forms import ApiKeyForm, InvitationForm, NameForm
from accounts.invitations import (
    invitation_create,
    invitation_get,
    invitation_resend,
    invitation_revoke,
    invitations_pending,
)
from accounts.models import ApiKey, User
from accounts.people import (
    person_asking,
    person_deactivate,
    person_get,
    person_reactivate,
    person_rename,
    role_change,
    roles_grantable,
)
from accounts.permissions import page_requires
from common import clock
from common.errors import DomainError


def _told(request: HttpRequest, deed: Callable[[], object], success: str) -> None:
    """Do it, and tell the person how it went on the next page."""
    try:
        deed()
    except DomainError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, success)


@require_http_methods(["GET", "POST"])
@page_requires("view")
def account(request: HttpRequest) -> HttpResponse:
    """A person's own page: the name, and the ways to sign in."""
    person = person_asking(request)
    form = NameForm(request.POST or None, initial={"name": person.get_full_name()})
    if request.method == "POST" and form.is_valid():
        person_rename(person=person, name=form.cleaned_data["name"])
        messages.success(request, _("Saved."))
        return redirect("account_home")
    return render(request, "accounts/account.html", {"form": form}, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page_requires("people")
def people(request: HttpRequest) -> HttpResponse:
    """The people of the factory and those invited; POST invites one more."""
    form = InvitationForm(request.POST or None, roles=roles_grantable(person_asking(request)))
    if request.method == "POST" and form.is_valid():
        try:
            invitation = invitation_create(
                actor=person_asking(request), email=form.cleaned_data["email"], role=form.cleaned_data["role"]
            )
        except DomainError as error:
            form.add_error("email", error.detail)
        else:
            messages.success(request, _("The invitation to %(email)s is on its way.") % {"email": invitation.email})
            return redirect("people")
    context = {
        "form": form,
        "people": _people_for(person_asking(request)),
        "invitations": invitations_pending(),
        "roles": roles_grantable(person_asking(request)),
        "now": clock.now(),
    }
    return render(request, "accounts/people.html", context, status=422 if form.errors else 200)


def _people_for(viewer: User) -> list[User]:
    """Everybody, marked with whether the viewer may change them."""
    grantable = {role.value for role in roles_grantable(viewer)}
    people = list(User.objects.order_by("-is_active", "email"))
    for person in people:
        person.manageable = person.role in grantable  # type: ignore[attr-defined]  # for the template alone
    return people


@require_POST
@page_requires("people")
def person_role(request: HttpRequest, person_id: int) -> HttpResponse:
    """Give a person another role."""
    role = request.POST.get("role", "")
    if role not in roles_grantable(person_asking(request)):
        messages.error(request, _("You may not give that role."))
        return redirect("people")
    person = person_get(person_id)
    _told(
        request,
        lambda: role_change(actor=person_asking(request), person=person, role=role),
        _("%(person)s has a new role.") % {"person": person},
    )
    return redirect("people")


@require_POST
@page_requires("people")
def person_active(request: HttpRequest, person_id: int) -> HttpResponse:
    """Shut a person out, or let them in again."""
    person = person_get(person_id)
    change, done = (
        (person_deactivate, _("%(person)s can no longer sign in."))
        if person.is_active
        else (person_reactivate, _("%(person)s can sign in again."))
    )
    _told(request, lambda: change(actor=person_asking(request), person=person), done % {"person": person})
    return redirect("people")


@require_POST
@page_requires("people")
def invitation_again(request: HttpRequest, invitation_id: int) -> HttpResponse:
    """Send an invitation again."""
    invitation = invitation_get(invitation_id)
    _told(
        request,
        lambda: invitation_resend(actor=person_asking(request), invitation=invitation),
        _("The invitation to %(email)s was sent again, good for 48 hours.") % {"email": invitation.email},
    )
    return redirect("people")


@require_POST
@page_requires("people")
def invitation_take_back(request: HttpRequest, invitation_id: int) -> HttpResponse:
    """Revoke an invitation."""
    invitation = invitation_get(invitation_id)
    _told(
        request,
        lambda: invitation_revoke(actor=person_asking(request), invitation=invitation),
        _("The invitation to %(email)s was taken back.") % {"email": invitation.email},
    )
    return redirect("people")


@require_http_methods(["GET", "POST"])
@never_cache
@page_requires("people")
def api_keys(request: HttpRequest) -> HttpResponse:
    """The factory's keys; POST makes one and shows it in the answer, once."""
    form = ApiKeyForm(request.POST or None)
    made, raw = None, ""
    if request.method == "POST" and form.is_valid():
        made, raw = api_key_create(
            name=form.cleaned_data["name"], scopes=form.cleaned_data["scopes"], created_by=person_asking(request)
        )
        form = ApiKeyForm()
    context = {
        "form": form,
        "made": made,
        "raw_key": raw,
        "keys": ApiKey.objects.select_related("created_by").order_by("revoked_at", "-created_at"),
    }
    return render(request, "accounts/api_keys.html", context, status=422 if form.errors else 200)


@require_POST
@page_requires("people")
def api_key_end(request: HttpRequest, key_id: int) -> HttpResponse:
    """Revoke a key."""
    key = get_object_or_404(ApiKey, pk=key_id)
    api_key_revoke(key=key, revoked_by=person_asking(request))
    messages.success(
        request, _("“%(name)s” is revoked: devices that use it are refused from now on.") % {"name": key.name}
    )
    return redirect("api_keys")
