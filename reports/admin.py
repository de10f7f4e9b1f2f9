"""Reports in the factory's admin: when they are made and for whom, and those that were."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.validators import validate_email
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextareaWidget

from accounts.admin_base import FactoryModelAdmin, ReadOnlyAdmin
from reports.models import Report, Schedule


class EmailLinesField(forms.CharField):
    """E-mail addresses, one a line, as a list."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 4})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        return [line.strip().lower() for line in str(value or "").splitlines() if line.strip()]

    def validate(self, value: Any) -> None:
        for address in value:
            validate_email(address)

    def run_validators(self, value: Any) -> None:
        """The text's own checks don't hold for a list."""


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]  # no generic at run time
    """When the weekly report is made."""

    hour = forms.IntegerField(
        label=_("Hour"),
        min_value=0,
        max_value=23,
        initial=6,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=_("0 to 23, in the plant's own time."),
    )
    recipients = EmailLinesField(
        label=_("Recipients"),
        required=False,
        help_text=_("E-mail addresses that get the report, one a line. Empty: it is only kept under Reports."),
    )


@admin.register(Schedule)
class ScheduleAdmin(FactoryModelAdmin):
    """When the weekly equipment-health report is made, and who gets it."""

    form = ScheduleForm
    list_display: ClassVar[list[str]] = ["__str__", "recipients", "active"]
    help_texts: ClassVar[dict[str, Any]] = {
        "weekday": _("The day it is made, for the seven days before."),
        "active": _("Switched off, no report is made by itself."),
    }


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    """Reports that were made. Open their PDF on the Reports page."""

    list_display: ClassVar[list[str]] = ["__str__", "state", "scheduled", "requested_by", "created_at", "finished_at"]
    list_filter: ClassVar[list[str]] = ["state", "scheduled"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Report]:
        rows: QuerySet[Report] = super().get_queryset(request).defer("pdf", "contents")
        return rows
