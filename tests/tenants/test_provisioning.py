"""Factories come, are complete, and go."""

from django.db import connection

from tenants.context import factory_context
from tenants.models import Factory


def test_a_new_factory_has_its_tables_and_nothing_of_another(in_acme: Factory) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schemas(false)")
        assert cursor.fetchone()[0] == ["f_acme"]
        cursor.execute("SELECT count(*) FROM accounts_user")
        assert cursor.fetchone()[0] == 0


def test_leaving_a_factory_restores_the_one_before(acme: Factory, borg: Factory) -> None:
    with factory_context(acme):
        with factory_context(borg):
            assert connection.schema_name == "f_borg"
        assert connection.schema_name == "f_acme"
    assert connection.schema_name == "public"
