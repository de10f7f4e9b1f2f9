"""Ten frames a second and machine, and no device that keeps to that is shown late for ever."""

from telemetry.live.watched import Paces


def play(arrivals_ms: list[int], *, until_ms: int, tick_ms: int = 5) -> list[tuple[int, list[int]]]:
    """When each frame leaves, and which arrivals it has."""
    paces, waiting, frames = Paces(), [], []
    for now_ms in range(1_000, until_ms, tick_ms):
        while arrivals_ms and arrivals_ms[0] <= now_ms:
            waiting.append((now_ms, arrivals_ms.pop(0)))
        arrived_s = [at_ms / 1000 for at_ms, _ in waiting]
        if waiting and paces.take("acme", "M01", now_s=now_ms / 1000, arrived_s=arrived_s):
            frames.append((now_ms, [number for _, number in waiting]))
            waiting.clear()
    return frames


def test_ten_a_second_leave_as_they_come() -> None:
    arrivals = list(range(1_000, 5_000, 100))
    assert play(list(arrivals), until_ms=5_000) == [(at, [at]) for at in arrivals]


def test_more_than_ten_a_second_are_told_ten_times_a_second() -> None:
    frames = play(list(range(1_000, 6_000, 20)), until_ms=6_000)
    assert len(frames) <= 52
    assert max(at - arrivals[0] for at, arrivals in frames) <= 100


def test_after_a_burst_a_device_is_soon_shown_at_once_again() -> None:
    for burst_ms in (1_310, 1_350, 1_390):
        arrivals = [1_000, burst_ms, burst_ms + 2, burst_ms + 4, *range(1_400, 5_000, 100)]
        frames = play(arrivals, until_ms=5_000)
        assert all(at - had[0] <= 5 for at, had in frames if at > 2_000), frames


def test_a_reading_that_had_to_wait_for_one_that_does_not_come_leaves_all_the_same() -> None:
    frames = play([1_000, 1_002, 1_030], until_ms=2_000)
    assert [had for _, had in frames][-1][-1] == 1_030
    assert frames[-1][0] <= 1_140
