"""A device's side of MQTT in bytes, to say what no client library would."""

from telemetry.ingest.mqtt_wire import properties_encode, text_encode, varint_encode


def packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + varint_encode(len(body)) + body


def connect(
    *, version=4, client_id="dev", user="mill", password="key", keep_alive=60, clean=True, will=False, properties=None
) -> bytes:
    flags = (0x80 if user is not None else 0) | (0x40 if password is not None else 0) | (2 if clean else 0)
    flags |= 0x04 if will else 0
    body = text_encode("MQTT") + bytes((version, flags)) + keep_alive.to_bytes(2)
    if version == 5:
        body += properties_encode(properties or {})
    body += text_encode(client_id)
    if will:
        body += (properties_encode({}) if version == 5 else b"") + text_encode("will/topic") + text_encode("gone")
    for part in (user, password):
        if part is not None:
            body += text_encode(part)
    return packet(0x10, body)


def publish(
    topic: str, payload: bytes, *, qos=1, packet_id=1, version=4, retain=False, dup=False, properties=None
) -> bytes:
    body = text_encode(topic) + (packet_id.to_bytes(2) if qos else b"")
    if version == 5:
        body += properties_encode(properties or {})
    return packet(0x30 | dup << 3 | qos << 1 | retain, body + payload)


def subscribe(*topics: str, packet_id=7, version=4) -> bytes:
    body = packet_id.to_bytes(2) + (b"\x00" if version == 5 else b"")
    return packet(0x82, body + b"".join(text_encode(topic) + b"\x01" for topic in topics))


def unsubscribe(*topics: str, packet_id=8, version=4) -> bytes:
    body = packet_id.to_bytes(2) + (b"\x00" if version == 5 else b"")
    return packet(0xA2, body + b"".join(text_encode(topic) for topic in topics))


PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
