"""Line protocol into columns: the whole grammar, both roads alike, and no bytes that break it."""

import contextlib
import math
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from influxdb_client import Point, WritePrecision

from telemetry.ingest import lines as room
from telemetry.ingest.lines import PRECISIONS, lines_parse
from telemetry.ingest.payloads import MAX_BYTES, MAX_READINGS
from telemetry.ingest.refusals import PayloadError

NOW_MS = 1_790_000_000_000


def read(text, **options):
    body = text if isinstance(text, bytes) else text.encode()
    return lines_parse(body, received_ms=NOW_MS, **options)


def readings(parsed):
    return sorted(
        (series.machine, series.metric, t_ms, value)
        for series in parsed.batch
        for t_ms, value in zip(series.t_ms.tolist(), series.values.tolist(), strict=True)
    )


def refused(parsed):
    return [(one.index, one.metric, one.code) for one in parsed.rejected]


def test_the_tag_machine_names_the_machine_and_each_field_is_a_metric():
    parsed = read("mill,line=A,machine=M01 vibration=2.1,speed=1480i,count=7u 1700000000123456789")
    t_ms = 1_700_000_000_123
    assert readings(parsed) == [
        ("M01", "count", t_ms, 7.0),
        ("M01", "speed", t_ms, 1480.0),
        ("M01", "vibration", t_ms, 2.1),
    ]
    assert parsed.rejected == []


def test_lines_of_one_machine_and_metric_become_one_column_in_their_order():
    parsed = read("\n".join(f"mill,machine=M0{at % 2} a={at} {at}" for at in range(6)), precision="ms")
    assert [(s.machine, s.t_ms.tolist(), s.values.tolist()) for s in parsed.batch] == [
        ("M00", [0, 2, 4], [0.0, 2.0, 4.0]),
        ("M01", [1, 3, 5], [1.0, 3.0, 5.0]),
    ]


def test_equipment_id_stands_in_for_machine_and_a_host_does_not():
    assert readings(read("a,equipment_id=M7 x=1 0")) == [("M7", "x", 0, 1.0)]
    assert readings(read("a,equipment_id=M7,machine=M8 x=1 0")) == [("M8", "x", 0, 1.0)]
    assert refused(read("a,host=gateway x=1 0\nb y=1 0")) == [(0, "", "machine_missing"), (1, "", "machine_missing")]


@pytest.mark.parametrize(
    ("precision", "stamp", "t_ms"),
    [
        ("ns", 1_700_000_000_999_999_999, 1_700_000_000_999),
        ("us", 1_700_000_000_999_999, 1_700_000_000_999),
        ("ms", 1_700_000_000_999, 1_700_000_000_999),
        ("s", 1_700_000_000, 1_700_000_000_000),
        ("m", 28_333_333, 1_699_999_980_000),
        ("h", 472_222, 1_699_999_200_000),
        ("ns", -1, -1),
    ],
)
@pytest.mark.parametrize("tail", ["", "\n# patiently"])
def test_every_precision_is_honoured_and_floored_to_milliseconds(precision, stamp, t_ms, tail):
    assert readings(read(f"a,machine=M x=1 {stamp}{tail}", precision=precision)) == [("M", "x", t_ms, 1.0)]


def test_a_line_without_a_time_was_read_when_it_arrived():
    assert readings(read("a,machine=M x=1")) == [("M", "x", NOW_MS, 1.0)]
    assert readings(read("a,machine=M x=1\na,machine=M x=2 5000000")) == [("M", "x", 5, 2.0), ("M", "x", NOW_MS, 1.0)]


@pytest.mark.parametrize("stamp", ["9" * 19, "-" + "9" * 18, "9" * 30, "9223372036854775807"])
def test_a_time_beyond_every_clock_is_refused_and_never_wraps_around(stamp):
    assert refused(read(f"a,machine=M x=1 {stamp}", precision="h")) == [(0, "", "timestamp_invalid")]


