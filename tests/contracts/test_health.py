"""Health answers on every host without a proof, and names what is away."""

from pathlib import Path

import pytest

from factorypulse import health
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of


@pytest.mark.parametrize("slug", [None, "acme"])
def test_a_healthy_process_is_live_and_ready(acme: Factory, slug: str | None) -> None:
    client = FactoryClient(host=host_of(slug))
    assert client.get("/health/live").json() == {"status": "live"}
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert set(ready.json()["dependencies"]) == {"database", "valkey", "reading_store", "journal"}
    assert set(ready.json()["dependencies"].values()) == {"ok"}


@pytest.mark.parametrize("away", ["database", "valkey", "reading_store", "journal"])
def test_what_is_away_is_named_and_its_trouble_kept_to_the_log(
    acme: Factory, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    def fail() -> None:
        raise OSError("10.0.0.7 refused the password")

    monkeypatch.setitem(health._CHECKS, away, fail)
    client = FactoryClient(host=host_of("acme"))
    ready = client.get("/health/ready")
    assert ready.status_code == 503
    assert [name for name, state in ready.json()["dependencies"].items() if state != "ok"] == [away]
    assert "10.0.0.7" not in ready.content.decode()
    assert client.get("/health/live").status_code == 200


def test_a_journal_that_can_not_be_written_is_away(tmp_path: Path, settings: object, db: None) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    settings.JOURNAL_DIR = blocked / "journal"  # type: ignore[attr-defined]
    assert health._state("journal", health._journal) == "away"


def test_a_full_disk_is_away(tmp_path: Path, settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.JOURNAL_DIR = tmp_path  # type: ignore[attr-defined]
    monkeypatch.setattr(health, "_JOURNAL_RESERVE_BYTES", 1 << 60)
    assert health._state("journal", health._journal) == "away"
