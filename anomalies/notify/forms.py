"""What people type on the pages about notifications, checked field by field."""

from typing import Any, ClassVar

from django import forms
from django.forms import modelformset_factory
from django.utils.translation import gettext_lazy as _

from accounts.forms import zone_choices
from accounts.models import Role, User
from anomalies.models import (
    ChannelName,
    ContactPreference,
    OnCallOverride,
    OnCallSchedule,
    Route,
    RouteStep,
    Severity,
    TargetKind,
)
from telemetry.models import Machine

_DAYS = [(0, _("Mon")), (1, _("Tue")), (2, _("Wed")), (3, _("Thu")), (4, _("Fri")), (5, _("Sat")), (6, _("Sun"))]
_PERSONAL = (ChannelName.EMAIL, ChannelName.PUSH, ChannelName.SMS, ChannelName.WHATSAPP, ChannelName.IN_APP)
_LONGEST_ESCALATION_MIN = 24 * 60


def _time() -> forms.TimeInput:
    return forms.TimeInput(attrs={"type": "time"}, format="%H:%M")


class _Checks(forms.CheckboxSelectMultiple):
    """Ticked boxes side by side, see templates/anomalies/notify/_checks.html."""


class RouteForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """Which alerts take a route."""

    severities = forms.MultipleChoiceField(
        label=_("Severities"),
        choices=Severity.choices,
        required=False,
        widget=_Checks,
        help_text=_("None ticked: all."),
    )
    days = forms.TypedMultipleChoiceField(
        label=_("Days"),
        choices=_DAYS,
        coerce=int,
        required=False,
        widget=_Checks,
        help_text=_("None ticked: every day. A night belongs to the day on which it begins."),
    )

    class Meta:
        model = Route
        fields = (
            "name",
            "active",
            "severities",
            "sites",
            "lines",
            "machines",
            "days",
            "from_time",
            "to_time",
            "tells_return",
        )
        widgets: ClassVar[dict[str, Any]] = {
            "from_time": _time(),
            "to_time": _time(),
            "sites": _Checks,
            "lines": _Checks,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].help_text = _("Such as “Night shift” or “Packaging line”.")
        self.fields["machines"].queryset = Machine.objects.order_by("key")  # type: ignore[attr-defined]  # a choice field
        self.fields["from_time"].help_text = _("Plant time of the machine's site; both empty: at all hours.")
        for name in ("sites", "lines", "machines"):
            self.fields[name].help_text = ""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if (data.get("from_time") is None) != (data.get("to_time") is None):
            self.add_error("to_time", _("Give both times, or none."))
        elif data.get("from_time") is not None and data["from_time"] == data["to_time"]:
            self.add_error("to_time", _("The two times must differ."))
        return data


class StepForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """Whom one step tells, by what, after how long."""

    roles = forms.MultipleChoiceField(label=_("Everybody who is"), choices=Role.choices, required=False, widget=_Checks)
    channels = forms.MultipleChoiceField(
        label=_("People by"),
        choices=[(channel.value, channel.label) for channel in _PERSONAL],
        required=False,
        widget=_Checks,
        help_text=_(
            "None ticked: e-mail and push. The app keeps it in any case. "
            "What each person has chosen under Your account narrows it."
        ),
    )

    class Meta:
        model = RouteStep
        fields = ("after_min", "roles", "people", "schedules", "targets", "channels")
        widgets: ClassVar[dict[str, Any]] = {"people": _Checks, "schedules": _Checks, "targets": _Checks}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["after_min"].label = _("Minutes without an acknowledgement")
        self.fields["after_min"].help_text = _("0: at once.")
        self.fields["after_min"].widget.attrs.update({"min": 0, "max": _LONGEST_ESCALATION_MIN})
        people = User.objects.filter(is_active=True).order_by("email")
        self.fields["people"].queryset = people  # type: ignore[attr-defined]  # a choice field
        for name in ("people", "schedules", "targets"):
            self.fields[name].help_text = ""

    def clean_after_min(self) -> int:
        after_min = int(self.cleaned_data["after_min"])
        if after_min > _LONGEST_ESCALATION_MIN:
            raise forms.ValidationError(_("At most a day: 1440 minutes."))
        return after_min

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if not any(data.get(name) for name in ("roles", "people", "schedules", "targets")) and not self.errors:
            raise forms.ValidationError(_("Choose somebody to tell, or remove this step."))
        return data


StepFormSet: Any = modelformset_factory(
    RouteStep, form=StepForm, extra=1, can_delete=True, max_num=10, validate_max=True
)


