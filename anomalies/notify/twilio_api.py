"""The gateway to Twilio: the official client, pointed at TWILIO_API_URL where the operator (or a test) names one."""

from dataclasses import dataclass
from typing import Any, Self

from django.conf import settings
from requests.exceptions import RequestException
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

_TIMEOUT_S = 10.0
_REAL = "https://api.twilio.com"
# Their error codes for numbers that will never take a message: invalid, unreachable by SMS, opted out, no such user.
_NUMBER_IS_WRONG = frozenset({21211, 21214, 21217, 21408, 21610, 21612, 21614, 63003, 63024})


class TwilioRefusedError(Exception):
    """Twilio did not take a message. final: it never will; blames_account: nothing goes through at present."""

    def __init__(
        self, reason: str, *, final: bool = False, blames_account: bool = True, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.final, self.blames_account, self.retry_after_s = final, blames_account, retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioSettings:
    """An account and the numbers it sends from."""

    account_sid: str
    auth_token: str
    sms_from: str
    whatsapp_from: str
    api_url: str

    @classmethod
    def read(cls) -> Self | None:
        """From the settings; None where no account is set up."""
        if not (settings.TWILIO_ACCOUNT_SID and settings.TWILIO_AUTH_TOKEN):
            return None
        return cls(
            account_sid=settings.TWILIO_ACCOUNT_SID,
            auth_token=settings.TWILIO_AUTH_TOKEN,
            sms_from=settings.TWILIO_FROM,
            whatsapp_from=settings.TWILIO_WHATSAPP_FROM,
            api_url=settings.TWILIO_API_URL,
        )


class _Http(TwilioHttpClient):
    """The library's own HTTP client, which may speak to another host: a region's, a proxy, or a test's server."""

    def __init__(self, api_url: str) -> None:
        super().__init__(timeout=_TIMEOUT_S, pool_connections=False)
        self._api_url = api_url.rstrip("/")

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        """One request, at the configured host."""
        if self._api_url and url.startswith(_REAL):
            url = self._api_url + url.removeprefix(_REAL)
        return super().request(method, url, *args, **kwargs)


def message_create(account: TwilioSettings, *, sender: str, to: str, text: str) -> str:
    """Have a message sent; Twilio's id for it. Raises TwilioRefusedError."""
    client = Client(account.account_sid, account.auth_token, http_client=_Http(account.api_url))
    # A messaging service chooses the number by itself.
    by = {"messaging_service_sid": sender} if sender.startswith("MG") else {"from_": sender}
    try:
        message = client.messages.create(to=to, body=text, **by)
    except TwilioRestException as error:
        raise _refusal(error) from error
    except (RequestException, TwilioException, OSError) as error:
        raise TwilioRefusedError(f"{type(error).__name__}: {error}") from error
    return str(message.sid)


def _refusal(error: TwilioRestException) -> TwilioRefusedError:
    reason = f"HTTP {error.status}: {error.msg}" + (f" ({error.code})" if error.code else "")
    if error.code in _NUMBER_IS_WRONG:
        return TwilioRefusedError(reason, final=True, blames_account=False)
    if error.status in {401, 403, 404, 429} or error.status >= 500:
        return TwilioRefusedError(reason)
    return TwilioRefusedError(reason, final=True, blames_account=False)
