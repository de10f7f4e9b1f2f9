"""The trial's mailbox: what FactoryPulse would mail is kept as files and shown as a page."""

import re
import secrets
import time
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.utils import parsedate_to_datetime
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage as OutgoingMail
from django.core.mail.backends.base import BaseEmailBackend

_KEPT = 500
_SHOWN = 100


class MailNotFoundError(Exception):
    """There is no such mail, or no longer."""


class MailboxBackend(BaseEmailBackend):
    """A Django e-mail backend that drops each mail into `settings.MAILBOX_DIR` as an .eml file."""

    def send_messages(self, email_messages: Sequence[OutgoingMail]) -> int:
        """Keep the mails; returns how many."""
        folder = Path(settings.MAILBOX_DIR)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for mail in email_messages:
            _drop(folder, mail.message().as_bytes())
        for old in sorted(folder.glob("*.eml"))[:-_KEPT]:
            old.unlink(missing_ok=True)
        return len(email_messages)


def _drop(folder: Path, content: bytes) -> None:
    # The name sorts by time; a reader never sees half a mail, because it gets its name when it is whole.
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}"
    staged = folder / f".{name}.new"
    staged.write_bytes(content)
    staged.replace(folder / f"{name}.eml")


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One mail as the mailbox shows it."""

    id: str
    sender: str
    recipients: str
    subject: str
    sent_at: datetime
    text: str
    html: str
    attachments: tuple[str, ...]


def mails_latest() -> list[Mail]:
    """The newest mails, newest first."""
    files = sorted(Path(settings.MAILBOX_DIR).glob("*.eml"), reverse=True)[:_SHOWN]
    return [_read(file) for file in files]


def mail_get(mail_id: str) -> Mail:
    """One mail. Raises MailNotFoundError."""
    file = Path(settings.MAILBOX_DIR) / f"{mail_id}.eml"
    if not re.fullmatch(r"[0-9]{20}-[0-9a-f]{8}", mail_id) or not file.exists():
        raise MailNotFoundError(mail_id)
    return _read(file)


def _read(file: Path) -> Mail:
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    return Mail(
        id=file.stem,
        sender=str(message["From"] or ""),
        recipients=str(message["To"] or ""),
        subject=str(message["Subject"] or ""),
        sent_at=_sent_at(message),
        text=_part(message, "plain"),
        html=_with_pictures(message, _part(message, "html")),
        attachments=tuple(part.get_filename() or part.get_content_type() for part in message.iter_attachments()),
    )


def _sent_at(message: EmailMessage) -> datetime:
    sent_at = parsedate_to_datetime(str(message["Date"]))
    # “-0000”, which Django writes, means UTC without a word on the place; the library makes it naive.
    return sent_at if sent_at.tzinfo else sent_at.replace(tzinfo=UTC)


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    return str(body.get_content()) if body else ""


def _with_pictures(message: EmailMessage, html: str) -> str:
    """The HTML with the pictures the mail brings along in it, as `data:`: a browser knows no `cid:`."""
    pictures = {
        str(part["Content-ID"]).strip("<> "): _data_url(part)
        for part in message.walk()
        if part["Content-ID"] and part.get_content_maintype() == "image"
    }
    # One that the mail names but does not bring shows its alternative text.
    return re.sub(r"(src=[\"'])cid:([^\"']+)", lambda found: found[1] + pictures.get(found[2], "data:,"), html)


def _data_url(part: Message) -> str:
    content = part.get_payload(decode=True)
    encoded = b64encode(content if isinstance(content, bytes) else b"").decode()
    return f"data:{part.get_content_type()};base64,{encoded}"
