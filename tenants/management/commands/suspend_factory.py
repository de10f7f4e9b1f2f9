"""manage.py suspend_factory: shut a factory's doors, or open them again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from common.errors import DomainError
from tenants.context import factory_get
from tenants.life import factory_resume, factory_suspend


class Command(BaseCommand):
    """In force within a second, in every process."""

    help = "Shut every door of a factory; --resume opens them again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the factory's address")
        parser.add_argument("--reason", default="", help="shown to its people")
        parser.add_argument("--resume", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            factory = factory_get(options["slug"])
        except DomainError as error:
            raise CommandError(f"{error.code}: {error.detail}") from error
        if options["resume"]:
            factory_resume(factory)
        else:
            factory_suspend(factory, reason=options["reason"])
        self.stdout.write(f"Factory “{factory.name}” is {'open' if options['resume'] else 'suspended'}.")
