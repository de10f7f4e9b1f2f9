"""One connection to a broker, by paho-mqtt: subscribe, take messages, acknowledge when told to.

paho's own loop selects with select(2), which fails in a process with more than a thousand sockets, as ours may have;
so its parts are driven from here by poll(2), all in the caller's thread.
"""

import contextlib
import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from common import clock
from telemetry.ingest.admission import OLDEST_MS
from telemetry.ingest.broker_address import BrokerAddress
from telemetry.ingest.topics import DROPPED, SUBSCRIPTION, topic_parse

V311, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5

RECEIVE_MAXIMUM = 1_000
_UNSTORED_BYTES = 4 * 1024 * 1024
# Larger than a body may be, so that the factory is told what it did wrong; what is larger yet, the broker keeps back.
_MAX_PACKET_BYTES = 16 * 1024 * 1024
# What waits at the broker for longer would be refused for its age anyway.
_SESSION_EXPIRY_S = OLDEST_MS // 1000
_READY_WITHIN_S = 15.0
_CLOSE_WITHIN_S = 2.0
_KEEP_ALIVE_S = 60
# Also while nothing more is wanted, for the broker's answers to our pings stand in the same line.
_LISTEN_EVERY_S = 15.0


@dataclass(slots=True, eq=False)
class BrokerMessage:
    """What came: factory and machine of its topic, empty where it had none. packet_id is 0 with QoS 0."""

    factory: str
    machine: str
    payload: bytes
    packet_id: int
    stored: bool = False

    @property
    def source(self) -> str:
        """As quarantine tells it."""
        return "MQTT broker"

    @property
    def machines(self) -> frozenset[str]:
        """All: the broker itself says who may publish what."""
        return frozenset()


