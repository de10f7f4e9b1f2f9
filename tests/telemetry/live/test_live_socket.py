"""The live socket over real Valkey and PostgreSQL: nothing missed, nothing twice, nothing of others."""

import asyncio
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.conf import settings

from common import clock
from telemetry.live.hub import LivePublisher, live_publish
from telemetry.live.valkey import valkey
from telemetry.readings import ReadingBatch
from telemetry.store.base import StoreUnavailableError
from tests.telemetry.live.stage import (
    Plant,
    browsing,
    connected,
    heard,
    publishing,
    readings,
    shown,
    until,
    watch,
)


async def test_a_watch_begins_with_history_and_goes_on_live(plant: Plant) -> None:
    now = clock.now_ms()
    await sync_to_async(plant.store)(readings([now - 3000, now - 2000]), readings([now - 2000], "temperature"))
    async with publishing() as publisher, browsing(plant) as socket:
        await watch(socket, "M01")
        snapshot = await heard(socket, "snapshot")
        assert (snapshot["machine"], snapshot["t"]) == ("M01", [now - 3000, now - 2000])
        assert snapshot["metrics"]["temperature"] == [None, (now - 2000) % 1000 / 7.0]

        publisher.add(plant.factory.slug, readings([now]))
        assert shown(await heard(socket, "readings")) == [now]


async def test_readings_on_their_way_to_the_store_are_neither_missed_nor_shown_twice(plant: Plant) -> None:
    """Readings reach the browser's path at once and the store late; whenever a browser comes, it sees each once."""
    start, sent, seen = clock.now_ms(), [], []

    async def produce(publisher: LivePublisher) -> None:
        on_the_way: list[ReadingBatch] = []
        for step in range(150):
            batch = readings([start + step * 20, start + step * 20 + 10])
            sent.extend([start + step * 20, start + step * 20 + 10])
            publisher.add(plant.factory.slug, batch)
            on_the_way.append(batch)
            if len(on_the_way) == 15:
                await sync_to_async(plant.store, thread_sensitive=False)(*on_the_way)
                on_the_way.clear()
            await asyncio.sleep(0.01)

    async with publishing() as publisher, browsing(plant) as other, browsing(plant) as socket:
        await watch(other, "M01")
        producing = asyncio.create_task(produce(publisher))
        await until(lambda: len(sent) >= 80)
        await watch(socket, "M01")
        seen += shown(await heard(socket, "snapshot"))
        while not (len(sent) == 300 and sent[-1] in seen):
            seen += shown(await heard(socket, "readings"))
        await producing

    assert len(seen) == len(set(seen)), "shown twice"
    assert sorted(seen) == sent


async def test_readings_of_other_machines_and_metrics_stay_away(plant: Plant) -> None:
    now = clock.now_ms()
    async with publishing() as publisher, browsing(plant) as socket, browsing(plant) as other:
        await watch(other, "M02")
        await watch(socket, "M01", metrics=["temperature"])
        await heard(other, "snapshot")
        await heard(socket, "snapshot")
        publisher.add(plant.factory.slug, readings([now], machine="M02"))
        publisher.add(plant.factory.slug, readings([now]))
        publisher.add(plant.factory.slug, readings([now + 1], "temperature"))
        message = await heard(socket, "readings")
        assert (message["machine"], message["t"], list(message["metrics"])) == ("M01", [now + 1], ["temperature"])


async def test_a_new_watch_replaces_the_old_one(plant: Plant) -> None:
    now = clock.now_ms()
    async with publishing() as publisher, browsing(plant) as socket:
        await watch(socket, "M01")
        await heard(socket, "snapshot")
        await watch(socket, "M02")
        assert (await heard(socket, "snapshot"))["machine"] == "M02"
        publisher.add(plant.factory.slug, readings([now]))
        publisher.add(plant.factory.slug, readings([now], machine="M02"))
        assert (await heard(socket, "readings"))["machine"] == "M02"


