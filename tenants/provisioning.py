"""A factory comes and goes: its row, its host name and its schema, in one transaction."""

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from django_tenants.utils import get_public_schema_name, quote_schema_name, schema_context

from common.errors import InvalidInputError
from common.times import zone_names
from tenants.addresses import FactoryAddressTakenError, address_check, factory_host
from tenants.consumers import sockets_close
from tenants.hosts import hosts_forget
from tenants.models import Domain, Factory, Plan, schema_name_for
from tenants.remains import cache_remove, files_remove
from tenants.roles import role_drop, role_secure, roles_missing
from tenants.schemas import schema_build, template_ensure

_log = structlog.get_logger(__name__)
DEFAULT_PLAN = "free"


def public_ensure() -> Factory:
    """Make the public site's own row, its host name and the default plan, where they are missing."""
    with schema_context(get_public_schema_name()), transaction.atomic():
        Plan.objects.get_or_create(slug=DEFAULT_PLAN, defaults={"name": "Free"})
        public: Factory = Factory.objects.get_or_create(
            schema_name=get_public_schema_name(), defaults={"slug": "public", "name": "FactoryPulse"}
        )[0]
        # DOMAIN may change between two starts of the same installation.
        Domain.objects.filter(tenant=public).exclude(domain=settings.DOMAIN_HOST).delete()
        Domain.objects.get_or_create(domain=settings.DOMAIN_HOST, defaults={"tenant": public, "is_primary": True})
    template_ensure()
    for schema in roles_missing():
        role_secure(schema)
    return public


def factory_create(*, slug: str, name: str, time_zone: str = "UTC") -> Factory:
    """Make a factory with an empty, usable schema; of two who ask for one address at once, exactly one gets it.

    Raises FactoryAddressInvalidError, FactoryAddressReservedError, FactoryAddressTakenError, InvalidInputError.
    """
    address_check(slug)
    if time_zone not in zone_names():
        raise InvalidInputError(_("There is no time zone “%(zone)s”.") % {"zone": time_zone})
    factory = Factory(
        schema_name=schema_name_for(slug), slug=slug, name=name.strip()[:120] or slug, time_zone=time_zone
    )
    # Before the transaction: making the template takes seconds, and rivals would wait for nothing.
    template_ensure()
    try:
        with schema_context(get_public_schema_name()), transaction.atomic():
            factory.plan = Plan.objects.get_or_create(slug=DEFAULT_PLAN, defaults={"name": "Free"})[0]
            # The row first: its unique address makes a rival wait here until this transaction is settled.
            factory.save()
            Domain.objects.create(domain=factory_host(slug), tenant=factory, is_primary=True)
            schema_build(factory.schema_name)
            role_secure(factory.schema_name)
    except (IntegrityError, ValidationError) as error:
        raise FactoryAddressTakenError(_("“%(slug)s” is taken. Choose another address.") % {"slug": slug}) from error
    hosts_forget()
    _log.info("factory_created", factory=slug)
    return factory


def factory_delete(factory: Factory) -> None:
    """Delete a factory with everything in it: rows of the public schema first, so that no door finds it any more."""
    with schema_context(get_public_schema_name()), transaction.atomic():
        Factory.objects.filter(pk=factory.pk).delete()
        with connection.cursor() as cursor:
            # A table with deferred checks waiting can't be dropped; here they have nothing to find any more.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
            cursor.execute(f"DROP SCHEMA IF EXISTS {quote_schema_name(factory.schema_name)} CASCADE")
        role_drop(factory.schema_name)
    hosts_forget()
    sockets_close(factory.slug)
    files_remove(factory.slug)
    cache_remove(factory.slug)
    _log.info("factory_deleted", factory=factory.slug)
