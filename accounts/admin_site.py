"""The factory's admin: for its admins and owners, behind the factory's own sign-in."""

from functools import update_wrapper
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import FactoryModelAdmin
from accounts.permissions import may_administer
from tenants.admin_sites import ScriptedAdminSite, View


class ExplainingAutocomplete(AutocompleteJsonView):
    """Choices in the words of their admin page's `autocomplete_text`, where the object's own name is not enough."""

    def serialize_result(self, obj: Any, to_field_name: str) -> dict[str, str]:
        text = getattr(self.model_admin, "autocomplete_text", str)
        return {"id": str(getattr(obj, to_field_name)), "text": str(text(obj))}


class FactoryAdminSite(ScriptedAdminSite):
    """Admins and owners configure one factory here; everybody else is refused with a page that says so."""

    site_title = _("FactoryPulse")
    site_header = _("FactoryPulse")
    index_title = _("Configure this factory")
    index_template = "accounts/admin_index.html"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take our own pages alone.

        Libraries register theirs by themselves, and a page on sign-in tokens or groups would go around our rules.
        """
        if admin_class is not None and issubclass(admin_class, FactoryModelAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether this person may configure the factory."""
        return may_administer(request.user)

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Wrap a view of the admin, so that a person without the right is told, not asked to sign in again."""
        checked = super().admin_view(view, cacheable)

        def refusing(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.user.is_authenticated and not self.has_permission(request):
                raise PermissionDenied(_("Only admins and owners of this factory may open its admin."))
            with timezone.override(_zone(request)):
                response = checked(request, *args, **kwargs)
                # Rendered here, because the handler would do it after the plant's zone is left again.
                return response.render() if isinstance(response, SimpleTemplateResponse) else response

        return update_wrapper(refusing, view)

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """Choices for a field, found while typing."""
        response: HttpResponse = ExplainingAutocomplete.as_view(admin_site=self)(request)  # type: ignore[assignment]  # a JsonResponse
        return response

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send to the factory's sign-in: one door, with its throttle and second factor."""
        target = request.GET.get("next") or reverse("admin:index")
        return redirect_to_login(target, reverse("account_login"))

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Send to the factory's sign-out page."""
        return redirect_to_login(reverse("admin:index"), reverse("account_logout"))


def _zone(request: HttpRequest) -> ZoneInfo:
    zone: ZoneInfo = request.tenant.zone  # type: ignore[attr-defined]  # FactoryMiddleware's
    return zone


def factory_name(request: HttpRequest) -> str:
    """The name under the product's in the sidebar."""
    return str(getattr(request.tenant, "name", ""))  # type: ignore[attr-defined]  # FactoryMiddleware's