async def test_a_changed_watch_begins_only_what_is_new_and_goes_on_with_the_rest(plant: Plant) -> None:
    now = clock.now_ms()
    await sync_to_async(plant.store)(readings([now - 3000]), readings([now - 3000], machine="M02"))
    async with publishing() as publisher, browsing(plant) as socket:
        await watch(socket, "M01")
        assert (await heard(socket, "snapshot"))["machine"] == "M01"
        await watch(socket, "M01", "M02")
        assert (await heard(socket, "snapshot"))["machine"] == "M02"
        publisher.add(plant.factory.slug, readings([now]))
        assert shown(await heard(socket, "readings")) == [now]
        await watch(socket, "M01", "M02")
        again = {(await heard(socket, "snapshot"))["machine"] for _ in range(2)}
        assert again == {"M01", "M02"}, "the same watch once more is answered in full"


async def test_a_machine_is_shown_at_most_ten_times_a_second(plant: Plant) -> None:
    loop = asyncio.get_running_loop()
    frames = 0
    async with publishing() as publisher, browsing(plant) as socket:
        await watch(socket, "M01")
        await heard(socket, "snapshot")
        now, began_s = clock.now_ms(), loop.time()

        async def produce() -> None:
            for step in range(200):
                publisher.add(plant.factory.slug, readings([now + step]))
                await asyncio.sleep(0.005)

        producing = asyncio.create_task(produce())
        seen: list[int] = []
        while now + 199 not in seen:
            seen += shown(await heard(socket, "readings"))
            frames += 1
        lasted_s = loop.time() - began_s
        await producing
    # Over the whole time: on a busy machine frames that left apart arrive together.
    assert 2 <= frames <= 10 * lasted_s + 2
    assert seen == [now + step for step in range(200)]


async def test_without_a_running_ingest_the_snapshot_comes_all_the_same(plant: Plant) -> None:
    now = clock.now_ms()
    await sync_to_async(plant.store)(readings([now - 1000]))
    async with browsing(plant) as socket:
        await watch(socket, "M01", history_s=60)
        assert shown(await heard(socket, "snapshot")) == [now - 1000]


async def test_the_history_asked_for_is_no_longer_than_asked(plant: Plant) -> None:
    now = clock.now_ms()
    await sync_to_async(plant.store)(readings([now - 90_000, now - 1000]))
    async with browsing(plant) as socket:
        await watch(socket, "M01", history_s=60)
        assert shown(await heard(socket, "snapshot")) == [now - 1000]


async def test_a_watch_tells_the_machine_s_state(plant: Plant) -> None:
    async with browsing(plant) as socket:
        await watch(socket, "M01")
        state = await heard(socket, "state")
        assert state == {"type": "state", "machine": "M01", "state": "new", "health": None, "last_seen_at": None}


async def test_a_machine_that_is_not_there_yet_may_be_watched(plant: Plant) -> None:
    now = clock.now_ms()
    async with publishing() as publisher, browsing(plant) as socket:
        await watch(socket, "M99")
        assert (await heard(socket, "snapshot"))["t"] == []
        publisher.add(plant.factory.slug, readings([now], machine="M99"))
        assert shown(await heard(socket, "readings")) == [now]


async def test_alerts_reach_every_socket_of_their_factory_and_no_other(two_plants: tuple[Plant, Plant]) -> None:
    here, there = two_plants
    alert = {"type": "alert", "event": "raised", "alert": {"id": 7, "since": clock.now()}}
    async with browsing(here) as first, browsing(here) as second, browsing(there) as foreign:
        await sync_to_async(live_publish)(here.factory.slug, alert)
        assert (await heard(first, "alert"))["alert"]["id"] == 7
        assert (await heard(second, "alert"))["alert"]["id"] == 7
        assert await foreign.receive_nothing(timeout=0.2)


