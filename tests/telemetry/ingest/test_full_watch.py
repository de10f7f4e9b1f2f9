"""A node without room: its processes know, readiness and the admin say so, and staff gets a mail at each end."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from smtplib import SMTPServerDisconnected

import pytest
from django.core import mail

from accounts.models import User
from telemetry.ingest import full_watch, journal_full
from telemetry.ingest.full_watch import FullWatch
from telemetry.ingest.journal import Journal, JournalFullError

ROOT = Path(__file__).resolve().parents[3]
BOUND = 512 * 1024
FILLER = """
import sys
from pathlib import Path
from telemetry.ingest.journal import Journal, JournalFullError
journal = Journal(Path(sys.argv[1]), max_bytes=int(sys.argv[2]))
try:
    while True:
        journal.append("mill", b"x" * 20_000, 1).result(timeout=10)
except JournalFullError:
    print("full")
journal.close()
"""


@pytest.fixture
def journal(tmp_path, settings):
    settings.JOURNAL_DIR = tmp_path
    journal = Journal(tmp_path, max_bytes=BOUND)
    yield journal
    journal.close()


@pytest.fixture
def now():
    """The watch's seconds, in a list so that a test may let them go by."""
    return [1_000.0]


@pytest.fixture
def staff(public_client):
    person = User.objects.create_superuser("staff@factorypulse.example", "a long staff password")
    User.objects.create_user("left@factorypulse.example", "a long staff password", is_staff=True, is_active=False)
    public_client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return public_client


def fill(journal):
    with pytest.raises(JournalFullError):  # noqa: PT012  # which append meets the bound doesn't matter
        for _ in range(100):
            journal.append("mill", b"x" * 20_000, 1).result(timeout=10)


def drain(journal):
    journal.delete_through("mill", journal.last_id()).result(timeout=10)


def test_the_note_travels_between_processes_and_keeps_its_first_time(tmp_path, journal):
    assert journal_full.full_since(tmp_path) is None
    words = [sys.executable, "-c", FILLER, str(tmp_path), str(BOUND)]
    assert subprocess.run(words, cwd=ROOT, capture_output=True, check=True, text=True).stdout.endswith("full\n")
    since = journal_full.full_since(tmp_path)
    assert since is not None
    assert since <= datetime.now(UTC)
    fill(journal)
    assert journal_full.full_since(tmp_path) == since


def test_the_next_reading_that_is_accepted_takes_the_note_away(tmp_path, journal):
    fill(journal)
    drain(journal)
    assert journal_full.full_since(tmp_path) is not None  # deletions alone prove no room
    journal.append("mill", b"x" * 20_000, 1).result(timeout=10)
    journal.close()
    assert journal_full.full_since(tmp_path) is None


def test_a_disk_without_its_reserve_is_noted_too(tmp_path):
    journal = Journal(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(JournalFullError):
        journal.append("mill", b"x", 1).result(timeout=10)
    assert journal_full.full_since(tmp_path) is not None
    journal.close()


def test_a_full_journal_is_not_ready_until_it_has_room(public_client, journal):
    assert public_client.get("/health/ready").json()["dependencies"]["journal"] == "ok"
    fill(journal)
    answer = public_client.get("/health/ready")
    assert (answer.status_code, answer.json()["dependencies"]["journal"]) == (503, "away")
    drain(journal)
    FullWatch(journal).look()  # nobody may send to a node that is not ready
    assert public_client.get("/health/ready").json()["dependencies"]["journal"] == "ok"


def test_staff_reads_it_on_every_page_of_its_admin_while_it_lasts(staff, journal):
    fill(journal)
    for path in ("/admin/", "/admin/tenants/plan/", "/admin/tenants/factory/"):
        page = staff.get(path).content.decode()
        assert "take readings: its journal is full since" in page, path
    drain(journal)
    FullWatch(journal).look()
    assert "take readings" not in staff.get("/admin/").content.decode()


def test_nobody_reads_it_before_signing_in(public_client, journal):
    fill(journal)
    assert "take readings" not in public_client.get("/admin/login/").content.decode()


def test_staff_gets_one_mail_when_it_begins_and_one_when_it_is_over(staff, journal, now):
    watch = FullWatch(journal, now_s=lambda: now[0])
    watch.look()
    assert mail.outbox == []
    fill(journal)
    for _ in range(3):
        fill(journal)
        watch.look()
    FullWatch(journal).look()  # the drain was restarted meanwhile
    assert [(one.to, one.subject) for one in mail.outbox] == [
        (["staff@factorypulse.example"], "A FactoryPulse node can't take readings")
    ]
    assert "its journal is full since" in mail.outbox[0].body

    drain(journal)
    watch.look()
    assert len(mail.outbox) == 1  # room has to last
    now[0] += full_watch.OVER_AFTER_S
    for _ in range(3):
        watch.look()
    assert [one.subject for one in mail.outbox[1:]] == ["A FactoryPulse node takes readings again"]


def test_a_journal_that_is_full_again_at_once_is_the_same_incident(staff, journal, now):
    watch = FullWatch(journal, now_s=lambda: now[0])
    for _ in range(3):
        fill(journal)
        watch.look()
        drain(journal)
        watch.look()
        now[0] += full_watch.OVER_AFTER_S / 2
    assert len(mail.outbox) == 1


def test_a_mail_server_that_is_away_gets_the_mail_later(staff, journal, now, monkeypatch):
    real, tried = full_watch.send_mail, []

    def away(*arguments):
        tried.append(arguments)
        raise SMTPServerDisconnected("away")

    monkeypatch.setattr(full_watch, "send_mail", away)
    watch = FullWatch(journal, now_s=lambda: now[0])
    fill(journal)
    watch.look()
    watch.look()
    assert len(tried) == 1
    monkeypatch.setattr(full_watch, "send_mail", real)
    now[0] += 60
    watch.look()
    assert len(mail.outbox) == 1


def test_without_staff_nothing_is_sent_and_nothing_tried_again(public_client, journal):
    fill(journal)
    FullWatch(journal).look()
    assert mail.outbox == []
    assert journal_full.told_since(journal.directory) is not None
