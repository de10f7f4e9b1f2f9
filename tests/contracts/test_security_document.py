"""docs/security.md answers every line of ASVS 5.0, levels 1 and 2, and what it points at exists."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import User
from tenants.models import Factory
from tests.conftest import PASSWORD, FactoryClient, host_of

ROOT = Path(settings.BASE_DIR)
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
LINES = re.findall(r"^\| (V[\d.]+) \| (.+?) \| (.+?) \|$", TEXT, re.MULTILINE)
# How many requirements of levels 1 and 2 ASVS 5.0.0 has: 70 and 183.
REQUIREMENTS = 70 + 183


def test_every_line_is_answered_once() -> None:
    numbers = [number for number, _how, _proof in LINES]
    assert len(numbers) == len(set(numbers)) == REQUIREMENTS


def test_what_it_points_at_exists() -> None:
    named = {proof.strip("`") for _number, _how, proof in LINES if proof.startswith("`")}
    assert [proof for proof in sorted(named) if not _exists(*proof.partition("::")[::2])] == []


def _exists(path: str, test: str) -> bool:
    """Whether the file is there, and in it the test, when one is named."""
    file = ROOT / path
    named = re.compile(rf"^(async )?def {test}\(", re.MULTILINE)
    return file.exists() and (not test or bool(named.search(file.read_text(encoding="utf-8"))))


def test_every_section_that_it_names_is_there() -> None:
    """A reader who is sent to a section that nobody wrote is told nothing."""
    named = list(re.findall(r"(docs/\w+\.md), “([^”]+)”", TEXT))
    named += [("docs/security.md", title) for title in re.findall(r"“([^”]+)”, above", TEXT)]
    assert named
    headings = {
        file: re.findall(r"^#+ (.+)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE) for file, _ in named
    }
    assert [(file, title) for file, title in named if title not in headings[file]] == []


def test_gaps_are_told_as_gaps() -> None:
    for number, how, proof in LINES:
        assert ("**Gap:**" not in how) or proof == "gap", number


@pytest.fixture(scope="module")
def production() -> dict[str, Any]:
    """What production's settings say, read by a process of their own."""
    code = (
        "import json; from django.conf import settings as s;"
        "names = ['SESSION_COOKIE_NAME','CSRF_COOKIE_NAME','MESSAGE_COOKIE_NAME',"
        "'SESSION_COOKIE_SECURE','CSRF_COOKIE_SECURE',"
        "'SESSION_COOKIE_HTTPONLY','SESSION_COOKIE_SAMESITE','SECURE_HSTS_SECONDS','SECURE_HSTS_INCLUDE_SUBDOMAINS',"
        "'DEBUG','TRIAL','PASSWORD_HASHERS','ACCOUNT_REAUTHENTICATION_REQUIRED','FACTORY_ROLES'];"
        "print(json.dumps({name: getattr(s, name) for name in names}))"
    )
    environment = {
        "PATH": "/usr/bin",
        "DJANGO_SETTINGS_MODULE": "factorypulse.settings.production",
        "DOMAIN": "plant.example",
        "SECRET_KEY": "0123456789abcdef" * 4,
        "DATABASE_URL": "postgresql://x@127.0.0.1/x",
        "REDIS_URL": "redis://127.0.0.1",
        "EMAIL_URL": "smtp://127.0.0.1:25",
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_production_is_as_the_document_says(production: dict[str, Any]) -> None:
    assert production["SESSION_COOKIE_NAME"].startswith("__Host-")
    assert production["CSRF_COOKIE_NAME"].startswith("__Host-")
    assert production["MESSAGE_COOKIE_NAME"].startswith("__Host-")
    assert production["SESSION_COOKIE_SECURE"]
    assert production["CSRF_COOKIE_SECURE"]
    assert production["SESSION_COOKIE_HTTPONLY"]
    assert production["SESSION_COOKIE_SAMESITE"] == "Lax"
    assert production["SECURE_HSTS_SECONDS"] >= 31_536_000
    assert production["SECURE_HSTS_INCLUDE_SUBDOMAINS"]
    assert not production["DEBUG"]
    assert not production["TRIAL"]
    assert "Argon2" in production["PASSWORD_HASHERS"][0]
    assert production["ACCOUNT_REAUTHENTICATION_REQUIRED"]
    assert production["FACTORY_ROLES"]


def test_every_cookie_is_of_the_pages_own_host(operator: User, in_acme: Factory, settings: Any) -> None:
    """As browsers ask of a name that begins so: they drop what is said otherwise."""
    for name, kind in (("SESSION", "session"), ("CSRF", "csrf"), ("MESSAGE", "messages")):
        setattr(settings, f"{name}_COOKIE_NAME", f"__Host-{kind}")
        setattr(settings, f"{name}_COOKIE_SECURE", True)
    browser = FactoryClient(host=host_of(in_acme))
    seen = set()
    for answer in (
        browser.get("/accounts/login/"),
        browser.post("/accounts/login/", {"login": operator.email, "password": PASSWORD}),
        browser.post("/account", {"name": "Ola"}),
        browser.get("/account"),
    ):
        seen |= set(answer.cookies)
        for name, cookie in answer.cookies.items():
            assert (cookie["secure"], cookie["path"], cookie["domain"]) == (True, "/", ""), name
            assert cookie["samesite"] == "Lax", name
            taken_back = cookie["max-age"] == 0
            assert cookie["httponly"] or name == "__Host-csrf" or taken_back, name
    assert seen == {"__Host-session", "__Host-csrf", "__Host-messages"}


def test_every_answer_carries_the_headers(operator: User, client_for: Any, public_client: FactoryClient) -> None:
    browser = client_for(operator)
    for client, path in ((browser, "/"), (browser, "/api/v1/machines"), (public_client, "/"), (browser, "/nothing")):
        answer = client.get(path)
        policy = answer["Content-Security-Policy"]
        for part in ("object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "default-src 'self'"):
            assert part in policy, path
        assert "unsafe-inline" not in policy
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer
