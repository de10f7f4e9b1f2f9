"""Links that open the wall on a screen without signing in: what they show, to whom they are shut, and how they end."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from axes.models import AccessLog

from accounts import wall_links
from accounts.models import AuditEntry, User, WallLink
from accounts.reach import Reach
from accounts.wall_links import WallLinkBackend, wall_link_make, wall_links_expire
from common import clock
from telemetry.models import Line, Machine, Site
from tenants.context import factory_context
from tenants.life import factory_mfa_require
from tenants.models import Factory
from tests.conftest import FactoryClient, host_of
from tests.contracts.isolation.test_strangers import PUBLIC_API, PUBLIC_PAGES, _doors
from tests.pages.test_pages import machine_make

ClientFor = Callable[..., FactoryClient]


@pytest.fixture
def hall(in_acme: Factory) -> Line:
    """A line with a machine of its own beside another."""
    line = Line.objects.create(site=Site.objects.create(name="Lodz"), name="Hall 2")
    machine_make("P-07")
    Machine.objects.update(line=line)
    machine_make("Elsewhere")
    return line


@pytest.fixture
def path(hall: Line, admin: User) -> str:
    """A link to the wall of that line."""
    reach = Reach(lines=frozenset({hall.pk}))
    return urlsplit(wall_link_make(actor=admin, name="Hall 2", days=30, reach=reach)[1]).path


@pytest.fixture
def screen(acme: Factory) -> FactoryClient:
    """A browser that nobody signs in at."""
    return FactoryClient(host=host_of(acme))


def test_an_admin_makes_a_link_that_is_shown_once_and_kept_as_a_hash_alone(
    hall: Line, admin: User, client_for: ClientFor
) -> None:
    browser = client_for(admin)
    made = browser.post("/wall-links", {"name": "Hall 2", "days": "30", "places": f"line-{hall.pk}"}).content.decode()
    link = WallLink.objects.get()
    address = made.split('id="wall-address">')[1].split("<")[0]
    token = address.rpartition("/")[2]
    assert len(token) >= 43
    assert token not in str(WallLink.objects.values().get())
    again = browser.get("/wall-links").content.decode()
    assert token not in again
    assert "Lodz, Hall 2" in again
    assert timedelta(days=29) < link.expires_at - clock.now() <= timedelta(days=30)
    assert AuditEntry.objects.get(action="wall_link.made").actor == admin.email


@pytest.mark.parametrize("role", ["operator", "viewer", "supervisor"])
def test_nobody_below_an_admin_makes_or_sees_links(
    in_acme: Factory, role: str, request: pytest.FixtureRequest, client_for: ClientFor
) -> None:
    browser = client_for(request.getfixturevalue(role))
    assert browser.get("/wall-links").status_code == 403
    assert browser.post("/wall-links", {"name": "x", "days": "30"}).status_code == 403
    assert not WallLink.objects.exists()


@pytest.mark.parametrize(
    "data", [{"name": "", "days": "30"}, {"name": "x", "days": "7"}, {"name": "x", "days": "9999"}]
)
def test_a_link_needs_a_place_and_one_of_the_times(
    in_acme: Factory, admin: User, client_for: ClientFor, data: dict[str, str]
) -> None:
    assert client_for(admin).post("/wall-links", data).status_code == 422
    assert not WallLink.objects.exists()


def test_the_link_opens_the_wall_of_its_line_and_stays_good_for_a_reload(path: str, screen: FactoryClient) -> None:
    for _visit in range(2):
        page = screen.get(path)
        assert page.status_code == 200
        text = page.content.decode()
        assert ("P-07" in text, "Elsewhere" in text) == (True, False)
        assert 'href="/machines/' not in text
    assert screen.get("/parts/summary").status_code == 200
    assert screen.get("/parts/tile/P-07").status_code == 200
    assert screen.get("/parts/tile/Elsewhere").status_code == 404
    assert AuditEntry.objects.filter(action="wall_link.opened").count() == 1


def test_every_other_door_is_shut_to_the_screen(path: str, screen: FactoryClient) -> None:
    assert screen.get(path).status_code == 200
    opened = []
    for door, name in _doors():
        if name in PUBLIC_API or door.startswith(("/health/", "/static/")):
            continue
        for method in ("get", "post", "patch", "delete"):
            answer = getattr(screen, method)(door)
            harmless = method == "get" and name in {"wall", "wall_alerts", "fleet_summary", "tile_state"}
            harmless |= method == "get" and name in {"wall_by_link", "manifest", "service_worker"}
            if not harmless and answer.status_code not in {302, 401, 403, 404, 405}:
                opened.append(f"{method} {door} {name} {answer.status_code}")
    told_everybody = {"schema", "api_docs", "api_redoc", "influx_ping", "influx_health"}
    assert told_everybody < PUBLIC_PAGES
    assert [line for line in opened if line.split()[2] not in told_everybody] == []
    assert "This screen shows the wall alone" in screen.get("/alerts").content.decode()


def test_a_link_that_is_revoked_shuts_its_screens_out_at_once_and_says_so(
    path: str, screen: FactoryClient, admin: User, client_for: ClientFor
) -> None:
    screen.get(path)
    link = WallLink.objects.get()
    assert client_for(admin).post(f"/wall-links/{link.pk}/revoke").status_code == 302
    part = screen.get(
        "/parts/summary", headers={"HX-Request": "true", "HX-Current-URL": f"http://acme.localhost{path}"}
    )
    # Back by the link itself, which says that it is over: there is nobody here who could sign in.
    assert (part.status_code, part["HX-Redirect"]) == (401, path)
    over = screen.get(path)
    assert over.status_code == 410
    assert "This link has ended" in over.content.decode()
    assert client_for(admin).post(f"/wall-links/{link.pk}/revoke").status_code == 404


def test_a_link_whose_time_is_over_shuts_its_screens_out(
    path: str, screen: FactoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen.get(path)
    later = clock.now() + timedelta(days=31)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert WallLinkBackend().get_user(WallLink.objects.get().user_id) is None
    assert screen.get("/parts/summary").status_code == 302
    assert screen.get(path).status_code == 410
    assert (wall_links_expire(), wall_links_expire()) == (1, 0)


def test_neither_log_nor_table_holds_the_link_that_somebody_came_by(
    path: str, screen: FactoryClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    screen.get(path)
    token = path.rpartition("/")[2]
    assert "/wall/…" in caplog.text
    assert token not in caplog.text
    assert list(AccessLog.objects.values_list("path_info", flat=True).filter(path_info__startswith="/wall")) == [
        "/wall/…"
    ]


def test_the_account_behind_a_link_is_in_no_list_of_people(
    path: str, screen: FactoryClient, admin: User, client_for: ClientFor
) -> None:
    screen.get(path)
    assert not User.objects.filter(wall_only=True).exists()
    browser = client_for(admin)
    for page in ("/people", "/api/v1/users", "/admin/accounts/user/", "/on-call/new"):
        assert "@invalid" not in browser.get(page).content.decode()


def test_whoever_is_signed_in_stays_so(path: str, viewer: User, client_for: ClientFor) -> None:
    browser = client_for(viewer)
    assert browser.get(path)["Location"] == "/wall"
    assert browser.get("/alerts").status_code == 200


def test_a_link_is_nothing_in_another_factory(path: str, borg: Factory) -> None:
    stranger = FactoryClient(host=host_of(borg))
    assert stranger.get(path).status_code == 404
    assert stranger.get("/wall").status_code == 302


def test_a_factory_has_only_so_many_links(
    in_acme: Factory, admin: User, client_for: ClientFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall_links, "MOST", 1)
    browser = client_for(admin)
    assert browser.post("/wall-links", {"name": "One", "days": "1"}).status_code == 200
    assert browser.post("/wall-links", {"name": "Two", "days": "1"}).status_code == 422


def test_a_second_factor_that_the_factory_requires_asks_no_screen(
    path: str, acme: Factory, screen: FactoryClient
) -> None:
    factory_mfa_require(acme, required=True)
    with factory_context(acme):
        assert screen.get(path).status_code == 200
        assert screen.get("/parts/summary").status_code == 200
