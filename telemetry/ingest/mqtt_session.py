"""One device's MQTT connection: who it is, what it may say, and when it has to wait."""

import asyncio
from typing import TYPE_CHECKING, cast

import structlog

from accounts.api_keys import VerifiedKey
from telemetry.ingest.mqtt_packets import (
    PINGRESP,
    V5,
    Connect,
    Decoder,
    Disconnect,
    Packet,
    PacketTooLargeError,
    PingRequest,
    Publish,
    Reason,
    Subscribe,
    UnsupportedVersionError,
    connack_encode,
    disconnect_encode,
    puback_encode,
    suback_encode,
)
from telemetry.ingest.mqtt_wire import MalformedPacketError
from telemetry.ingest.payloads import MAX_BYTES
from telemetry.ingest.topics import topic_parse

if TYPE_CHECKING:
    from telemetry.ingest.mqtt import MqttDoor

_log = structlog.get_logger(__name__)

MAX_PACKET_BYTES = MAX_BYTES + 64 * 1024  # a payload as large as HTTP takes, and its topic
RECEIVE_MAXIMUM = 1_000
CONNECT_WITHIN_S = 10.0
_UNACKNOWLEDGED_BYTES = 512 * 1024
_CLOSE_WITHIN_S = 5.0
_REST_AT_MOST_S = 5.0  # a device that hears nothing for much longer takes us for dead


