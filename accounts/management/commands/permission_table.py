"""manage.py permission_table: docs/permissions.md, written from the code."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.permission_table import markdown


class Command(BaseCommand):
    """Writes the table, or says whether it is as the code is."""

    help = "Write docs/permissions.md from the code; --check only compares."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="fail when the file differs from the code")

    def handle(self, *args: Any, **options: Any) -> None:
        file = Path(settings.BASE_DIR) / "docs" / "permissions.md"
        written = markdown()
        if not options["check"]:
            file.write_text(written, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != written:
            raise CommandError("docs/permissions.md is not as the code is: run manage.py permission_table.")
