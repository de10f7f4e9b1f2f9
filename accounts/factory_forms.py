"""What an owner decides about the factory as a whole."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.forms import zone_choices
from tenants.context import factory_current

_IDLE_MINUTES = (15, 60, 8 * 60, 24 * 60, 7 * 24 * 60)


def idle_choices() -> list[tuple[int, str]]:
    """After how many minutes; what a program has set otherwise is among them."""
    factory = factory_current()
    set_now = {factory.idle_minutes} if factory is not None else set()
    return [(minutes, _lasting(minutes)) for minutes in sorted({*_IDLE_MINUTES, *set_now})]


def _lasting(minutes: int) -> str:
    if minutes % (24 * 60) == 0:
        return ngettext("%(number)d day", "%(number)d days", minutes // (24 * 60)) % {"number": minutes // (24 * 60)}
    if minutes % 60 == 0:
        return ngettext("%(number)d hour", "%(number)d hours", minutes // 60) % {"number": minutes // 60}
    return ngettext("%(number)d minute", "%(number)d minutes", minutes) % {"number": minutes}


class FactoryForm(forms.Form):
    """Name, time zone, when browsers are signed out, and whether everybody needs a second factor."""

    name = forms.CharField(label=_("Name"), max_length=120)
    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=zone_choices, help_text=_("Days and reports follow it.")
    )
    idle_minutes = forms.TypedChoiceField(
        label=_("Sign out browsers that nobody uses for"),
        coerce=int,
        choices=idle_choices,
        help_text=_("Of everybody. A wall's screen is not signed out: open it by a link of its own."),
    )
    mfa_required = forms.BooleanField(
        label=_("Everybody needs a second factor"),
        required=False,
        help_text=_("Whoever has none is asked to set one up before anything else."),
    )


class DeleteForm(forms.Form):
    """The address once more, so that nobody deletes a factory by a slip of the finger."""

    confirm = forms.CharField(label=_("The factory’s address"), max_length=60)
    password = forms.CharField(
        label=_("Your password"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, slug: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._slug = slug

    def clean_confirm(self) -> str:
        confirm: str = self.cleaned_data["confirm"].strip()
        if confirm != self._slug:
            raise forms.ValidationError(_("This is another address."))
        return confirm


class DomainForm(forms.Form):
    """A host name of the factory's own."""

    domain = forms.CharField(
        label=_("Host name"), max_length=253, help_text=_("Such as pulse.mill.example, without http:// and path.")
    )


class SupportForm(forms.Form):
    """What staff shall look at, and for how long."""

    reason = forms.CharField(label=_("What for"), max_length=200)
    hours = forms.TypedChoiceField(
        label=_("For"),
        coerce=int,
        choices=[(4, _("4 hours")), (24, _("a day")), (72, _("three days"))],
        initial=24,
    )


class IdentityForm(forms.Form):
    """The plant's own identity provider."""

    name = forms.CharField(label=_("Name"), max_length=40, help_text=_("On the button of the sign-in page."))
    server_url = forms.URLField(
        label=_("Address (issuer)"),
        max_length=200,
        assume_scheme="https",
        help_text=_("Such as https://login.plant.example"),
    )
    client_id = forms.CharField(label=_("Client id"), max_length=190)
    secret = forms.CharField(
        label=_("Client secret"),
        max_length=190,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Empty keeps the one that is set."),
    )
