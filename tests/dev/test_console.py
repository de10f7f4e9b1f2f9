"""The terminal shows what matters, and its log files neither tear a line nor grow for ever."""

from pathlib import Path

import pytest

from factorypulse.dev import console
from factorypulse.dev.console import LogFile, worth_showing


def test_a_line_is_shown_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    path.write_text("of an earlier run\n")
    log, heard = LogFile(path), list[str]()
    with path.open("a") as file:
        for part in ("first\nsec", "ond\n"):
            file.write(part)
            file.flush()
            log.follow(heard.append)
    assert heard == ["first", "second"]


def test_a_large_log_is_set_aside_and_followed_from_its_new_beginning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "_LARGEST_LOG", 10)
    path = tmp_path / "web.log"
    log, heard = LogFile(path), list[str]()
    with path.open("a") as file:
        file.write("0123456789abc\n")
        file.flush()
        log.follow(heard.append)
        log.keep_small()
        file.write("new\n")
        file.flush()
        log.follow(heard.append)
    assert heard[-1] == "new"
    assert path.stat().st_size == len("new\n")
    assert (tmp_path / "web.log.1").read_text() == "0123456789abc\n"


@pytest.mark.parametrize(
    "line",
    [
        "request_failed code=500 request='POST /api/v1/telemetry/ingest'",
        "request_finished code=403 request='GET /static/x.css'",
        "Task anomalies.tasks.evaluate[1] raised unexpected: KeyError('x')",
        "device_connected client=demo-M05",
    ],
)
def test_what_went_wrong_is_never_hidden(line: str) -> None:
    assert worth_showing(line)