@pytest.mark.parametrize(
    ("line", "machine", "metric"),
    [
        (r"my\ mill,machine=M\ 1 x=1 0", "M 1", "x"),
        (r"a\,b,machine=M\,1 x=1 0", "M,1", "x"),
        (r"a,machine=M\=1 flow\ rate=1 0", "M=1", "flow rate"),
        (r"a,the\ tag=1,machine=M a\=b\,c=1 0", "M", "a=b,c"),
        (r"a\b,machine=M\n x=1 0", r"M\n", "x"),
        (r"a,machine=C:\x x=1 0", r"C:\x", "x"),
        ("a=b,machine=M x=1 0", "M", "x"),
        ('a,machine="M" x=1 0', '"M"', "x"),
        ("żuraw,machine=Młyn temperatura=1 0", "Młyn", "temperatura"),
    ],
)
def test_names_are_read_with_their_escapes(line, machine, metric):
    assert readings(read(line)) == [(machine, metric, 0, 1.0)]


def test_comments_blank_lines_and_carriage_returns_are_no_points():
    body = "# a comment, with=signs 1\r\n\r\n  \n  a,machine=M x=1 0  \r\n\n\ta,machine=M y=2 0\n#\n"
    parsed = read(body)
    assert readings(parsed) == [("M", "x", 0, 1.0), ("M", "y", 0, 2.0)]
    assert parsed.rejected == []


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("t", "not_a_number"),
        ("FALSE", "not_a_number"),
        ('"72.3"', "not_a_number"),
        (r'"a \"quoted\" b, c=d\\"', "not_a_number"),
        ('"two\nlines"', "not_a_number"),
        ('""', "not_a_number"),
        ("1_000", "not_a_number"),
        ("0x10", "not_a_number"),
        ("1.5i", "not_a_number"),
        ("-5u", "not_a_number"),
        ("5ii", "not_a_number"),
        ("NaN", "not_finite"),
        ("-Inf", "not_finite"),
        ("1e999", "not_finite"),
        ("1" * 30, "out_of_range"),
        ("9" * 400 + "i", "not_finite"),
    ],
)
def test_a_value_that_is_no_reading_is_refused_alone(value, code):
    parsed = read(f"a,machine=M before=1,x={value},after=3 0\na,machine=M x=4 0")
    assert readings(parsed) == [("M", "after", 0, 3.0), ("M", "before", 0, 1.0), ("M", "x", 0, 4.0)]
    assert refused(parsed) == [(0, "x", code)]


@pytest.mark.parametrize(
    ("value", "number"),
    [("+1", 1.0), ("1.", 1.0), (".5", 0.5), ("-1e3", -1000.0), ("007", 7.0), ("-0", 0.0), ("12i", 12.0), ("12u", 12.0)],
)
def test_numbers_are_read_as_influxdb_reads_them(value, number):
    assert readings(read(f"a,machine=M x={value} 0")) == [("M", "x", 0, number)]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (",machine=M x=1", "missing measurement"),
        ("a,machine=M", "missing fields"),
        ("a,machine=M ", "missing fields"),
        ("a,machine= x=1", "missing tag key or tag value"),
        ("a,=M x=1", "missing tag key or tag value"),
        ("a,machine=M x=", "missing fields"),
        ("a,machine=M =1", "missing fields"),
        ("a,machine=M x=1,y 0", "invalid field format"),
        ("a,machine=M x=1 soon", "bad timestamp"),
        ("a,machine=M x=1 1.5", "bad timestamp"),
        ("a,machine=M x=1 1 2", "bad timestamp"),
        ('a,machine=M x="1', "unbalanced quotes"),
    ],
)
def test_a_line_that_is_no_point_costs_itself_and_says_why(line, fault):
    parsed = read(f"a,machine=M good=1 0\n{line}\nb,machine=M good=2 1000000")
    assert readings(parsed) == [("M", "good", 0, 1.0), ("M", "good", 1, 2.0)]
    assert refused(parsed) == [(1, "", "malformed_line")]
    assert parsed.rejected[0].detail.endswith(fault)


def test_a_text_of_several_lines_does_not_shift_the_count_of_lines():
    assert refused(read('a,machine=M x="1\n2\n3" 0\na,machine=M y=t 0')) == [
        (0, "x", "not_a_number"),
        (3, "y", "not_a_number"),
    ]


