"""`.env.example` names everything that the code reads from the environment, and nothing else."""

import re

from factorypulse.dev.bootstrap import ROOT

_READ = re.compile(r"environment\.(?:read|require)\w*\(\s*\"([A-Z0-9_]+)\"")
_READ_BY_DJANGO_ITSELF = {"DJANGO_SETTINGS_MODULE"}


def _names_read() -> set[str]:
    found: set[str] = set()
    for app in ("factorypulse", "common", "tenants", "accounts", "telemetry", "anomalies", "reports"):
        for file in (ROOT / app).rglob("*.py"):
            found.update(_READ.findall(file.read_text(encoding="utf-8")))
    return found


def test_every_name_that_is_read_is_explained() -> None:
    explained = set(re.findall(r"^#?([A-Z0-9_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert _names_read() - explained == set()
    assert explained - _names_read() - _READ_BY_DJANGO_ITSELF == set()
