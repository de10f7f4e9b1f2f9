"""What `make demo PORT=…` says of a port that is none: a sentence."""

import pytest

from factorypulse.dev.demo import _arguments


@pytest.mark.parametrize("port", ["abc", "0", "70000", "-1", "8000.5", ""])
def test_a_port_that_is_none_is_said_in_a_sentence(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["demo"])
    monkeypatch.setenv("MQTT_PORT", port)
    with pytest.raises(SystemExit) as end:
        _arguments()
    assert end.value.code == 2
    assert f"“{port}” is no port: 1 to 65535" in capsys.readouterr().err


def test_ports_of_the_environment_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["demo", "--mqtt-port", "1884"])
    monkeypatch.setenv("PORT", "8010")
    assert (_arguments().port, _arguments().mqtt_port) == (8010, 1884)
