"""What is fuzzed: each takes any bytes and raises only when the decoder behind it breaks its promise."""

import contextlib
from collections.abc import Callable

import msgspec
import numpy as np

from telemetry.ingest.mqtt_packets import Decoder
from telemetry.ingest.mqtt_wire import MalformedPacketError
from telemetry.ingest.payloads import parse
from telemetry.ingest.refusals import PayloadError, Refusal, refusals_decode, refusals_encode
from telemetry.readings import ReadingBatch, Series
from tests.telemetry.ingest import mqtt_client as device

_MAXIMUM = 2_000


def packets(data: bytes) -> None:
    """A stream, cut at each byte and whole: the same packets, within bounded memory."""
    if not data:
        return
    version, stream = 4 + data[0] % 2, data[1:]
    assert _packets([stream], version) == _packets([stream[at : at + 1] for at in range(len(stream))], version)


def _packets(pieces: list[bytes], version: int) -> list[object]:
    decoder, read = Decoder(max_packet_bytes=_MAXIMUM, max_first_bytes=_MAXIMUM), list[object]()
    decoder.version = version
    with contextlib.suppress(MalformedPacketError):
        for piece in pieces:
            for packet in decoder.feed(piece):
                read.append(packet)  # those before an error count
            assert decoder.waiting <= _MAXIMUM
    return read


def bodies(data: bytes) -> None:
    """A JSON body: readings that are numbers, or a refusal."""
    with contextlib.suppress(PayloadError):
        parsed = parse(data, received_ms=1_795_000_000_000)
        assert all(abs(value) <= 1e18 for series in parsed.batch for value in series.values.tolist())


def rows(data: bytes) -> None:
    """A journal row: a batch that can be merged, or an error of decoding."""
    with contextlib.suppress(msgspec.DecodeError):
        ReadingBatch.merged([ReadingBatch.from_bytes(data)])
    with contextlib.suppress(msgspec.DecodeError):
        refusals_decode(data)


TARGETS: dict[str, Callable[[bytes], None]] = {"packets": packets, "bodies": bodies, "rows": rows}

_BATCH = ReadingBatch([Series("M01", "vibration", np.array([1_795_000_000_000]), np.array([2.1]))])
SEEDS: dict[str, list[bytes]] = {
    "packets": [b"\1" + device.connect(version=5, will=True), device.publish("a/b", b"{}") + device.subscribe("#")],
    "bodies": [
        b'{"machine": "M01", "timestamp": "2026-11-21T10:00:00Z", "metrics": {"vibration": 2.1, "state": true}}',
        b'{"equipment_id": "M01", "timestamp": 1795000000000, "vibration": 1e999, "temperature": "71.3", "x": NaN}',
        b'{"readings": [{"machine": "M01", "metrics": {"a": [1]}}, null]}',
        b'{"machine": "M01", "timestamps": [1795000000000, null], "metrics": {"a": [1.5, null], "b": [1]}}',
    ],
    "rows": [_BATCH.to_bytes(), refusals_encode([Refusal("MQTT", "M01", "a", "code", "detail", 1, "payload")])],
}
