"""The door to a broker, with a real Mosquitto: what the broker has acknowledged is stored, once, whoever was down."""

import os
import signal
import ssl
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from common import clock
from telemetry.ingest import admission
from telemetry.ingest.broker import V5, BrokerConnection
from telemetry.ingest.broker_address import BrokerAddress, BrokerAddressError, broker_address
from telemetry.ingest.broker_gaps import BrokerGaps
from telemetry.ingest.journal import READINGS, REFUSALS, Journal, JournalFullError
from telemetry.ingest.refusals import refusals_decode
from telemetry.ingest.subscriber import Subscriber, client_id_kept
from telemetry.management.commands import ingest
from telemetry.models import Machine
from telemetry.readings import ReadingBatch
from telemetry.store import reading_store
from tenants.context import factory_context
from tenants.limits import limits_of
from tests.telemetry.ingest.mosquitto import Mosquitto, Tap, free_port, wait_until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def brokers(tmp_path):
    """`brokers(**options)` makes a Mosquitto, not started yet; all are stopped at the end."""
    made = []

    def make(**options):
        directory = tmp_path / f"mosquitto-{len(made)}"
        directory.mkdir()
        made.append(Mosquitto(directory, **options))
        return made[-1]

    yield make
    for broker in made:
        broker.stop()


@pytest.fixture
def broker(brokers):
    broker = brokers()
    broker.start()
    return broker


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


@pytest.fixture
def subscribed(journal, brokers, tmp_path, django_db_setup, django_db_blocker):
    """`subscribed(broker)` starts a subscriber, always the same one to the broker; all are stopped at the end."""
    started = []

    def start(broker, *, address=None, into=journal, ready=True):
        address = address or BrokerAddress("127.0.0.1", broker.port)
        memory = tmp_path / "broker_memory.json"
        started.append(Subscriber(into, address, client_id="factorypulsetest", memory_file=memory))
        started[-1].start()
        if ready:
            answered(broker, journal)
        return started[-1]

    # The subscriber's thread looks factories up over a connection of its own.
    with django_db_blocker.unblock():
        yield start
        for subscriber in started:
            subscriber.stop()


_probes = iter(range(10**6))


def answered(broker, journal):
    """Until messages come through: a subscription can't be seen from outside."""
    number = next(_probes)
    topic = "factories/acme/devices/probe/telemetry"

    def through():
        broker.publish([(topic, f'{{"metrics": {{"probe": {number}}}}}')])
        return number in [value for *_, metric, value in readings(journal) if metric == "probe"]

    wait_until(through)


def message(number, *, factory="acme", machine="M01"):
    payload = f'{{"timestamp": {clock.now_ms() - 60_000}, "metrics": {{"n": {number}}}}}'
    return f"factories/{factory}/devices/{machine}/telemetry", payload


def readings(journal):
    return [
        (entry.factory, series.machine, series.metric, value)
        for entry in journal.read_after(0, max_bytes=10**8)
        if entry.kind == READINGS
        for series in ReadingBatch.from_bytes(entry.body)
        for value in series.values.tolist()
    ]


def numbers(journal, factory="acme"):
    return [value for slug, _, metric, value in readings(journal) if slug == factory and metric == "n"]


def refusals(journal):
    entries = [entry for entry in journal.read_after(0, max_bytes=10**8) if entry.kind == REFUSALS]
    return [(entry.factory, refusal) for entry in entries for refusal in refusals_decode(entry.body)]


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


def gaps(journal):
    return [(slug, refusal.detail) for slug, refusal in refusals(journal) if refusal.code == "broker_gap"]


def test_a_broker_that_forgot_us_is_shown_as_a_gap_to_those_it_concerns(broker, journal, subscribed):
    subscriber = subscribed(broker)
    broker.publish([message(1), message(2, factory="borg")])
    wait_until(lambda: numbers(journal) == [1] and numbers(journal, "borg") == [2])
    assert gaps(journal) == []
    subscriber.stop()
    broker.stop()
    broker.forget()
    broker.start()
    broker.publish([message(3)])
    subscribed(broker)
    wait_until(lambda: len(gaps(journal)) == 2)
    assert [slug for slug, _ in gaps(journal)] == ["acme", "borg"]
    assert all("did not know us" in detail and " UTC and " in detail for _, detail in gaps(journal))
    assert numbers(journal) == [1]


