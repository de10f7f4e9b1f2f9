"""The production shape can't be started here; its files are held to their schema and to our promises."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

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
