"""What a publisher knows of who watches what, and when each machine's next frame may leave."""

from collections.abc import Collection, Iterable, Sequence

from common import clock
from telemetry.live.valkey import WATCH_TTL_S, Ask, watched_read

# A machine's readings leave at most this often; the first after a quiet moment leaves with the next tick.
FRAME_INTERVAL_S = 0.1
# So much early is on time, while the average stays: else a device that sends ten times a second, and was late once,
# would be shown late for ever.
_EARLY_S = FRAME_INTERVAL_S
_FRESH_S = 1.0
_PACES_KEPT = 10_000


class Watched:
    """Machines that somebody watches, by factory; asks Valkey at most once a second each.

    Once known, a watch lasts as long as it was asked for, even when Valkey forgets it: a flushed Valkey makes no gap.
    """

    def __init__(self) -> None:
        self._read_s: dict[str, float] = {}
        self._until_s: dict[str, dict[str, float]] = {}

    def of(self, factory_slugs: Iterable[str], *, now_s: float) -> dict[str, Collection[str]]:
        """The watched machines of each factory. now_s: monotonic. Raises redis.RedisError."""
        slugs = list(factory_slugs)
        stale = [slug for slug in slugs if now_s - self._read_s.get(slug, -1e9) > _FRESH_S]
        if stale:
            epoch_s = clock.now().timestamp()
            for slug, found in watched_read(stale, now_s=epoch_s).items():
                known = {key: until_s for key, until_s in self._until_s.get(slug, {}).items() if until_s > epoch_s}
                self._until_s[slug] = known | found
                self._read_s[slug] = now_s
        return {slug: self._until_s[slug].keys() for slug in slugs}

    def asked(self, ask: Ask) -> None:
        """Somebody begins to watch."""
        until_s = clock.now().timestamp() + WATCH_TTL_S
        self._until_s.setdefault(ask.factory_slug, {}).update(dict.fromkeys(ask.machines, until_s))

    def forget(self) -> None:
        """Ask again before anything is sent."""
        self._read_s.clear()


class Paces:
    """When each machine's next frame may leave: ten a second, and at once after a quiet moment."""

    def __init__(self) -> None:
        self._due_s: dict[tuple[str, str], float] = {}

    def take(self, factory_slug: str, machine: str, *, now_s: float, arrived_s: Sequence[float]) -> bool:
        """Whether a frame may leave now; if so, it counts. arrived_s: when its parts arrived, oldest first."""
        due_s = self._due_s.get((factory_slug, machine), 0.0)
        if now_s < due_s - _EARLY_S:
            return False
        if len(arrived_s) == 1 and 0 < now_s - arrived_s[0] < FRAME_INTERVAL_S:
            # It had to wait, and a device that sends ten times a second is about to send the next: both leave together,
            # and those that follow need not wait. Else each of them would, for ever.
            return False
        self._due_s[factory_slug, machine] = max(now_s, due_s) + FRAME_INTERVAL_S
        if len(self._due_s) > _PACES_KEPT:
            self._due_s = {key: at_s for key, at_s in self._due_s.items() if at_s > now_s}
        return True
