"""A disk that fills up, fails to sync or loses its power: no acknowledgement that it does not keep."""

import json

from tests.faults.processes import wait_until


def settled(sender):
    """How much is acknowledged once nothing that was under way before can be answered any more."""
    before = -1
    while before != sender.acknowledged:
        before = sender.acknowledged
        breaks = sender.breaks
        wait_until(lambda: sender.breaks > breaks + 1, what="the door keeps the connection and says nothing")  # noqa: B023
    return before


def cut_off(plant, disk, running, *, faults=()):
    """Readings pile up in the journal, the power fails, and everything starts anew; returns the verdict."""
    disk.set(remember=1)
    # With the store away everything that was acknowledged is in the journal alone.
    ingest = running(faults=["store_away", *faults])
    sender = plant.sender(ingest, block=10)
    sender.start()
    sender.wait_for_more(5_000)
    ingest.kill()
    undone = disk.cut_power()
    sender.port = running().port
    sender.wait_for_more(500)
    sender.finish()
    plant.drained()
    return plant.verdict(sender), undone


def test_a_power_cut_takes_nothing_that_was_acknowledged(plant, disk, running):
    verdict, _ = cut_off(plant, disk, running)
    assert verdict.clean, verdict
    assert disk.syncs > 20  # the library was under it


def test_a_journal_that_is_not_synced_is_found_by_a_power_cut(plant, disk, running):
    verdict, undone = cut_off(plant, disk, running, faults=["journal_without_sync"])
    assert undone > 0
    assert len(verdict.lost) > 0, verdict


def test_a_full_disk_stops_acknowledgements_and_they_come_back_by_themselves(plant, disk, running):
    ingest = running()
    sender = plant.sender(ingest, block=10)
    sender.start()
    sender.wait_for_more(1_000)
    disk.set(full=1)
    stopped_at = settled(sender)
    assert settled(sender) == stopped_at
    disk.set(full=0)
    sender.wait_for_more(1_000)
    sender.finish()
    plant.drained()
    verdict = plant.verdict(sender)
    assert verdict.clean, verdict
    assert "insufficient_storage" in ingest.said()


def test_a_failed_sync_is_no_acknowledgement_and_the_journal_begins_again(plant, disk, running):
    ingest = running()
    sender = plant.sender(ingest, block=10)
    sender.start()
    sender.wait_for_more(1_000)
    disk.set(fail_syncs=1_000_000)
    stopped_at = settled(sender)
    assert settled(sender) == stopped_at
    disk.set(fail_syncs=0)
    sender.wait_for_more(1_000)
    sender.finish()
    plant.drained()
    verdict = plant.verdict(sender)
    assert verdict.clean, verdict
    assert ingest.doors.running


def test_a_process_killed_halfway_in_a_write_leaves_a_tail_that_is_cut(plant, disk, running):
    ingest = running()
    sender = plant.sender(ingest, block=50)
    sender.start()
    sender.wait_for_more(1_000)
    disk.set(die_at_write=3)
    wait_until(lambda: not all(process.running for process in ingest.processes), what="nothing died")
    ingest.kill()
    ingest.start()
    sender.wait_for_more(500)
    sender.finish()
    plant.drained()
    verdict = plant.verdict(sender)
    assert verdict.clean, verdict


def test_http_answers_507_while_the_journal_has_no_room(plant, http_door):
    client, journal = http_door(max_bytes=400_000)
    times = [plant.stream().start_ms + at for at in range(1000)]
    body = json.dumps({"machine": "M01", "timestamps": times, "metrics": {"n": list(range(1000))}})

    def post():
        return client.post("/api/v1/telemetry/ingest", body, content_type="application/json")

    accepted = 0
    while (answer := post()).status_code == 201:
        accepted += 1
        assert accepted < 100
    assert answer.status_code == 507
    assert answer.json()["code"] == "insufficient_storage"
    journal.delete_through(plant.factory.slug, journal.last_id()).result(timeout=10)
    assert post().status_code == 201
