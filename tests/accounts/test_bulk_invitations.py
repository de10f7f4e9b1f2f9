"""Many invitations from a file: everything wrong is shown first, and what is right is sent once."""

from collections.abc import Callable

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts import pages
from accounts.bulk_invitations import BulkInvalidError, bulk_read
from accounts.errands import errand_make
from accounts.models import CustomRole, Errand, Invitation, User
from accounts.tasks import make_errand
from telemetry.models import Line, Site
from tenants.context import factory_context
from tenants.models import Factory
from tests.conftest import FactoryClient

FILE = """email,role,sees
Anna@acme.example,operator,North
ben@acme.example,Quality,"North; North, Line 1"
carl@acme.example,owner,
carl2@acme.example,,
anna@acme.example,viewer,
not an address,viewer,
dora@acme.example,king,
emil@acme.example,viewer,Atlantis
"""


@pytest.fixture
def plant(in_acme: Factory) -> Factory:
    site = Site.objects.create(name="North")
    Line.objects.create(site=site, name="Line 1")
    CustomRole.objects.create(name="Quality", actions=[])
    return in_acme


def test_every_line_is_checked_as_sending_would(plant: Factory, admin: User) -> None:
    rows = bulk_read(FILE.encode(), actor=admin)
    wrong = {row.number: row.problem for row in rows if row.problem}
    assert set(wrong) == {4, 6, 7, 8, 9}
    assert "listed twice" in wrong[6]
    assert "no e-mail address" in wrong[7]
    assert "king" in wrong[8]
    assert "Atlantis" in wrong[9]
    anna, ben = rows[0].access, rows[1].access
    assert anna is not None
    assert anna.reach is not None
    assert ben is not None
    assert (ben.role, str(ben.custom_role)) == ("viewer", "Quality")


def test_a_preview_sends_nothing_and_then_the_good_lines_are_sent(
    plant: Factory, admin: User, client_for: Callable[..., FactoryClient]
) -> None:
    browser = client_for(admin)
    page = browser.post("/people/invite", {"file": SimpleUploadedFile("people.csv", FILE.encode())})
    assert page.status_code == 200
    shown = page.content.decode()
    assert "Atlantis" in shown
    # Who would see all because a column was forgotten is seen before anything is sent.
    assert ("the whole factory" in shown, "Operator" in shown) == (True, True)
    assert (Invitation.objects.count(), len(mail.outbox)) == (0, 0)
    assert browser.post("/people/invite", {"listed": page.context["listed"], "send": "1"}).status_code == 302
    assert set(Invitation.objects.values_list("email", flat=True)) == {
        "anna@acme.example",
        "ben@acme.example",
        "carl2@acme.example",
    }
    assert len(mail.outbox) == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"name\nx\n",
        b"email\n",
        b"\xff\xfe\x00",
        b"email\n" + b"a@b.example\n" * 501,
        b"email\n" + b"a" * 140_000,  # more than the library takes for one cell
    ],
)
def test_what_is_no_list_of_people_says_so(plant: Factory, admin: User, content: bytes) -> None:
    with pytest.raises(BulkInvalidError):
        bulk_read(content, actor=admin)


def test_semicolons_of_spreadsheets_and_a_byte_order_mark_are_understood(plant: Factory, admin: User) -> None:
    rows = bulk_read("\ufeffemail;role\nx@acme.example;viewer\n".encode(), actor=admin)
    assert [(row.email, row.problem) for row in rows] == [("x@acme.example", "")]


def test_many_are_sent_by_a_worker_while_a_page_says_how_far_it_is(
    plant: Factory, admin: User, client_for: Callable[..., FactoryClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make_errand, "for_factory", lambda _slug, _pk: None)
    monkeypatch.setattr(pages, "AT_ONCE", 2)
    browser = client_for(admin)
    assert browser.post("/people/invite", {"listed": FILE, "send": "1"})["Location"] == "/errands"
    assert not mail.outbox
    with factory_context(plant):
        assert errand_make(Errand.objects.get().pk, factory=plant)
    assert len(mail.outbox) == 3
    assert "3 invitations are on their way" in browser.get("/errands").content.decode()
