"""The MQTT door as devices meet it: PUBACK means on disk, and whoever misbehaves loses its own connection only."""

import asyncio
import contextlib
import json
import os
import shutil
import time

import paho.mqtt.client as paho
import pytest

from telemetry.ingest import admission
from telemetry.ingest.journal import JournalFullError
from telemetry.ingest.mqtt import MqttDoor
from telemetry.ingest.mqtt_line import connections_possible
from telemetry.ingest.mqtt_session import RECEIVE_MAXIMUM
from telemetry.readings import ReadingBatch
from tests.telemetry.ingest import mqtt_client as device
from tests.telemetry.ingest.mqtt_line import (
    ACCEPTED_311,
    GOOD,
    TOPIC,
    Line,
    check_key,
    connected,
    refused,
    stored,
    values,
)


async def test_a_puback_comes_when_the_reading_is_on_disk(door, journal):
    line = await connected(door)
    await line.say(device.publish(TOPIC, GOOD, packet_id=258))
    assert await line.hear() == b"\x40\x02\x01\x02"
    assert values(journal) == [("mill", "M01", "vibration", 2.1)]


async def test_without_a_commit_there_is_no_puback_and_the_device_is_sent_away(door, journal, monkeypatch):
    line = await connected(door, version=5)
    monkeypatch.setattr(journal._writer, "_reserve_bytes", 1 << 60)
    await line.say(device.publish(TOPIC, GOOD, version=5))
    assert (await line.hear())[:3] == b"\xe0" + bytes((len("not stored, send it again later") + 5,)) + b"\x97"
    assert await line.hear() == b""
    assert values(journal) == []
    monkeypatch.undo()
    again = await connected(door, version=5)
    await again.say(device.publish(TOPIC, GOOD, version=5))
    assert await again.hear() == b"\x40\x02\x00\x01"


async def test_a_journal_that_takes_nothing_more_sends_devices_away(door, journal, monkeypatch):
    def refuse(*_args, **_options):
        raise JournalFullError("full")

    line = await connected(door)
    monkeypatch.setattr(journal, "append", refuse)
    await line.say(device.publish(TOPIC, GOOD))
    assert await line.hear() == b""


async def test_pubacks_come_in_the_order_of_the_messages(door, journal):
    line = await connected(door)
    await line.say(b"".join(device.publish(TOPIC, b'{"n": %d}' % n, packet_id=n) for n in range(1, 301)))
    assert [int.from_bytes((await line.hear())[2:]) for _ in range(300)] == list(range(1, 301))
    assert [value for *_, value in values(journal)] == list(range(1, 301))


async def test_a_burst_without_times_is_kept_reading_by_reading(door, journal):
    line = await connected(door)
    burst = [device.publish(TOPIC, b'{"n": %d}' % n, packet_id=n) for n in range(1, 501)]
    for start in (0, 250):
        await line.say(b"".join(burst[start : start + 250]))
        for _ in range(250):
            assert (await line.hear())[0] == 0x40
    rows = [s for entry in stored(journal) for s in ReadingBatch.from_bytes(entry.body)]
    times = [t for s in rows for t in s.t_ms.tolist()]
    assert len(set(times)) == 500
    assert [v for s in rows for v in s.values.tolist()] == list(range(1, 501))
    assert times == sorted(times)


async def test_qos_0_is_stored_too(door, journal):
    line = await connected(door)
    await line.say(device.publish(TOPIC, GOOD, qos=0) + device.publish(TOPIC, GOOD, packet_id=2))
    assert await line.hear() == b"\x40\x02\x00\x02"
    assert len(values(journal)) == 2


async def test_the_machine_of_the_payload_goes_before_the_topics(door, journal):
    line = await connected(door)
    await line.say(device.publish(TOPIC, b'{"machine": "M02", "metrics": {"a": 1}}'))
    await line.hear()
    assert values(journal) == [("mill", "M02", "a", 1.0)]


