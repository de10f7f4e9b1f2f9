"""What MQTT 3.1.1 and 5 ask of a server that devices only publish to, statement by statement."""

import asyncio

import pytest

from telemetry.ingest.mqtt_session import MAX_PACKET_BYTES
from telemetry.ingest.mqtt_wire import properties_encode, text_encode, varint_encode
from tests.telemetry.ingest import mqtt_client as device
from tests.telemetry.ingest.mqtt_line import GOOD, TOPIC, Line, connected, refused, values

FIVE = {"version": 5}


def raw_connect(*, flags=0xC2, properties=b"\x00", version=5, client_id="dev", will=b""):
    body = text_encode("MQTT") + bytes((version, flags)) + (60).to_bytes(2)
    body += (properties if version == 5 else b"") + text_encode(client_id) + will
    return device.packet(0x10, body + text_encode("mill") + text_encode("key"))


def will_of(version):
    return (properties_encode({0x18: 5}) if version == 5 else b"") + text_encode("will/topic") + text_encode("gone")


async def reason_of_the_end(line):
    """The reason code of the DISCONNECT that ends a connection of MQTT 5."""
    said = await line.hear()
    assert said[:1] == b"\xe0"
    assert await line.hear() == b""
    return said[2]


@pytest.mark.parametrize("first", [device.PINGREQ, device.publish(TOPIC, GOOD), device.subscribe("#"), b"\xe0\x00"])
async def test_nothing_comes_before_connect(door, journal, first):
    line = await Line.open(door, first)
    assert await line.hear() == b""
    assert values(journal) == []


async def test_a_second_connect_ends_a_3_1_1_connection_too(door):
    line = await connected(door)
    await line.say(device.connect())
    assert await line.hear() == b""


@pytest.mark.parametrize(
    "properties",
    [
        b"\x02\x24\x01",  # maximum QoS: only a server says so
        b"\x03\x21\x00\x00",  # receive maximum 0
        b"\x05\x27\x00\x00\x00\x00",  # maximum packet size 0
        b"\x02\x17\x02",  # request problem information 2
        b"\x04\x17\x01\x17\x01",  # twice
        b"\x04\x16\x00\x01a",  # authentication data without its method
        b"\x05\x11\x00",  # longer than it is
        b"\x7f",
    ],
)
async def test_a_connect_with_properties_that_it_may_not_have_is_not_let_in(door, properties):
    line = await Line.open(door, raw_connect(properties=properties))
    assert await line.hear() == b""


async def test_enhanced_authentication_is_refused_by_code(door):
    line = await Line.open(door, raw_connect(properties=properties_encode({0x15: "SCRAM-SHA-1"})))
    assert (await line.hear())[3] == 0x8C


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("will_flags", [0x04, 0x0C, 0x24])
async def test_a_will_is_taken_and_ignored(door, journal, version, will_flags):
    line = await Line.open(door, raw_connect(flags=0xC2 | will_flags, version=version, will=will_of(version)))
    assert (await line.hear())[3] == 0
    line.writer.transport.abort()
    other = await connected(door, client_id="other")
    await other.say(device.publish(TOPIC, GOOD))
    await other.hear()
    assert len(values(journal)) == 1


async def test_a_will_of_more_than_the_maximum_qos_is_refused_by_code(door):
    line = await Line.open(door, raw_connect(flags=0xC2 | 0x14, will=will_of(5)))
    assert (await line.hear())[3] == 0x9B
    older = await Line.open(door, raw_connect(flags=0xC2 | 0x14, will=will_of(4), version=4))
    assert (await older.hear())[3] == 0


@pytest.mark.parametrize("flags", [0xC3, 0xDA, 0xCA, 0xE2])
async def test_connect_flags_that_contradict_each_other_are_not_let_in(door, flags):
    line = await Line.open(door, raw_connect(flags=flags, version=4))
    assert await line.hear() == b""


async def test_a_client_id_may_be_left_to_us_where_the_version_allows_it(door):
    three = await Line.open(door, device.connect(client_id="", clean=True))
    assert await three.hear() == b"\x20\x02\x00\x00"
    refusing = await Line.open(door, device.connect(client_id="", clean=False))
    assert await refusing.hear() == b"\x20\x02\x00\x02"
    assert await refusing.hear() == b""
    five = await Line.open(door, device.connect(client_id="", clean=False, **FIVE))
    assert b"\x12\x00\x13fp-" in await five.hear()


@pytest.mark.parametrize("version", [4, 5])
async def test_a_session_is_never_present_even_for_one_who_asks_for_one(door, version):
    for _ in range(2):
        line = await connected(door, version=version, clean=False, properties={0x11: 3600})
        line.writer.transport.abort()
    line = await Line.open(door, device.connect(version=version, clean=False, properties={0x11: 3600}))
    answer = await line.hear()
    assert answer[2] == 0
    assert version == 4 or b"\x11\x00\x00\x00\x00" in answer


async def test_an_unknown_version_is_refused_by_code(door):
    line = await Line.open(door, device.packet(0x10, text_encode("MQTT") + b"\x06\x02\x00\x00\x00\x00"))
    assert await line.hear() == b"\x20\x02\x00\x01"
    assert await line.hear() == b""


async def test_a_connect_larger_than_any_key_needs_is_not_gathered(door):
    line = await Line.open(door, device.connect(client_id="x" * 20_000))
    assert await line.hear() == b""


