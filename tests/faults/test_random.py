"""Kills and disk faults at random moments: a few in a normal run, 200 and 50 with FACTORYPULSE_FAULTS=long.

FACTORYPULSE_FAULTS_KILLS=30 asks for so many kills instead, and a quarter as many disk faults.
A run says its seed; FACTORYPULSE_FAULTS_SEED=… takes the same decisions again.
"""

import os
import random
import time

import pytest

from tests.faults.conftest import LONG
from tests.faults.processes import wait_until
from tests.faults.test_damage import asides

_ASKED = int(os.environ.get("FACTORYPULSE_FAULTS_KILLS") or 0)
KILLS, DISK_FAULTS = (_ASKED, max(1, _ASKED // 4)) if _ASKED else (200, 50) if LONG else (1, 2)
SENDERS = 2


@pytest.fixture
def dice(pytestconfig):
    """Decides; its `say` reaches the screen past pytest's capture."""
    seed = os.environ.get("FACTORYPULSE_FAULTS_SEED") or str(random.SystemRandom().randrange(10**9))
    screen = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    made = random.Random(seed)
    made.say = screen.write_line if screen else print
    made.say(f"FACTORYPULSE_FAULTS_SEED={seed}")
    return made


class Run:
    """Devices that never stop, and an ingest side to which things happen."""

    def __init__(self, plant, ingest, disk):
        self.plant, self.ingest, self.disk = plant, ingest, disk
        self.senders = [plant.sender(ingest, f"M{at}", block=20, pause_s=0.02) for at in range(SENDERS)]
        for sender in self.senders:
            sender.start()
        self.alive()

    def alive(self):
        """Until every device has acknowledgements again, after whatever has died was started."""
        self.ingest.start()
        for sender in self.senders:
            sender.wait_for_more(sender.block, within_s=120)

    def one_died(self):
        """Until a process has met its countdown; the others of the side die with it."""
        wait_until(lambda: not all(process.running for process in self.ingest.processes), within_s=120)
        self.ingest.kill()

    def end(self):
        """Finish, and hold every ledger against the store."""
        for sender in self.senders:
            sender.finish(within_s=120)
        self.plant.drained(within_s=300)
        for sender in self.senders:
            verdict = self.plant.verdict(sender)
            assert verdict.clean, verdict


def kill_all(run, dice):
    run.ingest.kill()


def kill_one(run, dice):
    dice.choice(run.ingest.processes).kill()


def kill_in_a_write(run, dice):
    run.disk.set(die_at_write=dice.randint(1, 40))
    run.one_died()


def kill_after_a_sync(run, dice):
    run.disk.set(die_after_sync=dice.randint(1, 10))
    run.one_died()


def fail_syncs(run, dice):
    run.disk.set(fail_syncs=dice.randint(1, 30))
    wait_until(lambda: run.disk.fail_syncs == 0, within_s=120, what="no sync was tried")


def fill_disk(run, dice):
    run.disk.set(full=1)
    time.sleep(dice.uniform(0.05, 1.0))
    run.disk.set(full=0)


def slow_disk(run, dice):
    run.disk.set(sync_takes_us=dice.randint(10_000, 300_000))
    time.sleep(dice.uniform(0.2, 2.0))
    run.disk.set(sync_takes_us=0)


def cut_power(run, dice):
    run.ingest.kill()
    run.disk.cut_power(kept=dice.choice((0, 0, 1, 3)))


def cut_power_in_a_write(run, dice):
    run.disk.set(die_at_write=dice.randint(1, 40))
    run.one_died()
    run.disk.cut_power(kept=dice.choice((0, 1, 2)))


def happen(run, dice, faults, times):
    """So many of the faults, at random moments; each is over before the next begins."""
    for at in range(times):
        time.sleep(dice.uniform(0.0, 0.5))
        fault = dice.choice(faults)
        if times > 2:
            dice.say(f"{at + 1}/{times} {fault.__name__}")
        fault(run, dice)
        run.alive()


@pytest.mark.timeout(7_000 if LONG or _ASKED else 180)
def test_kills_at_random_moments_lose_double_and_alter_nothing(plant, disk, running, dice):
    run = Run(plant, running(), disk)
    happen(run, dice, (kill_all, kill_all, kill_one, kill_in_a_write, kill_after_a_sync), KILLS)
    run.end()
    assert not asides(plant.journal_dir), "a kill was taken for damage"


@pytest.mark.timeout(7_000 if LONG or _ASKED else 180)
def test_disk_faults_at_random_moments_lose_double_and_alter_nothing(plant, disk, running, dice):
    disk.set(remember=1)
    run = Run(plant, running(), disk)
    happen(run, dice, (fail_syncs, fill_disk, slow_disk, cut_power, cut_power_in_a_write), DISK_FAULTS)
    run.end()
