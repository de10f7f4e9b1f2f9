"""Rows that the store refused for good: what staff may see of them, and how they are tried again or given up."""

from collections.abc import Sequence
from typing import ClassVar

import msgspec
import structlog

from common.errors import NotFoundError
from common.times import from_ms, rfc3339
from telemetry.ingest.journal import READINGS, DeadLetter, Journal
from telemetry.ingest.refusals import refusals_decode
from telemetry.readings import ReadingBatch

_log = structlog.get_logger(__name__)
_WITHIN_S = 10.0
_REASON_LENGTH = 120


class DeadLetterNotFoundError(NotFoundError):
    """No dead letter of that number in this node's journal."""

    code: ClassVar[str] = "dead_letter_not_found"


def reason_short(letter: DeadLetter) -> str:
    """Why it was buried, without what a server repeats of the row itself in the lines below.

    >>> letter = DeadLetter(1, "mill", 0, 3, 0, 90, "DataError: out of range\\nDETAIL: Failing row (7, 2.1)")
    >>> reason_short(letter)
    'DataError: out of range'
    """
    return letter.reason.partition("\n")[0][:_REASON_LENGTH]


def dead_letters_requeue(journal: Journal, ids: Sequence[int], *, actor: str) -> int:
    """Give rows to the drain again, once what was wrong has been mended; the number of rows.

    Raises DeadLetterNotFoundError, and then moves nothing; JournalError.
    """
    found = _found(journal, ids)
    journal.requeue(ids).result(timeout=_WITHIN_S)
    _tell("dead_letters_requeued", found, actor)
    return len(found)


def dead_letters_discard(journal: Journal, ids: Sequence[int], *, actor: str) -> int:
    """Give rows up for ever; the number of rows. Raises as `dead_letters_requeue`."""
    found = _found(journal, ids)
    journal.discard(ids).result(timeout=_WITHIN_S)
    _tell("dead_letters_discarded", found, actor)
    return len(found)


def dead_letter_contents(journal: Journal, letter_id: int) -> list[str]:
    """A line for each series (or cause) in a row, without its values. Raises DeadLetterNotFoundError."""
    entry = journal.dead_letter(letter_id)
    if entry is None:
        raise _missing([letter_id])
    if not entry.intact:
        return [f"{len(entry.body)} bytes that are damaged: their checksum is wrong"]
    try:
        if entry.kind != READINGS:
            return [f"{one.code} {one.machine} {one.metric}: {one.count}" for one in refusals_decode(entry.body)]
        return [
            f"{part.machine} {part.metric}: {len(part)} readings"
            f" from {rfc3339(from_ms(int(part.t_ms.min())))} to {rfc3339(from_ms(int(part.t_ms.max())))}"
            for part in ReadingBatch.from_bytes(entry.body)
            if len(part)
        ]
    except (msgspec.DecodeError, ValueError, OverflowError) as error:
        return [f"{len(entry.body)} bytes that can't be read: {type(error).__name__}"]


def _found(journal: Journal, ids: Sequence[int]) -> list[DeadLetter]:
    by_id = {letter.id: letter for letter in journal.dead_letter_entries()}
    missing = [letter_id for letter_id in ids if letter_id not in by_id]
    if missing:
        raise _missing(missing)
    return [by_id[letter_id] for letter_id in dict.fromkeys(ids)]


def _missing(ids: Sequence[int]) -> DeadLetterNotFoundError:
    return DeadLetterNotFoundError(f"There is no dead letter {', '.join(map(str, ids))} here.")


def _tell(event: str, letters: Sequence[DeadLetter], actor: str) -> None:
    for factory in dict.fromkeys(letter.factory for letter in letters):
        of_factory = [letter for letter in letters if letter.factory == factory]
        readings = sum(letter.readings for letter in of_factory)
        _log.warning(event, factory=factory, rows=[one.id for one in of_factory], readings=readings, actor=actor)
