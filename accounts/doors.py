"""The ways into a factory besides signing in: straight after sign-up, by a confirmed address, by an invitation."""

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailConfirmation
from allauth.account.utils import perform_login
from allauth.account.views import ConfirmEmailView
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from accounts.forms import AcceptForm
from accounts.invitations import (
    AlreadyHereError,
    InvitationGoneError,
    InvitationNotFoundError,
    invitation_accept,
    invitation_for,
)
from accounts.models import Invitation
from accounts.permissions import public_page
from accounts.signup import HandoverError, handover_redeem


@public_page
@require_GET
@never_cache
def signup_handover(request: HttpRequest, token: str) -> HttpResponse:
    """Bring the browser that signed up to its factory, where it waits for the confirmation.

    allauth keeps the begun sign-in in this host's session and finishes it when the mail's link is opened here.
    """
    try:
        owner = handover_redeem(token, factory=request.tenant)  # type: ignore[attr-defined]  # FactoryMiddleware's
    except HandoverError:
        return redirect("account_login")
    response: HttpResponse = perform_login(
        request, owner, redirect_url=reverse("first_run"), signup=True, email=owner.email
    )
    return response


class ConfirmAddressView(ConfirmEmailView):
    """The page behind the mail's link. A link that was used, has expired or never was good says so (410)."""

    public_page = True

    def get_object(self, queryset: object = None) -> EmailConfirmation:
        confirmation = super().get_object(queryset)
        if confirmation.email_address.verified:
            raise Http404
        return confirmation

    def get(self, *args: object, **kwargs: object) -> HttpResponse:
        response: HttpResponse = super().get(*args, **kwargs)
        if self.object is None:
            response.status_code = 410
        return response

    def post(self, *args: object, **kwargs: object) -> HttpResponse:
        try:
            response: HttpResponse = super().post(*args, **kwargs)
        except Http404:
            self.object = None
            gone: HttpResponse = self.render_to_response(self.get_context_data(), status=410)
            return gone
        # A confirmed address needs none of the other links that were sent to it.
        used: EmailConfirmation = self.object
        EmailConfirmation.objects.filter(email_address=used.email_address).exclude(pk=used.pk).delete()
        return response


@public_page
@require_http_methods(["GET", "POST"])
@never_cache
@sensitive_post_parameters("password")
def invitation_page(request: HttpRequest, token: str) -> HttpResponse:
    """Name and password, then into the plant; or why the invitation can't be used any more."""
    try:
        invitation = invitation_for(token)
        form = AcceptForm(request.POST or None, email=invitation.email)
        if request.method == "POST" and form.is_valid():
            return _accepted(request, token, form)
    except (InvitationNotFoundError, InvitationGoneError, AlreadyHereError) as error:
        return render(request, "accounts/invitation_gone.html", {"error": error}, status=error.status)
    return _invitation_form(request, invitation, form)


def _accepted(request: HttpRequest, token: str, form: AcceptForm) -> HttpResponse:
    data = form.cleaned_data
    person = invitation_accept(token=token, name=data["name"], password=data["password"])
    get_adapter(request).login(request, person)
    return redirect("fleet")


def _invitation_form(request: HttpRequest, invitation: Invitation, form: AcceptForm) -> HttpResponse:
    context = {"invitation": invitation, "form": form}
    return render(request, "accounts/invitation.html", context, status=422 if form.errors else 200)
