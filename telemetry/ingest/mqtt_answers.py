"""MQTT 3.1.1 and 5 on the wire: our answers to devices, as bytes. Pure. Sources as in `mqtt_packets`."""

from collections.abc import Mapping

from telemetry.ingest import mqtt_properties as properties
from telemetry.ingest.mqtt_packets import V5, Kind, Reason, Subscribe
from telemetry.ingest.mqtt_wire import properties_encode, varint_encode

PINGRESP = b"\xd0\x00"
# CONNACK return codes of 3.1.1 for our reasons; it has no others.
_CONNACK_311 = {
    Reason.SUCCESS: 0,
    Reason.UNSUPPORTED_VERSION: 1,
    Reason.CLIENT_ID_INVALID: 2,
    Reason.SERVER_UNAVAILABLE: 3,
    Reason.SERVER_BUSY: 3,
    Reason.QUOTA_EXCEEDED: 3,
    Reason.BAD_CREDENTIALS: 4,
    Reason.NOT_AUTHORIZED: 5,
}


def connack_encode(version: int, reason: Reason, told: Mapping[int, object] | None = None) -> bytes:
    """CONNACK; never with a session, because publishers leave nothing behind that would need one."""
    if version == V5:
        return _packet(Kind.CONNACK, bytes((0, reason)) + properties_encode(told or {}))
    return _packet(Kind.CONNACK, bytes((0, _CONNACK_311.get(reason, 3))))


def puback_encode(version: int, packet_id: int, reason: Reason = Reason.SUCCESS) -> bytes:
    """PUBACK: the message is on disk, or (5 alone) will never be."""
    if version == V5 and reason is not Reason.SUCCESS:
        return b"\x40\x03" + packet_id.to_bytes(2) + bytes((reason,))
    return b"\x40\x02" + packet_id.to_bytes(2)


def suback_encode(version: int, packet: Subscribe) -> bytes:
    """SUBACK or UNSUBACK that refuses each topic filter."""
    body = packet.packet_id.to_bytes(2)
    if packet.unsubscribe:
        if version == V5:
            body += b"\x00" + bytes((Reason.NO_SUBSCRIPTION_EXISTED,)) * packet.count
        return _packet(Kind.UNSUBACK, body)
    if version == V5:
        return _packet(Kind.SUBACK, body + b"\x00" + bytes((Reason.NOT_AUTHORIZED,)) * packet.count)
    return _packet(Kind.SUBACK, body + b"\x80" * packet.count)


def disconnect_encode(version: int, reason: Reason, text: str = "") -> bytes:
    """DISCONNECT with a reason; 3.1.1 has none from a server, so there it is nothing."""
    if version != V5:
        return b""
    return _packet(
        Kind.DISCONNECT, bytes((reason,)) + properties_encode({properties.REASON_STRING: text} if text else {})
    )


def _packet(kind: Kind, body: bytes) -> bytes:
    return bytes((kind << 4,)) + varint_encode(len(body)) + body
