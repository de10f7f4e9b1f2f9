"""`manage.py simulate`: a key of its own, kept from run to run."""

import signal
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.api_keys import api_key_revoke, keys_forget
from accounts.models import ApiKey
from factorypulse.management.commands import simulate
from tenants.context import factory_context


@pytest.fixture
def runs(monkeypatch, settings, tmp_path):
    settings.STATE_DIR = tmp_path
    found = []
    monkeypatch.setattr(simulate, "run_plant", lambda config, **options: found.append((config, options)))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return found


def test_it_reports_to_the_factorys_own_address_with_a_key_that_sends_only(acme, runs, tmp_path):
    call_command("simulate", "--factory", "acme", "--mqtt-port", "1999", "--healthy")
    ((config, options),) = runs
    assert (config.factory, config.http_url, config.mqtt_port) == ("acme", "http://acme.localhost:8000", 1999)
    assert options["options"].healthy_s is None
    assert Path(options["state_file"]).parent == tmp_path
    with factory_context(acme):
        assert ApiKey.objects.get(name="Plant simulator").scopes == ["ingest"]


def test_a_second_run_keeps_the_key_and_a_revoked_one_is_replaced(acme, runs):
    for _run in range(2):
        call_command("simulate", "--factory", "acme")
    assert runs[0][0].api_key == runs[1][0].api_key
    with factory_context(acme):
        api_key_revoke(key=ApiKey.objects.get(name="Plant simulator"))
    keys_forget()
    call_command("simulate", "--factory", "acme")
    assert runs[2][0].api_key != runs[0][0].api_key


def test_an_unknown_factory_is_said_so(db, runs):
    with pytest.raises(CommandError, match="nowhere"):
        call_command("simulate", "--factory", "nowhere")


def test_the_bare_command_is_for_the_trials_factory(acme, runs):
    with pytest.raises(CommandError, match="demo"):
        call_command("simulate")
