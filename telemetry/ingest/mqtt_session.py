"""One device's MQTT connection: who it is, what it may say, and when it has to wait."""

import asyncio
import zlib
from typing import TYPE_CHECKING, cast

import structlog

from accounts.api_keys import VerifiedKey
from telemetry.ingest import mqtt_properties as properties
from telemetry.ingest.mqtt_answers import (
    PINGRESP,
    connack_encode,
    disconnect_encode,
    puback_encode,
    suback_encode,
)
from telemetry.ingest.mqtt_line import silence_probe
from telemetry.ingest.mqtt_pace import PacedConnection
from telemetry.ingest.mqtt_packets import (
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
)
from telemetry.ingest.mqtt_resends import Told, client_mark, marks
from telemetry.ingest.mqtt_wire import MalformedPacketError, ProtocolViolationError
from telemetry.ingest.payloads import MAX_BYTES
from telemetry.ingest.topics import topic_parse

if TYPE_CHECKING:
    from telemetry.ingest.mqtt import MqttDoor

_log = structlog.get_logger(__name__)

MAX_PACKET_BYTES = MAX_BYTES + 64 * 1024  # a payload as large as HTTP takes, and its topic
RECEIVE_MAXIMUM = 1_000
MESSAGE_COST_BYTES = 200  # what a message takes here beside its payload, which may be empty
_MAX_CONNECT_BYTES = 16 * 1024
_UNACKNOWLEDGED_BYTES = 512 * 1024
_MACHINES_KEPT = 1_000
_CLOSE_WITHIN_S = 5.0


