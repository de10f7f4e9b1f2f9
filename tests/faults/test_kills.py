"""kill -9 of the real ingest side, under load and at exact places: nothing acknowledged is lost or there twice."""

import time
from pathlib import Path

from tests.faults.processes import wait_until
from tests.faults.senders import HttpSender
from tests.faults.test_damage import asides

KILLS = 2


def post_through(client):
    """A function that posts a body and tells the status."""

    def post(body):
        return client.generic("POST", "/api/v1/telemetry/ingest", body, content_type="application/json").status_code

    return post


def test_kill_9_in_the_middle_of_batches_loses_and_doubles_nothing(plant, running, http_door):
    ingest = running()
    client, _ = http_door()
    by_http = HttpSender(post_through(client), plant.stream("http"), plant.folder / "http.ledger", block=10)
    by_mqtt = plant.sender(ingest, "mqtt", block=10)
    senders = [by_mqtt, by_http]
    for sender in senders:
        sender.start()
    for _ in range(KILLS):
        for sender in senders:
            sender.wait_for_more(500)
        ingest.kill()
        by_http.wait_for_more(20)  # the other writer of the journal goes on
        by_mqtt.first_ack_s, restarted_s = None, time.monotonic()
        ingest.launch()
        by_mqtt.wait_for_more(10)
        print(f"restart to first acknowledgement: {by_mqtt.first_ack_s - restarted_s:.2f} s")
    for sender in senders:
        sender.finish()
    plant.drained()
    assert ingest.stop() == [0] * len(ingest.processes)
    for sender in senders:
        verdict = plant.verdict(sender)
        assert verdict.clean, verdict
        assert verdict.acknowledged > KILLS * 500
    assert by_mqtt.breaks >= KILLS
    assert not asides(plant.journal_dir), "a kill was taken for damage"


def die_once(plant, running, fault):
    """Let the ingest side die at a fault's place under load; it is started again."""
    ingest = running(faults=[fault])
    sender = plant.sender(ingest, block=10)
    sender.start()
    sender.wait_for_more(500)
    Path(plant.environment["FACTORYPULSE_TEST_TRIGGER"]).touch()
    wait_until(lambda: not all(process.running for process in ingest.processes), what="nothing died")
    ingest.start()
    sender.wait_for_more(500)
    sender.finish()
    plant.drained()
    return plant.verdict(sender)


def test_what_was_committed_and_not_acknowledged_is_sent_again_and_stored_once(plant, running):
    verdict = die_once(plant, running, "die_before_acknowledging")
    assert verdict.clean, verdict


def test_what_was_stored_and_not_yet_forgotten_is_stored_once(plant, running):
    verdict = die_once(plant, running, "die_before_forgetting")
    assert verdict.clean, verdict
