"""The checker finds what broken builds do, on real processes; and finds nothing in the build that stands."""


def run_with_a_kill(plant, running, *, faults=()):
    """Some 25,000 readings, a kill -9 in the middle of them, a restart, and the checker's verdict."""
    ingest = running(faults=faults)
    sender = plant.sender(ingest, block=20)
    sender.start()
    sender.wait_for_more(12_000)
    ingest.doors.kill()
    ingest.start()
    sender.wait_for_more(12_000)
    sender.finish()
    plant.drained()
    return plant.verdict(sender)


def test_the_build_that_stands_loses_doubles_and_alters_nothing(plant, running):
    verdict = run_with_a_kill(plant, running)
    assert verdict.clean, verdict
    assert verdict.acknowledged >= 24_000


def test_acknowledging_before_the_disk_is_found(plant, running):
    verdict = run_with_a_kill(plant, running, faults=["acknowledge_before_disk"])
    assert len(verdict.lost) > 0, verdict


def test_dropping_every_10000th_reading_is_found(plant, running):
    verdict = run_with_a_kill(plant, running, faults=["drop_every_10000th"])
    assert 1 <= len(verdict.lost) <= 5, verdict
    assert not len(verdict.doubled)


def test_storing_twice_is_found(plant, running):
    verdict = run_with_a_kill(plant, running, faults=["store_twice"])
    assert len(verdict.doubled) >= 24_000, verdict
    assert not len(verdict.lost)