class TargetForm(forms.Form):
    """A program or a chat room."""

    kind = forms.ChoiceField(label=_("Kind"), choices=TargetKind.choices)
    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("Such as “Maintenance room” or “ERP”."))
    address = forms.CharField(
        label=_("Address"),
        max_length=1000,
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://"}),
        help_text=_(
            "Slack: an incoming webhook’s. Teams: that of a workflow “When a Teams webhook request is received”."
        ),
    )


class TargetChangeForm(forms.Form):
    """What may change about it."""

    name = forms.CharField(label=_("Name"), max_length=80)
    address = forms.CharField(
        label=_("New address"),
        max_length=1000,
        required=False,
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://"}),
        help_text=_("The one it has is not shown. Leave this empty to keep it."),
    )
    active = forms.BooleanField(label=_("Switched on"), required=False)


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """People who take turns."""

    time_zone = forms.ChoiceField(label=_("Time zone"), choices=zone_choices)
    members = forms.ModelMultipleChoiceField(
        label=_("People"),
        queryset=User.objects.none(),
        widget=_Checks,
        help_text=_("They take turns in the order of their names below; change it with the numbers."),
    )

    class Meta:
        model = OnCallSchedule
        fields = ("name", "time_zone", "starts_on", "handover_at", "turn_days")
        widgets: ClassVar[dict[str, Any]] = {
            "starts_on": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "handover_at": _time(),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["members"].queryset = User.objects.filter(is_active=True).order_by("email")  # type: ignore[attr-defined]
        self.fields["turn_days"].widget.attrs.update({"min": 1, "max": 90})
        self.fields["turn_days"].help_text = _("1: daily, 7: weekly.")

    def clean_turn_days(self) -> int:
        days = int(self.cleaned_data["turn_days"])
        if not 1 <= days <= 90:
            raise forms.ValidationError(_("From 1 to 90 days."))
        return days


class OverrideForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """Somebody stands in. Times are read in the active time zone: the page activates the schedule's."""

    class Meta:
        model = OnCallOverride
        fields = ("user", "starts_at", "ends_at")
        labels: ClassVar[dict[str, Any]] = {"user": _("Who"), "starts_at": _("From"), "ends_at": _("Until")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].queryset = User.objects.filter(is_active=True).order_by("email")  # type: ignore[attr-defined]
        for name in ("starts_at", "ends_at"):
            self.fields[name] = forms.DateTimeField(
                label=self.fields[name].label,
                widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
                input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        begin, end = data.get("starts_at"), data.get("ends_at")
        if begin is not None and end is not None and end <= begin:
            self.add_error("ends_at", _("The end must lie after the beginning."))
        return data


class PreferenceForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """How a person wants to be told."""

    email_from = forms.ChoiceField(label=_("E-mail from severity"), choices=Severity.choices)
    push_from = forms.ChoiceField(label=_("Push from severity"), choices=Severity.choices)
    in_app_from = forms.ChoiceField(label=_("In the app from severity"), choices=Severity.choices)
    phone_from = forms.ChoiceField(label=_("SMS and WhatsApp from severity"), choices=Severity.choices)

    class Meta:
        model = ContactPreference
        fields = (
            *("email", "email_from", "push", "push_from", "in_app", "in_app_from"),
            *("sms", "whatsapp", "phone_from", "quiet_from", "quiet_to"),
        )
        widgets: ClassVar[dict[str, Any]] = {"quiet_from": _time(), "quiet_to": _time()}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["push"].label = _("Push on my browsers")
        self.fields["quiet_from"].help_text = _(
            "Plant time. In these hours push, SMS and WhatsApp tell only what is critical; mail goes on."
        )
        if not self.instance.phone_ready:
            self.fields["sms"].disabled = self.fields["whatsapp"].disabled = True

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if (data.get("quiet_from") is None) != (data.get("quiet_to") is None):
            self.add_error("quiet_to", _("Give both times, or none."))
        return data


class PhoneForm(forms.Form):
    """A number to confirm."""

    phone = forms.CharField(
        label=_("Phone number"),
        max_length=30,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "placeholder": "+48 123 456 789"}),
        help_text=_("With its country. We send it a code."),
    )


class CodeForm(forms.Form):
    """The code that was sent to it."""

    code = forms.CharField(
        label=_("Code"),
        max_length=10,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "one-time-code"}),
    )


class PreviewForm(forms.Form):
    """An alert that one may think of."""

    machine: Any = forms.ModelChoiceField(label=_("Machine"), queryset=Machine.objects.none(), empty_label=_("Choose…"))
    severity = forms.ChoiceField(label=_("Severity"), choices=Severity.choices, initial=Severity.CRITICAL)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        machines = Machine.objects.select_related("line__site").order_by("key")
        self.fields["machine"].queryset = machines  # type: ignore[attr-defined]  # a choice field
