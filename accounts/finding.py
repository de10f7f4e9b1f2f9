"""“Find my factory”: the addresses of the factories that know an e-mail address, told to that mailbox alone."""

from allauth.account.models import EmailAddress
from django.core.cache import cache
from django.db import connection
from django.utils.translation import gettext as _
from django_tenants.utils import get_public_schema_name, quote_schema_name, schema_context

from accounts.mail import mail_send
from accounts.models import User
from common.errors import LimitReachedError
from tenants.addresses import factory_url
from tenants.context import factories_all
from tenants.models import Factory

ASKED_PER_HOUR = 20  # from one network address
MAILS_PER_HOUR = 3  # to one mailbox
_SCHEMAS_AT_ONCE = 200
_KNOWN = """
    SELECT %s FROM {schema}.{people} p JOIN {schema}.{addresses} a ON a.user_id = p.id AND a.verified
    WHERE lower(p.email) = %s AND p.is_active
"""


class FindingLimitError(LimitReachedError):
    """Asked too often from one place."""

    code = "finding_limit_reached"


def finding_admit(*, network_address: str) -> None:
    """Count one question. Raises FindingLimitError when there were too many within an hour."""
    if _counted(f"finding:from:{network_address}") > ASKED_PER_HOUR:
        raise FindingLimitError(_("Too many questions from here. Please try again in an hour."))


def factories_knowing(email: str) -> list[Factory]:
    """The open factories in which this address belongs to somebody, with the address confirmed."""
    factories = {factory.schema_name: factory for factory in factories_all() if not factory.shut}
    schemas, found = list(factories), []
    tables = {"people": User._meta.db_table, "addresses": EmailAddress._meta.db_table}
    with schema_context(get_public_schema_name()), connection.cursor() as cursor:
        for start in range(0, len(schemas), _SCHEMAS_AT_ONCE):
            some = schemas[start : start + _SCHEMAS_AT_ONCE]
            # Names can't be parameters; each is quoted before it is put in.
            asked = [_KNOWN.format(schema=quote_schema_name(schema), **tables) for schema in some]
            cursor.execute(" UNION ALL ".join(asked), [part for schema in some for part in (schema, email.lower())])
            found += [factories[schema] for (schema,) in cursor.fetchall()]
    return found


def factories_tell(email: str) -> None:
    """Mail the addresses of somebody's factories; a mailbox that no factory knows hears nothing."""
    found = factories_knowing(email)
    if found and _counted(f"finding:to:{email.lower()}") <= MAILS_PER_HOUR:
        told = [{"name": factory.name, "url": factory_url(factory)} for factory in found]
        mail_send("email/find_factory", to=email, context={"factories": told})


def _counted(key: str) -> int:
    cache.add(key, 0, timeout=3600)
    return int(cache.incr(key))
