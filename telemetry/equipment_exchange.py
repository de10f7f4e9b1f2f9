"""Machines and metrics as rows of a spreadsheet: by the names that people use, and within the plan."""

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from import_export import fields, resources, widgets

from accounts.admin_exchange import LongFiles
from common.errors import DomainError
from telemetry.machines import machine_new_check
from telemetry.models import Line, Machine, Metric, MetricKind


class LineWidget(widgets.Widget):
    """A line as “site / line”; empty for none."""

    def clean(self, value: Any, row: Any = None, **_given: Any) -> Line | None:
        """The line that exists. Raises ValidationError."""
        text = str(value or "").strip()
        if not text:
            return None
        site, _slash, name = (part.strip() for part in text.partition("/"))
        line = Line.objects.filter(site__name=site, name=name).first()
        if line is None:
            raise ValidationError(_("There is no line “%(line)s”: write “site / line”.") % {"line": text})
        return line

    def render(self, value: Line | None, obj: Any = None, **_given: Any) -> str:
        """As it is read again."""
        return f"{value.site.name} / {value.name}" if value else ""


class MachineResource(LongFiles, resources.ModelResource):
    """A machine a row, known by its key."""

    line = fields.Field(attribute="line", column_name="line", widget=LineWidget())

    class Meta:
        model = Machine
        import_id_fields = ("key",)
        fields = ("key", "name", "machine_type", "line", "silent_after_s")
        clean_model_instances = True
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    def before_save_instance(self, instance: Machine, row: Any, **_given: Any) -> None:
        """As `machine_create` checks it. Raises ValidationError."""
        if not instance._state.adding:
            return
        try:
            machine_new_check(instance.key)
        except DomainError as error:
            raise ValidationError(error.detail) from error


class MetricResource(LongFiles, resources.ModelResource):
    """A metric a row, known by its machine and name; what an import says of unit and kind counts as confirmed."""

    machine = fields.Field(
        attribute="machine", column_name="machine", widget=widgets.ForeignKeyWidget(Machine, field="key")
    )

    class Meta:
        model = Metric
        import_id_fields = ("machine", "name")
        fields = ("machine", "name", "label", "unit", "kind", "confirmed")
        clean_model_instances = True
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    kinds: ClassVar[frozenset[str]] = frozenset(MetricKind.values)

    def before_save_instance(self, instance: Metric, row: Any, **_given: Any) -> None:
        """Metrics appear with their first reading; a file describes those that are there. Raises ValidationError."""
        if instance._state.adding:
            told = {"machine": instance.machine.key, "metric": instance.name}
            raise ValidationError(_("“%(machine)s” has no metric “%(metric)s”.") % told)
        if instance.kind not in self.kinds:
            raise ValidationError({"kind": _("There is no kind “%(kind)s”.") % {"kind": instance.kind}})
