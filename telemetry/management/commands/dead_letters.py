"""`manage.py dead_letters`: what the store refused for good on this node, to look at, try again or give up."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import DomainError
from common.times import from_ms, rfc3339
from telemetry.ingest.dead_letters import (
    dead_letter_contents,
    dead_letters_discard,
    dead_letters_requeue,
    reason_short,
)
from telemetry.ingest.journal import DeadLetter, process_journal

_ACTOR = "manage.py"


class Command(BaseCommand):
    """Runs beside the other processes of a node: they share its journal."""

    help = "Dead letters of this node: list, show, requeue (once what was wrong is mended) or discard them."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="one line each").add_argument("--factory", default="", help="of this one alone")
        actions.add_parser("show", help="whose, why, and which series").add_argument("id", type=int)
        for action, told in (("requeue", "give them to the drain again"), ("discard", "forget them for ever")):
            chosen = actions.add_parser(action, help=told)
            chosen.add_argument("ids", nargs="*", type=int)
            chosen.add_argument("--factory", default="", help="all of this one")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except DomainError as error:
            raise CommandError(f"{error.code}: {error.detail}") from error

    def _list(self, options: dict[str, Any]) -> None:
        letters = _letters(options["factory"])
        for letter in letters:
            self.stdout.write(
                f"{letter.id:>8}  {letter.factory:<20} {rfc3339(from_ms(letter.at_ms))}"
                f" {letter.readings:>7} readings {letter.size:>9} bytes  {reason_short(letter)}"
            )
        if not letters:
            self.stdout.write("There are no dead letters on this node.")

    def _show(self, options: dict[str, Any]) -> None:
        lines = dead_letter_contents(process_journal(), options["id"])
        letter = next(one for one in _letters() if one.id == options["id"])
        self.stdout.write(f"{letter.factory}, arrived {rfc3339(from_ms(letter.at_ms))}\n{letter.reason}")
        for line in lines:
            self.stdout.write(f"  {line}")

    def _requeue(self, options: dict[str, Any]) -> None:
        count = dead_letters_requeue(process_journal(), _chosen(options), actor=_ACTOR)
        self.stdout.write(f"{count} given to the drain again.")

    def _discard(self, options: dict[str, Any]) -> None:
        count = dead_letters_discard(process_journal(), _chosen(options), actor=_ACTOR)
        self.stdout.write(f"{count} discarded.")


def _letters(factory: str = "") -> list[DeadLetter]:
    letters = process_journal().dead_letter_entries()
    return [letter for letter in letters if not factory or letter.factory == factory]


def _chosen(options: dict[str, Any]) -> list[int]:
    if bool(options["ids"]) == bool(options["factory"]):
        raise CommandError("Name dead letters by number, or all of a factory by --factory.")
    return options["ids"] or [letter.id for letter in _letters(options["factory"])]
