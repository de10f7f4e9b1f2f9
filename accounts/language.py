"""The language a person reads in: chosen under their account, else what the browser asks for."""

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.permissions import page_requires


class PersonLanguageMiddleware:
    """Speaks the language that the person has chosen; stands after authentication."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        language = getattr(request.user, "language", "")
        if language in dict(settings.LANGUAGES):
            translation.activate(language)
            request.LANGUAGE_CODE = language
        return self.get_response(request)


@require_POST
@page_requires("view")
def language_choose(request: HttpRequest) -> HttpResponse:
    """Take a person's choice; an empty one follows the browser again."""
    language = request.POST.get("language", "")
    if language and language not in dict(settings.LANGUAGES):
        return HttpResponseBadRequest(_("There is no such language here."))
    person = User.objects.get(pk=str(request.user.pk))
    person.language = language
    person.save(update_fields=["language"])
    if language:
        translation.activate(language)
    messages.success(request, _("Saved."))
    return redirect("account_home")
