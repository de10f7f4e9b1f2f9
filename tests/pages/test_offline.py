"""The app on a phone: manifest, service worker, and whose page an answer is."""

import json

from accounts.models import User
from tenants.models import Factory
from tests.pages.test_pages import ClientFor


def test_manifest_names_the_factory_and_icons_that_exist(in_acme: Factory, api_client: ClientFor) -> None:
    answer = api_client().get("/manifest.webmanifest")
    content = json.loads(answer.content)
    assert answer["Content-Type"] == "application/manifest+json"
    assert content["short_name"] == in_acme.name
    assert content["start_url"] == "/"
    for icon in content["icons"]:
        assert api_client().get(icon["src"]).status_code == 200, icon


def test_service_worker_serves_the_root_and_carries_a_version(in_acme: Factory, api_client: ClientFor) -> None:
    answer = api_client().get("/service-worker.js")
    text = answer.content.decode()
    assert answer["Content-Type"].startswith("text/javascript")
    assert "no-cache" in answer["Cache-Control"]
    assert text.startswith('const VERSION = "')
    assert len(text.split('"')[1]) == 16


def test_each_page_says_whose_it_is_without_naming_anybody(
    in_acme: Factory, viewer: User, operator: User, client_for: ClientFor, api_client: ClientFor
) -> None:
    of_viewer, of_operator = client_for(viewer).get("/")["X-Person"], client_for(operator).get("/alerts")["X-Person"]
    assert of_viewer
    assert of_operator
    assert of_viewer != of_operator
    assert client_for(viewer).get("/alerts")["X-Person"] == of_viewer
    assert api_client().get("/accounts/login/")["X-Person"] == ""
    assert "X-Person" not in api_client().get("/manifest.webmanifest")
