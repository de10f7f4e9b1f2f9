"""A finished report's files, and links to them that open without signing in, for a quarter of an hour.

Whoever is restricted to a part of the plant gets an extract of it, in each format, also by a link they had.
"""

from typing import Any

from django.core import signing
from django.http import HttpResponse
from django.utils.translation import gettext as _

from accounts.audit import audit_record
from accounts.jobs import JobState
from accounts.reach import Reach, reach_current, reach_enter
from common.errors import ConflictError, InvalidInputError, NotPermittedError
from common.units import UnitSystem
from reports.extracts import Edition, edition_for_asker
from reports.models import Report
from reports.reader_units import contents_in
from reports.render.json import render_json
from reports.render.pdf import Imprint, render_pdf
from reports.render.xlsx import render_xlsx
from telemetry.viewing.preferences import units_of
from tenants.models import Factory

LINK_LIFETIME_S = 15 * 60
CONTENT_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}
_signer = signing.TimestampSigner(salt="reports.download")


class LinkInvalidError(NotPermittedError):
    """The link's token is not ours, or for another report, format or factory."""

    code = "link_invalid"


class LinkExpiredError(NotPermittedError):
    """The link was good once; the report itself gives a new one."""

    code = "link_expired"


class ReportNotReadyError(ConflictError):
    """The report is not finished."""

    code = "report_not_ready"


class FormatNotOfferedError(InvalidInputError):
    """Reports don't come in this format."""

    code = "format_not_offered"


def link_token(factory: Factory, report_id: int, file_format: str) -> str:
    """A token for one format of one report of one factory, as far as whoever asks now sees."""
    reach = reach_current()
    return _signer.sign_object({"file": _named(factory, report_id, file_format), "reach": reach and reach.to_link()})


def link_check(token: str, *, factory: Factory, report_id: int, file_format: str) -> None:
    """Bind this request to the reach of whoever had the link. Raises LinkExpiredError or LinkInvalidError."""
    try:
        said = _signer.unsign_object(token, max_age=LINK_LIFETIME_S)
    except signing.SignatureExpired as error:
        raise LinkExpiredError(_("This link has expired. Open the report again for a new one.")) from error
    except signing.BadSignature as error:
        raise LinkInvalidError(_("This link is not valid.")) from error
    if said["file"] != _named(factory, report_id, file_format):
        raise LinkInvalidError(_("This link is not valid."))
    reach_enter(None if said["reach"] is None else Reach.of_link(said["reach"]))


def _named(factory: Factory, report_id: int, file_format: str) -> str:
    return f"{factory.slug}:{report_id}:{file_format}"


def report_file(report: Report, file_format: str, system: UnitSystem = UnitSystem.STORED) -> bytes:
    """The finished report's bytes, as far as whoever asks sees; figures made now are in these units.

    Raises ReportNotReadyError, FormatNotOfferedError.
    """
    format_check(file_format)
    if report.state != JobState.READY:
        raise ReportNotReadyError(_("The report is not ready."))
    edition = edition_for_asker(report)
    if file_format == "json":
        return render_json(edition)
    return render_xlsx(edition, system) if file_format == "xlsx" else _pdf(report, edition, system)


def report_response(report: Report, file_format: str, *, actor: Any, inline: bool = False) -> HttpResponse:
    """The finished report as a file; who took it along is written down. inline: shown rather than saved.

    Raises ReportNotReadyError, FormatNotOfferedError.
    """
    response = HttpResponse(report_file(report, file_format, units_of(actor)), content_type=CONTENT_TYPES[file_format])
    place = "inline" if inline else "attachment"
    response["Content-Disposition"] = f'{place}; filename="{file_name(report, file_format)}"'
    response["Cache-Control"] = "private, no-store"
    audit_record(actor=actor, action="report.downloaded", target=str(report), format=file_format)
    return response


def _pdf(report: Report, edition: Edition, system: UnitSystem) -> bytes:
    """The whole as it was made, because its pictures are of then; an extract is set now, without pictures."""
    if edition.extract_of is None:
        return bytes(report.pdf or b"")
    imprint = Imprint(
        revision=edition.revision,
        data_hash=edition.data_hash,
        generated_at=edition.finished_at or report.created_at,
        extract_of=edition.extract_of,
    )
    return render_pdf(contents_in(edition.contents, system), pictures={}, imprint=imprint)


def format_check(file_format: str) -> None:
    """Raises FormatNotOfferedError."""
    if file_format not in CONTENT_TYPES:
        raise FormatNotOfferedError(
            _("Reports come as %(formats)s, not as “%(asked)s”.")
            % {"formats": ", ".join(CONTENT_TYPES), "asked": file_format[:20]}
        )


def file_name(report: Report, file_format: str) -> str:
    """A name that sorts by period and tells revisions apart."""
    begin, end = (instant.strftime("%Y-%m-%d") for instant in (report.period_from_at, report.period_to_at))
    return f"equipment-health_{begin}_{end}_r{report.revision}.{file_format}"
