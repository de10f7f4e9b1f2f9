"""The report for programs: its contents as they were hashed, with what names this revision beside them."""

import json

from common.times import rfc3339
from reports.extracts import Edition


def render_json(edition: Edition) -> bytes:
    """The finished report as UTF-8 JSON."""
    document = {
        "report": edition.report,
        "revision": edition.revision,
        "generated_at": None if edition.finished_at is None else rfc3339(edition.finished_at),
        "data_hash": f"sha256:{edition.data_hash}",
        "contents": edition.contents,
    }
    if edition.extract_of is not None:
        document["extract_of"] = f"sha256:{edition.extract_of}"
    return json.dumps(document, ensure_ascii=False, indent=2).encode()