@pytest.mark.parametrize("payload", [b"", b"not json", b"[" * 5000, b"\xff\x00", b'{"metrics": {"a": NaN}}', b"{}"])
async def test_a_malformed_payload_is_acknowledged_and_quarantined(door, journal, payload):
    line = await connected(door)
    await line.say(device.publish(TOPIC, payload, packet_id=1) + device.publish(TOPIC, GOOD, packet_id=2))
    assert await line.hear() == b"\x40\x02\x00\x01"
    assert await line.hear() == b"\x40\x02\x00\x02"
    assert values(journal) == [("mill", "M01", "vibration", 2.1)]
    [refusal] = refused(journal)
    assert (refusal.source, refusal.machine, refusal.count) == ("MQTT prefix12", "M01", 1)


async def test_a_time_outside_the_window_is_quarantined_with_its_reason(door, journal):
    line = await connected(door)
    await line.say(device.publish(TOPIC, b'{"timestamp": 1790000000, "vibration": 1}'))
    assert await line.hear() == b"\x40\x02\x00\x01"
    [refusal] = refused(journal)
    assert (refusal.code, refusal.metric) == ("timestamp_too_old", "vibration")


@pytest.mark.parametrize(
    ("options", "answer_311", "answer_5"),
    [
        ({"password": "wrong"}, 4, 0x86),
        ({"password": "foreign"}, 5, 0x87),
        ({"user": None}, 4, 0x86),
        ({"password": None}, 4, 0x86),
    ],
)
async def test_a_bad_key_is_refused_by_code(door, options, answer_311, answer_5):
    for version, code in ((4, answer_311), (5, answer_5)):
        if version == 4 and options.get("user", "") is None:
            options = {**options, "password": None}  # 3.1.1 forbids a password alone
        line = await Line.open(door, device.connect(version=version, **options))
        assert (await line.hear())[3] == code
        assert await line.hear() == b""


async def test_a_topic_of_another_factory_closes_the_connection_with_its_code(door, journal):
    five, three = await connected(door, version=5), await connected(door, client_id="other")
    await five.say(device.publish("factories/dairy/devices/M01/telemetry", GOOD, version=5))
    assert (await five.hear())[2] == 0x87
    assert await five.hear() == b""
    await three.say(device.publish("some/topic", GOOD))
    assert await three.hear() == b""
    assert values(journal) == []
    await asyncio.to_thread(journal.close)  # commits what waits
    assert [refusal.code for refusal in refused(journal)] == ["foreign_topic", "foreign_topic"]


async def test_an_unknown_topic_of_the_own_factory_costs_only_its_message(door, journal):
    five, three = await connected(door, version=5), await connected(door, client_id="other")
    await five.say(device.publish("factories/mill/devices/M01/status", GOOD, version=5))
    assert await five.hear() == b"\x40\x03\x00\x01\x90"
    await three.say(device.publish("factories/mill/M01", GOOD) + device.PINGREQ)
    assert await three.hear() == b"\x40\x02\x00\x01"
    assert await three.hear() == b"\xd0\x00"
    await asyncio.to_thread(journal.close)
    assert [refusal.code for refusal in refused(journal)] == ["unknown_topic", "unknown_topic"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (device.publish(TOPIC, GOOD, qos=2, version=5), 0x9B),
        (device.publish("factories/mill/devices/+/telemetry", GOOD, version=5), 0x90),
        (device.publish("", GOOD, version=5, properties={0x23: 1}), 0x94),
        (device.connect(version=5), 0x82),
        (device.packet(0x62, b"\x00\x01"), 0x82),
        (device.packet(0xF0, b""), 0x82),
        (b"\x30\xff\xff\xff\x7f", 0x95),
        (b"\x36\x05\x00\x01a\x00\x01", 0x81),
    ],
)
async def test_what_has_no_place_here_closes_its_own_connection_with_a_reason(door, data, reason):
    bystander = await connected(door, client_id="bystander")
    line = await connected(door, version=5)
    await line.say(data)
    assert (await line.hear())[2] == reason
    assert await line.hear() == b""
    await bystander.say(device.publish(TOPIC, GOOD))
    assert await bystander.hear() == b"\x40\x02\x00\x01"


async def test_qos_2_closes_a_3_1_1_connection(door, journal):
    line = await connected(door)
    await line.say(device.publish(TOPIC, GOOD, qos=2))
    assert await line.hear() == b""
    assert values(journal) == []


