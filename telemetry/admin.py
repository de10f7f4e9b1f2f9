"""Equipment in the factory's admin: sites, areas, lines, machines, what they measure, and what was refused."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.admin_base import FactoryModelAdmin, ReadOnlyAdmin
from accounts.admin_exchange import ExchangeAdmin
from common.errors import DomainError
from common.times import zone_names
from telemetry import dead_letter_pages, notices  # noqa: F401  # they bring what they have to the staff's admin
from telemetry.equipment_exchange import MachineResource, MetricResource
from telemetry.machines import machine_delete, machine_new_check, metric_delete
from telemetry.models import Area, Line, Machine, Metric, QuarantinedReading, Site
from telemetry.notebook import admin as notebook_admin  # noqa: F401  # registers notes and documents


class SiteForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A site, with its time zone chosen from those that exist."""

    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=lambda: [(zone, zone.replace("_", " ")) for zone in sorted(zone_names())],
        widget=UnfoldAdminSelectWidget,
        help_text=_("Days, shifts and reports of this site follow it. Readings are stored in UTC and don't move."),
    )


@admin.register(Site)
class SiteAdmin(FactoryModelAdmin):
    """Plants of this factory, each in one time zone."""

    form = SiteForm
    list_display: ClassVar[list[str]] = ["name", "time_zone", "lines_count"]
    search_fields: ClassVar[list[str]] = ["name"]
    help_texts: ClassVar[dict[str, Any]] = {"name": _("The plant's name, such as “North Mill”.")}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Site]:
        rows: QuerySet[Site] = super().get_queryset(request).annotate(line_total=Count("lines"))
        return rows

    @display(description=_("lines"), ordering="line_total")
    def lines_count(self, site: Any) -> int:
        return int(site.line_total)


@admin.register(Area)
class AreaAdmin(FactoryModelAdmin):
    """Parts of a site."""

    list_display: ClassVar[list[str]] = ["name", "site"]
    list_filter: ClassVar[list[str]] = ["site"]
    search_fields: ClassVar[list[str]] = ["name"]
    help_texts: ClassVar[dict[str, Any]] = {
        "site": _("The plant it is a part of."),
        "name": _("Such as a hall or a floor; once in each site."),
    }


class LineForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A line, whose area stands in its site."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        area, site = data.get("area"), data.get("site")
        if area and site and area.site_id != site.pk:
            self.add_error("area", _("This area stands in another site."))
        return data


@admin.register(Line)
class LineAdmin(FactoryModelAdmin):
    """Machines that make one product together."""

    form = LineForm
    list_display: ClassVar[list[str]] = ["name", "site", "area"]
    list_filter: ClassVar[list[str]] = ["site"]
    search_fields: ClassVar[list[str]] = ["name"]
    list_select_related: ClassVar[list[str]] = ["site", "area"]
    help_texts: ClassVar[dict[str, Any]] = {
        "site": _("The plant it stands in."),
        "area": _("The part of the plant, if the plant is divided; it must stand in the same site."),
        "name": _("Such as “Filling 1”; once in each site."),
    }


def metric_in_full(metric: Metric) -> str:
    """Machine, metric and unit: many machines have a metric of the same name."""
    return f"{metric.machine}: {metric}" + (f" ({metric.unit})" if metric.unit else "")


METRIC_HELP = {
    "name": _("As devices send it; it can't be changed, because it is how readings find their series."),
    "label": _("Shown to people instead of the name, such as “Bearing temperature”."),
    "unit": _("Shown behind every value, such as °C, bar or mm/s. It changes no stored number."),
    "kind": _("What it measures. It decides how charts and detection treat it."),
    "confirmed": _("Tick it when unit and kind, which were inferred, are right."),
}


class MetricForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A unit or kind that a person sets is confirmed by that: no later look at the readings may change it."""

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if {"unit", "kind"} & set(self.changed_data) and "confirmed" in self.fields:
            data["confirmed"] = True
        return data


class MetricInline(TabularInline):
    """What the machine measures: found in its readings, made right here."""

    model = Metric
    form = MetricForm
    extra = 0
    can_delete = False
    show_change_link = True
    fields: ClassVar[list[str]] = ["name", "label", "unit", "kind", "confidence", "confirmed"]
    readonly_fields: ClassVar[list[str]] = ["name", "confidence"]

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Explain the column."""
        formfield = super().formfield_for_dbfield(db_field, request, **kwargs)
        if formfield is not None and db_field.name in METRIC_HELP:
            formfield.help_text = METRIC_HELP[db_field.name]
        return formfield

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # readings add them
        return False


class MachineForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """A machine, with a key that devices can send."""

    def clean_key(self) -> str:
        """As the API checks it. Raises ValidationError."""
        key = str(self.cleaned_data["key"])
        try:
            machine_new_check(key)
        except DomainError as error:
            raise forms.ValidationError(error.detail) from error
        return key


