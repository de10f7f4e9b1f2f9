"""The staff's admin on the public host: factories and plans, for platform staff alone."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client

from accounts.models import AuditEntry, User
from tenants.context import factory_context
from tenants.models import Factory, Plan
from tests.conftest import FactoryClient, host_of


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


def test_staff_shut_a_factory_for_a_reason_on_its_own_page_and_open_it_again(staff: Client, acme: Factory) -> None:
    page = f"/admin/tenants/factory/{acme.pk}/change/"
    suspend, resume = (f"/admin/tenants/factory/{acme.pk}/{deed}/" for deed in ("suspend", "resume"))
    shown = staff.get(page).content.decode()
    assert (f'"{suspend}"' in shown, f'"{resume}"' in shown) == (True, False)
    # Asked, it says what it will do, and without a reason nothing is done.
    assert "Every door is shut" in staff.get(suspend).content.decode()
    assert "required" in staff.post(suspend, {"_form_submitted": "on", "reason": ""}).content.decode()
    acme.refresh_from_db()
    assert acme.suspended_at is None
    done = staff.post(suspend, {"_form_submitted": "on", "reason": "The bill is open."})
    assert done["HX-Redirect"] == page
    acme.refresh_from_db()
    assert (acme.shut, acme.suspended_reason) == (True, "The bill is open.")
    assert LogEntry.objects.filter(object_id=str(acme.pk), change_message="suspended").exists()
    shown = staff.get(page).content.decode()
    assert (f'"{suspend}"' in shown, f'"{resume}"' in shown) == (False, True)
    assert staff.post(suspend, {"_form_submitted": "on", "reason": "Twice"}).status_code == 403
    staff.post(resume, {"_form_submitted": "on"})
    acme.refresh_from_db()
    assert not acme.shut
    with factory_context(acme):
        entries = [(entry.actor, entry.action, entry.after) for entry in AuditEntry.objects.order_by("pk")]
    by = "staff staff@factorypulse.example"
    assert entries == [(by, "factory.suspended", {"reason": "The bill is open."}), (by, "factory.resumed", None)]


def test_a_factorys_own_people_read_what_staff_has_changed(staff: Client, acme: Factory) -> None:
    large = Plan.objects.create(slug="large", name="Large")
    counts = {"domains-TOTAL_FORMS": 0, "domains-INITIAL_FORMS": 0}
    given = {"name": acme.name, "plan": large.pk, "time_zone": acme.time_zone, "suspended_reason": "", **counts}
    assert staff.post(f"/admin/tenants/factory/{acme.pk}/change/", given).status_code == 302
    with factory_context(acme):
        entry = AuditEntry.objects.get()
    assert (entry.action, entry.before, entry.after) == ("factory.changed", {"plan": "Free"}, {"plan": "Large"})


def test_staff_who_may_only_look_shut_nothing(acme: Factory) -> None:
    looker = User.objects.create_user("looker@factorypulse.example", "a long staff password", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_factory"))
    browser = FactoryClient(host=host_of(None))
    browser.force_login(looker, backend="allauth.account.auth_backends.AuthenticationBackend")
    answer = browser.post(f"/admin/tenants/factory/{acme.pk}/suspend/", {"_form_submitted": "on", "reason": "x"})
    assert answer.status_code == 403
    acme.refresh_from_db()
    assert acme.suspended_at is None
