"""As root, PostgreSQL's data and binaries go where an unprivileged account can reach them, and are found again."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from factorypulse.dev import postgres_home
from factorypulse.dev.errors import TrialError
from factorypulse.dev.postgres_home import binaries_find, home_find, home_remove
from factorypulse.dev.processes import Account

NOBODY = Account(uid=65_534, gid=65_534)


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Path]:
    """A state folder below a home that nobody else may enter."""
    state_dir = tmp_path / "home" / "state"
    state_dir.mkdir(parents=True)
    state_dir.parent.chmod(0o700)
    yield state_dir
    home_remove(state_dir)


def test_an_ordinary_user_keeps_everything_in_the_state_folder(private: Path) -> None:
    assert home_find(private, account=None) == private / "postgres"


def test_below_a_private_home_the_data_goes_elsewhere_and_is_found_again(private: Path) -> None:
    home = home_find(private, account=NOBODY)
    assert not home.is_relative_to(private.parent)
    assert all(step.stat().st_mode & stat.S_IXOTH for step in (home, *home.parents))
    (home / "kept").touch()
    assert home_find(private, account=NOBODY) == home
    assert (home / "kept").exists()


def test_removing_the_state_removes_what_stands_elsewhere(private: Path) -> None:
    home = home_find(private, account=NOBODY)
    home_remove(private)
    assert not home.exists()


def test_no_postgresql_at_all_says_how_to_get_one(private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_home, "_candidates", list)
    with pytest.raises(TrialError, match=r"make setup(.|\n)*apt-get install postgresql"):
        binaries_find(private, account=None)
