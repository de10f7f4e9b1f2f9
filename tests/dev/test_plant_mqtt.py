"""The simulated devices at the product's own MQTT door."""

import asyncio

import pytest

from accounts.api_keys import KeyInvalidError, VerifiedKey
from common.clock import now_ms
from factorypulse.dev.plant import doors
from factorypulse.dev.plant.bodies import column_block
from factorypulse.dev.plant.config import PlantConfig
from factorypulse.dev.plant.line import food_line, record
from telemetry.ingest import admission
from telemetry.ingest.journal import Journal
from telemetry.ingest.mqtt import MqttDoor as Server
from telemetry.readings import ReadingBatch


def check_key(user, password):
    if password != "key":
        raise KeyInvalidError("This key is not valid.")
    return VerifiedKey(user, "prefix12", "test", frozenset({"ingest"}))


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path)
    yield journal
    journal.close()


@pytest.fixture
async def server(journal):
    admission.plans_forget()
    server = Server(journal, check_key=check_key, gone_keys=lambda _keys: set())
    server.port = await server.start("127.0.0.1", 0)
    yield server
    await server.stop()


def config_for(port: int, *, key: str = "key") -> PlantConfig:
    return PlantConfig("mill", key, "http://127.0.0.1:1", "127.0.0.1", port)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_what_was_sent_is_in_the_journal_when_send_returns(server, journal, version):
    pump = food_line()[6]
    run = record(pump, from_ms=now_ms() - 3000, to_ms=now_ms())

    def send():
        door = doors.MqttDoor(config_for(server.port), pump.key, version=version)
        try:
            return door.send(column_block(run.machine, run.t_ms, run.columns))
        finally:
            door.close()

    assert await asyncio.to_thread(send) == doors.Receipt()
    found = [s for entry in journal.read_after(0, max_bytes=10**7) for s in ReadingBatch.from_bytes(entry.body)]
    assert {s.machine for s in found} == {"M07-pump"}
    assert {s.metric: s.values.tolist() for s in found} == {n: v.tolist() for n, v in run.columns.items()}


async def test_a_refused_key_is_a_closed_door_that_says_so(server):
    def send():
        door = doors.MqttDoor(config_for(server.port, key="stolen"), "M07-pump")
        try:
            door.send(b"{}")
        finally:
            door.close()

    with pytest.raises(doors.DoorClosedError, match=r"refused|disconnected"):
        await asyncio.to_thread(send)
