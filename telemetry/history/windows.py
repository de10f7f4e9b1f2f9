"""The window of time a request asks for, in the forms the API's times have."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from common import clock
from common.errors import InvalidInputError
from telemetry.ingest.timestamps import TimestampError, timestamp_ms


class WindowInvalidError(InvalidInputError):
    """`from` and `to` name no window."""

    code = "window_invalid"


@dataclass(frozen=True, slots=True)
class Window:
    """Epoch milliseconds, half-open [from_ms, to_ms), never empty."""

    from_ms: int
    to_ms: int


def window_of(params: Mapping[str, str], *, default_s: int) -> Window:
    """`from` and `to` of a query, each RFC 3339 or epoch milliseconds; by default the last `default_s` seconds.

    Raises WindowInvalidError.
    """
    to_ms = _instant(params, "to", default_ms=clock.now_ms())
    from_ms = _instant(params, "from", default_ms=to_ms - default_s * 1000)
    if not 0 <= from_ms < to_ms:
        raise WindowInvalidError(_("“from” must lie before “to”, and neither before 1970."))
    return Window(from_ms, to_ms)


def _instant(params: Mapping[str, str], name: str, *, default_ms: int) -> int:
    text = params.get(name, "").strip()
    # An unescaped “+01:00” arrives as a space.
    text = text.replace(" ", "+") if "T" in text else text
    try:
        return timestamp_ms(int(text) if text.isdecimal() and len(text) < 20 else text or None, default_ms=default_ms)
    except TimestampError as error:
        fault = {"field": name, "code": "window_invalid", "detail": str(error)}
        raise WindowInvalidError(
            _("“%(name)s”: %(fault)s.") % {"name": name, "fault": error}, errors=[fault]
        ) from error
