"""The devices: an open-loop sender over raw sockets, in a process of its own.

Messages leave when they are due, not when earlier ones were acknowledged; every time is measured from when a message
was due. Times are taken once a millisecond at most, which is what the figures are good to.
"""

import math
import select
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from benchmarks.journey.load import Float64Array, Int64Array, Load
from benchmarks.journey.messages import Messages
from benchmarks.journey.mqtt_link import MqttAddress, link_open
from benchmarks.ledger import Ledger

_TICK_S = 0.001
_SYNC_EVERY_S = 1.0
# How long acknowledgements may stay away after the last message was due.
_GRACE_S = 15.0
_PACKET_IDS = 65_535


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a load. Latencies are milliseconds from when a message was due to its acknowledgement."""

    messages: int
    acknowledged: int
    ack_p50_ms: float
    ack_p99_ms: float
    ack_max_ms: float
    late_p99_ms: float  # how far the sender itself was behind its schedule
    cpu_s: float
    errors: tuple[str, ...]


class _Scribe:
    """Keeps the ledger in a thread of its own: a sync in between would be measured as the product's."""

    def __init__(self, path: Path) -> None:
        self._ledger = Ledger(path, sync_every_s=_SYNC_EVERY_S)
        self._noted: deque[tuple[int, int]] = deque()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="ledger", daemon=True)

    def acknowledged(self, first: int, count: int) -> None:
        """The numbers [first, first + count) were acknowledged."""
        self._noted.append((first, count))

    def __enter__(self) -> "_Scribe":
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.set()
        self._thread.join()
        self._ledger.close()

    def _write_on(self) -> None:
        while not self._ending.wait(_SYNC_EVERY_S):
            self._write()
        self._write()

    def _write(self) -> None:
        for _ in range(len(self._noted)):
            self._ledger.acknowledged(*self._noted.popleft())
        self._ledger.sync()


class _Gateway:
    """One connection and its share of the load."""

    def __init__(self, load: Load, number: int, address: MqttAddress) -> None:
        self.number = number
        self.messages = Messages(load, number, address.factory)
        self.socket = link_open(address, f"bench-{number}")
        self.socket.setblocking(False)
        self.count = self.messages.count
        self.sent_at = np.zeros(self.count)
        self.acked_at = np.zeros(self.count)
        self.sent_bytes, self.acked, self._oldest = 0, 0, 0
        self.error = ""
        self.next_due_s = 0.0
        self._rest = b""

    def schedule(self, load: Load) -> None:
        self.messages.fill_times(load)
        self._bytes = self.messages.rows.data.cast("B")
        self.due_s = load.start_ms / 1000 + load.due_ms(self.number, np.arange(self.count)) / 1000
        self.next_due_s = float(self.due_s[0])

    @property
    def done(self) -> bool:
        return bool(self.error) or self.acked == self.count

    def send_due(self, now_s: float) -> None:
        """Send what is due; what a full socket keeps back is tried again at the next call."""
        due = int(np.searchsorted(self.due_s, now_s, side="right"))
        before = self.sent_bytes // self.messages.length
        try:
            self.sent_bytes += self.socket.send(self._bytes[self.sent_bytes : due * self.messages.length])
        except BlockingIOError:
            return
        except OSError as error:
            self.error, self.next_due_s = str(error), math.inf
            return
        now = self.sent_bytes // self.messages.length
        self.sent_at[before:now] = now_s
        self.next_due_s = float(self.due_s[now]) if now < self.count else math.inf

    def receive(self, now_s: float, scribe: _Scribe) -> None:
        try:
            data = self.socket.recv(262_144)
        except BlockingIOError:
            return
        except OSError as error:
            self.error = str(error)
            return
        if not data:
            self.error = "the broker closed the connection"
            return
        data = self._rest + data
        whole = len(data) - len(data) % 4
        self._rest = data[whole:]
        packets = np.frombuffer(data[:whole], ">u4").astype(np.int64)
        if (packets >> 16 != 0x4002).any():
            self.error = "the broker sent something else than PUBACK"
            return
        self._acknowledge((packets & 0xFFFF) - 1, now_s, scribe)

    def _acknowledge(self, identifiers: Int64Array, now_s: float, scribe: _Scribe) -> None:
        # Identifiers come round again: the nearest message after the oldest that is still open is meant.
        rows = self._oldest + (identifiers - self._oldest) % _PACKET_IDS
        self.acked_at[rows] = now_s
        self.acked += len(rows)
        first_number = self.number * self.count
        for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
            scribe.acknowledged(first_number + int(run[0]), len(run))
        while self._oldest < self.count and self.acked_at[self._oldest]:
            open_ones = np.flatnonzero(self.acked_at[self._oldest : self._oldest + 4096] == 0)
            self._oldest += int(open_ones[0]) if len(open_ones) else 4096
        self._oldest = min(self._oldest, self.count)


