"""manage.py delete_factory: a factory and everything in it, for good."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import DomainError
from tenants.context import factory_get
from tenants.provisioning import factory_delete


class Command(BaseCommand):
    """Asks for the address twice, because nothing brings a deleted factory back but a backup."""

    help = "Delete a factory with its people, machines and readings; there is no way back but a backup."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the factory's address")
        parser.add_argument("--confirm", required=True, metavar="SLUG", help="the address once more")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["confirm"] != options["slug"]:
            raise CommandError("--confirm names another address; nothing was deleted.")
        try:
            factory = factory_get(options["slug"])
        except DomainError as error:
            raise CommandError(f"{error.code}: {error.detail}") from error
        factory_delete(factory)
        self.stdout.write(f"Factory “{factory.name}” is deleted.")
