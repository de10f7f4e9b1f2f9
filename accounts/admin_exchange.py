"""Tables in and out of the factory's admin as CSV and Excel: what is wrong is shown line by line before it counts."""

from typing import Any

from django.http import HttpRequest
from import_export.admin import ImportExportModelAdmin
from import_export.formats.base_formats import CSV, XLSX
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from accounts.admin_base import FactoryModelAdmin
from accounts.audit import audit_record


class ExchangeAdmin(FactoryModelAdmin, ImportExportModelAdmin):
    """An admin page with import and export; both stand in the audit trail."""

    import_form_class = ImportForm
    export_form_class = ExportForm
    formats = (CSV, XLSX)

    def process_result(self, result: Any, request: HttpRequest) -> Any:
        """What an import came to, written down once."""
        counts = {kind: number for kind, number in result.totals.items() if number}
        audit_record(actor=request.user, action=f"{self.model._meta.model_name}.imported", **counts)
        return super().process_result(result, request)

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: Any, **given: Any) -> Any:
        """The file's content; that somebody took it is written down."""
        audit_record(actor=request.user, action=f"{self.model._meta.model_name}.exported", rows=queryset.count())
        return super().get_export_data(file_format, request, queryset, **given)
