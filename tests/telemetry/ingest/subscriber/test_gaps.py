"""A broker that could not keep what we missed: shown as a gap to those it concerns, and to nobody else."""

from telemetry.ingest.broker_gaps import BrokerGaps
from tests.telemetry.ingest.mosquitto import wait_until
from tests.telemetry.ingest.subscriber.published import answered, gaps, message, numbers


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
