"""How allauth behaves in a factory: no open sign-up, links to the factory's own host, one style of mail."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress, EmailConfirmation
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.mail import factory_link, mail_send
from accounts.support import support_user_email


class AccountAdapter(DefaultAccountAdapter):
    """People come by sign-up of a factory or by invitation; allauth signs them in and looks after passwords."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: nobody joins a factory uninvited."""
        return False

    def is_safe_url(self, url: str) -> bool:
        """Only this host: allauth would trust every factory's, and one could lure another's people."""
        return url_has_allowed_host_and_scheme(url, allowed_hosts={self.request.get_host()})

    def should_send_confirmation_mail(self, request: HttpRequest, email_address: EmailAddress, signup: bool) -> bool:
        """Sign-up has sent its mail before it leads here; signing in unconfirmed sends another."""
        return not signup

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: EmailConfirmation) -> str:
        """The link on the factory's host, whatever host the request came to."""
        return factory_link("account_confirm_email", emailconfirmation.key)

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        """To the plant when signed in, else to the sign-in."""
        return reverse("fleet" if self.request.user.is_authenticated else "account_login")

    def pre_login(self, request: HttpRequest, user: Any, **login: Any) -> HttpResponse | None:
        """Staff comes in by an owner's leave, and by no password, passkey or provider, whoever reads its mailbox."""
        if user.email == support_user_email():
            refused: HttpResponse = self.respond_user_inactive(request, user)
            return refused
        answer: HttpResponse | None = super().pre_login(request, user, **login)
        return answer

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send one of allauth's mails in our layout, from wherever it is asked for."""
        mail_send(template_prefix, to=email, context=context)
