"""What a person is given, as it is chosen on pages: role, single permissions, part of the plant."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.access import Access
from accounts.actions import EXPLAINED, SINGLE_ACTIONS, actions_of_role
from accounts.models import CustomRole, Role, User
from accounts.people import custom_roles_grantable, roles_grantable
from accounts.permissions import actions_of
from accounts.reach import Reach, places
from common.errors import DomainError

_OWN = "own-"  # before the id of a role of the factory's own


def role_choices(actor: User) -> list[tuple[str, str]]:
    """Every role that this person may give, ours before the factory's own."""
    ours = [(role.value, str(role.label)) for role in roles_grantable(actor)]
    return ours + [(f"{_OWN}{role.pk}", role.name) for role in custom_roles_grantable(actor)]


def action_choices(actor: User) -> list[tuple[str, str]]:
    """Every single permission that this person may give."""
    return [(action, str(EXPLAINED[action])) for action in SINGLE_ACTIONS if action in actions_of(actor)]


class AccessForm(forms.Form):
    """A role, and the part of the plant."""

    def __init__(self, *args: Any, actor: User, before: Access, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._before = before
        held = f"{_OWN}{before.custom_role.pk}" if before.custom_role else before.role
        self.fields["role"] = forms.ChoiceField(label=_("Role"), choices=role_choices(actor), initial=held)
        known = [(f"{place.kind}-{place.pk}", place.name) for place in places()]
        if known:
            self.fields["reach"] = forms.MultipleChoiceField(
                label=_("Sees only"),
                choices=known,
                required=False,
                initial=_reach_words(before.reach),
                widget=forms.CheckboxSelectMultiple,
                help_text=_("Choose nothing for the whole factory."),
            )

    def access(self) -> Access:
        """What was chosen; the form is valid."""
        data = self.cleaned_data
        custom = data["role"].startswith(_OWN)
        role = Role.VIEWER.value if custom else data["role"]
        extra = frozenset(data["extra_actions"]) if "extra_actions" in data else self._before.extra_actions
        own = CustomRole.objects.get(pk=data["role"].removeprefix(_OWN)) if custom else None
        return Access(role, own, extra, _reach(data["reach"]) if "reach" in data else self._before.reach)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if "role" in data:
            try:
                self.access().check()
            except DomainError as error:
                raise ValidationError(error.detail, code=error.code) from error
        return data


class PersonAccessForm(AccessForm):
    """Also single permissions."""

    def __init__(self, *args: Any, actor: User, before: Access, **kwargs: Any) -> None:
        super().__init__(*args, actor=actor, before=before, **kwargs)
        self.fields["extra_actions"] = forms.MultipleChoiceField(
            label=_("May also"),
            choices=action_choices(actor),
            required=False,
            initial=sorted(before.extra_actions),
            widget=forms.CheckboxSelectMultiple,
            help_text=_("Beside what the role allows."),
        )


class InvitationForm(AccessForm):
    """Whom to invite, as what."""

    email = forms.EmailField(label=_("E-mail address"), max_length=254)

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, actor=actor, before=Access(Role.OPERATOR.value), **kwargs)


class RoleForm(forms.Form):
    """A role of the factory's own."""

    name = forms.CharField(label=_("Name"), max_length=60)

    def __init__(self, *args: Any, actor: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["actions"] = forms.MultipleChoiceField(
            label=_("May, beside seeing everything"),
            choices=action_choices(actor),
            required=False,
            widget=forms.CheckboxSelectMultiple,
        )


def roles_explained() -> list[tuple[str, list[str]]]:
    """Each of our roles with what it may do beyond the one before, in words."""
    told, before = [], frozenset[str]()
    for role in Role:
        actions = actions_of_role(role)
        told.append((str(role.label), [str(EXPLAINED[action]) for action in EXPLAINED if action in actions - before]))
        before = actions
    return told


def _reach_words(reach: Reach | None) -> list[str]:
    if reach is None:
        return []
    return [f"site-{pk}" for pk in sorted(reach.sites)] + [f"line-{pk}" for pk in sorted(reach.lines)]


def _reach(chosen: list[str]) -> Reach | None:
    if not chosen:
        return None
    parts: dict[str, set[int]] = {"site": set(), "line": set()}
    for word in chosen:
        kind, _dash, pk = word.partition("-")
        parts[kind].add(int(pk))
    return Reach(frozenset(parts["site"]), frozenset(parts["line"]))


class WallLinkForm(forms.Form):
    """A link that opens the wall: where the screen hangs, for how long, and which part of the plant."""

    name = forms.CharField(label=_("Where the screen hangs"), max_length=80)
    days = forms.TypedChoiceField(
        label=_("Good for"),
        coerce=int,
        initial=90,
        choices=[(1, _("a day")), (30, _("30 days")), (90, _("90 days")), (365, _("a year"))],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(f"{place.kind}-{place.pk}", place.name) for place in places()]
        if known:
            self.fields["places"] = forms.MultipleChoiceField(
                label=_("Shows only"),
                choices=known,
                required=False,
                widget=forms.CheckboxSelectMultiple,
                help_text=_("Choose nothing for the whole factory."),
            )

    def reach(self) -> Reach | None:
        """The part of the plant that was chosen; the form is valid."""
        return _reach(self.cleaned_data.get("places", []))
