"""The wall: what it shows, who may open it, and that what is over does not shout."""

import pytest

from accounts.models import User
from anomalies.models import AlertState
from common import clock
from tenants.models import Factory
from tests.pages.test_pages import ClientFor, alert_make, machine_make, plant_make
from tests.queries import queries_of


def test_wall_shows_every_machine_and_the_three_worst_alerts(
    in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    for number in range(5):
        alert_make(machine_make(f"M{number}"), severity="critical" if number == 4 else "low", title=f"Trouble {number}")
    page = client_for(viewer).get("/wall").content.decode()
    assert page.count("data-machine=") == 5
    strip = client_for(viewer).get("/parts/wall-alerts").content.decode()
    assert strip.index("Trouble 4") < strip.index("Trouble 3")
    assert strip.count("wall-alert__what") == 3
    assert "2 more alerts" in strip


def test_wall_is_silent_about_what_is_over(in_acme: Factory, viewer: User, client_for: ClientFor) -> None:
    alert_make(machine_make("P-07"), state=AlertState.RETURNED_UNACKNOWLEDGED, returned_at=clock.now())
    assert client_for(viewer).get("/parts/wall-alerts").content.decode().strip() == ""


@pytest.mark.parametrize(("asked", "every_s"), [("20", 20), ("1", 5), ("99999", 15), ("soon", 15), ("٣", 15)])
def test_pace_of_the_wall_is_asked_for_within_limits(
    asked: str, every_s: int, in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    machine_make("P-07")
    assert f'data-every-s="{every_s}"' in client_for(viewer).get(f"/wall?every={asked}").content.decode()


def test_stranger_is_sent_to_sign_in(in_acme: Factory, api_client: ClientFor) -> None:
    assert "/accounts/login/" in api_client().get("/wall")["Location"]


def test_wall_asks_no_more_of_the_database_for_a_bigger_plant(
    in_acme: Factory, viewer: User, client_for: ClientFor
) -> None:
    client, counts = client_for(viewer), []
    for size in (2, 20):
        plant_make(size) if size == 2 else [machine_make(f"N{number}") for number in range(size)]
        client.get("/wall")
        counts.append(queries_of(lambda: client.get("/wall")))
    assert counts[0] == counts[1]
