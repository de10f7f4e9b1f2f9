"""What every template knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from factorypulse.offline import person_key


def product(request: HttpRequest) -> dict[str, Any]:
    """The factory asked for (None on the public site), and where the public site is."""
    tenant = getattr(request, "tenant", None)
    factory = None if tenant is None or tenant.schema_name == "public" else tenant
    return {
        "factory": factory,
        "public_url": f"{settings.PUBLIC_SCHEME}://{settings.DOMAIN}",
        "trial": settings.TRIAL,
        "person_key": person_key(getattr(request, "user", None)),
    }
