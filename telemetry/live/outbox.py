"""What one socket has still to be told: bounded, newest wins, at most ten frames of a machine a second. Pure."""

from collections import deque
from dataclasses import dataclass, field

FRAME_INTERVAL_S = 0.1
# Two seconds of frames: a browser that is further behind is shown the present, not the past.
FRAMES_KEPT = 20
MESSAGES_KEPT = 200


@dataclass(frozen=True, slots=True)
class Due:
    """Encoded batches of one machine, oldest first, and the identity of the message when it is a single one."""

    machine: str
    identity: str
    batches: list[bytes]


@dataclass(slots=True)
class _Machine:
    due_s: float = 0.0
    identity: str = ""
    batches: deque[bytes] = field(default_factory=lambda: deque(maxlen=FRAMES_KEPT))


class Outbox:
    """Texts leave in order and at once; readings by machine, coalesced when they come faster than they may leave."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque(maxlen=MESSAGES_KEPT)
        self._machines: dict[str, _Machine] = {}
        self.dropped = False

    def put_text(self, text: str) -> None:
        """A message to be sent as it is."""
        self.dropped |= len(self._texts) == MESSAGES_KEPT
        self._texts.append(text)

    def put_readings(self, machine: str, *, identity: str, encoded: bytes) -> None:
        """A machine's readings of one tick; identity names the message they came with."""
        waiting = self._machines.setdefault(machine, _Machine())
        self.dropped |= len(waiting.batches) == FRAMES_KEPT
        waiting.identity = "" if waiting.batches else identity
        waiting.batches.append(encoded)

    def forget_readings(self) -> None:
        """The socket watches something else now."""
        self._machines.clear()

    def take_texts(self) -> list[str]:
        """All messages waiting."""
        texts = list(self._texts)
        self._texts.clear()
        return texts

    def take_due(self, now_s: float) -> list[Due]:
        """Readings of machines whose last frame left long enough ago."""
        due = []
        for name, waiting in self._machines.items():
            if waiting.batches and now_s >= waiting.due_s:
                due.append(Due(name, waiting.identity, list(waiting.batches)))
                waiting.batches.clear()
                waiting.due_s = now_s + FRAME_INTERVAL_S
        return due

    def wait_s(self, now_s: float) -> float | None:
        """How long until something may leave; None while nothing waits."""
        if self._texts:
            return 0.0
        waits = [m.due_s - now_s for m in self._machines.values() if m.batches]
        return max(0.0, min(waits)) if waits else None
