"""What was refused, and why: the words of the answer, and the columns that quarantine keeps. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from common.errors import DomainError

EXCERPT_CHARACTERS = 2_000
# One body of 10,000 bad readings tells its story in its first groups; the rest is counted in one more.
MAX_GROUPS = 50


@dataclass(frozen=True, slots=True)
class Rejection:
    """One refused value or reading. index: its place in the body's list (or column), 0 for a single reading."""

    index: int
    metric: str
    code: str
    detail: str
    machine: str = ""


class PayloadError(DomainError):
    """The whole body is refused: nothing in it can be read as readings."""

    code: ClassVar[str] = "malformed_payload"


class MalformedJsonError(PayloadError):
    """Not JSON, or not UTF-8."""

    code = "malformed_json"


class TooDeepError(PayloadError):
    """Nested deeper than any reading is."""

    code = "too_deep"


class UnknownShapeError(PayloadError):
    """JSON, and none of the four shapes."""

    code = "unknown_shape"


class TooLargeError(PayloadError):
    """More bytes than one body may have, also after inflation."""

    code = "too_large"
    status = 413


class TooManyReadingsError(PayloadError):
    """More readings than one body may have."""

    code = "too_many_readings"
    status = 413


class Refusal(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Refusals of one cause, as the journal carries them to quarantine; `count` of them, told by the first."""

    source: str
    machine: str
    metric: str
    code: str
    detail: str
    count: int
    payload: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Refusal])


def refusals_encode(refusals: list[Refusal]) -> bytes:
    """What a journal row of refusals keeps."""
    return _encoder.encode(refusals)


def refusals_decode(encoded: bytes) -> list[Refusal]:
    """The inverse of `refusals_encode`. Raises msgspec.DecodeError for anything else."""
    try:
        return _decoder.decode(encoded)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError("a text is not UTF-8") from error


def excerpt(body: bytes) -> str:
    """The beginning of a payload as text that PostgreSQL can hold (it refuses NUL).

    >>> excerpt(b"a\\x00\\xff")
    'a\ufffd\ufffd'
    """
    return body[: EXCERPT_CHARACTERS * 4].decode("utf-8", "replace").replace("\0", "\ufffd")[:EXCERPT_CHARACTERS]


def grouped(rejected: Iterable[Rejection], *, source: str, payload: str = "") -> list[Refusal]:
    """Rejections of one body by cause, at most MAX_GROUPS and one more that counts what is left over.

    >>> [(r.code, r.count) for r in grouped([Rejection(0, "a", "x", ""), Rejection(1, "a", "x", "")], source="http")]
    [('x', 2)]
    """
    first: dict[tuple[str, str, str], Rejection] = {}
    counts: dict[tuple[str, str, str], int] = {}
    others = 0
    for one in rejected:
        key = _cause(one)
        if key in first or len(first) < MAX_GROUPS:
            first.setdefault(key, one)
            counts[key] = counts.get(key, 0) + 1
        else:
            others += 1
    told = [
        Refusal(
            source,
            sayable(machine, 64),
            sayable(metric, 64),
            code,
            sayable(one.detail, 300),
            counts[machine, metric, code],
            payload,
        )
        for (machine, metric, code), one in first.items()
    ]
    if others:
        told.append(Refusal(source, "", "", "more_refused", "More of the same body was refused.", others, payload))
    return told


def _cause(one: Rejection) -> tuple[str, str, str]:
    """A machine, a metric and a code; a plan that is full is one cause, however many names meet it."""
    if one.code in {"machine_limit", "series_limit"}:
        return "", "", one.code
    return one.machine, "" if one.code == "metric_limit" else one.metric, one.code


def sayable(text: str, length: int) -> str:
    """Text as JSON and a column of that length can hold it: lone surrogates and NUL replaced."""
    return text[:length].encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
