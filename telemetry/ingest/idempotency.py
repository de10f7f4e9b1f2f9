"""One answer per Idempotency-Key and factory, kept for a day, in whichever process the request arrives.

A convenience on top of the real guarantee, a reading's identity: when Valkey is away, requests go on without it. What
it adds is that a body without timestamps, sent again, keeps the time of its first arrival and so its identity.
"""

import hashlib
import secrets
from typing import Any, ClassVar

import msgspec
import redis
import structlog

from common import clock
from common.errors import ConflictError, InvalidInputError
from telemetry.live.valkey import valkey

KEEP_S = 24 * 3600
# A factory that uses more keys than this in an hour has them kept for a minute: Valkey's memory is everybody's.
_MANY = 50_000
_KEEP_MANY_S = 60
# Longer than any answer takes: after a killed process the next request with the key may go on then.
RUNNING_S = 30
_log = structlog.get_logger(__name__)

_CLAIM = """
local held = redis.call('HMGET', KEYS[1], 'digest', 'until', 'first', 'status', 'body')
local now = tonumber(redis.call('TIME')[1])
if held[1] and held[1] ~= ARGV[1] then return {'other'} end
if held[4] then return {'answered', held[4], held[5]} end
if held[2] and tonumber(held[2]) > now then return {'running'} end
local used = redis.call('INCR', KEYS[2])
if used == 1 then redis.call('EXPIRE', KEYS[2], 3600) end
local first = held[3] or ARGV[3]
redis.call('HSET', KEYS[1], 'digest', ARGV[1], 'token', ARGV[2], 'until', now + ARGV[4], 'first', first)
redis.call('EXPIRE', KEYS[1], used > tonumber(ARGV[6]) and ARGV[7] or ARGV[5])
return {'claimed', first}
"""
# Only who holds the claim may end it: after RUNNING_S it may be somebody else's.
_KEEP = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'status', ARGV[2], 'body', ARGV[3])
return 1
"""
_RELEASE = """
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HDEL', KEYS[1], 'token', 'until')
return 1
"""


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """What was answered: HTTP status and body."""

    status: int
    body: bytes


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
    """One request's claim on its key in one factory.

    received_ms: when the body first arrived under this key, which is the time of readings that have none of their own.
    """

    def __init__(self, factory_slug: str, key: str, body: bytes) -> None:
        if not 0 < len(key) <= 255 or not key.isprintable():
            raise IdempotencyKeyInvalidError("An Idempotency-Key is 1 to 255 printable characters.")
        # A slug has no colon, so no key can reach into another factory's.
        self._name = f"ingest-once:{factory_slug}:{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()}"
        self._counter = f"ingest-once-used:{factory_slug}"
        self._digest = hashlib.sha256(body).hexdigest()
        self._token = secrets.token_hex(8)
        self.received_ms = clock.now_ms()

    def claim(self) -> Answer | None:
        """The answer that was given before; None when this request is the one to answer.

        Raises IdempotencyKeyReusedError, IdempotencyKeyRunningError.
        """
        names = (self._name, self._counter)
        wanted = (self._digest, self._token, self.received_ms, RUNNING_S, KEEP_S, _MANY, _KEEP_MANY_S)
        try:
            found: Any = valkey().eval(_CLAIM, 2, *names, *map(str, wanted))
        except redis.RedisError as error:
            _log.warning("idempotency_cache_away", error=str(error))
            return None
        match found:
            case [b"answered", status, body]:
                return Answer(int(status), body)
            case [b"other"]:
                detail = "This Idempotency-Key came with another body; use a new one for each body."
                raise IdempotencyKeyReusedError(detail)
            case [b"running"]:
                raise IdempotencyKeyRunningError("The first request with this Idempotency-Key is being answered; wait.")
            case [_, first]:
                self.received_ms = int(first)
        return None

    def keep(self, answer: Answer) -> None:
        """Give this answer from now on."""
        self._end(_KEEP, str(answer.status), answer.body)

    def release(self) -> None:
        """The request failed for a reason that passes: let the next one with this key and body try again."""
        self._end(_RELEASE)

    def _end(self, script: str, *arguments: str | bytes) -> None:
        try:
            valkey().eval(script, 1, self._name, self._token, *arguments)
        except redis.RedisError as error:
            _log.warning("idempotency_cache_away", error=str(error))