def send(load: Load, address: MqttAddress, ledger_path: Path, parent: Connection) -> None:
    """Prepare, tell the parent when the first message is due, send everything, and tell what became of it."""
    gateways = [_Gateway(load, number, address) for number in range(load.connections)]
    begin_s = time.time() + 0.5 + load.messages * load.shape.block / 1_000_000
    load = replace(load, start_ms=float(int(begin_s * 1000)))
    for gateway in gateways:
        gateway.schedule(load)
    parent.send(load)
    with _Scribe(ledger_path) as scribe:
        cpu_s = _run(gateways, scribe)
    parent.send(_told(gateways, cpu_s))
    for gateway in gateways:
        gateway.socket.close()


def _run(gateways: list[_Gateway], scribe: _Scribe) -> float:
    """Until all is acknowledged or the time is over; answers our CPU seconds."""
    first_s, last_s = (f(g.due_s[end] for g in gateways) for f, end in ((min, 0), (max, -1)))
    time.sleep(max(0.0, first_s - time.time()))
    cpu_s = time.process_time()
    sockets: dict[socket.socket, _Gateway] = {gateway.socket: gateway for gateway in gateways}
    while not all(gateway.done for gateway in gateways):
        began_s = time.time()
        if began_s > last_s + _GRACE_S:
            break
        for gateway in gateways:
            if gateway.next_due_s <= began_s:
                gateway.send_due(began_s)
        readable, _, _ = select.select([s for s, g in sockets.items() if not g.done], (), (), _wait_s(gateways))
        now_s = time.time()
        for ready in readable:
            sockets[ready].receive(now_s, scribe)
        time.sleep(max(0.0, began_s + _TICK_S - time.time()))
    return time.process_time() - cpu_s


def _wait_s(gateways: list[_Gateway]) -> float:
    """Until the next message is due."""
    return min(0.05, max(0.0, min(gateway.next_due_s for gateway in gateways) - time.time()))


def _told(gateways: list[_Gateway], cpu_s: float) -> Sent:
    latencies = np.concatenate([(g.acked_at - g.due_s)[g.acked_at > 0] for g in gateways]) * 1000
    late = np.concatenate([(g.sent_at - g.due_s)[g.sent_at > 0] for g in gateways]) * 1000
    return Sent(
        messages=sum(int((g.sent_at > 0).sum()) for g in gateways),
        acknowledged=sum(int((g.acked_at > 0).sum()) for g in gateways),
        ack_p50_ms=percentile(latencies, 50),
        ack_p99_ms=percentile(latencies, 99),
        ack_max_ms=percentile(latencies, 100),
        late_p99_ms=percentile(late, 99),
        cpu_s=cpu_s,
        errors=tuple(sorted({g.error for g in gateways if g.error})),
    )


def percentile(values: Float64Array, share: float) -> float:
    """The percentile; NaN of nothing."""
    return float(np.percentile(values, share)) if len(values) else float("nan")
