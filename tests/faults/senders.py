"""Devices with a ledger: they number their readings, write down what was acknowledged, and send the rest again."""

import contextlib
import json
import socket
import threading
import time
from collections import deque

from benchmarks.ledger import Ledger
from tests.telemetry.ingest import mqtt_client

_TAKEN_ON = b"\x20\x02\x00\x00"


class Sender(threading.Thread):
    """Sends the numbers of a stream in order, `block` readings a message, until told to finish."""

    def __init__(self, stream, ledger_path, *, block=1, pause_s=0.0):
        super().__init__(daemon=True)
        self.stream, self.block, self.pause_s = stream, block, pause_s
        self.ledger = Ledger(ledger_path)
        self.ledger_path = ledger_path
        self.acknowledged = 0
        self.sent = 0
        self.first_ack_s = None
        self.error = None
        self._stopping = threading.Event()
        self._give_up = threading.Event()

    def run(self):
        try:
            self.send_all()
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ledger.close()

    def send_all(self):
        raise NotImplementedError

    def note(self, first):
        """A block was acknowledged."""
        self.ledger.acknowledged(first, self.block)
        self.acknowledged += self.block
        if self.first_ack_s is None:
            self.first_ack_s = time.monotonic()

    def wait_for_more(self, count, *, within_s=60.0):
        """Until so many more readings are acknowledged."""
        goal, deadline = self.acknowledged + count, time.monotonic() + within_s
        while self.acknowledged < goal:
            assert self.error is None, self.error
            assert time.monotonic() < deadline, "acknowledgements stopped"
            time.sleep(0.005)

    def stop_sending(self):
        """Send nothing new."""
        self._stopping.set()

    def finish(self, *, within_s=60.0):
        """Send nothing new, wait for what is under way; the ledger is complete afterwards."""
        self.stop_sending()
        self.join(within_s)
        self._give_up.set()
        self.join(10)
        assert not self.is_alive(), "the sender did not end"
        assert self.error is None, self.error

    def body(self, first):
        """The block that begins with a number, machine included."""
        start, step = self.stream.start_ms, self.stream.step_ms
        numbers = range(first, first + self.block)
        times = [start + number * step for number in numbers]
        return json.dumps(
            {"machine": self.stream.machine, "timestamps": times, "metrics": {self.stream.metric: list(numbers)}}
        ).encode()


class MqttSender(Sender):
    """QoS 1 over a plain socket, `window` messages under way; after a break it sends again what has no PUBACK."""

    def __init__(self, port, factory, key, stream, ledger_path, *, window=20, client_id="ledger", **options):
        super().__init__(stream, ledger_path, **options)
        self.port, self.factory, self.key, self.window, self.client_id = port, factory, key, window, client_id
        self.breaks = 0
        self._under_way = deque()

    def send_all(self):
        while not self._done():
            try:
                self._session()
            except OSError:
                self.breaks += 1
                self._give_up.wait(0.02)

    def _done(self):
        return self._give_up.is_set() or (self._stopping.is_set() and not self._under_way)

    def _session(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as line:
            hello = {"user": self.factory, "password": self.key, "client_id": self.client_id}
            line.sendall(mqtt_client.connect(**hello, clean=False))
            if _exactly(line, 4)[3]:
                self._give_up.wait(0.2)
                raise ConnectionRefusedError
            # Numbered anew in each session: PUBACKs come in order, so ids need only differ within the window.
            waiting = deque(enumerate(self._under_way, 1))
            for packet_id, first in waiting:
                line.sendall(self._publish(first, packet_id))
            self._talk(line, waiting, len(waiting))
            line.sendall(mqtt_client.DISCONNECT)

    def _talk(self, line, waiting, packet_id):
        heard = b""
        line.settimeout(0.5)
        while not self._done():
            while len(waiting) < self.window and not self._stopping.is_set():
                packet_id = packet_id % 65_535 + 1
                waiting.append((packet_id, self.sent))
                self._under_way.append(self.sent)
                self.sent += self.block
                line.sendall(self._publish(waiting[-1][1], packet_id))
                if self.pause_s:
                    break
            heard += self._hear(line)
            while len(heard) >= 4:
                assert heard[0] == 0x40, heard[:4]
                acknowledged, heard = int.from_bytes(heard[2:4], "big"), heard[4:]
                self._settle(waiting, acknowledged)
            if self.pause_s:
                time.sleep(self.pause_s)

    def _hear(self, line):
        with contextlib.suppress(TimeoutError):
            data = line.recv(65_536)
            if not data:
                raise ConnectionResetError
            return data
        return b""

    def _settle(self, waiting, acknowledged):
        for at, (packet_id, first) in enumerate(waiting):
            if packet_id == acknowledged:
                self.note(first)
                del waiting[at], self._under_way[at]
                return
        raise AssertionError(f"a PUBACK for {acknowledged}, which is not under way")

    def _publish(self, first, packet_id):
        topic = f"factories/{self.factory}/devices/{self.stream.machine}/telemetry"
        return mqtt_client.publish(topic, self.body(first), packet_id=packet_id)


def _exactly(line, size):
    data = b""
    while len(data) < size:
        more = line.recv(size - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data


class HttpSender(Sender):
    """One block after the other through a function that posts a body and returns the status; sends again until 201."""

    def __init__(self, post, stream, ledger_path, **options):
        super().__init__(stream, ledger_path, **options)
        self.post = post
        self.statuses = {}

    def send_all(self):
        while not (self._stopping.is_set() or self._give_up.is_set()):
            status = self.post(self.body(self.sent))
            self.statuses[status] = self.statuses.get(status, 0) + 1
            if status == 201:
                self.note(self.sent)
                self.sent += self.block
            else:
                self._give_up.wait(0.02)
            if self.pause_s:
                time.sleep(self.pause_s)
