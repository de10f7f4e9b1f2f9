"""Tables in and out of the factory's admin as CSV and Excel: what is wrong is shown line by line before it counts."""

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from import_export.admin import ImportExportModelAdmin
from import_export.formats.base_formats import CSV, XLSX
from import_export.results import RowResult
from tablib import Dataset  # type: ignore[import-untyped]  # it has no stubs
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from accounts.admin_base import FactoryModelAdmin
from accounts.audit import audit_record
from accounts.errand_pages import errands_note
from accounts.errands import ErrandKind, Made, errand_ask, errand_kinds
from accounts.jobs import Tell
from accounts.models import Errand
from accounts.people import person_asking
from common.errors import DomainError, InvalidInputError
from common.spreadsheets import workbook_check
from tenants.context import factory_current

KIND = "table_import"
# Rows that are taken in within a second; more are looked at and taken in by a worker, and a page shows how far it is.
AT_ONCE = 150
_WRONGS_TOLD = 3


class Workbook(XLSX):
    """As the framework reads it, once nothing in it can hurt."""

    def create_dataset(self, in_stream: bytes) -> Dataset:
        """The rows of the first sheet. Raises ValueError."""
        workbook_check(in_stream)
        return super().create_dataset(in_stream)


class LongFiles:
    """Beside a resource: of a long file the preview shows the first rows; a worker looks at all before any counts."""

    def __init__(self, request: HttpRequest | None = None, **given: Any) -> None:
        super().__init__(**given)
        self._request = request

    def import_data(self, dataset: Dataset, dry_run: bool = False, **given: Any) -> Any:
        """What the rows came to, or would come to."""
        whole = len(dataset)
        if dry_run and whole > AT_ONCE:
            dataset = Dataset(*dataset[:AT_ONCE], headers=dataset.headers)
            if self._request is not None:
                told = _(
                    "These are the first %(first)s of %(whole)s rows. The others are looked at before anything counts."
                )
                messages.info(self._request, told % {"first": AT_ONCE, "whole": whole})
        found: Any = super().import_data(dataset, dry_run=dry_run, **given)  # type: ignore[misc]  # the resource's own
        return found


class ExchangeAdmin(FactoryModelAdmin, ImportExportModelAdmin):
    """An admin page with import and export; both stand in the audit trail."""

    import_form_class = ImportForm
    export_form_class = ExportForm
    formats = (CSV, Workbook)

    def get_import_resource_kwargs(self, request: HttpRequest, **given: Any) -> dict[str, Any]:
        """A preview of a long file says so to whoever asked for it."""
        return {**super().get_import_resource_kwargs(request, **given), "request": request}

    def process_dataset(self, dataset: Dataset, form: Any, request: HttpRequest, **given: Any) -> Any:
        """What the rows came to; of many, the errand that takes them in."""
        factory = factory_current()
        if len(dataset) <= AT_ONCE or factory is None:
            return super().process_dataset(dataset, form, request, **given)
        title = _("Import of %(things)s") % {"things": self.model._meta.verbose_name_plural}
        asked = {"model": self.model._meta.label_lower, **_rows_kept(dataset)}
        try:
            return errand_ask(actor=person_asking(request), factory=factory, kind=KIND, title=title, asked=asked)
        except DomainError as error:
            return error

    def process_result(self, result: Any, request: HttpRequest) -> Any:
        """What an import came to, written down once."""
        if isinstance(result, DomainError):
            messages.error(request, result.detail)
        if isinstance(result, (DomainError, Errand)):
            errands_note(request)
            return redirect("errands")
        self.import_noted(result, request)
        return super().process_result(result, request)

    def import_noted(self, result: Any, request: HttpRequest) -> dict[str, int]:
        """Write down that rows were taken in; how many of each kind."""
        counts = {kind: number for kind, number in result.totals.items() if number}
        audit_record(actor=request.user, action=f"{self.model._meta.model_name}.imported", **counts)
        return counts

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: Any, **given: Any) -> Any:
        """The file's content; that somebody took it is written down."""
        audit_record(actor=request.user, action=f"{self.model._meta.model_name}.exported", rows=queryset.count())
        return super().get_export_data(file_format, request, queryset, **given)


def _rows_kept(dataset: Dataset) -> dict[str, Any]:
    plain = (str, int, float, bool, type(None))
    rows = [[cell if isinstance(cell, plain) else str(cell) for cell in row] for row in dataset]
    return {"headers": list(dataset.headers or []), "rows": rows}


def _make(errand: Errand, tell: Tell) -> Made:
    model = apps.get_model(errand.asked["model"])
    page: Any = admin.site._registry[model]
    rows, done = errand.asked["rows"], 0
    resource: Any = page.get_import_resource_classes(None)[0]()

    def counted(*_row: Any, **_given: Any) -> None:
        nonlocal done
        done += 1
        tell(done / len(rows))

    resource.after_import_row = counted
    dataset = Dataset(*rows, headers=errand.asked["headers"])
    result = resource.import_data(
        dataset,
        dry_run=False,
        user=errand.asked_by,
        raise_errors=False,
        rollback_on_validation_errors=True,
        retain_instance_in_row_result=True,
    )
    if result.has_errors() or result.has_validation_errors():
        raise InvalidInputError(_("Nothing was taken in. %(wrongs)s") % {"wrongs": "; ".join(_wrongs(result))})
    # The framework writes its history for whoever sent a request; this is theirs, sent earlier.
    request = HttpRequest()
    request.user = errand.asked_by  # type: ignore[assignment]  # the caller sees to it that there is one
    page.generate_log_entries(result, request)
    return Made(answer=page.import_noted(result, request))


def _wrongs(result: Any) -> list[str]:
    """The first rows that are wrong, each with its reason."""
    invalid = [(row.number, " ".join(row.error.messages)) for row in result.invalid_rows]
    failed = [(number, str(errors[0].error)) for number, errors in result.row_errors()]
    base = [str(error.error) for error in result.base_errors]
    rows = [
        _("Row %(number)s: %(what)s") % {"number": number, "what": what} for number, what in sorted(invalid + failed)
    ]
    return [*base, *rows][:_WRONGS_TOLD]


def _said(errand: Errand) -> str:
    counts = errand.answer
    new, changed = counts.get(RowResult.IMPORT_TYPE_NEW, 0), counts.get(RowResult.IMPORT_TYPE_UPDATE, 0)
    told = ngettext("%(n)s new row", "%(n)s new rows", new) % {"n": new}
    return f"{told}, {ngettext('%(n)s changed', '%(n)s changed', changed) % {'n': changed}}"


errand_kinds[KIND] = ErrandKind(make=_make, said=_said)
