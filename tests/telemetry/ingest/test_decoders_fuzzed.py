"""Every decoder between a wire and the store takes any bytes: the right thing comes out, or its own error."""

import contextlib
import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, note
from hypothesis import strategies as st

from telemetry.ingest import payloads
from telemetry.ingest.mqtt_packets import Decoder
from telemetry.ingest.mqtt_resends import _marks_of, marks
from telemetry.ingest.mqtt_wire import MalformedPacketError
from telemetry.ingest.refusals import PayloadError, refusals_decode
from telemetry.readings import ReadingBatch, Series
from tests.telemetry.ingest import mqtt_client as device

NOW = 1_795_000_000_000
MAXIMUM = 2_000

# --- MQTT packets ---

_text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
_version = st.sampled_from([4, 5])


@st.composite
def _packet(draw, version):
    kind = draw(st.sampled_from(["publish", "subscribe", "unsubscribe", "ping", "raw"]))
    if kind == "publish":
        qos = draw(st.integers(0, 2))
        return device.publish(
            draw(_text.filter(bool)), draw(st.binary(max_size=200)), qos=qos, packet_id=draw(st.integers(1, 65535)),
            version=version, dup=bool(qos) and draw(st.booleans()), retain=draw(st.booleans()),
        )  # fmt: skip
    if kind == "subscribe":
        return device.subscribe(*draw(st.lists(_text.filter(bool), min_size=1, max_size=3)), version=version)
    if kind == "unsubscribe":
        return device.unsubscribe(*draw(st.lists(_text.filter(bool), min_size=1, max_size=3)), version=version)
    if kind == "ping":
        return device.PINGREQ
    return device.packet(draw(st.integers(0, 255)), draw(st.binary(max_size=60)))


def _fed(pieces, version):
    """Packets, and whether the stream ended in an error; no piece may leave more behind than a packet may have."""
    decoder, packets = Decoder(max_packet_bytes=MAXIMUM, max_first_bytes=MAXIMUM), []
    decoder.version = version
    try:
        for piece in pieces:
            for packet in decoder.feed(piece):
                packets.append(packet)  # noqa: PERF402  # those before an error count
            assert decoder.waiting <= MAXIMUM
    except MalformedPacketError:
        return packets, True
    return packets, False


