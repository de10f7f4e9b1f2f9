"""The mailbox as pages: a list that refreshes itself, and one mail with its links."""

from csp.constants import NONE, SELF
from csp.decorators import csp
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from factorypulse.dev.mailbox import Mail, MailNotFoundError, mail_get, mails_latest

# What a mail may do in its frame: show itself with its own styles, and open its links. Nothing else: no script, no
# form, no request, no cookie, because a factory's name or a person's words stand in it.
_OF_A_MAIL = {
    "default-src": [NONE],
    "style-src": ["'unsafe-inline'"],
    "img-src": ["data:"],
    "frame-ancestors": [SELF],
    "base-uri": [NONE],
    "form-action": [NONE],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
}


@never_cache
@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    """All mail of the trial, newest first."""
    return render(request, "dev/mailbox.html", {"mails": mails_latest()})


@never_cache
@require_safe
def mail(request: HttpRequest, mail_id: str) -> HttpResponse:
    """One mail: its text with links, and its HTML in a frame."""
    return render(request, "dev/mail.html", {"mail": _mail(mail_id)})


@csp(_OF_A_MAIL)
@xframe_options_sameorigin
@never_cache
@require_safe
def mail_html(request: HttpRequest, mail_id: str) -> HttpResponse:
    """The HTML of one mail, for the frame; its links open beside it."""
    return HttpResponse(f'<base target="_blank">{_mail(mail_id).html}')


def _mail(mail_id: str) -> Mail:
    try:
        return mail_get(mail_id)
    except MailNotFoundError as error:
        raise Http404 from error
