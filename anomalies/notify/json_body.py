"""A page's JSON body, as scripts of our own send it."""

import json
from typing import Any

from django.http import HttpRequest

from common.errors import InvalidInputError

_AT_MOST = 8_192


class BodyInvalidError(InvalidInputError):
    """Not a JSON object, or too large."""

    code = "body_invalid"


def json_body(request: HttpRequest) -> dict[str, Any]:
    """The object that was sent. Raises BodyInvalidError."""
    if len(request.body) > _AT_MOST:
        raise BodyInvalidError("The body is too large.")
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise BodyInvalidError("Send a JSON object.") from error
    if not isinstance(found, dict):
        raise BodyInvalidError("Send a JSON object.")
    return found
