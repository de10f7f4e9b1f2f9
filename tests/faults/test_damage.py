"""Flipped and missing bytes in the journal's files: detected, and only what they hit is gone."""

import sqlite3
from contextlib import closing

import numpy as np
import pytest

from telemetry.ingest import journal_file, journal_salvage
from telemetry.ingest.journal import Journal
from telemetry.ingest.journal_file import FILE_NAME
from tests.faults.processes import wait_until

ROWS = 400


def filled(folder, *, checkpointed=False, rows=ROWS):
    """A journal's files as a killed process leaves them; returns the bodies by id, some of many pages."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(7)
    bodies = {}
    connection = journal_file.connect(folder, max_bytes=1 << 30)
    journal_file.prepare(connection)
    for at in range(rows):
        body = random.bytes(20_000 if at % 20 == 0 else int(random.integers(50, 900)))
        row = ("acme", 0, 5, 1_790_000_000_000 + at, journal_file.checksum("acme", 0, body), body)
        with journal_file.immediate(connection):
            insert = "INSERT INTO entry (factory, kind, readings, at_ms, crc, body) VALUES (?, ?, ?, ?, ?, ?)"
            bodies[connection.execute(insert, row).lastrowid] = body
    if checkpointed:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy(folder, folder.with_name("killed"))
    connection.close()
    for path in folder.iterdir():
        path.unlink()
    copy(folder.with_name("killed"), folder)
    return bodies


def copy(source, target):
    target.mkdir(exist_ok=True)
    for path in source.iterdir():
        if not path.name.endswith("-shm"):
            (target / path.name).write_bytes(path.read_bytes())


def flip(path, at, *, bits=0xFF):
    """Change one byte."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes((byte ^ bits,)))


def salvaged(folder):
    """What a new process finds once everything that could be saved is back; bodies in order, and the journal's end."""
    journal = Journal(folder)
    try:
        wait_until(
            lambda: all((aside / "salvaged.txt").exists() for aside in folder.glob("damaged-*")),
            what="the salvage did not end",
        )
        return [entry.body for entry in journal.read_after(0, max_bytes=1 << 30) if entry.intact]
    finally:
        journal.close()


def asides(folder):
    return list(folder.glob("damaged-*"))


def test_a_torn_tail_is_cut_and_nothing_else(tmp_path):
    bodies = filled(tmp_path / "journal")
    wal = tmp_path / "journal" / f"{FILE_NAME}-wal"
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size - 1_000)
    assert salvaged(tmp_path / "journal") == list(bodies.values())[:-1]
    assert not asides(tmp_path / "journal")


