"""The trial's mailbox keeps what is sent, shows it, and lets a mail do nothing but be read."""

from email.mime.image import MIMEImage
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _mailbox(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND = "factorypulse.dev.mailbox.MailboxBackend"
    settings.MAILBOX_DIR = tmp_path / "mailbox"


def _send(subject: str, html: str = "") -> None:
    message = mail.EmailMultiAlternatives(
        subject, "Open http://acme.localhost:8000/x?y=1 <script>now</script>", to=["olga@acme.example"]
    )
    if html:
        message.attach_alternative(html, "text/html")
    assert message.send() == 1


def _first_mail(public_client: Client) -> str:
    page = public_client.get("/mailbox/").content.decode()
    return page.partition('<a href="/mailbox/')[2].partition("/")[0]


def test_an_empty_mailbox_says_so(public_client: Client) -> None:
    assert b"No mail yet" in public_client.get("/mailbox/").content


def test_the_newest_mail_stands_first(public_client: Client) -> None:
    for subject in ("First", "Łódź: zweite"):
        _send(subject)
    page = public_client.get("/mailbox/").content.decode()
    assert 0 < page.index("Łódź: zweite") < page.index("First")


def test_links_of_the_text_can_be_followed_and_its_markup_is_only_text(public_client: Client) -> None:
    _send("Confirm")
    page = public_client.get(f"/mailbox/{_first_mail(public_client)}/").content.decode()
    assert 'href="http://acme.localhost:8000/x?y=1"' in page
    assert "&lt;script&gt;" in page


def test_html_is_shown_in_a_sandbox_without_scripts_or_requests(public_client: Client) -> None:
    _send("Alert", html="<h1>Hot</h1><script>alert(1)</script>")
    name = _first_mail(public_client)
    assert f'src="/mailbox/{name}/html"' in public_client.get(f"/mailbox/{name}/").content.decode()
    response = public_client.get(f"/mailbox/{name}/html")
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups" in policy
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"


def test_a_picture_that_the_mail_brings_is_shown_and_one_it_lacks_asks_for_nothing(public_client: Client) -> None:
    message = mail.EmailMultiAlternatives("Alert", "Hot", to=["olga@acme.example"])
    message.attach_alternative('<img src="cid:chart" alt="Chart"><img src="cid:gone" alt="Gone">', "text/html")
    picture = MIMEImage(b"\x89PNG\r\n\x1a\n", _subtype="png")
    picture.add_header("Content-ID", "<chart>")
    message.attach(picture)
    assert message.send() == 1
    shown = public_client.get(f"/mailbox/{_first_mail(public_client)}/html")
    assert b'<img src="data:image/png;base64,iVBORw0KGgo=" alt="Chart">' in shown.content
    assert b"cid:" not in shown.content
    assert "img-src data:" in shown["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["00000000000000000000-00000000", "nothing", "..%2F..%2Fmanage"])
def test_a_mail_that_is_not_there_is_404(public_client: Client, name: str) -> None:
    assert public_client.get(f"/mailbox/{name}/").status_code == 404


def test_a_factory_has_no_mailbox_page(client_for: Any, owner: Any) -> None:
    assert client_for(owner).get("/mailbox/").status_code == 404


def test_old_mail_is_forgotten(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr("factorypulse.dev.mailbox._KEPT", 3)
    for number in range(5):
        _send(f"Mail {number}")
    assert len(list(Path(settings.MAILBOX_DIR).iterdir())) == 3