class DeviceConnection(asyncio.Protocol):
    """The protocol's state for one socket. Everything here runs on the event loop and never blocks it."""

    def __init__(self, door: "MqttDoor") -> None:
        self.door = door
        self.key: VerifiedKey | None = None
        self.client_id = ""
        self.peer = ""
        self.version = 4
        self.closed = False
        self.unacknowledged = 0
        self._unacknowledged_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._decoder = Decoder(max_packet_bytes=MAX_PACKET_BYTES)
        self._early: list[Packet] = []
        self._pauses: set[str] = set()
        self._keep_alive_s = 0.0
        self._began_s = self._heard_s = door.loop.time()
        self._topic, self._machine = "", ""

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        if not self.door.enter(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.door.leave(self)

    def data_received(self, data: bytes) -> None:
        self._heard_s = self.door.loop.time()
        try:
            for packet in self._decoder.feed(data):
                self._take(packet)
                if self.closed:
                    return
        except UnsupportedVersionError as error:
            self._refuse_connect(Reason.UNSUPPORTED_VERSION, str(error))
        except PacketTooLargeError as error:
            self.close(Reason.PACKET_TOO_LARGE, str(error))
        except MalformedPacketError as error:
            self.close(Reason.MALFORMED_PACKET, str(error))

    def pause_writing(self) -> None:
        self._pause("writing")

    def resume_writing(self) -> None:
        self._resume("writing")

    # --- the door's side ---

    def settled(self, packets: bytes, count: int, size: int) -> None:
        """Messages are done with: send the PUBACKs, if any; what they stand for is on disk.

        count: how many of the messages were QoS 1; size: bytes of all their payloads.
        """
        self.unacknowledged -= count
        self._unacknowledged_bytes -= size
        if self._unacknowledged_bytes <= _UNACKNOWLEDGED_BYTES:
            self._resume("disk")
        if packets and not self.closed:
            self._write(packets)

    def rest(self, seconds: float) -> None:
        """Read nothing more for a while: the plan's rate is used up, and TCP passes that on to the device."""
        if "rate" not in self._pauses:
            self._pause("rate")
            self.door.loop.call_later(min(seconds, _REST_AT_MOST_S), self._resume, "rate")

    def overdue(self, now_s: float) -> bool:
        """Whether the device was silent for longer than it may be; while we don't listen, it can't speak."""
        if self._pauses:
            return False
        if self.key is None:
            # However busily it talks: a CONNECT that comes in drops must not hold a connection.
            return now_s - self._began_s > CONNECT_WITHIN_S
        return bool(self._keep_alive_s) and now_s - self._heard_s > self._keep_alive_s

    def close(self, reason: Reason, text: str = "") -> None:
        """Say why (MQTT 5) and hang up."""
        if self.closed:
            return
        self.closed = True
        quiet = reason in {Reason.SUCCESS, Reason.SERVER_SHUTTING_DOWN, Reason.SESSION_TAKEN_OVER}
        log = _log.info if quiet else _log.warning
        log("device_disconnected", **self._who(), reason=reason.name.lower(), detail=text[:200])
        if self._transport is None:
            return
        if self.key is not None and reason is not Reason.SUCCESS:
            self._transport.write(disconnect_encode(self.version, reason, text[:200]))
        self._transport.close()
        self.door.loop.call_later(_CLOSE_WITHIN_S, self._transport.abort)

    # --- packets ---

    def _take(self, packet: Packet) -> None:
        if self.key is None:
            self._before_connack(packet)
        elif isinstance(packet, Publish):
            self._publish(packet)
        elif isinstance(packet, PingRequest):
            self._write(PINGRESP)
        elif isinstance(packet, Subscribe):
            self._write(suback_encode(self.version, packet))
        elif isinstance(packet, Disconnect):
            self.close(Reason.SUCCESS)
        else:
            self.close(Reason.PROTOCOL_ERROR, "this packet has no place here")

    def _before_connack(self, packet: Packet) -> None:
        if "connecting" in self._pauses:
            # Allowed to follow CONNECT at once [MQTT-3.1.4-5]; bounded, because nothing more is read meanwhile.
            self._early.append(packet)
        elif isinstance(packet, Connect):
            self._connect(packet)
        else:
            self.close(Reason.PROTOCOL_ERROR, "the first packet is not CONNECT")

    def _connect(self, packet: Connect) -> None:
        self.version = packet.version
        self.client_id = packet.client_id
        if 0x15 in packet.properties:
            self._refuse_connect(Reason.BAD_AUTHENTICATION_METHOD, "no enhanced authentication here")
        elif not packet.client_id and self.version != V5 and not packet.clean:
            self._refuse_connect(Reason.CLIENT_ID_INVALID, "a client id is needed without clean session")
        elif not packet.user_name or packet.password is None:
            self._refuse_connect(Reason.BAD_CREDENTIALS, "user name (the factory) and password (an API key) are needed")
        else:
            self._pause("connecting")
            self.door.admit(self, packet)

    def connected(self, key: VerifiedKey, packet: Connect) -> None:
        """The key is good: answer, then take what came meanwhile."""
        if self.closed:
            return
        self.key = key
        self._keep_alive_s = packet.keep_alive_s * 1.5
        properties: dict[int, object] = {
            0x11: 0,  # no session outlives its connection
            0x21: RECEIVE_MAXIMUM,
            0x24: 1,
            0x27: MAX_PACKET_BYTES,
            0x28: 0,
            0x29: 0,
            0x2A: 0,
        }
        if not self.client_id:
            self.client_id = self.door.new_client_id()
            properties[0x12] = self.client_id
        self.door.take_over(self)
        self._write(connack_encode(self.version, Reason.SUCCESS, properties))
        _log.info("device_connected", **self._who(), version=self.version)
        early, self._early = self._early, []
        for waiting in early:
            self._take(waiting)
        self._resume("connecting")

    def refused(self, reason: Reason, text: str) -> None:
        """The key is not good."""
        self._refuse_connect(reason, text)

    def _refuse_connect(self, reason: Reason, text: str) -> None:
        if self.closed:
            return
        if self._transport is not None and self.key is None:
            # A version that isn't spoken here understands at most 3.1.1's answer.
            self._transport.write(connack_encode(self.version, reason))
        self.close(reason, text)

    def _publish(self, packet: Publish) -> None:
        if packet.qos == 2:
            self.close(Reason.QOS_NOT_SUPPORTED, "QoS 0 or 1, please")
        elif 0x23 in packet.properties:
            self.close(Reason.TOPIC_ALIAS_INVALID, "no topic aliases here")
        elif packet.qos and self.version == V5 and self.unacknowledged >= RECEIVE_MAXIMUM:
            self.close(Reason.RECEIVE_MAXIMUM_EXCEEDED, f"more than {RECEIVE_MAXIMUM} unacknowledged messages")
        elif packet.topic == self._topic or self._understood(packet):
            self.unacknowledged += bool(packet.qos)
            self._unacknowledged_bytes += len(packet.payload)
            if self._unacknowledged_bytes > _UNACKNOWLEDGED_BYTES:
                self._pause("disk")
            self.door.take(self, self._machine, packet)

    def _understood(self, packet: Publish) -> bool:
        """Find the machine in a topic; one of another factory ends the connection, an unknown one only the message."""
        key = cast(VerifiedKey, self.key)
        topic = packet.topic
        if not topic or "+" in topic or "#" in topic:
            self.close(Reason.TOPIC_NAME_INVALID, "a topic to publish to has no wildcards")
            return False
        if topic.split("/")[:2] != ["factories", key.factory]:
            self.door.refuse(self, "foreign_topic", f"“{topic[:200]}” is not a topic of this factory", packet)
            self.close(Reason.NOT_AUTHORIZED, "a topic outside the key's factory")
            return False
        _factory, machine = topic_parse(topic) or ("", "")
        if not machine:
            self.door.refuse(self, "unknown_topic", f"“{topic[:200]}” is not factories/…/devices/…/telemetry", packet)
            if packet.qos:
                self._write(puback_encode(self.version, packet.packet_id, Reason.TOPIC_NAME_INVALID))
            return False
        self._topic, self._machine = topic, machine
        return True

    # --- reading and writing ---

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self.closed:
            self._transport.write(data)

    def _pause(self, why: str) -> None:
        if not self._pauses and self._transport is not None and not self.closed:
            self._transport.pause_reading()
        self._pauses.add(why)

    def _resume(self, why: str) -> None:
        if why not in self._pauses:
            return
        self._pauses.discard(why)
        if not self._pauses and self._transport is not None and not self.closed:
            self._heard_s = self.door.loop.time()
            self._transport.resume_reading()

    def _who(self) -> dict[str, str]:
        factory = self.key.factory if self.key else ""
        return {"factory": factory, "client": self.client_id[:64], "peer": self.peer}
