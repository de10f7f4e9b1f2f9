"""Whose readings are meant: stores keep factories apart by this name."""

from django.utils.translation import gettext as _

from tenants.context import FactoryNotFoundError, factory_current


def factory_scope() -> str:
    """The current factory's schema name: unique, and safe as the name of a database.

    Raises FactoryNotFoundError outside of a factory, where a store has no business.
    """
    factory = factory_current()
    if factory is None:
        raise FactoryNotFoundError(_("Readings belong to a factory, and none is entered."))
    return str(factory.schema_name)
