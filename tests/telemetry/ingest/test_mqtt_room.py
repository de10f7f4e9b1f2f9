"""What the MQTT door has for all devices is not had by those who dawdle, or by one factory."""

import asyncio

from telemetry.ingest import mqtt_room
from tests.telemetry.ingest import mqtt_client as device
from tests.telemetry.ingest.mqtt_line import GOOD, TOPIC, Line, connected, values

FIVE = {"version": 5}


async def until(said):
    """Once the door has noticed, which says so to nobody."""
    async with asyncio.timeout(10):
        while not said():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def counted(door, connections):
    await until(lambda: len(door.room.connections) == connections)


async def answers(line):
    await line.say(device.PINGREQ)
    return await line.hear() == b"\xd0\x00"


async def test_whoever_dawdles_without_a_key_makes_room_for_who_has_one(door):
    known = await connected(door)
    slow = await Line.open(door, device.connect(client_id="slow")[:7])
    slower = await Line.open(door)
    await counted(door, 3)
    door.room.most = 3
    newcomer = await connected(door, user="dairy")
    assert await slow.hear() == b"", "the one that was there first goes first"
    assert await answers(known)
    assert await answers(newcomer)
    assert slower.reader.at_eof() is False
    await counted(door, 3)


async def test_a_factory_has_half_of_the_connections_and_the_other_half_is_for_others(door):
    door.room.most = 4
    mills = [await connected(door, client_id=f"m{n}") for n in range(2)]
    assert (await (await Line.open(door, device.connect(client_id="m3"))).hear())[3] == 3
    assert (await (await Line.open(door, device.connect(client_id="m3", **FIVE))).hear())[3] == 0x97
    dairy = await connected(door, user="dairy")
    assert await answers(dairy)
    mills[0].writer.close()
    await counted(door, 2)
    back = await connected(door, client_id="m3")
    assert await answers(back)


async def test_large_messages_that_never_end_give_way_to_those_that_do(door, journal, monkeypatch):
    monkeypatch.setattr(mqtt_room, "UNFINISHED_BYTES", 250_000)
    large = device.publish(TOPIC, GOOD + b" " * 100_000)
    stuck = [await connected(door, client_id=f"stuck-{n}") for n in range(2)]
    for line in stuck:
        await line.say(large[:-1])
    await until(lambda: door.room._unfinished_bytes == 2 * len(large) - 2)
    honest = await connected(door, client_id="honest", **FIVE)
    for number in range(1, 6):
        await honest.say(device.publish(TOPIC, GOOD + b" " * 100_000, packet_id=number, version=5))
        assert await honest.hear() == b"\x40\x02\x00" + bytes((number,))
    assert await stuck[0].hear() == b""
    await stuck[1].say(large[-1:])
    assert await stuck[1].hear() == b"\x40\x02\x00\x01"
    assert len(values(journal)) == 6
    assert door.room._unfinished_bytes == 0


async def test_a_device_that_takes_no_puback_for_a_minute_is_let_go(door):
    await connected(door)
    [there] = door.room.connections
    now_s = door.loop.time()
    there.pause_writing()
    assert not there.overdue(now_s + 59)
    assert there.overdue(now_s + 61)
    there.resume_writing()
    assert not there.overdue(now_s + 61)
