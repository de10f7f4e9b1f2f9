"""Messages for the next page travel in a cookie of the page's own host alone, or in the session when there are many."""

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage


class MessageCookie(CookieStorage):
    """The framework's, under the name that the settings give: `__Host-…` where there is TLS."""

    @property
    def cookie_name(self) -> str:  # type: ignore[override]  # read from the instance alone
        return str(settings.MESSAGE_COOKIE_NAME)


class MessageStorage(FallbackStorage):
    """The cookie first, as the framework does it."""

    storage_classes = (MessageCookie, SessionStorage)
