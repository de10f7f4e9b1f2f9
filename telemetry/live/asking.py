"""What a process asks of publishers: to be told of machines, and what arrived just before. One question for many."""

import asyncio
import itertools
from collections.abc import Iterable, Mapping

import redis
import structlog

from common import clock
from telemetry.live.valkey import WATCH_TTL_S, Ask, watch_ask, watch_renew

_log = structlog.get_logger(__name__)

# How long a snapshot waits for the seconds before it; without a running ingest there are none.
_ANSWER_WITHIN_S = 0.5
# Browsers that come together ask together.
_TOGETHER_S = 0.002
_RENEW_EVERY_S = WATCH_TTL_S / 4
# Answers of further publishers are told from those to older questions.
_ASKED_KEPT = 100

Ticks = Mapping[str, bytes]


class Asking:
    """One factory's questions. Never raises because Valkey is away: then there is no answer."""

    def __init__(self, factory_slug: str, channel: str) -> None:
        self._slug, self._channel = factory_slug, channel
        self._numbers = itertools.count(1)
        self._next: dict[str, asyncio.Future[list[bytes]]] = {}
        self._asked: dict[int, dict[str, asyncio.Future[list[bytes]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._renewed_s = clock.monotonic_s()

    async def just_before(self, machine: str) -> list[bytes]:
        """Have the machine's readings published from now on; the ticks of its last seconds."""
        answer = self._next.get(machine)
        if answer is None:
            if not self._next:
                task = asyncio.create_task(self._ask())
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            answer = self._next[machine] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(answer)

    def answered(self, number: int, ticks: Ticks) -> Ticks:
        """An answer has come; returned as it is when somebody else has answered already."""
        waiting = self._asked.get(number)
        if waiting is None:
            return {}
        late = {}
        for machine, answer in waiting.items():
            if not answer.done():
                answer.set_result([ticks[machine]] if machine in ticks else [])
            elif machine in ticks:
                late[machine] = ticks[machine]
        return late

    async def renew(self, machines: list[str]) -> None:
        """Keep these machines published; call it often, it does so when it is time."""
        if clock.monotonic_s() - self._renewed_s < _RENEW_EVERY_S:
            return
        self._renewed_s = clock.monotonic_s()
        try:
            await asyncio.to_thread(watch_renew, self._slug, machines, now_s=clock.now().timestamp())
        except (redis.RedisError, OSError) as error:
            _log.warning("live_watch_not_renewed", factory=self._slug, error=str(error))

    async def _ask(self) -> None:
        await asyncio.sleep(_TOGETHER_S)
        waiting, self._next = self._next, {}
        number = next(self._numbers)
        self._asked[number] = waiting
        self._asked.pop(number - _ASKED_KEPT, None)
        try:
            ask = Ask(self._slug, self._channel, number, list(waiting))
            await asyncio.to_thread(watch_ask, ask, now_s=clock.now().timestamp())
            await asyncio.wait(waiting.values(), timeout=_ANSWER_WITHIN_S)
        except (redis.RedisError, OSError) as error:
            _log.warning("live_watch_not_asked", factory=self._slug, error=str(error))
        finally:
            _settle(waiting.values())


def _settle(answers: "Iterable[asyncio.Future[list[bytes]]]") -> None:
    for answer in answers:
        if not answer.done():
            answer.set_result([])
