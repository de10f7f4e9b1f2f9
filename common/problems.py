"""RFC 9457 problem documents: the one shape in which the API refuses."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

CONTENT_TYPE = "application/problem+json"


def problem(
    *, status: int, code: str, detail: str, request_id: str, errors: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The members of a problem document.

    >>> problem(status=404, code="machine_not_found", detail="There is no machine “M9”.", request_id="r1")["title"]
    'Not Found'
    """
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    return {
        "type": f"urn:factorypulse:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "errors": [dict(error) for error in errors],
        "request_id": request_id,
    }
