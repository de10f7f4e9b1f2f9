"""MQTT 3.1.1 and 5 on the wire: bytes to the packets that a device may send. Pure.

Sources: OASIS MQTT 3.1.1 and MQTT 5.0; the numbers in brackets there, such as [MQTT-2.2.2-2], are theirs.
"""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import TypeAlias

import msgspec

from telemetry.ingest import mqtt_properties as properties
from telemetry.ingest.mqtt_properties import properties_read
from telemetry.ingest.mqtt_wire import MalformedPacketError, ProtocolViolationError, Reader

V311 = 4
V5 = 5
_LONGEST_KEPT = 200
_NO_PROPERTIES: Mapping[int, object] = {}


class Kind(IntEnum):
    """Packet types."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class Reason(IntEnum):
    """Reason codes of MQTT 5 that we send."""

    SUCCESS = 0x00
    NO_SUBSCRIPTION_EXISTED = 0x11
    UNSPECIFIED = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_INVALID = 0x85
    BAD_CREDENTIALS = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_BUSY = 0x89
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_NAME_INVALID = 0x90
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97
    QOS_NOT_SUPPORTED = 0x9B


class UnsupportedVersionError(MalformedPacketError):
    """A CONNECT in a version that is not spoken here."""


class PacketTooLargeError(MalformedPacketError):
    """The fixed header announces more than the server takes."""


class Connect(msgspec.Struct, frozen=True, gc=False):
    """A device introduces itself. user_name and password are None when not given, will_qos is 0 without a will."""

    version: int
    client_id: str
    clean: bool
    keep_alive_s: int
    user_name: str | None
    password: bytes | None
    properties: Mapping[int, object]
    will_qos: int = 0


class Publish(msgspec.Struct, frozen=True, gc=False):
    """A message. packet_id is 0 for QoS 0; dup: the device has sent it before."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int
    properties: Mapping[int, object]
    dup: bool = False


class Subscribe(msgspec.Struct, frozen=True, gc=False):
    """SUBSCRIBE or UNSUBSCRIBE, which are both refused; count: topic filters in it."""

    packet_id: int
    count: int
    unsubscribe: bool


class PingRequest(msgspec.Struct, frozen=True, gc=False):
    """Still there."""


class Disconnect(msgspec.Struct, frozen=True, gc=False):
    """A device takes its leave; session_expiry_s as MQTT 5 may change it with this."""

    session_expiry_s: int = 0


class Unexpected(msgspec.Struct, frozen=True, gc=False):
    """A well-formed packet that a publisher of QoS 0 and 1 has no reason to send."""

    kind: int


Packet: TypeAlias = Connect | Publish | Subscribe | PingRequest | Disconnect | Unexpected


class Decoder:
    """Cuts one connection's byte stream into packets; whatever the bytes, raises MalformedPacketError or nothing.

    version is learnt from CONNECT: properties exist in MQTT 5 alone. Until then no packet may have more than
    max_first_bytes, because nobody has shown a key yet.
    """

    def __init__(self, *, max_packet_bytes: int, max_first_bytes: int | None = None) -> None:
        self._max_later = max_packet_bytes
        self._max = max_packet_bytes if max_first_bytes is None else max_first_bytes
        self._buffer = bytearray()
        self.version = V311

    def feed(self, data: bytes | memoryview) -> Iterator[Packet]:
        """The packets that are complete with this data."""
        self._buffer += data
        start = 0
        try:
            while True:
                header = _header(self._buffer, start, self._max)
                if header is None:
                    return
                body_at, end = header
                if end > len(self._buffer):
                    return
                first, body = self._buffer[start], bytes(self._buffer[body_at:end])
                start = end
                packet = _decode(first, body, self.version)
                if isinstance(packet, Connect):
                    self.version, self._max = packet.version, self._max_later
                yield packet
        finally:
            del self._buffer[:start]

    @property
    def waiting(self) -> int:
        """Bytes of a packet that is not complete."""
        return len(self._buffer)


def _header(buffer: bytearray, start: int, maximum: int) -> tuple[int, int] | None:
    """Where the body begins and ends; None while the fixed header is incomplete."""
    length, at = 0, start + 1
    for shift in (0, 7, 14, 21):
        if at >= len(buffer):
            return None
        byte = buffer[at]
        at += 1
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            if at - start + length > maximum:
                raise PacketTooLargeError(f"a packet of {length} bytes")
            return at, at + length
    raise MalformedPacketError("the remaining length has more than four bytes")


