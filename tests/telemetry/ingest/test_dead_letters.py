"""What the store refused for good: staff see it without its contents, mend the cause, and it is stored once."""

import io

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from telemetry import dead_letter_pages
from telemetry.ingest.dead_letters import DeadLetterNotFoundError, dead_letters_discard, dead_letters_requeue
from telemetry.ingest.drain import Drain
from telemetry.ingest.journal import REFUSALS, Journal
from telemetry.management.commands import dead_letters as command
from telemetry.models import Machine
from telemetry.readings import ReadingBatch, Series
from telemetry.store import reading_store
from tenants.context import factory_context

NOW = 1_795_255_200_000
SECRET = 8_675_309.0
PAGE = "/admin/dead-letters/"


class BrokenStore:
    """Refuses one metric for good, until it is mended, and repeats the row as servers do."""

    def write(self, batch, *, machines):
        if any(series.metric == "poison" for series in batch):
            raise ValueError(f"numeric field overflow\nDETAIL: Failing row contains ({SECRET})")
        reading_store().write(batch, machines=machines)


@pytest.fixture
def journal(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    monkeypatch.setattr(dead_letter_pages, "process_journal", lambda: journal)
    monkeypatch.setattr(command, "process_journal", lambda: journal)
    yield journal
    journal.close()


@pytest.fixture
def staff(public_client):
    person = User.objects.create_superuser("staff@factorypulse.example", "a long staff password")
    public_client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    public_client.person = person
    return public_client


def append(journal, metric="poison", factory="acme", value=SECRET):
    batch = ReadingBatch([Series("M01", metric, np.array([NOW], np.int64), np.array([value]))])
    return journal.append(factory, batch.to_bytes(), 1).result(timeout=10)


@pytest.fixture
def buried(journal, acme):
    """The number of a poisoned row, buried by the drain beside a good one."""
    number = append(journal)
    append(journal, "vibration")
    Drain(journal, store=BrokenStore()).drain_once("acme")
    return number


def stored(factory, metric="poison"):
    with factory_context(factory):
        [series] = reading_store().raw(Machine.objects.get(key="M01"), [metric], from_ms=0, to_ms=2 * NOW)
    return list(zip(series.t_ms.tolist(), series.values.tolist(), strict=True))


def told(*arguments):
    out = io.StringIO()
    call_command("dead_letters", *arguments, stdout=out)
    return out.getvalue()


def test_a_poisoned_row_is_buried_shown_mended_and_stored_once(journal, acme, buried, staff):
    assert stored(acme, "vibration") == [(NOW, SECRET)]
    assert stored(acme) == []
    page = staff.get(PAGE).content.decode()
    assert "acme" in page
    assert "numeric field overflow" in page
    assert str(SECRET) not in page.replace(",", "")
    # The store is mended; staff gives the row to the drain again, twice because the button was pressed twice.
    for _press in range(2):
        assert staff.post(PAGE, {"action": "requeue", "id": [buried]})["Location"] == PAGE
    assert journal.dead_letters() == []
    assert Drain(journal).drain_once("acme") == 1
    assert stored(acme) == [(NOW, SECRET)]
    assert "There are no dead letters" in staff.get(PAGE).content.decode()


def test_a_row_that_is_poison_still_is_buried_again_and_nothing_else_suffers(journal, acme, buried):
    dead_letters_requeue(journal, [buried], actor="test")
    append(journal, "temperature")
    Drain(journal, store=BrokenStore()).drain_once("acme")
    assert [factory for _id, factory, _reason in journal.dead_letters()] == ["acme"]
    assert journal.factories() == []
    assert stored(acme, "temperature") == [(NOW, SECRET)]


def test_a_requeued_row_is_either_dead_or_waiting_after_a_crash(journal, acme, buried, tmp_path):
    dead_letters_requeue(journal, [buried], actor="test")
    other = Journal(tmp_path)  # as the next process finds the file
    try:
        assert other.dead_letter_entries() == []
        [entry] = other.read_factory("acme", max_bytes=10**6)
        assert (entry.intact, entry.readings) == (True, 1)
    finally:
        other.close()


def test_what_is_not_there_moves_nothing(journal, acme, buried):
    for act in (dead_letters_requeue, dead_letters_discard):
        with pytest.raises(DeadLetterNotFoundError):
            act(journal, [buried, 999], actor="test")
    assert [letter.id for letter in journal.dead_letter_entries()] == [buried]


def test_the_command_lists_shows_requeues_and_discards(journal, acme, buried):
    listed = told("list")
    assert (str(buried) in listed, "acme" in listed, str(SECRET) in listed) == (True, True, False)
    assert told("list", "--factory", "borg") == "There are no dead letters on this node.\n"
    shown = told("show", str(buried))
    assert "M01 poison: 1 readings from 2026-11-21T10:00:00.000Z" in shown
    assert told("requeue", "--factory", "acme") == "1 given to the drain again.\n"
    Drain(journal, store=BrokenStore()).drain_once("acme")
    [letter] = journal.dead_letter_entries()
    assert told("discard", str(letter.id)) == "1 discarded.\n"
    assert journal.dead_letter_entries() == []
    for wrong in (["show", "7"], ["requeue", "7"], ["discard"], ["requeue", "7", "--factory", "acme"]):
        with pytest.raises(CommandError):
            told(*wrong)


def test_damaged_and_unreadable_rows_are_told_as_such(journal, acme):
    damaged = append(journal)
    journal._change([("UPDATE entry SET body = x'00' WHERE id = ?", (damaged,))]).result(timeout=10)
    unreadable = journal.append("acme", b"\xc1", 1, kind=REFUSALS).result(timeout=10)
    Drain(journal).drain_once("acme")
    assert "damaged" in told("show", str(damaged))
    assert "can't be read" in told("show", str(unreadable))


def test_only_staff_open_the_page_and_only_superusers_discard(journal, buried, staff, public_client, client_for, owner):
    assert client_for(owner).get(PAGE).status_code == 404
    staff.person.is_superuser = False
    staff.person.save()
    assert "Discard" not in staff.get(PAGE).content.decode()
    staff.post(PAGE, {"action": "discard", "id": [buried]})
    staff.post(PAGE, {"action": "", "id": [buried]})
    staff.post(PAGE, {"action": "requeue", "id": ["x", "9" * 30]})
    assert [letter.id for letter in journal.dead_letter_entries()] == [buried]
    staff.person.is_superuser = True
    staff.person.save()
    staff.post(PAGE, {"action": "discard", "id": [buried]})
    assert journal.dead_letter_entries() == []
    staff.person.is_staff = False
    staff.person.save()
    assert public_client.get(PAGE).status_code == 302