async def test_a_large_message_may_follow_connect_at_once(door, journal):
    payload = GOOD + b" " * 500_000
    line = await Line.open(door, device.connect() + device.publish(TOPIC, payload), answer=b"\x20\x02\x00\x00")
    assert await line.hear() == b"\x40\x02\x00\x01"


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (device.publish("", GOOD, **FIVE), 0x82),
        (device.packet(0x30, text_encode(TOPIC) + b"\x02\x0b\x01" + GOOD), 0x81),  # subscription identifier
        (device.publish(TOPIC, GOOD, properties={0x01: 2}, version=5), 0x82),  # payload format 2
        (device.publish(TOPIC, GOOD, properties={0x08: "a/#"}, version=5), 0x82),  # response topic with a wildcard
        (device.publish(TOPIC, GOOD, properties={0x23: 0}, version=5), 0x94),  # topic alias 0
        (device.packet(0x38, text_encode(TOPIC) + b"\x00" + GOOD), 0x81),  # DUP with QoS 0
        (device.packet(0x30, b"\x00\x02\xed\xa0\x00"), 0x81),  # a surrogate in UTF-8
        (device.packet(0x82, b"\x00\x01\x00" + text_encode("")), 0x81),  # empty topic filter
        (device.packet(0x82, b"\x00\x01\x00" + text_encode("a") + b"\x03"), 0x81),  # QoS 3
        (device.packet(0x82, b"\x00\x01\x00" + text_encode("a") + b"\x41"), 0x81),  # reserved bits
        (device.packet(0x82, b"\x00\x01\x00" + text_encode("a") + b"\x31"), 0x82),  # retain handling 3
        (device.packet(0x82, b"\x00\x01\x00" + text_encode("$share/g/a") + b"\x05"), 0x82),  # no local, shared
        (device.packet(0x82, b"\x00\x01\x02\x0b\x00" + text_encode("a") + b"\x01"), 0x82),  # subscription identifier 0
        (device.packet(0x80, b"\x00\x01\x00" + text_encode("a") + b"\x01"), 0x81),  # flags of SUBSCRIBE
        (device.packet(0xA2, b"\x00\x00\x00" + text_encode("a")), 0x81),  # packet identifier 0
        (device.packet(0xE0, b"\x00\x05\x11\x00\x00\x00\x09"), 0x82),  # a session that was never asked for
        (device.packet(0xE0, b"\x00\x04\x1c\x00\x01a"), 0x81),  # only a server refers to another
        (device.packet(0x40, b"\x00\x01"), 0x82),  # PUBACK for nothing
        (device.packet(0xD0, b""), 0x82),  # PINGRESP
    ],
)
async def test_a_rule_that_is_broken_ends_its_own_connection_by_its_reason(door, packet, reason):
    bystander = await connected(door, client_id="bystander")
    line = await connected(door, version=5)
    await line.say(packet)
    assert await reason_of_the_end(line) == reason
    await bystander.say(device.PINGREQ)
    assert await bystander.hear() == b"\xd0\x00"


@pytest.mark.parametrize("topic", [b"\xff", b"a\x00b", b"\xed\xa0\x80", b"\xc0\x80"])
async def test_a_topic_that_is_no_text_ends_a_3_1_1_connection(door, topic):
    line = await connected(door)
    await line.say(device.packet(0x30, len(topic).to_bytes(2) + topic + GOOD))
    assert await line.hear() == b""


async def test_wildcards_and_shared_subscriptions_are_refused_and_cost_no_connection(door):
    line = await connected(door, version=5)
    await line.say(device.subscribe("#", "a/+", "$share/group/a", version=5))
    assert await line.hear() == b"\x90\x06\x00\x07\x00" + b"\x87" * 3
    await line.say(device.PINGREQ)
    assert await line.hear() == b"\xd0\x00"


async def test_a_device_that_takes_only_small_packets_is_told_no_reasons(door):
    line = await Line.open(door, device.connect(version=5, properties={0x27: 22}), answer=b"\x20")
    await line.say(device.publish(TOPIC, GOOD, qos=2, version=5))
    assert await line.hear() == b"\xe0\x02\x9b\x00"


async def test_what_is_said_after_disconnect_is_not_heard(door, journal):
    line = await connected(door)
    await line.say(device.DISCONNECT + device.publish(TOPIC, GOOD))
    assert await line.hear() == b""
    assert values(journal) == []


async def test_a_packet_larger_than_told_ends_the_connection_before_it_is_gathered(door):
    line = await connected(door, version=5)
    await line.say(b"\x30" + varint_encode(MAX_PACKET_BYTES))
    assert await reason_of_the_end(line) == 0x95


async def test_a_device_that_publishes_with_qos_2_is_shown_to_its_factory(door, journal):
    line = await connected(door)
    await line.say(device.publish(TOPIC, GOOD, qos=2))
    assert await line.hear() == b""
    await asyncio.to_thread(journal.close)
    [refusal] = refused(journal)
    assert (refusal.code, refusal.source) == ("qos_not_supported", "MQTT prefix12")


async def test_retain_is_taken_for_nothing(door, journal):
    line = await connected(door, version=5)
    await line.say(device.publish(TOPIC, GOOD, retain=True, version=5))
    assert await line.hear() == b"\x40\x02\x00\x01"
    assert len(values(journal)) == 1
