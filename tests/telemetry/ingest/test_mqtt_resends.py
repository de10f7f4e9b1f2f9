"""A message without a timestamp that is sent again because its PUBACK was lost: stored once, and never lost for it."""

import asyncio
import socket
import struct
import zlib

import pytest

from common import clock
from telemetry.ingest.journal import Journal
from telemetry.ingest.mqtt import MqttDoor
from telemetry.ingest.mqtt_resends import LAST_MOMENTS_MS, REMEMBERED_S, Resends, Told, client_mark, marks, record
from tests.telemetry.ingest import mqtt_client as device
from tests.telemetry.ingest.mqtt_line import GOOD, TOPIC, check_key, connected, values

PUBACK = b"\x40\x02\x00\x01"


class HeldAnswers:
    """Commits in the journal are made, and the door hears of them only when released."""

    def __init__(self, door):
        self._door, self._tell, self._waiting = door, door._tell, []
        self.committed = asyncio.Event()
        door._tell = self._hold

    def _hold(self, *told):
        self._waiting.append(told)
        self._door.loop.call_soon_threadsafe(self.committed.set)

    def release(self):
        self._door._tell = self._tell
        for told in self._waiting:
            self._tell(*told)


async def second_life(journal):
    door = MqttDoor(journal, check_key=check_key, gone_keys=lambda keys: set())
    door.port = await door.start("127.0.0.1", 0)
    return door


@pytest.fixture
async def killed(door, journal, tmp_path):
    """`await killed(door)`: its process is gone between fsync and PUBACK, another one stands in its place."""
    lives = []

    async def kill():
        # Nothing of the old door may reach the journal any more: a kill gives no time for it.
        door.resends.keep = lambda *_, **__: None
        await asyncio.to_thread(journal.close)
        lives.append((await second_life(Journal(tmp_path)), door))
        return lives[-1][0]

    yield kill
    for life, _ in lives:
        await life.stop()
        life._journal.close()


@pytest.mark.parametrize("version", [4, 5])
async def test_after_a_kill_between_disk_and_puback_the_resend_is_stored_once(door, journal, killed, version):
    held = HeldAnswers(door)
    line = await connected(door, version=version, clean=False)
    await line.say(device.publish(TOPIC, GOOD, version=version))
    await held.committed.wait()
    life = await killed()
    line.writer.transport.abort()
    again = await connected(life, version=version, clean=False)
    await again.say(device.publish(TOPIC, GOOD, version=version, dup=True))
    assert await again.hear() == PUBACK
    await again.say(device.publish(TOPIC, GOOD, version=version, packet_id=2))
    assert await again.hear() == b"\x40\x02\x00\x02"
    assert len(values(life._journal)) == 2
    held.release()


@pytest.mark.parametrize(("clean", "stored"), [(False, 1), (True, 2)])
async def test_what_was_never_acknowledged_is_known_without_dup_by_who_keeps_a_session(door, journal, clean, stored):
    held = HeldAnswers(door)
    line = await connected(door, clean=False)
    await line.say(device.publish(TOPIC, GOOD))
    await held.committed.wait()
    line.writer.transport.abort()
    while door.room.connections:  # noqa: ASYNC110  # the door has no event for it, and it is the next turn of the loop
        await asyncio.sleep(0)
    held.release()
    again = await connected(door, clean=clean)
    await again.say(device.publish(TOPIC, GOOD))
    assert await again.hear() == PUBACK
    assert len(values(journal)) == stored


async def test_it_holds_over_a_second_kill(door, journal, killed, tmp_path):
    held = HeldAnswers(door)
    line = await connected(door, clean=False)
    await line.say(device.publish(TOPIC, GOOD))
    await held.committed.wait()
    await (await killed()).stop()
    third = await second_life(Journal(tmp_path))
    again = await connected(third, clean=False)
    await again.say(device.publish(TOPIC, GOOD, dup=True))
    assert await again.hear() == PUBACK
    assert len(values(third._journal)) == 1
    await third.stop()
    third._journal.close()
    held.release()


@pytest.mark.parametrize(
    "resend",
    [
        device.publish(TOPIC, GOOD, packet_id=2, dup=True),
        device.publish(TOPIC, b'{"metrics": {"vibration": 2.2}}', dup=True),
        device.publish(TOPIC, GOOD),
    ],
)
async def test_another_message_is_not_taken_for_the_resend(door, journal, killed, resend):
    held = HeldAnswers(door)
    line = await connected(door, clean=False)
    await line.say(device.publish(TOPIC, GOOD))
    await held.committed.wait()
    life = await killed()
    again = await connected(life, clean=False)
    await again.say(resend)
    assert (await again.hear())[0] == 0x40
    assert len(values(life._journal)) == 2
    held.release()


async def test_another_client_and_another_factory_are_not_taken_for_it(door, journal, killed):
    held = HeldAnswers(door)
    line = await connected(door, clean=False)
    await line.say(device.publish(TOPIC, GOOD))
    await held.committed.wait()
    life = await killed()
    for options, topic in (({"client_id": "b"}, TOPIC), ({"user": "dairy"}, TOPIC.replace("mill", "dairy"))):
        other = await connected(life, clean=False, **options)
        await other.say(device.publish(topic, GOOD, dup=True))
        assert await other.hear() == PUBACK
    assert len(values(life._journal)) == 3
    held.release()


