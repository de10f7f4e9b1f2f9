"""manage.py restore: factories from their archives."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import DomainError
from tenants.addresses import factory_url
from tenants.archive import archive_restore
from tenants.provisioning import public_ensure


class Command(BaseCommand):
    """On a machine that is migrated and otherwise empty, or beside other factories."""

    help = "Make factories from archives that `backup` or an owner's export wrote."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--as", dest="slug", default="", metavar="SLUG", help="another address; for one file")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["slug"] and len(options["files"]) > 1:
            raise CommandError("--as is for one file.")
        public_ensure()
        for path in options["files"]:
            try:
                with path.open("rb") as file:
                    factory = archive_restore(file, slug=options["slug"])
            except OSError as error:
                raise CommandError(f"{path}: {error.strerror}") from error
            except DomainError as error:
                raise CommandError(f"{path}: {error.code}: {error.detail}") from error
            self.stdout.write(f"{factory.slug}: {factory_url(factory)}")
