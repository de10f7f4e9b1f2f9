"""manage.py restore: factories from their archives."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import DomainError
from tenants.addresses import factory_url
from tenants.archive import archive_restore
from tenants.provisioning import DEFAULT_PLAN, public_ensure


class Command(BaseCommand):
    """On a machine that is migrated and otherwise empty, or beside other factories."""

    help = "Make factories from archives that `backup` or an owner's export wrote."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--as", dest="slug", default="", metavar="SLUG", help="another address; for one file")
        parser.add_argument(
            "--plan",
            default="",
            metavar="PLAN",
            help="the short name of the plan they get, whatever their archives say; without it, the one that an "
            f"archive names counts where this installation wrote it, and else “{DEFAULT_PLAN}”",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["slug"] and len(options["files"]) > 1:
            raise CommandError("--as is for one file.")
        public_ensure()
        for path in options["files"]:
            try:
                with path.open("rb") as file:
                    factory, refused = archive_restore(file, slug=options["slug"], plan=options["plan"])
            except OSError as error:
                raise CommandError(f"{path}: {error.strerror}") from error
            except DomainError as error:
                raise CommandError(f"{path}: {error.code}: {error.detail}") from error
            self.stdout.write(f"{factory.slug}: {factory_url(factory)}")
            if refused:
                self.stderr.write(
                    f"{factory.slug}: the archive names the plan “{refused}”, which is not known here or was not "
                    f"written by this installation, so it is on “{factory.plan}”. Choose by --plan, or change it in "
                    "the staff's admin."
                )
