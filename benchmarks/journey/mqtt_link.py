"""A connection to an MQTT broker, just enough to publish with QoS 1: no library between the clock and the socket."""

import socket
from dataclasses import dataclass

from benchmarks.journey.messages import varint_encode


class LinkError(Exception):
    """The broker refused us or went away."""


@dataclass(frozen=True, slots=True)
class MqttAddress:
    """Where readings are published, and as whom."""

    port: int
    factory: str
    password: str = ""
    host: str = "127.0.0.1"


def link_open(address: MqttAddress, client_id: str) -> socket.socket:
    """Connect (MQTT 3.1.1, clean session, no keep-alive). Raises LinkError."""
    link = socket.create_connection((address.host, address.port), timeout=10)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    flags = 0xC2 if address.password else 0x82
    words = [client_id, address.factory] + ([address.password] if address.password else [])
    body = _text("MQTT") + bytes([4, flags, 0, 0]) + b"".join(_text(word) for word in words)
    link.sendall(b"\x10" + varint_encode(len(body)) + body)
    answer = link.recv(4, socket.MSG_WAITALL)
    if answer != b"\x20\x02\x00\x00":
        raise LinkError(f"the broker answered {answer.hex()} to CONNECT")
    return link


def publish(address: MqttAddress, machine: str, payload: bytes) -> None:
    """Publish one message and wait for its acknowledgement. Raises LinkError."""
    topic = _text(f"factories/{address.factory}/devices/{machine}/telemetry")
    body = topic + b"\x00\x01" + payload
    with link_open(address, "bench-extra") as link:
        link.sendall(b"\x32" + varint_encode(len(body)) + body)
        if link.recv(4, socket.MSG_WAITALL) != b"\x40\x02\x00\x01":
            raise LinkError("no acknowledgement")
        link.sendall(b"\xe0\x00")


def _text(word: str) -> bytes:
    encoded = word.encode()
    return len(encoded).to_bytes(2) + encoded
