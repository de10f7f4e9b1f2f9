"""One browser session ended from another: what was open there is shut within a second."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.people import person_asking
from accounts.permissions import page_requires
from accounts.sessions import session_end
from common.errors import DomainError


@require_POST
@page_requires("view")
def session_close(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of your own sessions; the one that asks is ended too, if it is that."""
    try:
        session_end(actor=person_asking(request), session_id=session_id)
        messages.success(request, _("Ended. That browser has to sign in again."))
    except DomainError as error:
        messages.error(request, error.detail)
    return redirect("usersessions_list")
