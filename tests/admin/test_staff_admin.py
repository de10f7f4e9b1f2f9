"""The staff's admin on the public host: factories and plans, for platform staff alone."""

import pytest
from django.test import Client

from accounts.models import User
from tenants.models import Factory
from tests.conftest import FactoryClient


@pytest.fixture
def staff(public_client: FactoryClient) -> Client:
    person = User.objects.create_superuser("staff@factorypulse.example", "a long staff password")
    public_client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return public_client


@pytest.mark.parametrize(
    "path", ["/admin/", "/admin/tenants/factory/", "/admin/tenants/plan/", "/admin/accounts/user/"]
)
def test_staff_open_their_pages_with_their_own_sidebar(staff: Client, acme: Factory, path: str) -> None:
    page = staff.get(path)
    assert page.status_code == 200
    assert 'href="/admin/tenants/factory/"' in page.content.decode()
    assert "'unsafe-eval'" in page["Content-Security-Policy"]


def test_staff_see_that_a_factory_is_there_and_nothing_in_it(staff: Client, acme: Factory) -> None:
    page = staff.get(f"/admin/tenants/factory/{acme.pk}/change/")
    assert b"Acme Foods" in page.content
    assert staff.get("/admin/telemetry/machine/").status_code == 404


def test_the_sign_in_page_may_run_the_scripts_that_make_it_usable(public_client: FactoryClient) -> None:
    assert "'unsafe-eval'" in public_client.get("/admin/login/")["Content-Security-Policy"]