class DeviceConnection(PacedConnection):
    """The protocol's state for one socket. Everything here runs on the event loop and never blocks it."""

    def __init__(self, door: "MqttDoor") -> None:
        super().__init__(door)
        self.client_id = ""
        self.peer = ""
        self.unacknowledged = 0
        self._unacknowledged_bytes = 0
        self._decoder = Decoder(max_packet_bytes=MAX_PACKET_BYTES, max_first_bytes=_MAX_CONNECT_BYTES)
        self._told = Told()
        self._client_mark = b""
        self._resendable: dict[int, int] = {}
        self._untold: dict[int, int] = {}
        self._session_expiry_s = 0
        # A gateway speaks for many machines: theirs by topic.
        self._machines: dict[str, str] = {}

    # --- the event loop's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""
        silence_probe(transport.get_extra_info("socket"))
        if not self.door.enter(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._part()
        self.door.leave(self)

    def data_received(self, data: bytes | memoryview) -> None:
        """Take what came, perhaps a part of a packet."""
        self._heard_s = self.door.loop.time()
        self._told.unsure(self._transport)
        anew = False
        try:
            for packet in self._decoder.feed(data):
                anew = True
                self._take(packet)
                if self.closed:
                    return
            self.door.room.gather(self, self._decoder.waiting, anew=anew)
        except UnsupportedVersionError as error:
            self.refused(Reason.UNSUPPORTED_VERSION, str(error))
        except PacketTooLargeError as error:
            self.close(Reason.PACKET_TOO_LARGE, str(error))
        except ProtocolViolationError as error:
            self.close(Reason.PROTOCOL_ERROR, str(error))
        except MalformedPacketError as error:
            self.close(Reason.MALFORMED_PACKET, str(error))

    # --- the door's side ---

    def settled(self, count: int, cost_bytes: int, pubacks: bytes = b"", records: bytes | bytearray = b"") -> None:
        """Messages are done with: send the PUBACKs, if any; what they stand for is on disk.

        count: how many of the messages were QoS 1; records: of those on disk, see `mqtt_resends`.
        """
        self.unacknowledged -= count
        self._unacknowledged_bytes -= cost_bytes
        if self.closed:
            self._keep(bytes(records), untold=True)
            self.door.leave(self)
            return
        if pubacks:
            self._write(pubacks)
            self._told.add(records)
        if self._unacknowledged_bytes <= _UNACKNOWLEDGED_BYTES:
            self._resume("disk")
        if "resend" in self._pauses and not self.unacknowledged:
            self._let_go("resend")

    def marks(self, records: bytes | bytearray) -> bytes:
        """The marks of these messages of this device, as the journal keeps them."""
        return marks(self._client_mark, records)

    def close(self, reason: Reason, text: str = "") -> None:
        """Say why (MQTT 5) and hang up."""
        if self.closed:
            return
        quiet = reason in {Reason.SUCCESS, Reason.SERVER_SHUTTING_DOWN, Reason.SESSION_TAKEN_OVER}
        log = _log.info if quiet else _log.warning
        log("device_disconnected", **self._who(), reason=reason.name.lower(), detail=text[:200])
        if self.key is not None and reason is not Reason.SUCCESS:
            say = disconnect_encode
            self._write(say(self.version, reason, text[:200]), say(self.version, reason))
        self._part()
        if self._transport is None:
            return
        self._transport.close()
        self.door.loop.call_later(_CLOSE_WITHIN_S, self._transport.abort)

    # --- packets ---

    def _take(self, packet: Packet) -> None:
        if self._holding:
            # Allowed to follow CONNECT at once [MQTT-3.1.4-5]; bounded, because nothing more is read meanwhile.
            self._held_back.append(packet)
        elif self.key is None and isinstance(packet, Connect):
            self._connect(packet)
        elif self.key is None:
            self.close(Reason.PROTOCOL_ERROR, "the first packet is not CONNECT")
        elif isinstance(packet, Publish):
            self._publish(packet)
        elif isinstance(packet, PingRequest):
            self._write(PINGRESP)
        elif isinstance(packet, Subscribe):
            self._write(suback_encode(self.version, packet))
        elif isinstance(packet, Disconnect):
            if packet.session_expiry_s and not self._session_expiry_s:
                self.close(Reason.PROTOCOL_ERROR, "a session that was never asked for can't be left behind")
            else:
                self.close(Reason.SUCCESS)
        else:
            self.close(Reason.PROTOCOL_ERROR, "this packet has no place here")

    def _connect(self, packet: Connect) -> None:
        self.version = packet.version
        self.client_id = packet.client_id
        self._hears_bytes = int(str(packet.properties.get(properties.MAXIMUM_PACKET_SIZE, 0)))
        self._session_expiry_s = int(str(packet.properties.get(properties.SESSION_EXPIRY, 0)))
        if properties.AUTHENTICATION_METHOD in packet.properties:
            self.refused(Reason.BAD_AUTHENTICATION_METHOD, "no enhanced authentication here")
        elif packet.will_qos == 2 and self.version == V5:
            self.refused(Reason.QOS_NOT_SUPPORTED, "a will of QoS 0 or 1, please")  # [MQTT-3.2.2-12]
        elif not packet.client_id and self.version != V5 and not packet.clean:
            self.refused(Reason.CLIENT_ID_INVALID, "a client id is needed without clean session")
        elif not packet.user_name or packet.password is None:
            self.refused(Reason.BAD_CREDENTIALS, "user name (the factory) and password (an API key) are needed")
        else:
            self._hold("connecting")
            self.door.admit(self, packet)

    def connected(self, key: VerifiedKey, packet: Connect) -> None:
        """The key is good: answer, then take what came meanwhile."""
        if self.closed:
            return
        if not self.door.room.settle(self, key.factory):
            self.refused(Reason.QUOTA_EXCEEDED, "this factory has as many connections as it may")
            return
        self.key = key
        self._keep_alive_s = packet.keep_alive_s * 1.5
        # Wildcard and shared subscriptions are refused like all others, one by one: that costs no connection.
        told: dict[int, object] = {
            properties.SESSION_EXPIRY: 0,  # no session outlives its connection
            properties.RECEIVE_MAXIMUM: RECEIVE_MAXIMUM,
            properties.MAXIMUM_QOS: 1,
            properties.MAXIMUM_PACKET_SIZE: MAX_PACKET_BYTES,
        }
        if not self.client_id:
            self.client_id = self.door.new_client_id()
            told[properties.ASSIGNED_CLIENT_ID] = self.client_id
        self._client_mark = client_mark(self.client_id)
        self._resendable = self.door.resends.of(key.factory, self._client_mark)
        self._untold = self.door.resends.untold(key.factory, self._client_mark)
        if packet.clean:
            self._untold.clear()  # who begins anew may give an open packet id to another message
        self.door.take_over(self)
        self._write(connack_encode(self.version, Reason.SUCCESS, told))
        _log.info("device_connected", **self._who(), version=self.version)
        self._let_go("connecting")

    def refused(self, reason: Reason, text: str) -> None:
        """This CONNECT is not good: say so, as far as it can be said, and hang up."""
        if self.closed:
            return
        if self.key is None:
            # A version that isn't spoken here understands at most 3.1.1's answer.
            why = {properties.REASON_STRING: text[:200]}
            self._write(connack_encode(self.version, reason, why), connack_encode(self.version, reason))
        self.close(reason, text)

    def _publish(self, packet: Publish) -> None:
        if packet.qos == 2:
            # A device that speaks 3.1.1 hears nothing but the line going dead, so the factory is told.
            self.door.refuse(self, "qos_not_supported", "QoS 2 is not taken here: publish with QoS 1", packet)
            self.close(Reason.QOS_NOT_SUPPORTED, "QoS 0 or 1, please")
        elif properties.TOPIC_ALIAS in packet.properties:
            self.close(Reason.TOPIC_ALIAS_INVALID, "no topic aliases here")
        elif packet.qos and self.version == V5 and self.unacknowledged >= RECEIVE_MAXIMUM:
            self.close(Reason.RECEIVE_MAXIMUM_EXCEEDED, f"at most {RECEIVE_MAXIMUM} unacknowledged messages")
        elif packet.qos and self._resendable and self._known(packet):
            self._acknowledge_again(packet)
        elif machine := self._machines.get(packet.topic) or self._understood(packet):
            self.unacknowledged += bool(packet.qos)
            self._unacknowledged_bytes += len(packet.payload) + MESSAGE_COST_BYTES
            if self._unacknowledged_bytes > _UNACKNOWLEDGED_BYTES:
                self._pause("disk")
            self.door.take(self, machine, packet)

    def _known(self, packet: Publish) -> bool:
        """Whether this was taken on an earlier connection whose PUBACK may have been lost."""
        checksum = zlib.crc32(packet.payload)
        if packet.dup or self._untold.get(packet.packet_id) == checksum:
            self._untold.pop(packet.packet_id, None)
            return self._resendable.get(packet.packet_id) == checksum
        # A new message by the same packet id: the old one's PUBACK did arrive.
        self._resendable.pop(packet.packet_id, None)
        self._untold.pop(packet.packet_id, None)
        return False

    def _acknowledge_again(self, packet: Publish) -> None:
        if self.unacknowledged:
            # PUBACKs go out in the order of the messages [MQTT-4.6.0-2].
            self._hold("resend")
            self._held_back.append(packet)
            return
        _log.info("resend_known", **self._who(), packet_id=packet.packet_id)
        self._write(puback_encode(self.version, packet.packet_id))

    def _understood(self, packet: Publish) -> str:
        """The machine in a topic, or none: another factory's ends the connection, an unknown one only the message."""
        key = cast(VerifiedKey, self.key)
        topic = packet.topic
        if not topic or "+" in topic or "#" in topic:
            self.close(Reason.TOPIC_NAME_INVALID, "a topic to publish to has no wildcards")
            return ""
        if topic.split("/")[:2] != ["factories", key.factory]:
            self.door.refuse(self, "foreign_topic", f"“{topic[:200]}” is not a topic of this factory", packet)
            self.close(Reason.NOT_AUTHORIZED, "a topic outside the key's factory")
            return ""
        _factory, machine = topic_parse(topic) or ("", "")
        if not machine:
            self.door.refuse(self, "unknown_topic", f"“{topic[:200]}” is not factories/…/devices/…/telemetry", packet)
            if packet.qos:
                self._write(puback_encode(self.version, packet.packet_id, Reason.TOPIC_NAME_INVALID))
            return ""
        if len(self._machines) >= _MACHINES_KEPT:
            self._machines.clear()
        self._machines[topic] = machine
        return machine

    def _part(self) -> None:
        """The end, whoever made it: remember which PUBACKs may not have been read."""
        if not self.closed:
            self.closed = True
            self._keep(self._told.unsure(self._transport))

    def _keep(self, records: bytes, *, untold: bool = False) -> None:
        if self.key is not None:
            self.door.resends.keep(self.key.factory, self._client_mark, records, untold=untold)

    def _who(self) -> dict[str, str]:
        factory = self.key.factory if self.key else ""
        return {"factory": factory, "client": self.client_id[:64], "peer": self.peer}
