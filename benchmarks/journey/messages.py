"""MQTT PUBLISH packets prepared before the start, so that sending costs the generator next to nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.journey.load import COUNT, FIRST_VALUE, OTHERS, Int64Array, Load

Bytes = NDArray[np.uint8]
_Put = Callable[[], None]
_TIME_DIGITS, _VALUE_DIGITS = 13, 9


@dataclass
class _Template:
    """A packet with gaps for digits; positions are offsets into it."""

    text: bytearray = field(default_factory=bytearray)
    times: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    noise: list[int] = field(default_factory=list)
    machine: int = 0
    metric: int = -1
    packet_id: int = 0

    def time(self) -> None:
        self.times.append(len(self.text))
        self.text += b"0" * _TIME_DIGITS

    def count(self) -> None:
        self.counts.append(len(self.text))
        self.text += b"0" * _VALUE_DIGITS

    def measured(self) -> None:
        """A value between 60 and 69.999, as a sensor's."""
        at = len(self.text)
        self.noise += [at + 1, at + 3, at + 4, at + 5]
        self.text += b"60.000"


class Messages:
    """All packets of one connection: row i is message i, and all rows are equally long."""

    def __init__(self, load: Load, connection: int, factory: str) -> None:
        self.load, self.connection = load, connection
        self._template = _template(load, factory)
        self.rows: Bytes = np.tile(np.frombuffer(bytes(self._template.text), np.uint8), (self.count, 1))
        self.length = self.rows.shape[1]
        self._fill()

    @property
    def count(self) -> int:
        return self.load.messages_per_connection

    def _fill(self) -> None:
        load, template = self.load, self._template
        index = np.arange(self.count)
        self._digits(template.machine, 4, load.machine_of(self.connection, index))
        identifiers = index % 65_535 + 1
        self.rows[:, template.packet_id] = identifiers >> 8
        self.rows[:, template.packet_id + 1] = identifiers & 0xFF
        if template.metric >= 0:
            self._digits(template.metric, 1, index // (load.machines // load.connections) % 10)
        for place, at in enumerate(template.counts):
            self._digits(at, _VALUE_DIGITS, FIRST_VALUE + self._reading(index, place))
        if template.noise:
            chance = np.random.default_rng(self.connection)
            self.rows[:, template.noise] = chance.integers(48, 58, (self.count, len(template.noise)), np.uint8)

    def fill_times(self, load: Load) -> None:
        """Write the timestamps, once the start is known."""
        index = np.arange(self.count)
        for place, at in enumerate(self._template.times):
            self._digits(at, _TIME_DIGITS, load.times_ms(self._reading(index, place)))

    def _reading(self, index: Int64Array, place: int) -> Int64Array:
        return (self.connection * self.count + index) * self.load.shape.block + place

    def _digits(self, at: int, width: int, numbers: Int64Array) -> None:
        for place in range(width):
            self.rows[:, at + width - 1 - place] = 48 + numbers // 10**place % 10


def _template(load: Load, factory: str) -> _Template:
    body = _Template()
    topic = f"factories/{factory}/devices/M0000/telemetry".encode()
    body.text += len(topic).to_bytes(2) + topic
    body.machine = len(body.text) - len("0000/telemetry")
    body.packet_id = len(body.text)
    body.text += b"\0\0"
    _payload(body, load)
    header = b"\x32" + varint_encode(len(body.text))
    return _shifted(body, header)


def _payload(body: _Template, load: Load) -> None:
    block = load.shape.block
    body.text += b'{"timestamps":[' if block > 1 else b'{"timestamp":'
    _list(body, body.time, block)
    body.text += b'],"metrics":{' if block > 1 else b',"metrics":{'
    body.text += b'"count'
    if load.shape.name == "single":
        body.metric = len(body.text)
        body.text += b"0"
    assert COUNT == "count"
    body.text += b'":'
    _column(body, body.count, block)
    for name in OTHERS[: load.shape.metrics - 1]:
        body.text += b',"%b":' % name.encode()
        _column(body, body.measured, block)
    body.text += b"}}"


def _column(body: _Template, put: _Put, block: int) -> None:
    if block > 1:
        body.text += b"["
    _list(body, put, block)
    if block > 1:
        body.text += b"]"


def _list(body: _Template, put: _Put, block: int) -> None:
    for place in range(block):
        if place:
            body.text += b","
        put()


def _shifted(body: _Template, header: bytes) -> _Template:
    by = len(header)
    return _Template(
        text=bytearray(header) + body.text,
        times=[at + by for at in body.times],
        counts=[at + by for at in body.counts],
        noise=[at + by for at in body.noise],
        machine=body.machine + by,
        metric=body.metric + by if body.metric >= 0 else -1,
        packet_id=body.packet_id + by,
    )


def varint_encode(number: int) -> bytes:
    """MQTT's remaining length."""
    out = bytearray()
    while True:
        number, low = divmod(number, 128)
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)