async def test_a_connection_that_breaks_before_its_puback_is_remembered(door, journal):
    held = HeldAnswers(door)
    line = await connected(door, clean=False)
    await line.say(device.publish(TOPIC, GOOD))
    await held.committed.wait()
    line.writer.transport.abort()
    connecting = asyncio.create_task(connected(door, clean=False))
    await asyncio.sleep(0.05)  # whether it has got as far as to wait or not, the outcome is the same
    held.release()
    again = await connecting
    await again.say(device.publish(TOPIC, GOOD, dup=True) + device.publish(TOPIC, GOOD, packet_id=2))
    assert [await again.hear(), await again.hear()] == [PUBACK, b"\x40\x02\x00\x02"]
    assert len(values(journal)) == 2


async def test_a_puback_that_never_left_is_remembered_also_after_a_reset(monkeypatch):
    """On a dead line, what was written stands in the kernel, unconfirmed, however long ago."""
    told, made = Told(), asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda _, writer: made.set_result(writer.transport), "127.0.0.1", 0)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect(server.sockets[0].getsockname())
        transport = await made
        transport.write(PUBACK)
        told.add(record(1, GOOD))
        assert deaf.recv(4) == PUBACK
        assert told.unsure(transport) == record(1, GOOD)
        later_s = clock.monotonic_s() + LAST_MOMENTS_MS / 1000 + 1
        monkeypatch.setattr(clock, "monotonic_s", lambda: later_s)
        assert told.unsure(transport) == b""
        transport.write(bytes(10_000_000))  # until no more goes through
        transport.write(PUBACK)
        told.add(record(2, GOOD))
        monkeypatch.setattr(clock, "monotonic_s", lambda: later_s + 600)
        assert told.unsure(transport) == record(2, GOOD)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert told.unsure(transport) == record(2, GOOD)
    server.close()


def test_who_sends_the_same_bytes_by_the_same_packet_id_all_the_time_never_loses_one_for_it(journal):
    mark = client_mark("dev")
    journal.append("mill", b"", 1, marks=marks(mark, record(1, GOOD))).result()
    journal.append("mill", b"", 1, marks=marks(mark, record(1, GOOD) + record(2, GOOD))).result()
    resends = Resends(journal)
    resends.load()
    assert resends.of("mill", mark) == {2: zlib.crc32(GOOD)}


def test_marks_older_than_the_last_moments_are_forgotten_and_kept_ones_last_longer(journal, monkeypatch):
    now_ms = clock.now_ms()
    mark, resends = client_mark("dev"), Resends(journal)
    journal.append("mill", b"", 1, marks=marks(mark, record(1, GOOD))).result()
    resends.keep("mill", mark, record(2, GOOD))
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms + LAST_MOMENTS_MS + 1_000)
    resends.tidy()
    later = Resends(journal)
    journal.append("mill", b"", 1).result()
    later.load()
    assert later.of("mill", mark) == {2: zlib.crc32(GOOD)}
    monkeypatch.setattr(clock, "now_ms", lambda: now_ms + REMEMBERED_S * 1000 + 10_000)
    resends.tidy()
    journal.append("mill", b"", 1).result()
    assert journal.marks_read() == []


async def test_what_was_confirmed_a_while_ago_is_a_new_message_when_its_bytes_come_again(door, journal, monkeypatch):
    """Some devices use one packet id for all: only a PUBACK that may not have been read makes the second a resend."""
    line = await connected(door, clean=False)
    await line.say(device.publish(TOPIC, GOOD))
    assert await line.hear() == PUBACK
    monkeypatch.setattr("telemetry.ingest.mqtt_resends.LAST_MOMENTS_MS", 0)
    await line.say(device.PINGREQ)
    assert await line.hear() == b"\xd0\x00"
    line.writer.transport.abort()
    again = await connected(door, clean=False)
    await again.say(device.publish(TOPIC, GOOD, dup=True))
    assert await again.hear() == PUBACK
    assert len(values(journal)) == 2


async def test_pubacks_keep_their_order_among_known_and_new_messages(door, journal, killed):
    held = HeldAnswers(door)
    line = await connected(door, clean=False)
    await line.say(b"".join(device.publish(TOPIC, b'{"n": %d}' % n, packet_id=n) for n in (1, 3)))
    await held.committed.wait()
    life = await killed()
    again = await connected(life, clean=False)
    packets = [device.publish(TOPIC, b'{"n": %d}' % n, packet_id=n, dup=n < 4) for n in range(1, 6)]
    await again.say(b"".join(packets) + device.PINGREQ)
    said = [await again.hear() for _ in range(6)]
    assert [int.from_bytes(puback[2:]) for puback in said if puback[0] == 0x40] == [1, 2, 3, 4, 5]
    assert sorted(value for *_, value in values(life._journal)) == [1, 2, 3, 4, 5]
    held.release()
