"""The two forms of a reading's time on the wire, RFC 3339 with offset and epoch milliseconds. Pure."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
# Far outside every window, and still safe to subtract in 64 bits.
_FURTHEST_MS = 1 << 53
# Nine digits of a second's fraction and an offset; and nothing long is remembered.
_LONGEST_TEXT = 64


class TimestampError(ValueError):
    """The value names no instant."""


def timestamp_ms(value: object, *, default_ms: int) -> int:
    """Epoch milliseconds of a `timestamp` member; None is the time of arrival. Raises TimestampError.

    >>> timestamp_ms("2026-11-21T11:00:00.5+01:00", default_ms=0), timestamp_ms(1795255200000, default_ms=0)
    (1795255200500, 1795255200000)
    >>> timestamp_ms(None, default_ms=7)
    7
    """
    if type(value) is int and -_FURTHEST_MS <= value <= _FURTHEST_MS:  # what most devices send
        return value
    if value is None:
        return default_ms
    if isinstance(value, str):
        return _from_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TimestampError("a timestamp is RFC 3339 text or epoch milliseconds")
    if not -_FURTHEST_MS <= value <= _FURTHEST_MS:  # also NaN
        raise TimestampError("this number is no epoch time in milliseconds")
    return round(value)


# A gateway's readings of one moment carry the same text.
@lru_cache(maxsize=1_000)
def _from_text(text: str) -> int:
    if len(text) > _LONGEST_TEXT:
        raise TimestampError("not RFC 3339: write 2026-11-21T10:00:00Z, or with another offset")
    # fromisoformat also reads dates alone, weeks and basic forms, which RFC 3339 has not.
    if len(text) < 20 or text[4] != "-" or text[7] != "-" or text[10] not in "Tt ":
        raise TimestampError("not RFC 3339: write 2026-11-21T10:00:00Z, or with another offset")
    try:
        instant = datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise TimestampError("not RFC 3339: write 2026-11-21T10:00:00Z, or with another offset") from error
    if instant.tzinfo is None:
        raise TimestampError("an offset is missing: end it with Z or +01:00")
    return (instant - _EPOCH) // _MILLISECOND
