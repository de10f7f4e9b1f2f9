"""manage.py reseal: what another SECRET_KEY has sealed, sealed by the one of now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from anomalies.resealing import factory_reseal
from common.errors import DomainError
from tenants.context import factories_all, factory_get


class Command(BaseCommand):
    """While SECRET_KEY_FALLBACKS still names the secret before."""

    help = "Seal detectors, and addresses and secrets of targets, by SECRET_KEY, so that the secret before can go."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG", help="which factories; all unless told")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            factories = [factory_get(slug) for slug in options["slugs"]] or factories_all()
        except DomainError as error:
            raise CommandError(f"{error.code}: {error.detail}") from error
        left = {factory.slug: names for factory in factories if (names := factory_reseal(factory))}
        self.stdout.write(f"{len(factories)} factories sealed.")
        if left:
            told = "; ".join(f"{slug}: {', '.join(names)}" for slug, names in left.items())
            raise CommandError(f"Sealed by a secret that is not known here, and left as it was: {told}")
