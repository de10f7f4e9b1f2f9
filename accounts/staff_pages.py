"""What platform staff does from the public host about one factory: look in, where an owner has asked for it."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path

from accounts.support import support_handover_url
from common.errors import DomainError
from tenants.admin import staff_site
from tenants.context import factory_get


def support_go(request: HttpRequest, slug: str) -> HttpResponse:
    """On to the factory, if an owner of it has let support in."""
    try:
        # The staff site lets in nobody who is not signed in.
        url = support_handover_url(factory=factory_get(slug), staff_email=request.user.email)  # type: ignore[union-attr]
    except DomainError as error:
        messages.error(request, error.detail)
        return redirect("staff:tenants_factory_changelist")
    return redirect(url)


staff_site.pages.append(path("support/<slug:slug>/", staff_site.admin_view(support_go), name="support_go"))
