"""What people type on the pages of this app, checked field by field."""

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import Role, Scope, User
from accounts.signup import address_suggest
from common.errors import DomainError
from common.times import zone_names
from tenants.addresses import address_check


def zone_choices() -> list[tuple[str, str]]:
    """Every zone of the tz database that a plant may stand in, as choices; UTC first."""
    names = sorted(zone for zone in zone_names() if "/" in zone and not zone.startswith("Etc/"))
    return [(zone, zone.replace("_", " ")) for zone in ("UTC", *names)]


def _password_field() -> forms.CharField:
    return forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "minlength": 10}),
        help_text=_("At least 10 characters; a short sentence is easiest to keep."),
    )


def _check_password(form: forms.Form, password: str, person: User) -> None:
    try:
        validate_password(password, person)
    except ValidationError as error:
        form.add_error("password", error)


class SignupForm(forms.Form):
    """A new factory and its owner."""

    name = forms.CharField(
        label=_("Factory name"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "organization", "autofocus": True, "placeholder": "North Mill"}),
    )
    address = forms.CharField(
        label=_("Address"),
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    email = forms.EmailField(
        label=_("Your e-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
        help_text=_("We send a link to confirm it."),
    )
    password = _password_field()
    time_zone = forms.ChoiceField(
        label=_("Time zone of the plant"),
        choices=zone_choices,
        initial="UTC",
        help_text=_("Days, shifts and reports follow it."),
    )

    def clean_address(self) -> str:
        address = self.cleaned_data["address"].strip().lower() or address_suggest(self.cleaned_data.get("name", ""))
        try:
            address_check(address)
        except DomainError as error:
            raise ValidationError(error.detail, code=error.code) from error
        return address

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("password") and data.get("email"):
            _check_password(self, data["password"], User(email=data["email"], first_name=data.get("name", "")))
        return data


class InvitationForm(forms.Form):
    """Whom to invite, as what."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)

    def __init__(self, *args: Any, roles: list[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"] = forms.ChoiceField(
            label=_("Role"), choices=[(role.value, role.label) for role in roles], initial=Role.OPERATOR
        )


class AcceptForm(forms.Form):
    """The person who accepts an invitation."""

    name = forms.CharField(
        label=_("Your name"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
        help_text=_("Shown beside what you do, such as acknowledging an alert."),
    )
    password = _password_field()

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("password"):
            _check_password(self, data["password"], User(email=self.email, first_name=data.get("name", "")))
        return data


class NameForm(forms.Form):
    """How a person is called."""

    name = forms.CharField(
        label=_("Name"),
        max_length=120,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        help_text=_("Shown beside what you do, such as acknowledging an alert."),
    )


class ApiKeyForm(forms.Form):
    """A key for a device or a program."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        help_text=_("What uses it, such as “Gateway hall 2”: one key each, so that one can be revoked alone."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("May"),
        choices=Scope.choices,
        initial=[Scope.INGEST, Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )
