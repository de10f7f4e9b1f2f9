"""What the broker has acknowledged is stored, once, whoever was down, and no message stops the others."""

import threading
from concurrent.futures import Future

from telemetry.ingest import admission
from telemetry.ingest.broker_address import BrokerAddress
from telemetry.ingest.journal import READINGS, JournalFullError
from tenants.limits import limits_of
from tests.telemetry.ingest.mosquitto import Tap, wait_until
from tests.telemetry.ingest.subscriber.published import message, numbers, readings, refusals


def test_what_is_published_while_we_are_away_waits_and_is_stored_once(broker, journal, subscribed):
    first = subscribed(broker)
    broker.publish(message(number) for number in range(50))
    wait_until(lambda: len(numbers(journal)) >= 50)
    first.stop()
    broker.publish(message(number) for number in range(50, 100))
    assert len(numbers(journal)) == 50
    subscribed(broker, ready=False)
    broker.publish(message(number) for number in range(100, 150))
    wait_until(lambda: len(numbers(journal)) >= 150)
    assert numbers(journal) == list(range(150))


def test_a_restart_of_the_broker_loses_nothing(broker, journal, subscribed):
    subscribed(broker)
    broker.stop()
    broker.start()
    broker.publish(message(number) for number in range(20))
    wait_until(lambda: len(numbers(journal)) >= 20)
    assert numbers(journal) == list(range(20))


class HeldJournal:
    """Takes rows and commits them only when told to."""

    def __init__(self):
        self.commits = []
        self._released = False

    def append(self, factory, body, readings, *, kind=READINGS, marks=b""):
        self.commits.append(Future())
        if self._released:
            self.commits[-1].set_result(1)
        return self.commits[-1]

    def release(self):
        """The subscriber waits for its commit, so that there is one at most."""
        self._released = True
        self.commits[0].set_result(1)


def test_the_acknowledgement_comes_after_the_commit(broker, subscribed):
    tap, held = Tap(broker.port), HeldJournal()
    subscribed(broker, address=BrokerAddress("127.0.0.1", tap.port), into=held, ready=False)
    wait_until(lambda: b"factories/+/devices/+/telemetry" in tap.said)
    wait_until(lambda: broker.publish([message(1)]) or held.commits)
    assert b"\x40\x02" not in tap.said
    held.release()
    wait_until(lambda: b"\x40\x02" in tap.said)
    tap.close()


def test_a_full_disk_holds_messages_back_until_there_is_room(broker, journal, subscribed, monkeypatch):
    subscriber = subscribed(broker)
    tried = threading.Event()

    def refuse(*_arguments, **_options):
        tried.set()
        raise JournalFullError("full")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "append", refuse)
        broker.publish([message(1)])
        assert tried.wait(30)
        subscriber.stop()
    assert numbers(journal) == []
    again = subscribed(broker, ready=False)
    wait_until(lambda: numbers(journal) == [1])
    tried.clear()
    with monkeypatch.context() as patched:
        patched.setattr(journal, "append", refuse)
        broker.publish([message(2)])
        assert tried.wait(30)
    wait_until(lambda: numbers(journal) == [1, 2])
    again.stop()


def test_malformed_messages_and_unknown_factories_do_not_block_and_do_not_come_back(broker, journal, subscribed):
    subscriber = subscribed(broker)
    bad = [
        ("factories/acme/devices/M01/telemetry", b"not json"),
        ("factories/acme/devices/M01/telemetry", b""),
        ("factories/acme/devices//telemetry", b'{"metrics": {"n": 1}}'),
        ("factories/nobody/devices/M01/telemetry", b'{"metrics": {"n": 1}}'),
        ("factories//devices/M01/telemetry", b'{"metrics": {"n": 1}}'),
    ]
    broker.publish([*bad, message(1), message(2, factory="borg")])
    wait_until(lambda: numbers(journal) == [1] and numbers(journal, "borg") == [2])
    wait_until(lambda: len(refusals(journal)) == 3)
    subscriber.stop()
    subscribed(broker)
    told = refusals(journal)
    assert [(slug, refusal.source) for slug, refusal in told] == [("acme", "MQTT broker")] * 3
    assert sorted(refusal.code for _, refusal in told) == ["machine_missing", "malformed_json", "malformed_json"]
    assert {slug for slug, *_ in readings(journal)} == {"acme", "borg"}


def test_a_factory_over_its_plan_waits_and_the_others_pass(broker, journal, subscribed):
    subscribed(broker)
    slow = admission.TokenBucket(rate=10.0, burst=1.0)
    slow.charge(30)
    admission._buckets.put("acme", slow)
    # The plan is not looked at again during this test: it would give the factory its real rate.
    admission._limits.put("acme", limits_of(None))
    broker.publish([message(1), message(2, factory="borg")])
    wait_until(lambda: numbers(journal, "borg") == [2])
    assert numbers(journal) == []
    wait_until(lambda: numbers(journal) == [1])


def test_a_retained_message_is_not_taken_for_a_reading_of_now(broker, journal, subscribed):
    broker.publish([("factories/acme/devices/M01/telemetry", b'{"metrics": {"n": 7}}')], retain=True)
    subscribed(broker)
    assert numbers(journal) == []
