"""A request's body, read and inflated within one bound. Pure but for the stream it reads."""

import zlib
from typing import ClassVar, Protocol

import zstandard

from telemetry.ingest.payloads import MAX_BYTES
from telemetry.ingest.refusals import PayloadError, TooLargeError

_ZSTD_WINDOW_BYTES = 8 * 1024 * 1024
_JSON_TYPES = frozenset({"", "application/json", "text/json"})


class UnsupportedMediaError(PayloadError):
    """A content type or encoding that is not read here."""

    code: ClassVar[str] = "unsupported_media_type"
    status: ClassVar[int] = 415


class MalformedEncodingError(PayloadError):
    """The bytes are not what Content-Encoding says."""

    code = "malformed_encoding"


class Readable(Protocol):
    """What a request's stream can do."""

    def read(self, size: int, /) -> bytes: ...


def media_check(content_type: str) -> None:
    """Refuse what isn't JSON. Raises UnsupportedMediaError.

    >>> media_check("application/json; charset=utf-8")
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaError(f"Send JSON as application/json, not “{kind[:80]}”.")


def body_read(stream: Readable, *, length: int, encoding: str) -> bytes:
    """The inflated body. length: what Content-Length says, 0 where it says nothing.

    Raises TooLargeError before more than the bound is read or inflated, UnsupportedMediaError, MalformedEncodingError.
    """
    if length > MAX_BYTES:
        raise _too_large()
    encoding = encoding.strip().lower() or "identity"
    if encoding not in {"identity", "gzip", "x-gzip", "zstd"}:
        raise UnsupportedMediaError(f"Content-Encoding may be gzip or zstd, not “{encoding[:40]}”.")
    body = stream.read(MAX_BYTES + 1)
    if encoding != "identity":
        body = _inflate_zstd(body) if encoding == "zstd" else _inflate_gzip(body)
    if len(body) > MAX_BYTES:
        raise _too_large()
    return body


def _inflate_gzip(body: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise MalformedEncodingError("The body is not gzip.") from error
    if len(inflated) <= MAX_BYTES and not inflater.eof:
        raise MalformedEncodingError("The gzip body is cut off.")
    return inflated


def _inflate_zstd(body: bytes) -> bytes:
    inflater = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    try:
        return inflater.stream_reader(body).read(MAX_BYTES + 1)
    except zstandard.ZstdError as error:
        raise MalformedEncodingError("The body is not zstd.") from error


def _too_large() -> TooLargeError:
    return TooLargeError(f"One body may have {MAX_BYTES:,} bytes, also after inflation.")
