"""Mails to people: text and HTML from one pair of templates, named after the factory they come from."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string, select_template
from django.urls import reverse

from tenants.addresses import factory_url, public_url
from tenants.context import factory_current


def factory_link(view: str, *args: str) -> str:
    """Absolute address of a page of the current factory, for a mail; whatever host the request came to."""
    factory = factory_current()
    if factory is None:
        raise RuntimeError("a link to a factory's page is made inside factory_context")
    return factory_url(factory, reverse(view, args=args, urlconf=settings.ROOT_URLCONF))


def mail_send(template: str, *, to: str, context: Mapping[str, Any]) -> None:
    """Send `<template>_subject.txt` and `_message.txt` to one address, with `_message.html` or the text in our layout.

    Runs inside a factory. Raises OSError, as smtplib's errors are, when the mail server doesn't take it.
    """
    known = {"factory": factory_current(), "public_url": public_url("/"), "email": to, **context}
    subject = " ".join(render_to_string(f"{template}_subject.txt", known).split())
    text = render_to_string(f"{template}_message.txt", known).strip() + "\n"
    html = select_template([f"{template}_message.html", "email/plain.html"]).render({**known, "text": text})
    message = EmailMultiAlternatives(subject, text, settings.DEFAULT_FROM_EMAIL, [to])
    message.attach_alternative(html, "text/html")
    message.send()