async def test_news_of_an_inbox_reaches_the_sockets_of_its_person_alone(plant: Plant) -> None:
    async with browsing(plant) as first, browsing(plant) as second:
        await sync_to_async(live_publish)(
            plant.factory.slug, {"type": "inbox", "unread": 9}, user_id=plant.person.pk + 1
        )
        await sync_to_async(live_publish)(plant.factory.slug, {"type": "inbox", "unread": 3}, user_id=plant.person.pk)
        for socket in (first, second):
            assert await heard(socket, "inbox") == {"type": "inbox", "unread": 3}, "another's came first, and not here"


async def test_readings_of_a_twin_in_another_factory_stay_there(two_plants: tuple[Plant, Plant]) -> None:
    here, there = two_plants
    now = clock.now_ms()
    await sync_to_async(there.store)(readings([now - 500]))
    async with publishing() as publisher, browsing(here) as socket:
        await watch(socket, "M01")
        assert (await heard(socket, "snapshot"))["t"] == []
        publisher.add(there.factory.slug, readings([now]))
        publisher.add(here.factory.slug, readings([now + 1]))
        assert shown(await heard(socket, "readings")) == [now + 1]


NONSENSE = (
    "{",
    "[]",
    '{"watch": 1}',
    '{"watch": {"machines": [1]}}',
    '{"watch": {"machines": ["\\ud800"]}}',
    "[" * 100_000,
)


async def test_nonsense_is_answered_and_the_socket_stays(plant: Plant) -> None:
    async with browsing(plant) as socket:
        for text in NONSENSE:
            await socket.send_to(text_data=text)
            assert (await heard(socket, "status"))["code"] == "invalid_message"
        await socket.send_to(bytes_data=b"\xff\x00")
        assert (await heard(socket, "status"))["code"] == "invalid_message"
        await watch(socket, "M01")
        assert (await heard(socket, "snapshot"))["machine"] == "M01"


async def test_while_the_store_is_away_live_goes_on_and_says_so(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: Any, **_more: Any) -> Any:
        raise StoreUnavailableError("away")

    monkeypatch.setattr("telemetry.store.postgres.PostgresReadingStore.raw", away)
    now = clock.now_ms()
    async with publishing() as publisher, browsing(plant) as socket:
        publisher.add(plant.factory.slug, readings([now - 100]))
        await watch(socket, "M01")
        assert (await heard(socket, "status"))["code"] == "history_delayed"
        assert shown(await heard(socket, "snapshot")) == [now - 100]
        publisher.add(plant.factory.slug, readings([now]))
        assert shown(await heard(socket, "readings")) == [now]


async def test_when_valkey_is_away_the_browser_is_asked_to_come_back(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_args: Any) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr("channels_redis.pubsub.RedisPubSubLoopLayer.group_add", away)
    socket = await connected(plant)
    event = await socket.receive_output(timeout=5)
    assert (event["type"], event["code"]) == ("websocket.close", 1013)
    await socket.disconnect()


async def test_after_valkey_was_away_browsers_get_a_new_snapshot(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.live.hub._RETRY_S", 0.05)
    now = clock.now_ms()
    async with publishing() as publisher, browsing(plant) as socket:
        await watch(socket, "M01")
        await heard(socket, "snapshot")
        with monkeypatch.context() as broken:
            broken.setattr("telemetry.live.hub.asks_read", _away)
            await until(lambda: publisher._quiet_until_s > 0)
            publisher.add(plant.factory.slug, readings([now]))
            await until(lambda: not publisher._fresh)
        await sync_to_async(plant.store)(readings([now]))
        assert shown(await heard(socket, "snapshot")) == [now]


def _away(*_args: Any) -> Any:
    raise redis.ConnectionError("away")


def test_news_for_nobody_is_dropped_at_once_and_not_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    valkey.cache_clear()
    monkeypatch.setattr(settings, "REDIS_URL", "redis://127.0.0.1:9/0")
    try:
        with pytest.raises(redis.ConnectionError):
            valkey().ping()
        live_publish("acme", {"type": "status", "code": "history_delayed"})
        LivePublisher().flush()
    finally:
        valkey.cache_clear()
