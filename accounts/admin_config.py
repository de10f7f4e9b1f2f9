"""Puts the factory's own site behind `django.contrib.admin`; apart from the site, which needs loaded models."""

from typing import Any

from django.contrib.admin import autodiscover
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class FactoryAdminConfig(SimpleAdminConfig):
    """`django.contrib.admin` with `accounts.admin_site.FactoryAdminSite` as its default site.

    The apps' admin modules are loaded with the URLs: processes without pages start faster and smaller without them.
    """

    default_site = "accounts.admin_site.FactoryAdminSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(_check_admins, checks.Tags.admin)


def _check_admins(app_configs: Any, **options: Any) -> list[checks.CheckMessage]:
    """Django's own check of every admin, which has to be loaded for it."""
    autodiscover()
    return check_admin_app(app_configs, **options)