def _decode(first: int, body: bytes, version: int) -> Packet:
    kind, flags = first >> 4, first & 0x0F
    if kind == Kind.PUBLISH:
        return _publish(flags, body, version)
    # [MQTT-2.2.2-2] reserved flags are fixed.
    if flags != (2 if kind in {Kind.PUBREL, Kind.SUBSCRIBE, Kind.UNSUBSCRIBE} else 0):
        raise MalformedPacketError("reserved flags are set")
    if kind == Kind.CONNECT:
        return _connect(body)
    if kind == Kind.PINGREQ:
        if body:
            raise MalformedPacketError("PINGREQ has a body")
        return PingRequest()
    if kind == Kind.DISCONNECT:
        return _disconnect(body, version)
    if kind in {Kind.SUBSCRIBE, Kind.UNSUBSCRIBE}:
        return _subscribe(body, version, unsubscribe=kind == Kind.UNSUBSCRIBE)
    if kind == 0:
        raise MalformedPacketError("packet type 0")
    return Unexpected(kind)


def _publish(flags: int, body: bytes, version: int) -> Publish:
    qos = flags >> 1 & 3
    dup = bool(flags & 8)
    if qos == 3 or (dup and not qos):  # [MQTT-3.3.1-4], [MQTT-3.3.1-2]
        raise MalformedPacketError("QoS 3, or DUP with QoS 0")
    at = 2 + int.from_bytes(body[:2])
    topic = _topic(body[:at])
    packet_id = 0
    if qos:
        packet_id = int.from_bytes(body[at : at + 2])
        at += 2
        if not packet_id or at > len(body):  # [MQTT-2.2.1-3]
            raise MalformedPacketError("no packet id")
    if version != V5:
        if not topic:
            raise ProtocolViolationError("no topic")
        return Publish(topic, body[at:], qos, packet_id, _NO_PROPERTIES, dup)
    reader = Reader(body[at:])
    told = properties_read(reader, properties.IN_PUBLISH)
    if not topic and properties.TOPIC_ALIAS not in told:
        raise ProtocolViolationError("no topic")
    return Publish(topic, reader.rest(), qos, packet_id, told, dup)


def _topic(encoded: bytes) -> str:
    """A topic with its length before it, such as a device says all day long."""
    return _topic_again(encoded) if len(encoded) <= _LONGEST_KEPT else Reader(encoded).text()


@lru_cache(maxsize=20_000)
def _topic_again(encoded: bytes) -> str:
    return Reader(encoded).text()


def _connect(body: bytes) -> Connect:
    reader = Reader(body)
    name, version = reader.text(), reader.byte()
    if (name, version) not in {("MQTT", V311), ("MQTT", V5)}:
        if name in {"MQTT", "MQIsdp"}:
            raise UnsupportedVersionError(f"{name} {version}")
        raise MalformedPacketError("not MQTT")
    flags = reader.byte()
    will, will_qos = bool(flags & 4), flags >> 3 & 3
    # [MQTT-3.1.2-3], [MQTT-3.1.2-13 to 15]; 3.1.1 also forbids a password without a user name.
    if flags & 1 or will_qos == 3 or (not will and flags & 0x38) or (version == V311 and flags & 0xC0 == 0x40):
        raise MalformedPacketError("CONNECT flags contradict each other")
    keep_alive_s = reader.short()
    told = properties_read(reader, properties.IN_CONNECT) if version == V5 else {}
    client_id = reader.text()
    if will:
        # Read to find what follows, and then ignored: nobody subscribes here who could get it.
        if version == V5:
            properties_read(reader, properties.IN_WILL)
        reader.text()
        reader.binary()
    user_name = reader.text() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    reader.end()
    return Connect(version, client_id, bool(flags & 2), keep_alive_s, user_name, password, told, will_qos)


def _subscribe(body: bytes, version: int, *, unsubscribe: bool) -> Subscribe:
    reader = Reader(body)
    packet_id = reader.packet_id()
    if version == V5:
        properties_read(reader, properties.IN_UNSUBSCRIBE if unsubscribe else properties.IN_SUBSCRIBE)
    count = 0
    while not reader.at_end():
        topic_filter = reader.text()
        if not topic_filter:
            raise MalformedPacketError("an empty topic filter")  # [MQTT-4.7.3-1]
        if not unsubscribe:
            _check_options(reader.byte(), topic_filter, version)
        count += 1
    if count == 0:
        raise MalformedPacketError("no topic filter")
    return Subscribe(packet_id, count, unsubscribe)


def _check_options(options: int, topic_filter: str, version: int) -> None:
    """[MQTT-3.8.3-5] and its elder brother 3-8.3-4: reserved bits are 0, QoS 3 and retain handling 3 are none."""
    if options & 3 == 3 or options & (0xC0 if version == V5 else 0xFC):
        raise MalformedPacketError("subscription options that are none")
    if options & 0x30 == 0x30 or (options & 4 and topic_filter.startswith("$share/")):
        raise ProtocolViolationError("subscription options that contradict each other")


def _disconnect(body: bytes, version: int) -> Disconnect:
    if not body:
        return Disconnect()
    reader = Reader(body)
    if version != V5:
        reader.end()  # 3.1.1 gives no reasons
    reader.byte()
    told = {} if reader.at_end() else properties_read(reader, properties.IN_DISCONNECT)
    reader.end()
    return Disconnect(int(str(told.get(properties.SESSION_EXPIRY, 0))))
