"""JSON bodies of the API, read by the parser that every path of the product uses."""

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_BYTES = 1024 * 1024

_decoder = msgspec.json.Decoder()


class BodyTooLargeError(APIException):
    """More than any request of the API needs."""

    status_code = 413
    default_code = "too_large"


class JsonParser(BaseParser):
    """DRF's own raises RecursionError for deep nesting, and accepts what other parsers read differently."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """The decoded body. Raises ParseError, BodyTooLargeError."""
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise BodyTooLargeError(_("The body is larger than 1 MiB."))
        try:
            return _decoder.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ParseError(_("The body is not valid JSON: %(error)s") % {"error": error}) from error
