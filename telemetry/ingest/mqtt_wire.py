"""The data types that MQTT packets are made of: integers, text, binary data, properties. Pure."""

from collections.abc import Mapping


class MalformedPacketError(Exception):
    """Bytes that no MQTT packet has."""


class ProtocolViolationError(MalformedPacketError):
    """A packet that can be read and says what it may not say."""


# MQTT 5, table 2-4: property -> its data type.
_BYTE, _SHORT, _LONG, _VARINT, _TEXT, _BINARY, _PAIR = range(7)
_TYPES = {
    0x01: _BYTE,  # payload format indicator
    0x02: _LONG,  # message expiry interval
    0x03: _TEXT,  # content type
    0x08: _TEXT,  # response topic
    0x09: _BINARY,  # correlation data
    0x0B: _VARINT,  # subscription identifier
    0x11: _LONG,  # session expiry interval
    0x12: _TEXT,  # assigned client identifier
    0x13: _SHORT,  # server keep alive
    0x15: _TEXT,  # authentication method
    0x16: _BINARY,  # authentication data
    0x17: _BYTE,  # request problem information
    0x18: _LONG,  # will delay interval
    0x19: _BYTE,  # request response information
    0x1A: _TEXT,  # response information
    0x1C: _TEXT,  # server reference
    0x1F: _TEXT,  # reason string
    0x21: _SHORT,  # receive maximum
    0x22: _SHORT,  # topic alias maximum
    0x23: _SHORT,  # topic alias
    0x24: _BYTE,  # maximum QoS
    0x25: _BYTE,  # retain available
    0x26: _PAIR,  # user property
    0x27: _LONG,  # maximum packet size
    0x28: _BYTE,  # wildcard subscription available
    0x29: _BYTE,  # subscription identifiers available
    0x2A: _BYTE,  # shared subscription available
}
_WIDTHS = {_BYTE: 1, _SHORT: 2, _LONG: 4}


class Reader:
    """Reads one packet's body from front to back; every shortage is a MalformedPacketError.

    >>> Reader(b"\\x00\\x02hi\\x07").text()
    'hi'
    """

    __slots__ = ("_at", "_body")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def byte(self) -> int:
        """One byte."""
        return self._take(1)[0]

    def short(self) -> int:
        """Two bytes, big-endian."""
        return int.from_bytes(self._take(2))

    def packet_id(self) -> int:
        """A packet identifier, which is never 0 [MQTT-2.2.1-3]."""
        packet_id = self.short()
        if packet_id == 0:
            raise MalformedPacketError("packet identifier 0")
        return packet_id

    def binary(self) -> bytes:
        """Bytes with their length before them."""
        return self._take(self.short())

    def text(self) -> str:
        """UTF-8 with its length before it; no NUL [MQTT-1.5.4-2]."""
        raw = self.binary()
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise MalformedPacketError("text is not UTF-8") from error
        if "\0" in text:
            raise MalformedPacketError("text with NUL")
        return text

    def varint(self) -> int:
        """A variable byte integer of at most four bytes."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise MalformedPacketError("a variable byte integer of more than four bytes")

    def properties(self, allowed: frozenset[int]) -> dict[int, object]:
        """MQTT 5 properties by identifier, of those that may stand here; user properties are read and dropped."""
        length = self.varint()
        if length == 0:
            return {}
        inner = Reader(self._take(length))
        found: dict[int, object] = {}
        while not inner.at_end():
            identifier = inner.varint()
            kind = _TYPES.get(identifier)
            if kind is None or identifier not in allowed:
                raise MalformedPacketError(f"property {identifier:#x} has no place here")
            if identifier in found:
                raise ProtocolViolationError(f"property {identifier:#x} twice")
            value = inner._value(kind)
            if kind != _PAIR:
                found[identifier] = value
        return found

    def rest(self) -> bytes:
        """Everything that is left."""
        return self._body[self._at :]

    def at_end(self) -> bool:
        """Whether everything was read."""
        return self._at >= len(self._body)

    def end(self) -> None:
        """Insist that everything was read."""
        if not self.at_end():
            raise MalformedPacketError("bytes after the packet's end")

    def _value(self, kind: int) -> object:
        if kind in _WIDTHS:
            return int.from_bytes(self._take(_WIDTHS[kind]))
        if kind == _VARINT:
            return self.varint()
        if kind == _TEXT:
            return self.text()
        if kind == _BINARY:
            return self.binary()
        return self.text(), self.text()

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._body):
            raise MalformedPacketError("the packet ends too early")
        taken = self._body[self._at : end]
        self._at = end
        return taken


def varint_encode(value: int) -> bytes:
    """A variable byte integer.

    >>> varint_encode(321).hex()
    'c102'
    """
    encoded = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        encoded.append(low | 0x80 if value else low)
        if not value:
            return bytes(encoded)


def text_encode(text: str) -> bytes:
    """UTF-8 with its length before it."""
    raw = text.encode()
    return len(raw).to_bytes(2) + raw


def properties_encode(properties: Mapping[int, object]) -> bytes:
    """MQTT 5 properties (numbers and text) with their length before them.

    >>> properties_encode({0x24: 1}).hex()
    '022401'
    """
    encoded = b""
    for identifier, value in properties.items():
        encoded += varint_encode(identifier)
        encoded += text_encode(value) if isinstance(value, str) else _number_encode(identifier, value)
    return varint_encode(len(encoded)) + encoded


def _number_encode(identifier: int, value: object) -> bytes:
    if not isinstance(value, int):
        raise TypeError(f"property {identifier:#x} is no number")
    return value.to_bytes(_WIDTHS[_TYPES[identifier]])