def test_a_queue_that_ran_over_while_we_were_away_is_shown_as_a_gap(brokers, journal, subscribed):
    broker = brokers(queue=5)
    broker.start()
    first = subscribed(broker)
    wait_until(lambda: first._gaps._dropped is not None)
    first.stop()
    broker.publish(message(number) for number in range(200))
    subscribed(broker, ready=False)
    wait_until(lambda: gaps(journal) != [])
    [(slug, detail)] = gaps(journal)[:1]
    assert slug == "acme"
    assert "queue was full" in detail
    assert 0 < len(numbers(journal)) < 200


def test_an_ordinary_restart_of_either_side_is_no_gap(broker, journal, subscribed):
    first = subscribed(broker)
    first.stop()
    broker.publish([message(1)])
    second = subscribed(broker)
    broker.stop()
    broker.start()
    answered(broker, journal)
    wait_until(lambda: second._gaps._dropped is not None)
    assert numbers(journal) == [1]
    assert gaps(journal) == []


def test_what_a_broker_drops_for_others_while_we_keep_up_is_no_gap_of_ours(monkeypatch):
    known = BrokerGaps(None, broker="here:1883")
    known.connected(session_present=True)
    assert known.heard(dropped=7, strained=False) == ""
    monkeypatch.setattr("telemetry.ingest.broker_gaps._LATE_S", 0)
    assert known.heard(dropped=9, strained=False) == ""
    assert "2 messages" in known.heard(dropped=11, strained=True)
    assert known.heard(dropped=11, strained=True) == ""


def test_nodes_that_share_a_subscription_take_turns(broker, journal, subscribed, tmp_path):
    address = BrokerAddress("127.0.0.1", broker.port, share="pulse")
    other = Journal(tmp_path / "other")
    second = Subscriber(other, address, client_id="factorypulseother")
    subscribed(broker, address=address, ready=False)
    second.start()
    try:
        sent = iter(range(10**6))
        wait_until(lambda: broker.publish([message(next(sent))]) or (numbers(journal) and numbers(other)))
        before = next(sent)
        broker.publish(message(number) for number in range(before, before + 100))
        wait_until(lambda: set(range(before, before + 100)) <= {*numbers(journal), *numbers(other)})
    finally:
        second.stop()
        other.close()
    everything = numbers(journal) + numbers(other)
    assert len(everything) == len(set(everything))


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


@pytest.mark.parametrize("refusal", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b""])
def test_a_broker_that_does_not_speak_mqtt_5_is_spoken_to_in_3_1_1(broker, journal, subscribed, refusal):
    old = Tap(broker.port, refuse_5=refusal)
    address = BrokerAddress("127.0.0.1", old.port)
    first = subscribed(broker, address=address)
    first.stop()
    broker.publish([message(1)])
    subscribed(broker, address=address, ready=False)
    wait_until(lambda: numbers(journal) == [1])
    assert old.versions == [5, 4, 5, 4]
    old.close()


def test_a_broker_that_is_not_there_yet_is_tried_again(brokers, journal, subscribed):
    broker = brokers()
    subscribed(broker, ready=False)
    broker.start()
    answered(broker, journal)


