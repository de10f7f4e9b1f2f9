"""Production's settings: no warning, nothing secret in the code, and no start with a value that is missing or weak."""

import ast
import os
import runpy
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from factorypulse import environment
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of

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


@pytest.mark.usefixtures("given")
def test_a_secret_before_is_as_strong_as_the_one_that_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = secrets.token_urlsafe(64)
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", before)
    assert _settings()["SECRET_KEY_FALLBACKS"] == [before]
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", f"{before},short")
    with pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FALLBACKS is weak"):
        _settings()


BY_TLS = {
    "DATABASE_URL": "postgresql://x@db.example/x?sslmode=verify-full",
    "REDIS_URL": "rediss://valkey.example/0",
    "INFLUXDB_URL": "https://influx.example",
    "EMAIL_URL": "smtp+tls://mail.example:587",
    "MQTT_URL": "mqtts://broker.example",
}


@pytest.mark.usefixtures("given")
@pytest.mark.parametrize(
    ("name", "open_"),
    [
        ("DATABASE_URL", "postgresql://x@db.example/x"),
        # Encrypted, by whoever answers.
        ("DATABASE_URL", "postgresql://x@db.example/x?sslmode=require"),
        ("REDIS_URL", "redis://valkey.example/0"),
        ("REDIS_URL", "rediss://valkey.example/0?ssl_cert_reqs=none"),
        ("INFLUXDB_URL", "http://influx.example"),
        ("EMAIL_URL", "smtp://mail.example:25"),
        ("MQTT_URL", "mqtt://broker.example"),
    ],
)
def test_where_tls_is_asked_for_a_service_in_the_open_stops_the_start(
    name: str, open_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each, url in {**BY_TLS, "TLS_BETWEEN_SERVICES": "on"}.items():
        monkeypatch.setenv(each, url)
    _settings()
    monkeypatch.setenv(name, open_)
    with pytest.raises(ImproperlyConfigured, match=f"{name} leads"):
        _settings()


def test_a_list_of_stolen_passwords_that_is_not_there_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BREACHED_PASSWORDS_LIST", "/nowhere/list.txt")
    with pytest.raises(ImproperlyConfigured, match="BREACHED_PASSWORDS_LIST"):
        environment.read_path("BREACHED_PASSWORDS_LIST")


def test_programs_are_refused_in_the_open_and_people_are_led_to_tls(
    acme: Factory, read_key: str, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    program = FactoryClient(host=host_of(acme), HTTP_X_API_KEY=read_key)
    for path in ("/api/v1/machines", "/api/v1/telemetry/ingest", "/query", "/api/v2/write"):
        answer = program.get(path)
        assert (answer.status_code, "Location" in answer) == (403, False), path
    assert program.get("/api/v1/machines").json()["code"] == "https_required"
    assert program.get("/api/v1/machines", HTTP_X_FORWARDED_PROTO="https").status_code == 200
    assert program.get("/alerts")["Location"].startswith("https://")
