"""What `check --deploy` says about the walls between factories."""

from typing import Any

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.security, deploy=True)
def factory_roles_check(app_configs: Any, **options: Any) -> list[checks.CheckMessage]:
    """Warn where factories share the login's own role, so that the search path alone keeps them apart."""
    if settings.FACTORY_ROLES:
        return []
    hint = "Give the database login CREATEROLE and set FACTORY_ROLES=on."
    return [checks.Warning("Factories have no database roles of their own.", hint=hint, id="tenants.W001")]