def test_tls_carries_large_messages_and_refuses_a_certificate_of_nobody(brokers, journal, subscribed, monkeypatch):
    broker = brokers(tls=True)
    broker.start()
    address = BrokerAddress("localhost", broker.tls_port, tls=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        BrokerConnection(address, client_id="factorypulsetls", version=V5).open()
    monkeypatch.setenv("SSL_CERT_FILE", str(broker.certificate))
    subscribed(broker, address=address)
    sent = [message(number) for number in range(30)]
    broker.publish([(topic, payload + " " * 200_000) for topic, payload in sent])
    wait_until(lambda: len(numbers(journal)) >= 30)
    assert numbers(journal) == list(range(30))


def test_without_an_address_there_is_no_subscriber(settings):
    settings.MQTT_URL = ""
    assert ingest._broker() is None


def test_the_client_id_stays_the_same_and_every_broker_takes_it(tmp_path):
    made = client_id_kept(tmp_path / "journal")
    assert client_id_kept(tmp_path / "journal") == made
    assert client_id_kept(tmp_path / "other") != made
    assert len(made) <= 23
    assert made.isalnum()


def test_the_address_says_everything_about_the_broker():
    assert broker_address("mqtt://plant.example:1884") == BrokerAddress("plant.example", 1884)
    assert broker_address("mqtt://plant.example?share=pulse").share == "pulse"
    assert broker_address("mqtts://me:p%40s%2Fs@[::1]/") == BrokerAddress("::1", 8883, True, "me", "p@s/s")
    assert "secret" not in repr(broker_address("mqtt://me:secret@plant.example"))


@pytest.mark.parametrize(
    "url",
    [
        "plant.example:1883",
        "http://plant.example",
        "mqtt://",
        "mqtt://plant.example:port",
        "mqtt://plant.example:70000",
        "mqtt://plant.example:0",
        "mqtt://plant.example/topic",
        "mqtt://plant.example?share=",
        "mqtt://plant.example?share=a/b",
        "mqtt://plant.example?clean=1",
        "mqtt://:hushhush@plant.example",
        "mqtt://me:hush/hush@plant.example",
        "mqtt://[plant",
    ],
)
def test_what_is_no_address_stops_the_start_with_a_sentence(url, settings):
    with pytest.raises(BrokerAddressError):
        broker_address(url)
    settings.MQTT_URL = url
    with pytest.raises(CommandError, match=r"^MQTT_URL is not mqtt://.*: .+\.$") as refused:
        call_command("ingest", "--mqtt-port", "0")
    assert "hush" not in str(refused.value)


class Node:
    """`manage.py ingest` and `manage.py drain`, as processes."""

    def __init__(self, environment, log):
        self._environment, self._log = environment, log
        self._processes = []

    def start(self):
        programs = [["ingest", "--mqtt-port", str(free_port())], ["drain"]]
        self._processes = [
            subprocess.Popen(
                [sys.executable, "manage.py", *words],
                cwd=ROOT,
                env=self._environment,
                stdout=self._log,
                stderr=self._log,
            )
            for words in programs
        ]

    def kill(self):
        for process in self._processes:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        self._processes = []

    def stop(self):
        """The exit code of each."""
        stopping, self._processes = self._processes, []
        for process in stopping:
            process.terminate()
        return [process.wait(timeout=30) for process in stopping]


def stored(factory):
    with factory_context(factory):
        machine = Machine.objects.filter(key="M01").first()
        if machine is None:
            return []
        [series] = reading_store().raw(machine, ["n"], from_ms=0, to_ms=clock.now_ms())
    return sorted(series.values.astype(int).tolist())


def test_the_process_subscribes_and_survives_a_kill_with_everything_stored_once(
    broker, live_factory, process_environment, tmp_path
):
    slug, start_ms = live_factory.slug, clock.now_ms() - 60_000

    def publish(first, last):
        topic = f"factories/{slug}/devices/M01/telemetry"
        bodies = (f'{{"timestamp": {start_ms + n}, "metrics": {{"n": {n}}}}}' for n in range(first, last))
        broker.publish([(topic, body) for body in bodies])

    url = f"mqtt://127.0.0.1:{broker.port}"
    environment = {**process_environment, "JOURNAL_DIR": str(tmp_path / "journal"), "MQTT_URL": url}
    with (tmp_path / "ingest.log").open("wb") as log:
        node = Node(environment, log)
        node.start()
        try:
            wait_until(lambda: publish(0, 1) or stored(live_factory) == [0], within_s=60)
            publish(1, 300)
            node.kill()
            publish(300, 400)
            node.start()
            publish(400, 500)
            wait_until(lambda: len(stored(live_factory)) >= 500, within_s=60)
            assert stored(live_factory) == list(range(500))
            assert node.stop() == [0, 0]
        finally:
            node.kill()
