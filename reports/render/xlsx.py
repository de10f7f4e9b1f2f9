"""The report as a workbook: the same contents in four sheets, numbers as numbers, times in plant time.

Every text is stored as text and marked as quoted, so that no spreadsheet runs one that begins like a formula.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from django.utils.translation import gettext as _
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE, Cell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from common.units import UnitSystem
from reports.contents import SEVERITIES, Document
from reports.extracts import Edition
from reports.reader_units import contents_in
from reports.wording import health_text, period_text, reason_text, severity_text, urgency_text

_Row = Sequence[Any]
_TIME, _SHARE, _COUNT = "yyyy-mm-dd hh:mm", "0.0 %", "#,##0"
# What a spreadsheet takes for a formula, or for the start of one when it is typed again.
_RUNNABLE = ("=", "+", "-", "@", "\t", "\r", "\n")
_LONGEST_TEXT = 32_767
_NARROWEST, _WIDEST = 9, 60


class _Share(float):
    """0 to 1, shown as percent."""


def render_xlsx(edition: Edition, system: UnitSystem = UnitSystem.STORED) -> bytes:
    """The finished report as an Office Open XML workbook, its figures in these units."""
    contents: Document = contents_in(edition.contents, system)
    book = Workbook(write_only=True)
    book.properties.creator = "FactoryPulse"
    book.properties.title = _("Equipment health")
    if edition.finished_at is not None:
        book.properties.created = book.properties.modified = edition.finished_at.replace(tzinfo=None)
    zone = contents["period"]["time_zone"]
    _sheet(book, _("Overview"), (), _overview(edition, contents))
    _sheet(book, _("Machines"), _machine_columns(zone), map(_machine, contents["machines"]))
    _sheet(book, _("Alerts"), _alert_columns(zone), _alerts(contents))
    _sheet(book, _("Metrics"), _metric_columns(), _metrics(contents))
    filed = BytesIO()
    book.save(filed)
    return filed.getvalue()


# --- what the sheets say ---


def _overview(edition: Edition, contents: Document) -> list[_Row]:
    totals, period = contents["totals"], contents["period"]
    rows: list[_Row] = [
        (_("Equipment health"),),
        (_("Factory"), contents["factory"]["name"]),
        (_("Period"), period_text(period)),
        (_("Plant time"), period["time_zone"]),
        (_("Revision"), edition.revision),
        (_("Data hash (SHA-256)"), edition.data_hash),
        *([(_("Extract of"), edition.extract_of)] if edition.extract_of is not None else []),
        (),
        (_("Machines"), totals["machines"]),
        (_("Metrics"), totals["metrics"]),
        (_("Readings"), totals["readings"]),
        (_("Availability of readings"), _Share(totals["availability"])),
        (_("Alerts"), totals["alerts_all"]),
        (_("Alerts still open"), totals["alerts_open"]),
        *(
            (_("Alerts, %(severity)s") % {"severity": severity_text(name)}, totals["alerts"][name])
            for name in SEVERITIES
        ),
        (),
        (_("Look first"),),
    ]
    return [*rows, *(_ranked(entry) for entry in contents["look_first"])]


def _ranked(entry: Document) -> _Row:
    reasons = " ".join(reason_text(reason) for reason in entry["reasons"])
    return (entry["rank"], entry["machine"], entry["name"], urgency_text(entry["urgency"]), reasons)


def _machine_columns(zone: str) -> _Row:
    return (
        _("Key"),
        _("Name"),
        _("Type"),
        _("Line"),
        _("Health"),
        _("Readings"),
        _("Availability of readings"),
        _("Alerts"),
        _("Alerts still open"),
        _("Last seen (%(zone)s)") % {"zone": zone},
    )


def _machine(machine: Document) -> _Row:
    alerts = machine["alerts"]
    return (
        machine["key"],
        machine["name"],
        machine["type"],
        machine["line"],
        health_text(machine["health"]),
        machine["readings"],
        _Share(machine["availability"]),
        len(alerts),
        sum(alert["to"] is None for alert in alerts),
        _instant(machine["last_seen_at"]),
    )


def _alert_columns(zone: str) -> _Row:
    return (
        _("Number"),
        _("Machine"),
        _("Severity"),
        _("Alert"),
        _("What was seen"),
        _("Since (%(zone)s)") % {"zone": zone},
        _("Until (%(zone)s)") % {"zone": zone},
        _("Minutes in the period"),
        _("Acknowledged by"),
    )


def _alerts(contents: Document) -> Iterable[_Row]:
    for machine in contents["machines"]:
        for alert in machine["alerts"]:
            yield (
                alert["id"],
                machine["key"],
                severity_text(alert["severity"]),
                alert["title"],
                alert["summary"],
                _instant(alert["from"]),
                _instant(alert["to"]) or _("still open"),
                alert["minutes"],
                alert["acknowledged_by"],
            )


def _metric_columns() -> _Row:
    return (
        _("Machine"),
        _("Metric"),
        _("Name"),
        _("Unit"),
        _("Minimum"),
        _("Mean"),
        _("Maximum"),
        _("Last"),
        _("Readings"),
        _("Availability of readings"),
    )


def _metrics(contents: Document) -> Iterable[_Row]:
    for machine in contents["machines"]:
        for metric in machine["metrics"]:
            yield (
                machine["key"],
                metric["label"],
                metric["name"],
                metric["unit"],
                *(metric[figure] for figure in ("minimum", "mean", "maximum", "last")),
                metric["count"],
                _Share(metric["availability"]),
            )


def _instant(told: str | None) -> datetime | None:
    """A spreadsheet's times know no zone: this is the plant's, which the heading names."""
    return None if told is None else datetime.fromisoformat(told).replace(tzinfo=None)


# --- cells ---


def _sheet(book: Workbook, title: str, columns: _Row, rows: Iterable[_Row]) -> None:
    sheet = book.create_sheet(ILLEGAL_CHARACTERS_RE.sub("", title)[:31])
    told = list(rows)
    for at, width in enumerate(_widths([columns, *told] if columns else told), start=1):
        sheet.column_dimensions[get_column_letter(at)].width = width
    if columns:
        sheet.freeze_panes = "A2"
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(told) + 1}"
        sheet.append([_cell(sheet, name, heading=True) for name in columns])
    for row in told:
        sheet.append([_cell(sheet, value, heading=not columns and len(row) == 1) for value in row])


def _cell(sheet: WriteOnlyWorksheet, value: Any, *, heading: bool = False) -> Cell:
    if not isinstance(value, str):
        cell: Cell = WriteOnlyCell(sheet, value)
        cell.number_format = _format(value)
        return cell
    cell = WriteOnlyCell(sheet)
    # Set after the value, from which the library would make a formula.
    cell.value = ILLEGAL_CHARACTERS_RE.sub("", value)[:_LONGEST_TEXT]
    cell.data_type = "s"
    cell.quotePrefix = value.startswith(_RUNNABLE)
    cell.font = Font(bold=heading)
    cell.alignment = Alignment(vertical="top", wrap_text=len(value) > _WIDEST)
    return cell


def _format(value: Any) -> str:
    if isinstance(value, datetime):
        return _TIME
    if isinstance(value, _Share):
        return _SHARE
    return _COUNT if isinstance(value, int) else "General"


def _widths(rows: Sequence[_Row]) -> list[int]:
    columns = max((len(row) for row in rows), default=0)
    longest = [
        max((len(str(row[at])) for row in rows if at < len(row) and len(row) > 1), default=0) for at in range(columns)
    ]
    return [min(max(_NARROWEST, length + 2), _WIDEST) for length in longest]