@given(st.data(), _version)
def test_a_stream_means_the_same_however_it_is_cut(data, version):
    stream = b"".join(data.draw(st.lists(_packet(version), max_size=6)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = _fed([stream], version)
    assert _fed(pieces, version) == whole
    assert _fed([stream[at : at + 1] for at in range(len(stream))], version) == whole


@given(st.data(), _version)
def test_damaged_packets_raise_nothing_but_the_codecs_error(data, version):
    stream = bytearray(b"".join(data.draw(st.lists(_packet(version), min_size=1, max_size=4))))
    for _ in range(data.draw(st.integers(1, 5))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    _fed([bytes(stream)], version)


# --- JSON bodies ---

_number = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6), st.sampled_from([1e18, -1e18, 2e18, 0.0, -0.0]))
_name = st.sampled_from(["M01", "pump 2", "", "a", "b"])
_time = st.none() | st.integers(NOW - 10_000, NOW + 10_000) | st.just("2026-11-21T10:00:00Z") | st.just("yesterday")
_reading = st.fixed_dictionaries(
    {"metrics": st.dictionaries(st.sampled_from("abcd"), _number, min_size=1, max_size=4)},
    optional={"machine": _name, "equipment_id": _name, "timestamp": _time},
)


@st.composite
def _block(draw):
    times = draw(st.lists(st.integers(NOW - 10_000, NOW), min_size=1, max_size=6))
    columns = st.lists(_number, min_size=len(times), max_size=draw(st.sampled_from([len(times), len(times) + 1])))
    names = st.sampled_from("abcd")
    return {"machine": "M01", "timestamps": times, "metrics": draw(st.dictionaries(names, columns, min_size=1))}


_document = st.one_of(
    _reading,
    _block(),
    st.lists(st.one_of(_reading, _block()), min_size=1, max_size=4),
    st.fixed_dictionaries({"readings": st.lists(_reading, min_size=1, max_size=4)}, optional={"machine": _name}),
)


def _outcome(body):
    try:
        parsed = payloads.parse(body, received_ms=NOW, machine="topic")
    except PayloadError as error:
        return error.code
    kept = {
        (series.machine, series.metric, t_ms, value)
        for series in parsed.batch
        for t_ms, value in zip(series.t_ms.tolist(), series.values.tolist(), strict=True)
    }
    refused = sorted((one.index, one.machine, one.metric, one.code) for one in parsed.rejected)
    return kept, len(parsed.batch), refused


@given(_document)
@example({"metrics": {"a": 2e18}})
@example({"machine": "", "metrics": {"a": 1}})
@example([{"metrics": {"a": 1}}, {"machine": "M01", "timestamps": [NOW], "metrics": {"a": [1.0]}}])
def test_the_typed_and_the_patient_road_lead_to_the_same_place(document):
    body = json.dumps(document).encode()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(payloads, "_typed_items", lambda _body: None)
        patiently = _outcome(body)
    assert _outcome(body) == patiently


_bad = st.sampled_from(["true", "null", '"72.3"', "NaN", "1e999", "-1e999", "[1]", "{}", "9" * 400])


@given(st.lists(_number, min_size=1, max_size=5), st.lists(_bad, min_size=1, max_size=5), st.randoms())
def test_each_bad_value_is_refused_alone_and_each_good_one_kept(good, bad, random):
    members = [json.dumps(value) for value in good] + bad
    random.shuffle(members)
    body = "".join(f', "m{n}": {member}' for n, member in enumerate(members))
    note(body)
    parsed = payloads.parse(f'{{"machine": "M01"{body}}}'.encode(), received_ms=NOW)
    finite = [value for value in good if abs(value) <= 1e18]
    assert len(parsed.batch) == len(finite)
    assert len(parsed.rejected) == len(members) - len(finite)


@given(st.data(), _document)
def test_a_damaged_body_raises_nothing_but_payload_errors(data, document):
    body = bytearray(json.dumps(document).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    _outcome(bytes(body))


# --- journal rows ---


@st.composite
def _batches(draw):
    series = []
    for machine, metric in draw(st.lists(st.tuples(_text, _text), max_size=4)):
        times = draw(st.lists(st.integers(0, 1 << 52), min_size=1, max_size=5))
        values = draw(st.lists(st.floats(allow_nan=False), min_size=len(times), max_size=len(times)))
        series.append(Series(machine, metric, np.array(times, np.int64), np.array(values)))
    return ReadingBatch(series)


def _rows(batch):
    return [(s.machine, s.metric, s.t_ms.tolist(), s.values.tolist()) for s in batch]


@given(_batches())
def test_a_row_gives_back_what_was_put_into_it(batch):
    assert _rows(ReadingBatch.from_bytes(batch.to_bytes())) == _rows(batch)


def _decode(row):
    with contextlib.suppress(msgspec.DecodeError):
        decoded = ReadingBatch.from_bytes(row)
        assert len(decoded) == sum(len(series.values) for series in decoded)
        ReadingBatch.merged([decoded])
    with contextlib.suppress(msgspec.DecodeError):
        refusals_decode(row)


@given(st.binary(max_size=200))
@example(b"\x9d\x9d" + b"\xba" * 22)
def test_random_bytes_are_no_row(row):
    _decode(row)


@given(st.data(), _batches())
def test_a_damaged_row_raises_nothing_but_a_decode_error(data, batch):
    row = bytearray(batch.to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        row[data.draw(st.integers(0, len(row) - 1))] = data.draw(st.integers(0, 255))
    _decode(bytes(row[: data.draw(st.integers(0, len(row)))]) if data.draw(st.booleans()) else bytes(row))


def test_a_row_whose_codes_name_no_series_is_told():
    batch = ReadingBatch([Series("M01", f"m{n}", np.array([NOW]), np.array([1.0])) for n in range(2)])
    wire = msgspec.msgpack.decode(batch.to_bytes())
    at = next(i for i, part in enumerate(wire) if part == b"\x00\x00\x01\x00")
    wire[at] = np.array([1, 0xFFFFFFF0], "<u4").tobytes()
    with pytest.raises(msgspec.DecodeError):
        ReadingBatch.from_bytes(msgspec.msgpack.encode(wire))


@given(
    st.lists(st.tuples(st.binary(min_size=8, max_size=8), st.binary(max_size=60)), max_size=5), st.binary(max_size=40)
)
def test_marks_are_given_back_and_a_torn_end_ends_them(kept, torn):
    blob = b"".join(marks(client, records) for client, records in kept)
    assert list(_marks_of(blob)) == kept
    assert len(list(_marks_of(blob + torn))) <= len(kept) + math.ceil(len(torn) / 12)
