"""One socket's outbox: bounded, newest wins, ten frames a second."""

from telemetry.live.outbox import FRAMES_KEPT, MESSAGES_KEPT, Outbox


def test_the_first_frame_leaves_at_once_and_the_next_after_a_tenth_of_a_second() -> None:
    outbox = Outbox()
    outbox.put_readings("M01", identity="1", encoded=b"a")
    assert [due.batches for due in outbox.take_due(10.0)] == [[b"a"]]

    outbox.put_readings("M01", identity="2", encoded=b"b")
    outbox.put_readings("M01", identity="3", encoded=b"c")
    assert outbox.take_due(10.05) == []
    assert abs((outbox.wait_s(10.05) or 0) - 0.05) < 1e-9
    assert [(due.batches, due.identity) for due in outbox.take_due(10.1)] == [([b"b", b"c"], "")]


def test_a_machine_waits_for_no_other() -> None:
    outbox = Outbox()
    outbox.put_readings("M01", identity="1", encoded=b"a")
    outbox.take_due(10.0)
    outbox.put_readings("M02", identity="2", encoded=b"b")
    assert [due.machine for due in outbox.take_due(10.01)] == ["M02"]


def test_a_browser_that_is_behind_gets_the_newest_frames_and_is_told() -> None:
    outbox = Outbox()
    for number in range(FRAMES_KEPT + 5):
        outbox.put_readings("M01", identity=str(number), encoded=str(number).encode())
    assert outbox.dropped
    assert outbox.take_due(0.0)[0].batches[-1] == str(FRAMES_KEPT + 4).encode()


def test_messages_are_bounded_too() -> None:
    outbox = Outbox()
    for number in range(MESSAGES_KEPT + 1):
        outbox.put_text(str(number))
    assert outbox.dropped
    texts = outbox.take_texts()
    assert (len(texts), texts[-1]) == (MESSAGES_KEPT, str(MESSAGES_KEPT))


def test_an_empty_outbox_waits_for_news() -> None:
    outbox = Outbox()
    assert outbox.wait_s(0.0) is None
    outbox.put_text("x")
    assert outbox.wait_s(0.0) == 0.0
