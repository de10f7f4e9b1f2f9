"""What InfluxDB's answers to a write mean for the readings in it, over all its versions."""

from enum import Enum, auto


class ReadingsRefusedError(ValueError):
    """The server has what it could take of these readings and will never take the rest.

    A ValueError, as any store's refusal for good: the drain halves the rows until the bad ones stand alone.
    """


class WriteVerdict(Enum):
    """What a writer does next."""

    STORED = auto()
    DATABASE_MISSING = auto()
    REFUSED = auto()
    TOO_LARGE = auto()
    NOT_NOW = auto()
    AWAY = auto()


_NO_DATABASE, _TOO_LARGE, _TOO_MANY = 404, 413, 429
_OK, _MULTIPLE_CHOICES = 200, 300
_SERVER_ERRORS = 500
_BAD_REQUEST, _UNPROCESSABLE = 400, 422
# Written into the past beyond what the server keeps: no loss that we could prevent.
_BEYOND_RETENTION = "beyond retention policy"
# Of 1.x as text in a 400, of 2.x in a 422, of 3.x in a 400 that names the lines.
_FOR_GOOD = ("field type conflict", "unable to parse", "partial write of line protocol", "invalid column type")
# A full server takes what it has today when somebody makes room, or raises the limit.
_LIMITS = ("limit exceeded", "max-series-per-database", "max-values-per-tag")


def write_verdict(status: int, body: str) -> WriteVerdict:
    """The meaning of one answer to a write.

    >>> write_verdict(400, '{"error":"partial write: field type conflict: input field ..."}').name
    'REFUSED'
    >>> write_verdict(401, "").name
    'AWAY'
    """
    if _OK <= status < _MULTIPLE_CHOICES:
        return WriteVerdict.STORED
    if status in {_BAD_REQUEST, _UNPROCESSABLE}:
        return _of_objection(body)
    known = {
        _NO_DATABASE: WriteVerdict.DATABASE_MISSING,
        _TOO_LARGE: WriteVerdict.TOO_LARGE,
        _TOO_MANY: WriteVerdict.NOT_NOW,
    }
    return known.get(status, WriteVerdict.NOT_NOW if status >= _SERVER_ERRORS else WriteVerdict.AWAY)


def _of_objection(body: str) -> WriteVerdict:
    if any(words in body for words in _LIMITS):
        return WriteVerdict.AWAY
    if any(words in body for words in _FOR_GOOD):
        return WriteVerdict.REFUSED
    if _BEYOND_RETENTION in body:
        return WriteVerdict.STORED
    # Words that no version known to us uses: kept back rather than buried.
    return WriteVerdict.AWAY