async def test_subscribing_is_refused_by_code_and_publishing_goes_on(door):
    for version, refusal in ((4, b"\x80"), (5, b"\x87")):
        line = await connected(door, version=version, client_id=f"v{version}")
        await line.say(device.subscribe("#", version=version))
        assert (await line.hear()).endswith(refusal)
        await line.say(device.unsubscribe("#", version=version))
        assert (await line.hear())[0] == 0xB0
        await line.say(device.publish(TOPIC, GOOD, version=version))
        assert await line.hear() == b"\x40\x02\x00\x01"


async def test_the_newer_of_two_connections_with_one_client_id_stays(door):
    older = await connected(door, version=5)
    newer = await connected(door, version=5)
    assert (await older.hear())[2] == 0x8E
    await newer.say(device.PINGREQ)
    assert await newer.hear() == b"\xd0\x00"


async def test_one_client_id_in_two_factories_is_two_devices(door):
    mill, dairy = await connected(door), await connected(door, user="dairy")
    for line in (mill, dairy):
        await line.say(device.PINGREQ)
        assert await line.hear() == b"\xd0\x00"


async def test_a_device_that_falls_silent_is_hung_up_on(door):
    line = await connected(door, version=5, keep_alive=1)
    assert (await line.hear())[2] == 0x8D


async def test_who_says_nothing_at_all_is_hung_up_on(door, monkeypatch):
    monkeypatch.setattr("telemetry.ingest.mqtt_pace.CONNECT_WITHIN_S", 0.2)
    line = await Line.open(door)
    assert await line.hear() == b""


async def test_a_revoked_key_loses_its_connections_within_a_second_or_so(door):
    mill, dairy = await connected(door, version=5), await connected(door, user="dairy")
    door.gone.add("mill")
    assert (await mill.hear())[2] == 0x87
    await dairy.say(device.PINGREQ)
    assert await dairy.hear() == b"\xd0\x00"


async def test_messages_may_follow_connect_without_waiting(door, journal):
    line = await Line.open(door, device.connect() + device.publish(TOPIC, GOOD), answer=ACCEPTED_311)
    assert await line.hear() == b"\x40\x02\x00\x01"


async def test_a_device_over_its_plan_is_made_to_wait_and_loses_nothing(door, journal):
    admission._buckets.put("mill", admission.TokenBucket(rate=200.0, burst=10.0))
    line, other = await connected(door), await connected(door, user="dairy")
    began = time.monotonic()
    for start in (1, 101):
        await line.say(b"".join(device.publish(TOPIC, b'{"n": 1}', packet_id=n) for n in range(start, start + 100)))
        for _ in range(100):
            assert (await line.hear())[0] == 0x40
        await other.say(device.publish("factories/dairy/devices/M01/telemetry", GOOD))
        assert await other.hear() == b"\x40\x02\x00\x01"
    assert time.monotonic() - began > 0.4
    assert len([row for row in values(journal) if row[0] == "mill"]) == 200


def flood(messages):
    return b"".join(device.publish(TOPIC, b'{"n": %d}' % n, packet_id=n % 60_000 + 1) for n in range(messages))


async def test_a_flood_far_over_the_plan_is_read_little_by_little(door, journal):
    admission._buckets.put("mill", admission.TokenBucket(rate=100.0, burst=10.0))
    line, other = await connected(door), await connected(door, user="dairy")
    flooding = asyncio.create_task(line.say(flood(20_000)))
    assert (await line.hear())[0] == 0x40
    await other.say(device.publish("factories/dairy/devices/M01/telemetry", GOOD))
    assert await other.hear() == b"\x40\x02\x00\x01"
    taken = len([row for row in values(journal) if row[0] == "mill"])
    flooding.cancel()
    # One read of 16 KiB, of more than a megabyte.
    assert 0 < taken < 500