class BrokerConnection:
    """From CONNECT to the end. Its packet ids mean nothing to the next one, so neither do its messages.

    ready: the broker has granted the subscription. ended: with `reason`, and nothing more will come.
    answered and version_refused tell whether the broker speaks this version. dropped: its count of messages dropped,
    where it tells; strained: whether it had to queue for us.
    """

    def __init__(
        self, address: BrokerAddress, *, client_id: str, version: MQTTProtocolVersion, ask_dropped: bool = True
    ) -> None:
        self.ready = self.ended = self.answered = self.version_refused = False
        self.session_present = self.strained = False
        self.dropped: int | None = None
        self.dropped_answered = not ask_dropped
        self._subscription_mid: int | None = None
        self.reason = ""
        self._address = address
        self._version = version
        self._client = self._client_make(client_id)
        self._poll = select.poll()
        self._fresh: list[BrokerMessage] = []
        self._unacknowledged: deque[BrokerMessage] = deque()
        self._unstored_bytes = 0
        self._began_s = self._heard_s = clock.monotonic_s()

    def open(self) -> None:
        """Say CONNECT; the answer comes in a `turn`. Raises OSError."""
        if self._version == V5:
            expiry = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            expiry.SessionExpiryInterval = _SESSION_EXPIRY_S
            expiry.ReceiveMaximum = RECEIVE_MAXIMUM
            expiry.MaximumPacketSize = _MAX_PACKET_BYTES
            self._client.connect(
                self._address.host, self._address.port, _KEEP_ALIVE_S, clean_start=False, properties=expiry
            )
        else:
            self._client.connect(self._address.host, self._address.port, _KEEP_ALIVE_S)

    def turn(self, timeout_s: float) -> list[BrokerMessage]:
        """Read, write and ping; returns messages as they come, or none after the timeout."""
        self._fresh = []
        for _ in range(RECEIVE_MAXIMUM):
            if self.ended or not self._once(0.0 if self._fresh else timeout_s):
                break
        if not self.ended:
            self._check(self._client.loop_misc())
        if not self.ready and clock.monotonic_s() - self._began_s > _READY_WITHIN_S:
            self._end("the broker does not answer")
        return self._fresh

    def acknowledge(self, messages: Iterable[BrokerMessage]) -> None:
        """These are on disk. PUBACKs go out in the order of the messages' arrival [MQTT-4.6.0-2]."""
        for message in messages:
            message.stored = True
            self._unstored_bytes -= len(message.payload)
            message.payload = b""
        while self._unacknowledged and self._unacknowledged[0].stored:
            packet_id = self._unacknowledged.popleft().packet_id
            if packet_id and not self.ended:
                self._client.ack(packet_id, 1)

    def close(self) -> None:
        """Send what is left, say good-bye; the session stays with the broker."""
        self.ended = True
        held = self._client.socket()
        if held is None or held.fileno() < 0:
            return
        # paho closes its socket with DISCONNECT, and a busy broker throws away what it had not read by then: PUBACKs.
        # A second handle keeps the connection until the broker, who has read all, closes it.
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(held.fileno())) as line:
            deadline_s = clock.monotonic_s() + _CLOSE_WITHIN_S
            line.settimeout(_CLOSE_WITHIN_S)
            writable = select.poll()
            writable.register(line, select.POLLOUT)
            self._client.disconnect()
            while self._client.want_write() and writable.poll(_CLOSE_WITHIN_S * 1000):
                self._client.loop_write()
            line.shutdown(socket.SHUT_WR)
            while line.recv(65536) and clock.monotonic_s() < deadline_s:
                pass

    # --- the loop ---

    def _once(self, timeout_s: float) -> bool:
        """One step; whether there was anything to do."""
        events = self._events(timeout_s)
        if events & select.POLLOUT:
            self._check(self._client.loop_write())
        if events & ~select.POLLOUT and not self.ended:
            self._heard_s = clock.monotonic_s()
            self._check(self._client.loop_read())
        return bool(events)

    def _events(self, timeout_s: float) -> int:
        line = self._client.socket()
        if line is None or line.fileno() < 0:
            self._end("the connection is gone")
            return 0
        wanted = select.POLLIN if self._listening() else 0
        if wanted and isinstance(line, ssl.SSLSocket) and line.pending():
            return select.POLLIN
        if self._client.want_write():
            wanted |= select.POLLOUT
        self._poll.register(line, wanted)
        return sum(events for _, events in self._poll.poll(timeout_s * 1000))

    def _listening(self) -> bool:
        if len(self._unacknowledged) < RECEIVE_MAXIMUM and self._unstored_bytes < _UNSTORED_BYTES:
            return True
        self.strained = True
        return clock.monotonic_s() - self._heard_s > _LISTEN_EVERY_S

    def _check(self, code: MQTTErrorCode) -> None:
        if code != MQTTErrorCode.MQTT_ERR_SUCCESS or self._client.socket() is None:
            self._end(f"the connection was lost ({code.name.removeprefix('MQTT_ERR_').lower()})")

    def _end(self, reason: str) -> None:
        self.ended = True
        self.reason = self.reason or reason

    # --- paho's side ---

    def _client_make(self, client_id: str) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._version == V5 else False,
            protocol=self._version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if self._address.user:
            client.username_pw_set(self._address.user, self._address.password or None)
        if self._address.tls:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        return client

    def _on_connect(self, _client: Client, _data: Any, flags: ConnectFlags, code: ReasonCode, _more: Any) -> None:
        self.answered = True
        self.session_present = flags.session_present
        if code.is_failure:
            self.version_refused = code.getName() == "Unsupported protocol version"
            self._end(f"the broker refused: {code.getName()}")
        else:
            self._subscribe()

    def _subscribe(self) -> None:
        share = self._address.share
        if self._version != V5 or not share:
            # What is retained may be old and may not say so: as a reading of now it would be a lie.
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
            asked = {"options": options} if self._version == V5 else {"qos": 1}
            _code, self._subscription_mid = self._client.subscribe(SUBSCRIPTION, **asked)
            return
        if self.session_present:
            # Of a time without a share: both would bring each message.
            self._client.unsubscribe(SUBSCRIPTION)
        shared = SubscribeOptions(qos=1)
        _code, self._subscription_mid = self._client.subscribe(f"$share/{share}/{SUBSCRIPTION}", options=shared)

    def _on_subscribe(self, _client: Client, _data: Any, mid: int, codes: list[ReasonCode], _more: Any) -> None:
        if mid != self._subscription_mid:
            self.dropped_answered = True  # granted or not, the broker takes no offence
        elif codes and codes[0].value == 1:
            self.ready = True
            if not self.dropped_answered:
                self._client.subscribe(DROPPED)
        else:
            name = codes[0].getName() if codes else "no answer"
            self._end(f"the broker does not grant “{SUBSCRIPTION}” with QoS 1: {name}")

    def _on_disconnect(self, _client: Client, _data: Any, flags: DisconnectFlags, code: ReasonCode, _more: Any) -> None:
        who = "the broker hung up" if flags.is_disconnect_packet_from_server else "the connection was lost"
        self._end(f"{who}: {code.getName()}")

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.topic == DROPPED:
            self.dropped = int(message.payload) if message.payload.isdigit() else None
            return
        try:
            factory, machine = topic_parse(message.topic) or ("", "")
        except UnicodeDecodeError:
            factory, machine = "", ""
        taken = BrokerMessage(factory, machine, bytes(message.payload), message.mid if message.qos else 0)
        self._unacknowledged.append(taken)
        self._unstored_bytes += len(taken.payload)
        if message.retain:
            # Only an old one told again carries the flag; MQTT 3.1.1 can't ask for none of these.
            self.acknowledge([taken])
        else:
            self._fresh.append(taken)
