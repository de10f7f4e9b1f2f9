"""A small in-process cache whose entries go stale, and can still be had when the source is away."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from common import clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Held(Generic[V]):
    """A cached value and when it was learnt, on the monotonic clock."""

    value: V
    at_s: float


class ExpiringMap(Generic[K, V]):
    """At most `size` entries, oldest dropped first; fresh for `fresh_s` seconds. Safe from any thread.

    >>> names = ExpiringMap[str, int](size=2, fresh_s=60)
    >>> names.put("a", 1); names.put("b", 2); names.put("c", 3)
    >>> names.fresh("a"), names.fresh("c").value
    (None, 3)
    """

    def __init__(self, *, size: int, fresh_s: float) -> None:
        self._size = size
        self._fresh_s = fresh_s
        self._entries: OrderedDict[K, Held[V]] = OrderedDict()
        self._lock = threading.Lock()

    def fresh(self, key: K) -> Held[V] | None:
        """The entry, if it was learnt within the last `fresh_s` seconds."""
        held = self._entries.get(key)
        return held if held and clock.monotonic_s() - held.at_s < self._fresh_s else None

    def stale(self, key: K, *, within_s: float) -> Held[V] | None:
        """The entry however old up to `within_s`, for when its source can't be asked."""
        held = self._entries.get(key)
        return held if held and clock.monotonic_s() - held.at_s < within_s else None

    def put(self, key: K, value: V) -> None:
        """Learn a value now."""
        with self._lock:
            self._entries[key] = Held(value, clock.monotonic_s())
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def forget(self, key: K) -> None:
        """Drop one entry."""
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self._entries.clear()
