"""People: who belongs to the factory, who is invited, and what each may do and see."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import Access
from accounts.access_forms import InvitationForm, PersonAccessForm, RoleForm, role_choices, roles_explained
from accounts.bulk_invitations import AT_ONCE, LARGEST_BYTES, Row, bulk_read, bulk_send, bulk_send_ask
from accounts.errand_pages import errands_note
from accounts.forms import NameForm
from accounts.invitations import (
    invitation_create,
    invitation_get,
    invitation_resend,
    invitation_revoke,
    invitations_pending,
)
from accounts.models import CustomRole, User
from accounts.people import (
    RoleTooHighError,
    access_change,
    person_asking,
    person_check,
    person_deactivate,
    person_get,
    person_reactivate,
    person_rename,
)
from accounts.permissions import page_requires
from accounts.reach import places
from accounts.roles import role_create, role_delete, role_get, role_update
from common import clock
from common.errors import DomainError
from tenants.context import factory_current
from tenants.models import Factory


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
    actor = person_asking(request)
    form = InvitationForm(request.POST or None, actor=actor)
    if request.method == "POST" and form.is_valid():
        try:
            invitation = invitation_create(actor=actor, email=form.cleaned_data["email"], access=form.access())
        except DomainError as error:
            form.add_error("email", error.detail)
        else:
            messages.success(request, _("The invitation to %(email)s is on its way.") % {"email": invitation.email})
            return redirect("people")
    context = {
        "form": form,
        "people": _people_for(actor),
        "invitations": invitations_pending(),
        "roles": roles_explained(),
        "now": clock.now(),
    }
    return render(request, "accounts/people.html", context, status=422 if form.errors else 200)


def _people_for(viewer: User) -> list[User]:
    """Everybody, marked with whether the viewer may change them, and with the names of what they are restricted to."""
    names = {(f"{place.kind}s", place.pk): place.name for place in places()}
    everybody = list(User.objects.select_related("custom_role").order_by("-is_active", "email"))
    for person in everybody:
        person.manageable = _may_change(viewer, person)  # type: ignore[attr-defined]  # for the template alone
        reach = person.reach or {}
        named = [(kind, pk) for kind in ("sites", "lines") for pk in reach.get(kind, [])]
        # For the template alone.
        person.sees = [names.get(place, _("a place that is gone")) for place in named]  # type: ignore[attr-defined]
    return everybody


def _may_change(viewer: User, person: User) -> bool:
    try:
        person_check(viewer, person)
    except RoleTooHighError:
        return False
    return True


@require_http_methods(["GET", "POST"])
@page_requires("people")
def person_access(request: HttpRequest, person_id: int) -> HttpResponse:
    """What one person may do and see."""
    actor, person = person_asking(request), person_get(person_id)
    person_check(actor, person)
    form = PersonAccessForm(request.POST or None, actor=actor, before=Access.of(person))
    if request.method == "POST" and form.is_valid():
        try:
            access_change(actor=actor, person=person, access=form.access())
        except DomainError as error:
            form.add_error(None, error.detail)
        else:
            messages.success(request, _("%(person)s: saved, and in force at once.") % {"person": person})
            return redirect("people")
    context = {"form": form, "person": person}
    return render(request, "accounts/person.html", context, status=422 if form.errors else 200)


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
@page_requires("people")
def roles(request: HttpRequest) -> HttpResponse:
    """The factory's own roles; POST makes one, or changes the one that `role` names."""
    actor = person_asking(request)
    given = request.POST.get("role", "") or request.GET.get("role", "")
    held = role_get(int(given)) if given.isascii() and given.isdigit() and len(given) < 19 else None
    initial = {"name": held.name, "actions": held.actions} if held else None
    form = RoleForm(request.POST or None, actor=actor, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            if held:
                role_update(actor=actor, role=held, name=data["name"], actions=data["actions"])
            else:
                role_create(actor=actor, name=data["name"], actions=data["actions"])
        except DomainError as error:
            form.add_error("name", error.detail)
        else:
            messages.success(request, _("The role “%(name)s” is saved.") % {"name": data["name"]})
            return redirect("roles")
    context = {
        "form": form,
        "held": held,
        "own": CustomRole.objects.prefetch_related("people"),
        "ours": roles_explained(),
        "grantable": {value for value, _label in role_choices(actor)},
    }
    return render(request, "accounts/roles.html", context, status=422 if form.errors else 200)


@require_POST
@page_requires("people")
def role_remove(request: HttpRequest, role_id: int) -> HttpResponse:
    """Remove a role that nobody has."""
    role = role_get(role_id)
    _told(
        request,
        lambda: role_delete(actor=person_asking(request), role=role),
        _("The role “%(name)s” is gone.") % {"name": role.name},
    )
    return redirect("roles")


@require_http_methods(["GET", "POST"])
@page_requires("people")
def invite_many(request: HttpRequest) -> HttpResponse:
    """A CSV of people: shown with what is wrong in it, and sent once somebody has looked."""
    actor, error = person_asking(request), ""
    rows: list[Row] = []
    listed = request.POST.get("listed", "")
    if "file" in request.FILES:
        upload = request.FILES["file"]
        # Asked for by its name, FILES gives one upload and never a list or none.
        listed = upload.read(LARGEST_BYTES + 1).decode("utf-8-sig", "replace")  # type: ignore[union-attr]
    if request.method == "POST":
        try:
            rows = bulk_read(listed.encode(), actor=actor)
        except DomainError as refused:
            error = refused.detail
    good = [row for row in rows if row.access is not None]
    factory = factory_current()
    if len(good) > AT_ONCE and request.POST.get("send") and factory is not None:
        return _by_worker(request, listed, factory)
    if good and request.POST.get("send"):
        failed = bulk_send(good, actor=actor)
        sent = len(good) - len(failed)
        told = ngettext("%(sent)s invitation is on its way.", "%(sent)s invitations are on their way.", sent)
        messages.success(request, told % {"sent": sent})
        for row in failed:
            messages.error(request, f"{row.email}: {row.problem}")
        return redirect("people")
    context = {"rows": rows, "good": len(good), "listed": listed, "error": error}
    return render(request, "accounts/invite_many.html", context, status=422 if error else 200)


def _by_worker(request: HttpRequest, listed: str, factory: Factory) -> HttpResponse:
    try:
        bulk_send_ask(listed, actor=person_asking(request), factory=factory)
    except DomainError as error:
        messages.error(request, error.detail)
    errands_note(request)
    return redirect("errands")