def test_a_byte_flipped_in_the_middle_of_the_log_does_not_hide_what_follows(tmp_path):
    bodies = filled(tmp_path / "journal")
    wal = tmp_path / "journal" / f"{FILE_NAME}-wal"
    flip(wal, wal.stat().st_size // 2)
    found = salvaged(tmp_path / "journal")
    assert len(asides(tmp_path / "journal")) == 1
    assert set(found) <= set(bodies.values())
    assert len(found) >= ROWS - 1


def insert(connection, body):
    row = ("acme", 0, 5, 1_790_000_000_000, journal_file.checksum("acme", 0, body), body)
    with journal_file.immediate(connection):
        connection.execute(
            "INSERT INTO entry (factory, kind, readings, at_ms, crc, body) VALUES (?, ?, ?, ?, ?, ?)", row
        )


def half_overwritten(folder):
    """One process synced a large commit and died before the index knew of it; another wrote a small one over it."""
    folder.mkdir()
    index = folder / f"{FILE_NAME}-shm"
    with closing(journal_file.connect(folder, max_bytes=1 << 30)) as one:
        journal_file.prepare(one)
        insert(one, b"first")
        before = index.read_bytes()[:96]
        insert(one, b"dead" * 10_000)
        with index.open("r+b") as file:
            file.write(before)
        with closing(journal_file.connect(folder, max_bytes=1 << 30)) as other:
            insert(other, b"second")
            killed = folder.with_name("killed")
            killed.mkdir()
            for path in folder.iterdir():
                (killed / path.name).write_bytes(path.read_bytes())
    return killed


def test_a_commit_that_nobody_finished_and_another_wrote_over_is_no_damage(tmp_path):
    killed = half_overwritten(tmp_path / "journal")
    assert salvaged(killed) == [b"first", b"second"]
    assert not asides(killed)


def test_the_same_bytes_are_a_hole_where_the_index_does_not_say_otherwise(tmp_path):
    killed = half_overwritten(tmp_path / "journal")
    (killed / f"{FILE_NAME}-shm").unlink()
    assert {b"first", b"second"} <= set(salvaged(killed))
    assert len(asides(killed)) == 1


def test_a_damaged_head_of_the_log_does_not_hide_it(tmp_path):
    bodies = filled(tmp_path / "journal")
    flip(tmp_path / "journal" / f"{FILE_NAME}-wal", 17)
    assert salvaged(tmp_path / "journal") == list(bodies.values())


@pytest.mark.parametrize("page", ["head", "root", "leaf"])
def test_a_broken_page_costs_no_rows_of_other_pages(tmp_path, page):
    bodies = filled(tmp_path / "journal", checkpointed=True)
    path = tmp_path / "journal" / FILE_NAME
    content = path.read_bytes()
    leaves = [at for at in range(4096, len(content), 4096) if content[at] == 0x0D]
    lost = {"head": 0, "root": 0, "leaf": int.from_bytes(content[leaves[9] + 3 : leaves[9] + 5], "big")}
    with path.open("r+b") as file:
        file.seek({"head": 0, "root": 4096 * (root_page(path) - 1), "leaf": leaves[9]}[page])
        file.write(bytes(100 if page == "head" else 4096))
    found = salvaged(tmp_path / "journal")
    assert len(asides(tmp_path / "journal")) == 1
    assert set(found) <= set(bodies.values())
    assert ROWS - len(found) == lost[page]


def root_page(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'entry'").fetchone()[0]


def test_a_row_with_a_flipped_byte_is_told_from_the_others(tmp_path):
    bodies = filled(tmp_path / "journal", checkpointed=True)
    path = tmp_path / "journal" / FILE_NAME
    flip(path, path.read_bytes().index(list(bodies.values())[7][:30]) + 10)
    journal = Journal(tmp_path / "journal")
    broken = [entry.id for entry in journal.read_after(0, max_bytes=1 << 30) if not entry.intact]
    journal.close()
    assert broken == [list(bodies)[7]]


def test_damage_met_while_running_makes_a_fresh_journal_for_every_holder(tmp_path):
    bodies = filled(tmp_path / "journal", checkpointed=True)
    mine, other = Journal(tmp_path / "journal"), Journal(tmp_path / "journal")
    assert len(other.factories()) == len(mine.factories()) == 1
    path = tmp_path / "journal" / FILE_NAME
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size // 2))
    wait_until(lambda: raises(mine), what="the damage was not met")
    wait_until(lambda: asides(tmp_path / "journal"))
    for at, journal in enumerate((mine, other)):
        wait_until(lambda: appended(journal, b"after %d" % at), what="appends did not come back")  # noqa: B023
    wait_until(lambda: all((aside / "salvaged.txt").exists() for aside in asides(tmp_path / "journal")))
    found = [entry.body for entry in mine.read_after(0, max_bytes=1 << 30)]
    assert {b"after 0", b"after 1"} <= set(found)
    assert len(set(found) & set(bodies.values())) > ROWS // 4
    assert min(entry.id for entry in other.read_after(0, max_bytes=1 << 30)) > max(bodies)
    mine.close()
    other.close()
    assert len(asides(tmp_path / "journal")) == 1
    # The last to let go of the old file must not take the new one's log with it.
    assert set(salvaged(tmp_path / "journal")) == set(found)


def raises(journal):
    try:
        journal.read_after(0, max_bytes=1 << 30)
    except journal_file.JournalError:
        return True
    return not appended(journal, b"before")


def appended(journal, body):
    try:
        return journal.append("acme", body, 1).result(timeout=10) > 0
    except journal_file.JournalError:
        return False


def test_a_salvage_that_was_interrupted_is_resumed(tmp_path, monkeypatch):
    bodies = filled(tmp_path / "journal")
    flip(tmp_path / "journal" / f"{FILE_NAME}-wal", 17)
    with monkeypatch.context() as patch:
        patch.setattr(journal_salvage, "_refill_soon", lambda *_, **__: None)
        Journal(tmp_path / "journal").close()
    assert set(salvaged(tmp_path / "journal")) == set(bodies.values())


def test_acknowledged_readings_survive_a_hole_in_the_log_of_a_killed_process(plant, running):
    ingest = running(faults=["store_away"])
    sender = plant.sender(ingest, block=20)
    sender.start()
    sender.wait_for_more(5_000)
    ingest.kill()
    wal = plant.journal_dir / f"{FILE_NAME}-wal"
    flip(wal, wal.stat().st_size * 3 // 4)
    again = running()
    sender.port = again.port
    sender.wait_for_more(500)
    sender.finish()
    wait_until(lambda: all((aside / "salvaged.txt").exists() for aside in asides(plant.journal_dir)))
    plant.drained()
    verdict = plant.verdict(sender)
    assert asides(plant.journal_dir)
    assert not len(verdict.altered)
    assert not len(verdict.doubled)
    # Rows share pages: the flipped one may hold the newest version of a few.
    assert len(verdict.lost) <= 40 * sender.block, verdict
