"""manage.py create_api_key: a key for a device or a program without the web."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.api_keys import api_key_create
from common.errors import DomainError
from tenants.context import factory_context


class Command(BaseCommand):
    """Prints what it made; the last line is the key alone, which can't be shown again."""

    help = "Create an API key; the last line printed is the key alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the factory's address")
        parser.add_argument("--name", required=True, help="what the key is for")
        parser.add_argument("--scope", default="ingest,read", help="of ingest, read, write; with commas between")

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = [scope.strip() for scope in options["scope"].split(",") if scope.strip()]
        try:
            with factory_context(options["slug"]) as factory:
                key, raw = api_key_create(name=options["name"], scopes=scopes)
        except DomainError as error:
            raise CommandError(f"{error.code}: {error.detail}") from error
        self.stdout.write(f"Key “{key.name}” of {factory.name}, for {', '.join(key.scopes)}:")
        self.stdout.write(raw)
