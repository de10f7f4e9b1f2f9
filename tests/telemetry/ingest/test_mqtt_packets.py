"""The codec: what a device may say is understood however it is cut, and no bytes raise anything but its own error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.ingest.mqtt_answers import connack_encode, disconnect_encode, puback_encode, suback_encode
from telemetry.ingest.mqtt_packets import (
    Connect,
    Decoder,
    Disconnect,
    PacketTooLargeError,
    PingRequest,
    Publish,
    Reason,
    Subscribe,
    Unexpected,
    UnsupportedVersionError,
)
from telemetry.ingest.mqtt_properties import IN_PUBLISH
from telemetry.ingest.mqtt_wire import (
    MalformedPacketError,
    ProtocolViolationError,
    Reader,
    text_encode,
    varint_encode,
)
from tests.telemetry.ingest import mqtt_client as device


def decode(data: bytes, *, version=4, maximum=10_000):
    decoder = Decoder(max_packet_bytes=maximum)
    decoder.version = version
    return list(decoder.feed(data))


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("will", [False, True])
def test_connect_is_read_and_its_will_is_passed_over(version, will):
    [packet] = decode(device.connect(version=version, will=will, client_id="żuraw", keep_alive=30))
    assert packet == Connect(version, "żuraw", True, 30, "mill", b"key", {})


@given(
    topic=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40),
    payload=st.binary(max_size=300),
    qos=st.integers(0, 2),
    packet_id=st.integers(1, 65535),
    version=st.sampled_from([4, 5]),
    cuts=st.lists(st.integers(1, 60), max_size=10),
)
def test_a_publish_survives_any_cutting_of_the_stream(topic, payload, qos, packet_id, version, cuts):
    data = device.publish(topic, payload, qos=qos, packet_id=packet_id, version=version) + device.PINGREQ
    decoder = Decoder(max_packet_bytes=10_000)
    decoder.version = version
    packets, at = [], 0
    for cut in [*cuts, len(data)]:
        packets += decoder.feed(data[at : at + cut])
        at += cut
    assert packets == [Publish(topic, payload, qos, packet_id if qos else 0, {}), PingRequest()]
    assert decoder.waiting == 0


def test_the_version_of_connect_holds_for_what_follows_in_the_same_bytes():
    stream = device.connect(version=5) + device.publish("a", b"x", version=5, properties={0x01: 1, 0x23: 4})
    assert decode(stream)[1] == Publish("a", b"x", 1, 1, {0x01: 1, 0x23: 4})


@pytest.mark.parametrize("version", [4, 5])
def test_other_packets_are_told_apart(version):
    stream = device.subscribe("a/#", "b", version=version) + device.unsubscribe("a", version=version)
    stream += device.packet(0x62, b"\x00\x01") + device.DISCONNECT
    assert decode(stream, version=version) == [
        Subscribe(7, 2, False),
        Subscribe(8, 1, True),
        Unexpected(6),
        Disconnect(),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x00",  # type 0
        b"\x11\x00",  # reserved flags of CONNECT
        b"\x36\x05\x00\x01a\x00\x01",  # QoS 3
        b"\x32\x05\x00\x01a\x00\x00",  # packet identifier 0
        b"\x30\x03\x00\x09a",  # topic longer than the packet
        b"\x30\x03\x00\x01\xff",  # topic is not UTF-8
        b"\x30\x03\x00\x01\x00",  # topic with NUL
        b"\x30\xff\xff\xff\xff\x01",  # remaining length of five bytes
        b"\x82\x02\x00\x01",  # no topic filter
        b"\xc0\x01x",  # PINGREQ with a body
        device.packet(0x10, text_encode("HTTP") + b"\x04\x02\x00\x00"),
        device.packet(0x10, text_encode("MQTT") + b"\x04\x03\x00\x00" + text_encode("c")),  # reserved connect flag
        device.packet(0x10, text_encode("MQTT") + b"\x04\x42\x00\x00" + text_encode("c") + text_encode("p")),
        device.connect()[:-1] + b"",
    ],
)
def test_malformed_packets_are_told(data):
    decoder = Decoder(max_packet_bytes=1000)
    if data == device.connect()[:-1]:
        assert list(decoder.feed(data)) == []  # only incomplete
        return
    with pytest.raises(MalformedPacketError):
        list(decoder.feed(data))


@pytest.mark.parametrize(("name", "version"), [("MQTT", 3), ("MQTT", 6), ("MQIsdp", 3)])
def test_other_versions_are_told_by_name(name, version):
    with pytest.raises(UnsupportedVersionError):
        decode(device.packet(0x10, text_encode(name) + bytes((version, 2)) + b"\x00\x00"))


def test_a_packet_is_refused_by_its_header_before_its_body_is_gathered():
    with pytest.raises(PacketTooLargeError):
        decode(b"\x30" + varint_encode(1001), maximum=1000)


def test_properties_are_read_strictly():
    with pytest.raises(ProtocolViolationError, match="twice"):
        Reader(b"\x04\x01\x00\x01\x00").properties(IN_PUBLISH)
    with pytest.raises(MalformedPacketError, match="no place"):
        Reader(b"\x02\x7f\x00").properties(IN_PUBLISH)
    assert Reader(b"\x07\x26\x00\x01a\x00\x01b").properties(IN_PUBLISH) == {}


def test_answers_are_the_bytes_of_the_standard():
    assert connack_encode(4, Reason.NOT_AUTHORIZED) == b"\x20\x02\x00\x05"
    assert connack_encode(5, Reason.NOT_AUTHORIZED) == b"\x20\x03\x00\x87\x00"
    assert connack_encode(5, Reason.SUCCESS, {0x24: 1, 0x27: 1000}) == bytes.fromhex(
        "200a0000072401 27000003e8".replace(" ", "")
    )
    assert puback_encode(4, 258) == puback_encode(5, 258) == b"\x40\x02\x01\x02"
    assert puback_encode(5, 258, Reason.TOPIC_NAME_INVALID) == b"\x40\x03\x01\x02\x90"
    assert suback_encode(4, Subscribe(1, 2, False)) == b"\x90\x04\x00\x01\x80\x80"
    assert suback_encode(5, Subscribe(1, 1, False)) == b"\x90\x04\x00\x01\x00\x87"
    assert suback_encode(4, Subscribe(1, 2, True)) == b"\xb0\x02\x00\x01"
    assert suback_encode(5, Subscribe(1, 1, True)) == b"\xb0\x04\x00\x01\x00\x11"
    assert disconnect_encode(4, Reason.NOT_AUTHORIZED) == b""
    assert disconnect_encode(5, Reason.NOT_AUTHORIZED) == b"\xe0\x02\x87\x00"


@given(st.integers(0, 268_435_455))
def test_variable_byte_integers_round_trip(value):
    encoded = varint_encode(value)
    assert len(encoded) <= 4
    assert Reader(encoded).varint() == value


@given(data=st.binary(max_size=300), version=st.sampled_from([4, 5]))
def test_random_bytes_raise_nothing_but_the_codecs_error(data, version):
    decoder = Decoder(max_packet_bytes=1000)
    decoder.version = version
    try:
        list(decoder.feed(data))
    except MalformedPacketError:
        return
    assert decoder.waiting <= len(data)


@given(data=st.data(), version=st.sampled_from([4, 5]))
def test_a_damaged_connect_raises_nothing_but_the_codecs_error(data, version):
    whole = bytearray(device.connect(version=version, will=True))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(whole))
    except MalformedPacketError:
        return