@admin.register(Machine)
class MachineAdmin(ExchangeAdmin):
    """Equipment. A machine registers itself with its first reading; here it gets a name and a place."""

    form = MachineForm
    resource_classes = (MachineResource,)
    list_display: ClassVar[list[str]] = ["key", "name", "machine_type", "line", "metric_count", "last_seen_at"]
    list_filter: ClassVar[list[str]] = ["line", "machine_type"]
    search_fields: ClassVar[list[str]] = ["key", "name", "machine_type"]
    list_select_related: ClassVar[list[str]] = ["line"]
    fields: ClassVar[list[str]] = [
        "key",
        "name",
        "machine_type",
        "line",
        "silent_after_s",
        "created_at",
        "last_seen_at",
    ]
    inlines: ClassVar[list[Any]] = [MetricInline]
    help_texts: ClassVar[dict[str, Any]] = {
        "key": _("How devices name the machine in what they send. It stays for ever, because readings refer to it."),
        "name": _("Shown to people instead of the key, such as “Mixer 2”."),
        "machine_type": _("What it is, such as mixer, oven or pump."),
        "line": _("The line it works in."),
        "silent_after_s": _("In seconds: shown as silent, with an alert, when nothing has arrived for this long."),
    }

    def get_queryset(self, request: HttpRequest) -> QuerySet[Machine]:
        rows: QuerySet[Machine] = super().get_queryset(request).annotate(metric_total=Count("metrics"))
        return rows

    def get_readonly_fields(self, request: HttpRequest, obj: Machine | None = None) -> list[str]:
        return ["created_at", "last_seen_at", *(["key"] if obj else [])]

    @display(description=_("metrics"), ordering="metric_total")
    def metric_count(self, machine: Any) -> int:
        return int(machine.metric_total)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with it, in words: a list of every alert would say less, and ask for the rights of its page."""
        machines = list(objs)
        lines = [
            _("%(machine)s, with its metrics, all its readings, alerts and what was learnt") % {"machine": machine}
            for machine in machines
        ]
        return lines, {_("machines"): len(machines)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Machine) -> None:
        """Remove its readings too, which a plain delete would leave behind."""
        machine_delete(actor=request.user, machine=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Machine]) -> None:
        """As one, for each."""
        for machine in queryset:
            machine_delete(actor=request.user, machine=machine)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Django's history alone: the audit trail is written with the deletion itself."""
        return super(FactoryModelAdmin, self).log_deletions(request, queryset)


@admin.action(description=_("Confirm: unit and kind are right"))
def confirm(admin_page: "MetricAdmin", request: HttpRequest, queryset: QuerySet[Metric]) -> None:
    """Mark the inferred unit and kind as checked."""
    chosen = list(queryset.filter(confirmed=False))
    Metric.objects.filter(pk__in=[metric.pk for metric in chosen]).update(confirmed=True)
    for metric in chosen:
        admin_page.log_change(request, metric, [{"changed": {"fields": ["confirmed"]}}])
    admin_page.message_user(request, _("%(count)d metrics confirmed.") % {"count": len(chosen)})


@admin.register(Metric)
class MetricAdmin(ExchangeAdmin):
    """Every series of numbers, with the unit and kind that were inferred from its name and its readings."""

    form = MetricForm
    resource_classes = (MetricResource,)
    list_display: ClassVar[list[str]] = [
        "name",
        "machine",
        "label",
        "unit",
        "kind",
        "confidence",
        "confirmed",
        "last_at",
    ]
    list_filter: ClassVar[list[str]] = ["confirmed", "kind", "machine"]
    search_fields: ClassVar[list[str]] = ["name", "label", "machine__key", "machine__name"]
    list_select_related: ClassVar[list[str]] = ["machine"]
    actions: ClassVar[list[Any]] = [confirm]
    fields: ClassVar[list[str]] = [
        "machine", "name", "label", "unit", "kind", "confidence", "confirmed", "last_value", "last_at",
    ]  # fmt: skip
    readonly_fields: ClassVar[list[str]] = ["machine", "name", "confidence", "last_value", "last_at"]
    help_texts: ClassVar[dict[str, Any]] = METRIC_HELP

    def get_queryset(self, request: HttpRequest) -> QuerySet[Metric]:
        rows: QuerySet[Metric] = super().get_queryset(request).select_related("machine")
        return rows

    @staticmethod
    def autocomplete_text(metric: Metric) -> str:
        """A metric among those of all machines."""
        return metric_in_full(metric)

    def has_add_permission(self, request: HttpRequest) -> bool:  # readings add them
        return False

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with it, in words."""
        metrics = list(objs)
        lines = [
            _("%(metric)s, with all its readings and the limits set for it") % {"metric": metric_in_full(metric)}
            for metric in metrics
        ]
        return lines, {_("metrics"): len(metrics)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Metric) -> None:
        """Remove its readings too, which a plain delete would leave behind."""
        metric_delete(actor=request.user, metric=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Metric]) -> None:
        """As one, for each."""
        for metric in queryset:
            metric_delete(actor=request.user, metric=metric)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Django's history alone: the audit trail is written with the deletion itself."""
        return super(FactoryModelAdmin, self).log_deletions(request, queryset)


@admin.register(QuarantinedReading)
class QuarantineAdmin(ReadOnlyAdmin):
    """What was refused at the door, from whom, and why."""

    list_display: ClassVar[list[str]] = ["received_at", "code", "machine", "metric", "detail", "source"]
    list_filter: ClassVar[list[str]] = ["code", "machine"]
    search_fields: ClassVar[list[str]] = ["machine", "metric", "detail", "source"]
    date_hierarchy = "received_at"
