"""manage.py migrate_factories: the public site's tables, then those of every factory that is behind."""

import os
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django_tenants.utils import get_public_schema_name

from tenants.migrating import schemas_behind, schemas_migrate


class Command(BaseCommand):
    """May be stopped and started again: what is up to date is passed by."""

    help = "Bring every factory's tables up to date, several at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--jobs", type=int, default=os.cpu_count() or 1, help="how many at once; a core each unless told"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate_schemas", schema_name=get_public_schema_name(), interactive=False, verbosity=0)
        behind = schemas_behind()
        failed = []
        for number, done in enumerate(schemas_migrate(behind, jobs=options["jobs"]), 1):
            self.stdout.write(f"{number}/{len(behind)} {done.schema} {done.error or 'ok'}")
            failed += [done.schema] if done.error else []
        if failed:
            raise CommandError(f"{len(failed)} of {len(behind)} not migrated: {', '.join(sorted(failed))}")
        self.stdout.write(f"{len(behind)} factories migrated; every other one was up to date.")
