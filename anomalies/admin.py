"""Detection in the factory's admin: limits that people set, alerts, and what the detectors have learned."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline

from accounts.admin_base import FactoryModelAdmin, ReadOnlyAdmin
from anomalies.models import Alert, AlertEvent, DetectorModel, Operator, Rule
from telemetry.admin import metric_in_full
from telemetry.models import Metric


class MetricField(forms.ModelChoiceField):  # type: ignore[type-arg]  # no generic at run time
    """A metric, shown with its machine."""

    def label_from_instance(self, obj: Any) -> str:
        return metric_in_full(obj)


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A limit that clears on its own side."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        value, clear, operator = data.get("value"), data.get("clear_value"), data.get("operator")
        if value is None or clear is None:
            return data
        if operator == Operator.ABOVE and clear > value:
            self.add_error("clear_value", _("Must not be above the limit, or the alert would never clear."))
        if operator == Operator.BELOW and clear < value:
            self.add_error("clear_value", _("Must not be below the limit, or the alert would never clear."))
        return data


@admin.register(Rule)
class RuleAdmin(FactoryModelAdmin):
    """Thresholds: a metric beyond a limit for a while raises an alert."""

    form = RuleForm
    list_display: ClassVar[list[str]] = ["__str__", "machine", "for_s", "severity", "active"]
    list_filter: ClassVar[list[str]] = ["active", "severity", "metric__machine"]
    search_fields: ClassVar[list[str]] = ["metric__name", "metric__label", "metric__machine__key"]
    autocomplete_fields: ClassVar[list[str]] = ["metric"]
    list_select_related: ClassVar[list[str]] = ["metric__machine"]
    fields: ClassVar[list[str]] = ["metric", "operator", "value", "clear_value", "for_s", "severity", "active"]
    help_texts: ClassVar[dict[str, Any]] = {
        "metric": _("The series it watches. Search by metric or machine."),
        "operator": _("On which side of the limit the metric is wrong."),
        "value": _("The limit, in the metric's own unit."),
        "clear_value": _(
            "The alert ends when the metric is back beyond this value; a little inside the limit, so that it doesn't "
            "flutter. Empty: at the limit."
        ),
        "for_s": _("Seconds that the metric must stay beyond the limit before an alert is raised; 0: at once."),
        "severity": _("How much it matters. It decides the colour, the order and who is told."),
        "active": _("Switched off, it is kept and does nothing."),
    }

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The metric with its machine."""
        if db_field.name == "metric":
            kwargs = {**kwargs, "form_class": MetricField, "queryset": Metric.objects.select_related("machine")}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description=_("machine"), ordering="metric__machine__key")
    def machine(self, rule: Rule) -> str:
        return str(rule.metric.machine)


class AlertEventInline(TabularInline):
    """The alert's timeline."""

    model = AlertEvent
    extra = 0
    can_delete = False
    fields: ClassVar[list[str]] = ["at", "kind", "actor", "comment"]
    readonly_fields: ClassVar[list[str]] = ["at", "kind", "actor", "comment"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # written by deeds
        return False


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """Everything that was wrong. Acknowledge on the Alerts page."""

    list_display: ClassVar[list[str]] = ["title", "machine", "severity", "state", "since_at", "acknowledged_by"]
    list_filter: ClassVar[list[str]] = ["state", "severity", "machine"]
    search_fields: ClassVar[list[str]] = ["title", "summary", "machine__key"]
    list_select_related: ClassVar[list[str]] = ["machine", "acknowledged_by"]
    date_hierarchy = "raised_at"
    inlines: ClassVar[list[Any]] = [AlertEventInline]


@admin.register(DetectorModel)
class DetectorModelAdmin(ReadOnlyAdmin):
    """What each machine's detector has learned, training by training."""

    list_display: ClassVar[list[str]] = ["machine", "version", "active", "trained_at"]
    list_filter: ClassVar[list[str]] = ["active", "machine"]
    search_fields: ClassVar[list[str]] = ["machine__key", "machine__name"]
    list_select_related: ClassVar[list[str]] = ["machine"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DetectorModel]:
        rows: QuerySet[DetectorModel] = super().get_queryset(request).defer("arrays")
        return rows
