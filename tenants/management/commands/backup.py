"""manage.py backup: one archive a factory."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import DomainError
from tenants.archive import archive_file
from tenants.context import factories_all, factory_get


class Command(BaseCommand):
    """Each archive holds a factory's tables, readings and files as of one instant, and is whole or not there."""

    help = "Write one archive a factory; the last lines printed are the files."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="which factories; all unless told")
        parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where the archives go")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            factories = [factory_get(slug) for slug in options["slugs"]] or factories_all()
        except DomainError as error:
            raise CommandError(f"{error.code}: {error.detail}") from error
        failed = []
        for factory in factories:
            try:
                self.stdout.write(str(archive_file(factory, options["to"])))
            except (DomainError, OSError) as error:  # the others are archived all the same
                failed.append(f"{factory.slug}: {error}")
        if failed:
            raise CommandError("Not archived: " + "; ".join(failed))
