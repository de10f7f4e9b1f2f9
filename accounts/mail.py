"""Mails to people: text and HTML from one pair of templates, named after the factory they come from."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import connection
from django.template.loader import render_to_string, select_template

from tenants.addresses import public_url


def mail_send(template: str, *, to: str, context: Mapping[str, Any]) -> None:
    """Send `<template>_subject.txt` and `_message.txt` to one address, with `_message.html` or the text in our layout.

    Runs inside a factory. Raises OSError, as smtplib's errors are, when the mail server doesn't take it.
    """
    known = {"factory": connection.tenant, "public_url": public_url("/"), "email": to, **context}
    subject = " ".join(render_to_string(f"{template}_subject.txt", known).split())
    text = render_to_string(f"{template}_message.txt", known).strip() + "\n"
    html = select_template([f"{template}_message.html", "email/plain.html"]).render({**known, "text": text})
    message = EmailMultiAlternatives(subject, text, settings.DEFAULT_FROM_EMAIL, [to])
    message.attach_alternative(html, "text/html")
    message.send()
