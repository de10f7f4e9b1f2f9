"""Production's settings: no warning, nothing secret in the code, and no start with a value that is missing or weak."""

import ast
import os
import runpy
import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

ROOT = Path(settings.BASE_DIR)
GIVEN = {
    "SECRET_KEY": secrets.token_urlsafe(64),
    "DATABASE_URL": "postgresql://check@127.0.0.1:5432/check",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "DOMAIN": "factorypulse.example",
    "EMAIL_URL": "smtp://127.0.0.1:25",
}
SECRET_WORDS = ("SECRET", "TOKEN", "PASSWORD", "PRIVATE_KEY", "_SID")


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)


def _settings() -> dict[str, object]:
    return runpy.run_module("factorypulse.settings.production")


def test_check_deploy_has_nothing_to_say_with_every_value_from_a_file(tmp_path: Path) -> None:
    """As containers give secrets: NAME_FILE, and the values nowhere in the environment."""
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    for name, value in GIVEN.items():
        (tmp_path / name).write_text(f"{value}\n", encoding="utf-8")
        environment[f"{name}_FILE"] = str(tmp_path / name)
    environment |= {"DJANGO_SETTINGS_MODULE": "factorypulse.settings.production", "STATE_DIR": str(tmp_path)}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "System check identified no issues (1 silenced).\n"), done.stderr


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize("name", list(GIVEN))
def test_a_value_that_is_missing_stops_the_start_and_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ImproperlyConfigured, match=name):
        _settings()


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize("weak", ["short", "a" * 80, "django-insecure-" + secrets.token_urlsafe(64)])
def test_a_weak_secret_stops_the_start(weak: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", weak)
    with pytest.raises(ImproperlyConfigured, match="weak"):
        _settings()


@pytest.mark.usefixtures("given")
def test_the_secret_is_the_one_that_was_given() -> None:
    assert _settings()["SECRET_KEY"] == GIVEN["SECRET_KEY"]


def test_no_secret_stands_in_the_settings() -> None:
    """Every name that sounds like a secret is read, and what stands beside it as a default is nothing."""
    read = 0
    for module in ("base", "production"):
        tree = ast.parse((ROOT / "factorypulse" / "settings" / f"{module}.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                continue
            name = node.targets[0].id
            if any(word in name for word in SECRET_WORDS) and not name.startswith(("AUTH_", "PASSWORD_HASHERS")):
                constants = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
                assert isinstance(node.value, (ast.Call, ast.Constant)), name
                assert set(constants) <= {name, "", False, True, None}, name
                read += isinstance(node.value, ast.Call)
    assert read >= 5
