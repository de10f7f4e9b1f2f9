"""German is complete, current and chosen by whoever reads; English stands in the source."""

import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from accounts.models import User
from telemetry.figures import figure
from tenants.models import Factory
from tests.pages.test_pages import ClientFor, machine_make

CATALOGUE = Path(settings.BASE_DIR) / "locale" / "de" / "LC_MESSAGES" / "django.po"
HOLE = re.compile(r"%\([\w.]+\)[sd]|\{\w+\}")


def entries(path: Path) -> list[dict[str, str]]:
    """Every entry of a catalogue as its parts, without the header; obsolete ones are left out."""
    found = []
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        parts: dict[str, str] = {}
        name = ""
        for line in lines:
            word, _, text = line.partition(' "') if not line.startswith('"') else (name, "", line[1:])
            name = word
            parts[name] = parts.get(name, "") + _unquoted(text.rstrip('"') if text.endswith('\\""') else text[:-1])
        if parts.get("msgid"):
            found.append({**parts, "fuzzy": "yes" if "#, fuzzy" in block else ""})
    return found


def _unquoted(text: str) -> str:
    return text.replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")


def test_no_msgid_is_untranslated_or_guessed() -> None:
    found = entries(CATALOGUE)
    assert len(found) > 1000
    strings = {"msgstr", "msgstr[0]", "msgstr[1]"}
    empty = [one["msgid"] for one in found if one["fuzzy"] or not all(one[name] for name in strings & one.keys())]
    assert empty == []


def test_each_translation_fills_the_holes_that_its_sentence_has() -> None:
    wrong = []
    for one in entries(CATALOGUE):
        known = set(HOLE.findall(one["msgid"] + one.get("msgid_plural", "")))
        for name, text in one.items():
            holes = set(HOLE.findall(text)) if name.startswith("msgstr") else set()
            if holes - known or ("msgid_plural" not in one and name == "msgstr" and known - holes):
                wrong.append((one["msgid"], text))
    assert wrong == []


def test_compiled_messages_are_those_of_the_catalogue() -> None:
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    differing = [
        one["msgid"]
        for one in entries(CATALOGUE)
        if "msgid_plural" not in one and "msgctxt" not in one and compiled.gettext(one["msgid"]) != one["msgstr"]
    ]
    assert differing == [], "run `make words`"


def test_every_sentence_of_the_source_stands_in_the_catalogue(tmp_path: Path) -> None:
    if shutil.which("xgettext") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("gettext is missing: apt-get install gettext")
        pytest.skip("gettext is not installed (apt-get install gettext)")
    apps = ("accounts", "anomalies", "common", "factorypulse", "reports", "telemetry", "templates", "tenants")
    for name in (*apps, "locale"):
        shutil.copytree(Path(settings.BASE_DIR) / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    argv = [sys.executable, "-m", "django", "makemessages", "--locale=de", "--no-wrap", "--no-location"]
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": ""}
    subprocess.run(argv, cwd=tmp_path, env=env, check=True, capture_output=True, timeout=120)
    fresh = {one["msgid"] for one in entries(tmp_path / "locale" / "de" / "LC_MESSAGES" / "django.po")}
    assert sorted(fresh - {one["msgid"] for one in entries(CATALOGUE)}) == [], "run `make words`, and translate"


def test_page_speaks_what_the_browser_asks_for(in_acme: Factory, viewer: User, client_for: ClientFor) -> None:
    machine_make("P-07")
    german = client_for(viewer).get("/", headers={"Accept-Language": "de-AT,de;q=0.9"}).content.decode()
    assert '<html lang="de">' in german
    assert "Braucht Aufmerksamkeit" in german
    assert "2,31" in german
    other = client_for(viewer).get("/", headers={"Accept-Language": "fr"}).content.decode()
    assert '<html lang="en">' in other
    assert "2.31" in other


def test_what_a_person_chose_stands_above_the_browser(in_acme: Factory, viewer: User, client_for: ClientFor) -> None:
    client = client_for(viewer)
    assert client.post("/account/language", {"language": "de"}).status_code == 302
    assert "Ihr Konto" in client.get("/account", headers={"Accept-Language": "en"}).content.decode()
    client.post("/account/language", {"language": ""})
    assert "Your account" in client.get("/account", headers={"Accept-Language": "en"}).content.decode()
    assert client.post("/account/language", {"language": "xx"}).status_code == 400


def test_german_figures_have_a_comma_and_the_same_groups() -> None:
    from django.utils import translation

    with translation.override("de"):
        assert [figure(2.1), figure(1234.5), figure(0.00001234)] == ["2,10", "1\u202f235", "1,23e-05"]
