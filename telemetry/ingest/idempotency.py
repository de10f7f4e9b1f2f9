"""One answer per Idempotency-Key and factory, kept for a day.

A convenience on top of the real guarantee, a reading's identity: when the cache is away, requests go on without it.
"""

import hashlib
from collections.abc import Callable
from typing import ClassVar

import msgspec
import redis
import structlog

from common.errors import ConflictError, InvalidInputError
from telemetry.live.valkey import valkey

KEEP_S = 24 * 3600
_RUNNING_S = 30
_log = structlog.get_logger(__name__)


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What was answered: HTTP status and body."""

    status: int
    body: bytes


class _Held(msgspec.Struct, array_like=True):
    digest: str
    answer: Answer | None = None


# Not Django's cache, because that one unpickles.
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Held)


class IdempotencyKeyInvalidError(InvalidInputError):
    """Not a sensible key."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReusedError(ConflictError):
    """The key came with another body before: answering with that body's answer would lose this one."""

    code = "idempotency_key_reused"


class IdempotencyKeyRunningError(ConflictError):
    """The first request with this key is still being answered."""

    code: ClassVar[str] = "idempotency_key_running"
    retry_after_s = 1


class Once:
    """One request's claim on its key in one factory."""

    def __init__(self, factory_slug: str, key: str, body: bytes) -> None:
        if not 0 < len(key) <= 255 or not key.isprintable():
            raise IdempotencyKeyInvalidError("An Idempotency-Key is 1 to 255 printable characters.")
        # A slug has no colon, so no key can reach into another factory's.
        self._name = f"ingest-once:{factory_slug}:{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()}"
        self._digest = hashlib.sha256(body).hexdigest()

    def claim(self) -> Answer | None:
        """The answer that was given before; None when this request is the one to answer."""
        try:
            if valkey().set(self._name, _encoder.encode(_Held(self._digest)), nx=True, ex=_RUNNING_S):
                return None
            held = self._held()
        except redis.RedisError as error:
            _log.warning("idempotency_cache_away", error=str(error))
            return None
        if held.digest != self._digest:
            raise IdempotencyKeyReusedError("This Idempotency-Key came with another body; use a new one for each body.")
        if held.answer is None:
            raise IdempotencyKeyRunningError("The first request with this Idempotency-Key is being answered; wait.")
        return held.answer

    def keep(self, answer: Answer) -> None:
        """Give this answer from now on."""
        held = _encoder.encode(_Held(self._digest, answer))
        self._quietly(lambda: valkey().set(self._name, held, ex=KEEP_S))

    def release(self) -> None:
        """The request failed for a reason that passes: let the next one with this key try again."""
        self._quietly(lambda: valkey().delete(self._name))

    def _held(self) -> _Held:
        raw = valkey().get(self._name)
        # Gone between the two calls: whoever claimed it has let go, and the client may ask again.
        return _decoder.decode(raw) if isinstance(raw, bytes) else _Held(self._digest)

    def _quietly(self, act: Callable[[], object]) -> None:
        try:
            act()
        except redis.RedisError as error:
            _log.warning("idempotency_cache_away", error=str(error))
