"""The report for programs: its contents as they were hashed, with what names this revision beside them."""

import json

from common.times import rfc3339
from reports.models import Report


def render_json(report: Report) -> bytes:
    """The finished report as UTF-8 JSON."""
    document = {
        "report": report.pk,
        "revision": report.revision,
        "generated_at": None if report.finished_at is None else rfc3339(report.finished_at),
        "data_hash": f"sha256:{report.data_hash}",
        "contents": report.contents,
    }
    return json.dumps(document, ensure_ascii=False, indent=2).encode()
