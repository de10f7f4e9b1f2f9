"""A report's extract: what it says of some machines alone, for whoever sees a part of the plant.

The report itself is written once and stays as it was hashed. An extract is cut from it when somebody asks: sums and
ranks are those of its machines, nothing of the others is left, and its hash is its own.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from accounts.reach import reach_current
from reports.contents import Document, contents_hash, contents_within
from reports.models import Report
from telemetry.reach import machine_keys_within


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """What one reader gets of a finished report. extract_of: the whole report's hash, None when it is the whole."""

    report: int
    revision: int
    finished_at: datetime | None
    contents: Document
    data_hash: str
    extract_of: str | None = None


def edition_for_asker(report: Report) -> Edition:
    """The whole of a finished report, or the extract that whoever asks now may see."""
    reach = reach_current()
    return _whole(report) if reach is None else _extract(report, machine_keys_within(reach))


def _whole(report: Report) -> Edition:
    return Edition(
        report=report.pk,
        revision=report.revision,
        finished_at=report.finished_at,
        contents=report.contents,
        data_hash=report.data_hash,
    )


def _extract(report: Report, machines: Collection[str]) -> Edition:
    contents = contents_within(report.contents, machines)
    return Edition(
        report=report.pk,
        revision=report.revision,
        finished_at=report.finished_at,
        contents=contents,
        data_hash=contents_hash(contents),
        extract_of=report.data_hash,
    )
