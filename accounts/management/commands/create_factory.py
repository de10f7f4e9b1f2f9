"""manage.py create_factory: a factory without the web."""

import secrets
from pathlib import Path
from typing import Any

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from accounts.audit import audit_record
from accounts.models import Role, User
from common.errors import DomainError
from tenants.addresses import factory_url
from tenants.context import factory_context
from tenants.provisioning import factory_create, public_ensure


class Command(BaseCommand):
    """Prints what it made; the last line is the owner's password alone."""

    help = "Create a factory with an owner; the last line printed is the owner's password alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the address: <slug>.DOMAIN")
        parser.add_argument("--name", required=True, help="what the factory is called")
        parser.add_argument("--owner", required=True, metavar="EMAIL", help="the owner's e-mail address")
        parser.add_argument("--time-zone", default="UTC", help="an IANA name such as Europe/Warsaw")
        parser.add_argument("--password-file", type=Path, help="a file that holds the owner's password")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["owner"].strip().lower()
        password = _password(options["password_file"])
        try:
            validate_email(email)
            public_ensure()
            factory = factory_create(slug=options["slug"], name=options["name"], time_zone=options["time_zone"])
        except ValidationError as error:
            raise CommandError(f"--owner: {' '.join(error.messages)}") from error
        except DomainError as error:
            raise CommandError(f"{error.code}: {error.detail}") from error
        with factory_context(factory):
            owner = User.objects.create_user(email, password, role=Role.OWNER)
            # Whoever runs commands vouches for the address, so the owner can sign in at once.
            EmailAddress.objects.create(user=owner, email=email, primary=True, verified=True)
            audit_record(actor="create_factory", action="factory.created", target=email)
        self.stdout.write(f"Factory “{factory.name}” answers at {factory_url(factory)}; its owner is {email}.")
        self.stdout.write(password)


def _password(file: Path | None) -> str:
    if file is None:
        return secrets.token_urlsafe(15)
    try:
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CommandError(f"--password-file can't be read: {error}") from error
    if not password:
        raise CommandError("--password-file is empty.")
    return password
