"""A slow browser's outbox: bounded, newest wins, and it is told."""

from telemetry.live.outbox import FRAMES_KEPT, LAGGING, MESSAGES_KEPT, Outbox, Packet


def packet(number: int) -> Packet:
    return Packet(str(number).encode())


def texts(outbox: Outbox) -> list[bytes]:
    return [taken.text for taken in outbox.take()]


def test_messages_leave_in_order_and_before_readings() -> None:
    outbox = Outbox()
    outbox.put(packet(1), "M01")
    outbox.put(packet(2))
    outbox.put(packet(3))
    assert texts(outbox) == [b"2", b"3", b"1"]
    assert texts(outbox) == []


def test_a_browser_that_is_behind_gets_the_newest_frames_of_each_machine_and_is_told() -> None:
    outbox = Outbox()
    outbox.put(packet(-1), "M02")
    for number in range(FRAMES_KEPT + 5):
        outbox.put(packet(number), "M01")
    taken = outbox.take()
    assert taken[0] is LAGGING
    assert [one.text for one in taken[1:]] == [b"-1", *(str(n).encode() for n in range(5, FRAMES_KEPT + 5))]
    assert not outbox.dropped


def test_messages_are_bounded_too() -> None:
    outbox = Outbox()
    for number in range(MESSAGES_KEPT + 1):
        outbox.put(packet(number))
    taken = texts(outbox)
    assert (len(taken), taken[0], taken[-1]) == (MESSAGES_KEPT + 1, LAGGING.text, str(MESSAGES_KEPT).encode())


def test_readings_of_an_old_watch_are_forgotten() -> None:
    outbox = Outbox()
    outbox.put(packet(1), "M01")
    outbox.put(packet(2))
    outbox.forget_readings()
    assert texts(outbox) == [b"2"]


def test_frames_of_every_length_have_the_header_of_the_standard() -> None:
    for size, header in ((125, b"\x81\x7d"), (126, b"\x81\x7e\x00\x7e"), (70_000, b"\x81\x7f" + (70_000).to_bytes(8))):
        assert Packet(b"x" * size).framed == header + b"x" * size
