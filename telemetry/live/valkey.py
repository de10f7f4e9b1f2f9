"""The live path's connection to Valkey: channel messages without an event loop, and who watches what.

Nothing kept here is authoritative: whoever watches says so again within seconds, whatever was lost.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import redis
from channels.layers import get_channel_layer
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

# A watched machine stays so for this long; sockets renew it well before.
WATCH_TTL_S = 12
_ASKED = "factorypulse:live:asked"
_ASKED_KEPT = 2_000
# How RedisPubSubChannelLayer names a group's channel, with its default prefix.
_GROUP_PREFIX = "asgi__group__"


@cache
def valkey() -> redis.Redis:
    """This process's connections; thread-safe. Short time-outs: live data waits for nobody."""
    # One retry mends a connection that was closed while idle; the default's many would hold up the caller.
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 1)
    )


@dataclass(frozen=True, slots=True)
class Ask:
    """A process whose browsers begin to watch, and want what arrived just before."""

    factory_slug: str
    channel: str
    number: int
    machines: list[str]


def group_publish(pipe: redis.Redis, group: str, message: Mapping[str, Any]) -> None:
    """`group_send` without an event loop: async_to_sync would open a connection per call.

    In a pipeline, its result is how many processes heard it.
    """
    pipe.publish(f"{_GROUP_PREFIX}{group}", get_channel_layer().serialize(message))


def channel_publish(pipe: redis.Redis, channel: str, message: Mapping[str, Any]) -> None:
    """`send` to one process, without an event loop."""
    pipe.publish(channel, get_channel_layer().serialize(message))


def watch_renew(factory_slug: str, machines: Iterable[str], *, now_s: float) -> None:
    """Say that somebody watches these machines for the next WATCH_TTL_S seconds."""
    until = dict.fromkeys(machines, now_s + WATCH_TTL_S)
    if until:
        pipe = valkey().pipeline(transaction=False)
        pipe.zadd(_watched(factory_slug), until)
        pipe.zremrangebyscore(_watched(factory_slug), "-inf", now_s)
        pipe.expire(_watched(factory_slug), 2 * WATCH_TTL_S)
        pipe.execute()


def watch_ask(ask: Ask, *, now_s: float) -> None:
    """Begin to watch: renews, and asks every publisher for what arrived just before."""
    watch_renew(ask.factory_slug, ask.machines, now_s=now_s)
    fields = {
        "factory": ask.factory_slug,
        "channel": ask.channel,
        "number": str(ask.number),
        "machines": json.dumps(ask.machines),
    }
    valkey().xadd(_ASKED, fields, maxlen=_ASKED_KEPT)  # type: ignore[arg-type]  # redis-py's invariant dict


def asks_read(after: str) -> tuple[str, list[Ask]]:
    """What was asked after a position, and the position reached; an empty position is now."""
    if not after:
        seconds, microseconds = valkey().time()
        return f"{seconds}{microseconds // 1000:03d}-0", []
    answer: Any = valkey().xread({_ASKED: after}, count=_ASKED_KEPT)
    entries = answer[0][1] if answer else []
    return (entries[-1][0].decode() if entries else after), [_ask_of(fields) for _, fields in entries]


def watched_read(factory_slugs: list[str], *, now_s: float) -> dict[str, dict[str, float]]:
    """Which machines somebody watches and until when (epoch seconds), by factory."""
    pipe = valkey().pipeline(transaction=False)
    for slug in factory_slugs:
        pipe.zrangebyscore(_watched(slug), now_s, "+inf", withscores=True)
    answers: list[list[tuple[bytes, float]]] = pipe.execute()
    return {
        slug: {key.decode(): until_s for key, until_s in answer}
        for slug, answer in zip(factory_slugs, answers, strict=True)
    }


def _watched(factory_slug: str) -> str:
    return f"factorypulse:live:watched:{factory_slug}"


def _ask_of(fields: Mapping[bytes, bytes]) -> Ask:
    return Ask(
        factory_slug=fields[b"factory"].decode(),
        channel=fields[b"channel"].decode(),
        number=int(fields[b"number"]),
        machines=json.loads(fields[b"machines"]),
    )
