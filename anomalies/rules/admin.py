"""Rules in the factory's admin, read back as sentences; and the versions of the table of vibration limits."""

from typing import Any, ClassVar, Literal

import msgspec
from django import forms
from django.contrib import admin, messages
from django.db.models import Max, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.admin_base import FactoryModelAdmin
from anomalies.models import Rule, VibrationZones
from anomalies.rules.conditions import Holidays, RuleDocument, rule_as_data
from anomalies.rules.keeping import rule_change, rule_checked, rule_create, rule_delete, rules_enable
from anomalies.rules.schedule import countries, subdivisions
from anomalies.rules.sentences import Names, rule_sentence
from anomalies.rules.validation import rule_parse
from anomalies.rules.yaml_files import rule_text, rule_written, yaml_read
from anomalies.rules.zones import zones_check
from common.errors import DomainError

_EXAMPLE = {
    "name": "Mixer vibrates",
    "machines": ["M01"],
    "when": {"all": [{"metric": "vibration_mm_s", "op": "above", "value": 7.1, "for_s": 10, "clear": 6.5}]},
    "severity": "high",
}


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A rule as one text, judged by the same validator as everywhere."""

    definition = forms.CharField(
        label=_("Rule"),
        widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false"}),
        help_text=_("In YAML, as rules are exported. The page “Rules” builds the same with buttons."),
    )

    holidays = forms.ChoiceField(
        label=_("Holidays"),
        required=False,
        choices=lambda: [("", _("count like other days")), *_calendars()],
        help_text=_("Of a country or of a part of it. Chosen here, they replace what the text says of them."),
    )
    holidays_then = forms.ChoiceField(
        label=_("On holidays"),
        required=False,
        choices=[("off", _("the rule rests")), ("only", _("the rule holds then alone"))],
        help_text=_("What the rule does on the holidays chosen above."),
    )

    class Meta:
        model = Rule
        fields: ClassVar[list[str]] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        data: dict[str, Any] = rule_written(self.instance) if self.instance.pk else _EXAMPLE
        holidays = data.get("active", {}).get("holidays", {})
        country, part = holidays.get("country", ""), holidays.get("subdivision", "")
        self.fields["definition"].initial = rule_text(data)
        self.fields["holidays"].initial = f"{country}-{part}" if part else country
        self.fields["holidays_then"].initial = holidays.get("then", "off")

    def clean_definition(self) -> RuleDocument:
        """Raises ValidationError with every problem and its path."""
        try:
            rule = rule_checked(yaml_read(self.cleaned_data["definition"]))
        except DomainError as error:
            said = [f"{each['field']}: {each['detail']}" for each in error.errors] or [error.detail]
            raise forms.ValidationError(said) from error
        if Rule.objects.filter(name=rule.name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("There is another rule of this name."))
        return rule

    def clean(self) -> dict[str, Any]:
        """The text, with the holidays that were chosen beside it."""
        data = super().clean() or {}
        rule = data.get("definition")
        if rule is not None and not self.errors and {"holidays", "holidays_then"} & set(self.changed_data):
            country, _dash, part = data["holidays"].partition("-")
            then: Literal["off", "only"] = "only" if data["holidays_then"] == "only" else "off"
            chosen = Holidays(country, part or None, then) if country else None
            active = msgspec.structs.replace(rule.active, holidays=chosen)
            data["definition"] = msgspec.structs.replace(rule, active=active)
        return data


def _calendars() -> list[tuple[str, Any]]:
    """Every country, and those with holidays of parts as groups: “DE”, “DE-BY”."""
    found: list[tuple[str, Any]] = []
    for country in countries():
        parts = [(f"{country}-{code}", f"{country}, {name}") for code, name in subdivisions(country)]
        whole = (country, _("%(country)s, the whole country") % {"country": country} if parts else country)
        found.append((country, [whole, *parts]) if parts else whole)
    return found


@admin.register(Rule)
class RuleAdmin(FactoryModelAdmin):
    """What people know to be wrong; the page “Rules” builds them."""

    form = RuleForm
    list_display: ClassVar[list[str]] = ["name", "sentence", "severity", "enabled", "updated_at"]
    list_filter: ClassVar[list[str]] = ["enabled", "severity"]
    search_fields: ClassVar[list[str]] = ["name", "description"]
    fields: ClassVar[list[str]] = ["sentence", "definition", "holidays", "holidays_then"]
    readonly_fields: ClassVar[list[str]] = ["sentence"]
    actions: ClassVar[list[str]] = ["switch_on", "switch_off"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, whose rows share the names of machines and metrics."""
        listed = super().get_changelist_instance(request)
        names = Names.load()
        for row in listed.result_list:
            row.names = names
        return listed

    @admin.display(description=_("reads"))
    def sentence(self, row: Rule) -> str:
        """The rule, read back."""
        names = getattr(row, "names", None) or Names.load()
        return rule_sentence(rule_parse(row.as_data()), names) if row.pk else "–"

    def save_model(self, request: HttpRequest, obj: Rule, form: Any, change: bool) -> None:
        """Written by the one service that writes rules."""
        data = rule_as_data(form.cleaned_data["definition"])
        if change:
            rule_change(obj, actor=request.user, data=data)
            return
        made = rule_create(actor=request.user, data=data)
        obj.__dict__.update(made.__dict__)

    # The service writes the audit trail; here it would be written twice.
    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super(FactoryModelAdmin, self).log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        return super(FactoryModelAdmin, self).log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        return super(FactoryModelAdmin, self).log_deletions(request, queryset)

    def delete_model(self, request: HttpRequest, obj: Rule) -> None:
        rule_delete(obj, actor=request.user)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        for row in queryset:
            rule_delete(row, actor=request.user)

    @admin.action(description=_("Switch on"))
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description=_("Switch off"))
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Rule]) -> None:
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Rule], *, enabled: bool) -> None:
        changed = rules_enable(queryset, actor=request.user, enabled=enabled)
        text = ngettext("%(n)d rule changed.", "%(n)d rules changed.", changed) % {"n": changed}
        messages.success(request, text)


class ZonesForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A new version of the table."""

    class Meta:
        model = VibrationZones
        fields: ClassVar[list[str]] = ["rows", "note"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        newest = VibrationZones.objects.first()
        if newest is not None and "rows" in self.fields:
            self.fields["rows"].initial = newest.rows

    def clean_rows(self) -> Any:
        """Raises ValidationError."""
        rows = self.cleaned_data["rows"]
        try:
            zones_check(rows)
        except DomainError as error:
            raise forms.ValidationError(error.detail) from error
        return rows


@admin.register(VibrationZones)
class VibrationZonesAdmin(FactoryModelAdmin):
    """Limits between the zones of ISO 20816; a version is never changed, a new one replaces it."""

    form = ZonesForm
    list_display: ClassVar[list[str]] = ["__str__", "note", "made_by", "made_at"]
    help_texts: ClassVar[dict[str, Any]] = {
        "rows": _("A list of {group, support, a_b, b_c, c_d}: limits between zones A to D as RMS velocity in mm/s."),
        "note": _("Where these limits come from."),
    }

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # a version stays as it is
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: VibrationZones, form: Any, change: bool) -> None:
        obj.version = (VibrationZones.objects.aggregate(last=Max("version"))["last"] or 0) + 1
        obj.made_by = str(getattr(request.user, "email", ""))
        super().save_model(request, obj, form, change)
