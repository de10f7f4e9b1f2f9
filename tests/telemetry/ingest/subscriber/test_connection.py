"""How a broker is spoken to: its version of MQTT, TLS, a name that stays, nodes that share."""

import ssl

import pytest

from telemetry.ingest.broker import V5, BrokerConnection
from telemetry.ingest.broker_address import BrokerAddress
from telemetry.ingest.journal import Journal
from telemetry.ingest.subscriber import Subscriber, client_id_kept
from tests.telemetry.ingest.mosquitto import Tap, wait_until
from tests.telemetry.ingest.subscriber.published import answered, message, numbers


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


def test_the_client_id_stays_the_same_and_every_broker_takes_it(tmp_path):
    made = client_id_kept(tmp_path / "journal")
    assert client_id_kept(tmp_path / "journal") == made
    assert client_id_kept(tmp_path / "other") != made
    assert len(made) <= 23
    assert made.isalnum()
