"""The node's figures: for the holder of the token alone, of all living processes, whatever host is asked."""

import os
import subprocess
import sys
import time

import pytest
from django.conf import settings
from prometheus_client.parser import text_string_to_metric_families

from common import node_figures
from common.node_figures import figures_text
from telemetry.ingest import counted, waiting
from telemetry.ingest import http as door
from telemetry.ingest.journal import Journal
from tests.conftest import FactoryClient, host_of

TOKEN = "a-token-for-prometheus-0123456789"
PATHS = ["/metrics", "/api/v1/metrics"]


@pytest.fixture
def directory(tmp_path, settings):
    settings.METRICS_TOKEN = TOKEN
    settings.FIGURES_DIR = tmp_path / "figures"
    return settings.FIGURES_DIR


@pytest.fixture
def journal(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "journal")
    for place in (waiting, door):
        monkeypatch.setattr(place, "process_journal", lambda: journal)
    yield journal
    journal.close()


def scrape(path="/metrics", *, host=None, token=TOKEN):
    headers = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}
    return FactoryClient(host=host or host_of(None), **headers).get(path)


def samples(text, name):
    """Values of one name by their labels, without the process."""
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                labels = tuple(sorted((key, value) for key, value in sample.labels.items() if key != "process"))
                found[labels] = found.get(labels, 0) + sample.value
    return found


def value(text, name):
    return sum(samples(text, name).values())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", [None, "10.0.0.7:8000", "nobody.example"])
def test_the_token_opens_the_figures_on_any_host(directory, journal, db, path, host):
    answer = scrape(path, host=host)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert answer["X-Request-ID"]
    assert value(answer.content.decode(), "process_resident_memory_bytes") > 0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", "ł"])
def test_without_the_token_nothing_is_told(directory, db, path, token):
    for host in (host_of(None), host_of("acme")):
        answer = scrape(path, host=host, token=token)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["request_id"] == answer["X-Request-ID"]


def test_where_no_token_is_set_nobody_may(settings, db):
    settings.METRICS_TOKEN = ""
    for token in ("", "None", TOKEN):
        assert scrape(token=token).status_code == 401


def test_figures_are_only_read(directory, db):
    client = FactoryClient(host=host_of(None), HTTP_AUTHORIZATION=f"Bearer {TOKEN}")
    refused = client.post("/metrics")
    assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD")


def test_a_key_or_a_session_of_a_factory_is_no_token(directory, owner, client_for, ingest_key):
    assert client_for(owner).get("/metrics").status_code == 401
    assert scrape(token=ingest_key).status_code == 401


def test_what_is_accepted_refused_and_waits_is_counted(directory, journal, api_client, ingest_key):
    before = scrape().content.decode()
    body = {"machine": "M01", "metrics": {"a": 1, "b": 2, "c": "text"}}
    assert api_client(ingest_key).post_json("/api/v1/telemetry/ingest", body).status_code == 201
    deadline = time.monotonic() + 30
    while len(journal.read_after(0, max_bytes=10**6)) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    after = scrape().content.decode()

    def grown(name):
        return value(after, name) - value(before, name)

    assert grown("factorypulse_readings_accepted_total") == 2
    refused = (("code", "not_a_number"),)
    name = "factorypulse_readings_refused_total"
    assert samples(after, name)[refused] - samples(before, name).get(refused, 0) == 1
    assert grown("factorypulse_journal_commit_seconds_count") >= 1
    assert value(after, "factorypulse_journal_rows") == 2
    assert value(after, "factorypulse_journal_bytes") > 0
    assert list(samples(after, "factorypulse_drain_lag_seconds")) == [(("factory", "acme"),)]
    assert value(after, "factorypulse_dead_letters") == 0


def test_factories_in_labels_are_few(directory, journal, db):
    for number in range(waiting.FACTORIES_TOLD + 5):
        journal.append(f"f{number}", b"x", 1).result(timeout=10)
    text = scrape().content.decode()
    assert len(samples(text, "factorypulse_drain_lag_seconds")) == waiting.FACTORIES_TOLD
    assert value(text, "factorypulse_journal_factories") == waiting.FACTORIES_TOLD + 5


_OTHER = """
import sys, time
from pathlib import Path
from common import node_figures
from telemetry.ingest import counted
node_figures.WRITE_EVERY_S = 0.05
counted.READINGS_STORED.inc(4711)
node_figures.figures_publish(Path(sys.argv[1]), "ingest")
sys.stdin.read()
"""


def test_figures_of_another_process_are_told_until_it_ends(tmp_path):
    counted.READINGS_STORED.inc(0)
    other = subprocess.Popen(
        [sys.executable, "-c", _OTHER, str(tmp_path)],
        stdin=subprocess.PIPE,
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "factorypulse.settings.test"},
    )
    name = "factorypulse_readings_stored_total"
    own = value(figures_text(tmp_path, "web"), name)
    deadline = time.monotonic() + 60
    while value(figures_text(tmp_path, "web"), name) - own != 4711 and time.monotonic() < deadline:
        time.sleep(0.02)
    text = figures_text(tmp_path, "web")
    assert value(text, name) - own == 4711
    assert 'process="ingest-' in text
    assert text.count("# TYPE factorypulse_readings_stored_total counter") == 1
    other.kill()
    other.wait()
    assert value(figures_text(tmp_path, "web"), name) == own
    assert list(tmp_path.iterdir()) == []


def test_names_of_hosts_make_no_odd_files():
    assert "/" not in node_figures._process_name("web")
