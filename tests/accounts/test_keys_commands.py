"""The two commands that make a factory and a key without the web."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.api_keys import verify_key
from accounts.models import Role, User
from tenants.context import FactoryNotFoundError, factory_context, factory_get
from tests.conftest import FactoryClient, host_of


def _lines(*arguments: str) -> list[str]:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue().splitlines()


def test_a_factory_made_by_command_lets_its_owner_sign_in_with_the_last_line(db: None) -> None:
    *_said, password = _lines("create_factory", "mill", "--name", "The Mill", "--owner", "Olga@Mill.example")
    assert factory_get("mill").name == "The Mill"
    answer = FactoryClient(host=host_of("mill")).post_json(
        "/api/v1/auth/login", {"email": "olga@mill.example", "password": password}
    )
    assert answer.status_code == 200
    with factory_context("mill"):
        assert User.objects.get().role == Role.OWNER


def test_a_password_may_come_from_a_file(db: None, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n")
    arguments = ("create_factory", "mill", "--name", "Mill", "--owner", "o@mill.example", "--password-file", str(file))
    assert _lines(*arguments)[-1] == "from the file"
    with factory_context("mill"):
        assert User.objects.get().check_password("from the file")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("acme", "--name", "A", "--owner", "a@a.example"), "factory_address_taken"),
        (("www", "--name", "A", "--owner", "a@a.example"), "factory_address_reserved"),
        (("A b", "--name", "A", "--owner", "a@a.example"), "factory_address_invalid"),
        (("mill", "--name", "A", "--owner", "nobody"), "--owner"),
        (("mill", "--name", "A", "--owner", "a@a.example", "--password-file", "/no/such/file"), "--password-file"),
        (("mill", "--name", "A", "--owner", "a@a.example", "--time-zone", "Mars/Olympus"), "Mars/Olympus"),
    ],
)
def test_a_factory_that_can_not_be_made_says_why_and_leaves_nothing(
    db: None, arguments: tuple[str, ...], word: str
) -> None:
    with pytest.raises(CommandError, match=word):
        call_command("create_factory", *arguments, stdout=StringIO())
    with pytest.raises(FactoryNotFoundError):
        factory_get("mill")


def test_the_last_line_of_a_new_key_is_the_key(db: None) -> None:
    verified = verify_key(_lines("create_api_key", "acme", "--name", "gateway")[-1], scope="ingest")
    assert (verified.name, verified.scopes) == ("gateway", frozenset({"ingest", "read"}))
    narrow = _lines("create_api_key", "acme", "--name", "reader", "--scope", " read ")[-1]
    assert verify_key(narrow, scope="read").scopes == frozenset({"read"})


@pytest.mark.parametrize(
    ("slug", "scope", "word"), [("nowhere", "read", "factory_not_found"), ("acme", "all", "ingest")]
)
def test_a_key_that_can_not_be_made_says_why(db: None, slug: str, scope: str, word: str) -> None:
    with pytest.raises(CommandError, match=word):
        call_command("create_api_key", slug, "--name", "x", "--scope", scope, stdout=StringIO())
