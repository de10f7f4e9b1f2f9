"""The promise: what append has resolved is on disk, whatever happens to the process."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from telemetry.ingest import journal as rooms
from telemetry.ingest.journal import Journal, JournalBusyError, JournalFullError
from telemetry.ingest.journal_file import FILE_NAME

ROOT = Path(__file__).resolve().parents[3]
# Appends forever and prints each id once it is promised.
WRITER = """
import sys
from pathlib import Path
from telemetry.ingest.journal import Journal
journal = Journal(Path(sys.argv[1]))
number = 0
while True:
    group = [(number + at, journal.append("mill", b"%d" % (number + at), 1)) for at in range(20)]
    number += 20
    for sent, future in group:
        future.result()
        print(sent, flush=True)
"""


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


@pytest.mark.parametrize("command", ["ingest", "drain"])
def test_a_folder_that_cannot_be_written_ends_a_process_with_a_sentence(command, tmp_path, settings, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    settings.JOURNAL_DIR = tmp_path / "file" / "journal"
    monkeypatch.setattr(rooms, "_process_journals", {})
    with pytest.raises(CommandError, match="can't be used: Not a directory"):
        call_command(command)


def append(journal, factory, body, **options):
    return journal.append(factory, body, 1, **options).result(timeout=10)


def fill(journal):
    for _ in range(100):
        append(journal, "mill", b"x" * 20_000)


def test_what_is_appended_is_read_in_order(journal):
    ids = [append(journal, "mill", b"%d" % n) for n in range(5)]
    entries = journal.read_after(0, max_bytes=10**6)
    assert [entry.id for entry in entries] == ids == sorted(ids)
    assert [entry.body for entry in entries] == [b"0", b"1", b"2", b"3", b"4"]
    assert all(entry.intact for entry in entries)


def test_a_chunk_is_bounded_in_bytes(journal):
    for _ in range(10):
        append(journal, "mill", b"x" * 1000)
    assert len(journal.read_factory("mill", max_bytes=2500)) == 3


def test_deleting_a_factorys_rows_leaves_the_others(journal):
    first = append(journal, "mill", b"a")
    append(journal, "dairy", b"b")
    last = append(journal, "mill", b"c")
    journal.delete_through("mill", first).result(timeout=10)
    assert journal.factories() == ["dairy", "mill"]
    assert [entry.id for entry in journal.read_factory("mill", max_bytes=10**6)] == [last]


def test_ids_are_never_used_again_so_that_a_cursor_stays_true(journal):
    last = append(journal, "mill", b"a")
    journal.delete_through("mill", last).result(timeout=10)
    assert append(journal, "mill", b"b") > last
    assert journal.last_id() > last


def test_a_full_journal_refuses_and_recovers_by_being_drained(tmp_path):
    journal = Journal(tmp_path, max_bytes=512 * 1024)
    with pytest.raises(JournalFullError) as full:
        fill(journal)
    assert full.value.status == 507
    entries = journal.read_factory("mill", max_bytes=10**9)
    assert len(entries) > 5
    journal.delete_through("mill", entries[-1].id).result(timeout=10)
    assert append(journal, "mill", b"x" * 20_000)
    journal.close()


def test_deletions_succeed_in_the_very_group_whose_appends_find_it_full(tmp_path):
    journal = Journal(tmp_path, max_bytes=512 * 1024)
    with pytest.raises(JournalFullError):
        fill(journal)
    last = journal.last_id()
    futures = [journal.append("mill", b"x" * 200_000, 1) for _ in range(5)]
    journal.delete_through("mill", last).result(timeout=10)
    assert append(journal, "mill", b"y")
    assert all(future.done() for future in futures)
    journal.close()


def test_a_nearly_full_disk_is_left_its_reserve(tmp_path):
    journal = Journal(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(JournalFullError):
        append(journal, "mill", b"x")
    journal.close()


def test_more_than_memory_should_hold_is_refused_at_once(journal, monkeypatch):
    monkeypatch.setattr("telemetry.ingest.journal_writer._WAITING_BYTES", -1)
    with pytest.raises(JournalBusyError):
        journal.append("mill", b"x", 1)


def test_a_flipped_byte_is_noticed(journal, tmp_path):
    append(journal, "mill", b"good")
    damaged = append(journal, "mill", b"bad")
    with sqlite3.connect(tmp_path / "journal" / FILE_NAME) as file:
        file.execute("UPDATE entry SET body = ? WHERE id = ?", (b"bat", damaged))
    file.close()
    assert [entry.intact for entry in journal.read_factory("mill", max_bytes=10**6)] == [True, False]


def test_a_torn_tail_is_cut_and_what_stood_before_it_stays(journal, tmp_path):
    before = append(journal, "mill", b"a" * 5000)
    wal = tmp_path / "journal" / f"{FILE_NAME}-wal"
    whole = wal.stat().st_size
    append(journal, "mill", b"b" * 5000)
    torn = tmp_path / "torn"
    shutil.copytree(tmp_path / "journal", torn)
    os.truncate(torn / f"{FILE_NAME}-wal", whole + 3000)
    (torn / f"{FILE_NAME}-shm").unlink(missing_ok=True)
    reopened = Journal(torn)
    assert [entry.id for entry in reopened.read_after(0, max_bytes=10**6)] == [before]
    assert append(reopened, "mill", b"c")
    reopened.close()


def test_a_row_that_can_never_be_stored_is_buried_and_not_lost(journal):
    row = append(journal, "mill", b"poison")
    journal.bury([row], reason="no store takes it").result(timeout=10)
    assert journal.factories() == []
    assert journal.dead_letters() == [(row, "mill", "no store takes it")]


def test_a_closed_journal_has_committed_what_waited(tmp_path):
    journal = Journal(tmp_path)
    futures = [journal.append("mill", b"x", 1) for _ in range(500)]
    journal.close()
    assert len({future.result(timeout=0) for future in futures}) == 500


def start_writer(directory: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(directory)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_two_processes_append_to_one_file(tmp_path):
    writers = [start_writer(tmp_path) for _ in range(2)]
    for writer in writers:
        for _ in range(200):
            assert writer.stdout.readline()
    for writer in writers:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    journal = Journal(tmp_path)
    bodies = [entry.body for entry in journal.read_after(0, max_bytes=10**8)]
    journal.close()
    assert bodies.count(b"0") == bodies.count(b"199") == 2


@pytest.mark.parametrize("after", [1, 37, 400])
def test_nothing_promised_is_lost_by_kill_9_and_nothing_is_there_twice(tmp_path, after):
    writer = start_writer(tmp_path)
    promised = [int(writer.stdout.readline()) for _ in range(after)]
    writer.send_signal(signal.SIGKILL)
    # What was printed before the kill was promised too.
    promised += [int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    journal = Journal(tmp_path)
    stored = [int(entry.body) for entry in journal.read_after(0, max_bytes=10**8)]
    journal.close()
    assert set(promised) <= set(stored)
    assert len(stored) == len(set(stored))