def test_bodies_that_can_not_be_read_as_a_whole_say_why():
    for body, options, code in (
        (b"", {}, "no_lines"),
        (b"\n# nothing\n", {}, "no_lines"),
        (b"a,machine=M x=1", {"precision": "fortnight"}, "invalid_precision"),
        (b" " * (MAX_BYTES + 1), {}, "too_large"),
        (b"a,machine=M x=1\n" * (MAX_READINGS + 1), {}, "too_many_readings"),
        (b"a,machine=M x=1,y=t\n" * (MAX_READINGS // 2 + 1), {}, "too_many_readings"),
    ):
        with pytest.raises(PayloadError) as error:
            read(body, **options)
        assert error.value.code == code


@pytest.mark.parametrize(
    "unit", [b'a b="', b'a b="\\"', b"a,", b"a\\ ", b"\\", b"a b=1,", b"a,b=c", b"=", b'"', b"a b=1 \n", b"\n"]
)
def test_no_body_makes_the_grammar_go_back_and_forth(unit):
    # Quadratic time over a megabyte would run into this suite's time limit.
    with contextlib.suppress(PayloadError):
        read(unit * (MAX_BYTES // len(unit)))


# --- the roads and the client library agree ---

_LETTERS = string.ascii_letters + string.digits + "_-.:/%"
plain_names = st.text(_LETTERS, min_size=1, max_size=8)
# A backslash at the end is InfluxDB's own dead end: the client puts a space behind it, and the server keeps that.
any_names = st.text(_LETTERS + ' ,=\\"#ł', min_size=1, max_size=8).filter(lambda name: not name.endswith("\\"))
numbers = st.one_of(st.integers(-(10**17), 10**17), st.floats(-1e17, 1e17, allow_nan=False))
stamps = st.integers(0, 1 << 60)


@st.composite
def plain_bodies(draw):
    timed = draw(st.booleans())
    lines = []
    for _ in range(draw(st.integers(1, 6))):
        fields = draw(st.lists(st.tuples(plain_names, numbers), min_size=1, max_size=4))
        written = ",".join(f"{name}={value!r}{'i' if isinstance(value, int) else ''}" for name, value in fields)
        stamp = f" {draw(stamps)}" if timed else ""
        lines.append(f"{draw(plain_names)},machine={draw(plain_names)} {written}{stamp}")
    return "\n".join(lines)


@given(plain_bodies(), st.sampled_from(["ns", "us"]))
def test_the_columnar_road_and_the_patient_road_read_the_same(body, precision):
    columnar = room._columnar(body.encode(), NOW_MS, precision)
    patient = room._patient(body, NOW_MS, precision)
    assert readings(columnar) == readings(patient)
    assert columnar.rejected == patient.rejected == []


@given(any_names, any_names, st.dictionaries(any_names, numbers, min_size=1, max_size=4), stamps)
def test_what_the_client_library_writes_comes_back_as_it_was_meant(measurement, machine, fields, stamp):
    point = Point("m" + measurement).tag("machine", machine).time(stamp, WritePrecision.NS)
    for name, value in fields.items():
        point.field(name, value)
    parsed = read(point.to_line_protocol())
    expected = sorted((machine, name, stamp // 1_000_000, float(value)) for name, value in fields.items())
    assert readings(parsed) == expected
    assert parsed.rejected == []


@given(st.text(), any_names)
def test_a_text_of_the_client_library_is_refused_alone(text, name):
    point = Point("a").tag("machine", "M").field("a" + name, text).field("zz", 1.5)
    parsed = read(point.to_line_protocol())
    assert [(metric, value) for _machine, metric, _t, value in readings(parsed)] == [("zz", 1.5)]
    assert [one.code for one in parsed.rejected] == ["not_a_number"]


_FRAGMENTS = st.sampled_from(
    [
        b"a",
        b",machine=M",
        b" x=1",
        b" ",
        b"=",
        b",",
        b"\\",
        b'"',
        b"\n",
        b"\r\n",
        b"#",
        b"1i",
        b" 17",
        b"\0",
        b"\xff",
        b"i",
        b"t",
    ]
)


@given(
    st.one_of(st.binary(max_size=300), st.lists(_FRAGMENTS, max_size=30).map(b"".join)),
    st.sampled_from(sorted(PRECISIONS)),
)
def test_no_bytes_raise_anything_but_a_payload_error(body, precision):
    try:
        parsed = read(body, precision=precision)
    except PayloadError:
        return
    assert all(math.isfinite(value) for *_names, value in readings(parsed))
    assert len(parsed.batch) == len(parsed.index)