async def test_who_hangs_up_in_debt_is_let_go_and_not_read_for_hours(door, journal, monkeypatch):
    monkeypatch.setattr("telemetry.ingest.mqtt_pace._REST_AT_MOST_S", 0.05)
    admission._buckets.put("mill", admission.TokenBucket(rate=1.0, burst=10.0))
    line = await connected(door)
    line.writer.write(flood(3_000))
    line.writer.write_eof()
    while packet := await line.hear():
        assert packet[0] == 0x40
    assert 0 < len(values(journal)) < 1_500


async def test_version_5_is_told_its_limits(door):
    line = await Line.open(door, device.connect(version=5, client_id=""))
    answer = await line.hear()
    assert answer[3] == 0
    assert b"\x24\x01" in answer  # maximum QoS 1
    assert b"\x21" + RECEIVE_MAXIMUM.to_bytes(2) in answer
    assert b"\x12" in answer  # assigned client identifier


async def test_stopping_acknowledges_what_was_taken_and_says_good_bye(journal):
    door = MqttDoor(journal, check_key=check_key, gone_keys=lambda keys: set())
    door.port = await door.start("127.0.0.1", 0)
    line = await connected(door, version=5)
    await line.say(device.publish(TOPIC, GOOD, version=5))
    assert await line.hear() == b"\x40\x02\x00\x01"
    await door.stop()
    assert (await line.hear())[2] == 0x8B


@pytest.mark.parametrize("version", [paho.MQTTv311, paho.MQTTv5])
async def test_paho_publishes_in_both_versions(door, journal, version):
    def run():
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="paho", protocol=version)
        client.username_pw_set("mill", "key")
        client.connect("127.0.0.1", door.port)
        client.loop_start()
        try:
            for number in range(50):
                client.publish(TOPIC, json.dumps({"metrics": {"n": number}}), qos=number % 2)
            last = client.publish(TOPIC, GOOD, qos=1)
            last.wait_for_publish(timeout=10)
            return last.is_published()
        finally:
            client.disconnect()
            client.loop_stop()

    assert await asyncio.to_thread(run)
    # QoS 0 may overtake: paho holds QoS 1 back to 20 unacknowledged messages.
    assert sorted(value for *_, value in values(journal)) == sorted([*range(50), 2.1])


@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
async def test_mosquitto_pub_publishes_in_both_versions(door, journal, version):
    program = shutil.which("mosquitto_pub")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("mosquitto_pub is missing: install Debian's package mosquitto-clients")
        pytest.skip("mosquitto_pub is not installed (Debian: mosquitto-clients)")
    arguments = ["-h", "127.0.0.1", "-p", str(door.port), "-V", version, "-u", "mill", "-t", TOPIC, "-q", "1"]
    sender = await asyncio.create_subprocess_exec(program, *arguments, "-P", "key", "-m", GOOD.decode())
    assert await asyncio.wait_for(sender.wait(), 10) == 0
    assert values(journal) == [("mill", "M01", "vibration", 2.1)]
    refused_sender = await asyncio.create_subprocess_exec(
        program, *arguments, "-P", "wrong", "-m", "{}", stderr=asyncio.subprocess.DEVNULL
    )
    assert await asyncio.wait_for(refused_sender.wait(), 10) != 0


async def test_a_device_that_never_reads_its_pubacks_is_not_read_either(door, journal):
    line = await connected(door)
    flood = b"".join(device.publish(TOPIC, b'{"n": 1}', packet_id=1) for _ in range(2000))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            while True:
                await line.say(flood)
    line.writer.transport.abort()
    other = await connected(door, client_id="other")
    await other.say(device.PINGREQ)
    assert await other.hear() == b"\xd0\x00"


async def test_where_no_more_connections_have_room_the_next_is_turned_away(door):
    first = await connected(door)
    door.room.most = 1
    assert await (await Line.open(door, device.connect(client_id="next"))).hear() == b""
    await first.say(device.PINGREQ)
    assert await first.hear() == b"\xd0\x00"


def test_the_room_is_what_the_system_gives(monkeypatch):
    limits = {}
    monkeypatch.setattr("resource.getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr("resource.setrlimit", lambda _, pair: limits.update(pair=pair))
    assert connections_possible(10_000) == 4096 - 200
    assert limits["pair"] == (4096, 4096)
    assert connections_possible(500) == 500
