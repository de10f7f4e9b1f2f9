"""What people type on the pages of this app, checked field by field."""

import re
from datetime import date
from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.api_keys import networks_read
from accounts.models import Scope, User
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
            owner = User(email=data["email"], first_name=data.get("name", ""))
            # The factory that the password is for is not made yet.
            owner.factory_words = (data.get("name", ""), data.get("address", ""))  # type: ignore[attr-defined]  # for `ContextWordsValidator` alone
            _check_password(self, data["password"], owner)
        return data


class FindForm(forms.Form):
    """Whose factories are looked for."""

    email = forms.EmailField(
        label=_("Your e-mail address"), max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"})
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


class WordsField(forms.CharField):
    """Words with commas or line breaks between, as a list."""

    def to_python(self, value: Any) -> Any:
        return [word.strip() for word in re.split(r"[,\n]", str(value or "")) if word.strip()]

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        """The text's own checks don't hold for a list."""


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
        label=pgettext_lazy("permission", "May"),
        choices=Scope.choices,
        initial=[Scope.INGEST, Scope.READ],
        widget=forms.CheckboxSelectMultiple,
    )
    machines = WordsField(
        label=_("Machines"), required=False, help_text=_("Their keys, with commas between; empty for all machines.")
    )
    addresses = WordsField(
        label=_("Networks"),
        required=False,
        help_text=_("Where it may be used from, such as 192.0.2.0/24; empty for anywhere."),
    )
    expires_on = forms.DateField(
        label=_("Good until"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text=_("The end of this day in the plant’s time; empty for no end."),
    )

    def clean_expires_on(self) -> date | None:
        day: date | None = self.cleaned_data["expires_on"]
        if day is not None and day < timezone.localdate():
            raise ValidationError(_("This day has passed."))
        return day

    def clean_addresses(self) -> list[str]:
        words: list[str] = self.cleaned_data["addresses"]
        try:
            networks_read(words)
        except DomainError as error:
            raise ValidationError(error.detail, code=error.code) from error
        return words
