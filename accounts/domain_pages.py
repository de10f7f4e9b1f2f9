"""A factory's own domain on the factory's page: entered, proved, removed."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.factory_changes import domain_enter, domain_prove, domain_remove
from accounts.factory_forms import DomainForm
from accounts.people import person_asking
from accounts.permissions import page_requires
from common.errors import DomainError
from tenants.addresses import factory_host
from tenants.models import Factory
from tenants.own_domain import PROOF_PATH, domain_claim, own_domain


def domain_shown(factory: Factory) -> dict[str, Any]:
    """What the page says of it."""
    return {
        "own_domain": own_domain(factory),
        "claim": domain_claim(factory),
        "alias_target": factory_host(factory.slug),
        "proof_path": PROOF_PATH,
        "domain_form": DomainForm(),
    }


@require_POST
@page_requires("factory")
def domain_set(request: HttpRequest) -> HttpResponse:
    """Enter a name; `check` looks for its proof, `remove` ends it."""
    from accounts.factory_pages import factory_shown  # it shows what stands here

    factory: Factory = request.tenant  # type: ignore[attr-defined]  # FactoryMiddleware's
    actor = person_asking(request)
    try:
        if request.POST.get("remove"):
            domain_remove(actor=actor, factory=factory)
            messages.success(request, _("The factory answers at its address here alone."))
        elif request.POST.get("check"):
            name = domain_prove(actor=actor, factory=factory)
            messages.success(request, _("Proved. The factory answers at %(name)s, too.") % {"name": name})
        else:
            form = DomainForm(request.POST)
            if not form.is_valid():
                return factory_shown(request, domain_form=form)
            domain_enter(actor=actor, factory=factory, name=form.cleaned_data["domain"])
    except DomainError as error:
        messages.error(request, error.detail)
    return redirect("/factory#domain")
