"""A wrong search path fails closed: by the database's own roles, and by what each task or thread has entered."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.db import DatabaseError, connection, connections, transaction

from accounts.audit import audit_record
from accounts.models import AuditEntry, User
from tenants.context import factory_context
from tenants.database.base import WrongFactoryError
from tenants.database.names import role_name
from tenants.models import Factory
from tenants.provisioning import factory_delete
from tenants.roles import role_secure, roles_missing

FORBIDDEN = [
    "SELECT * FROM f_borg.accounts_user",
    "SELECT * FROM public.accounts_user",
    "SELECT * FROM public.tenants_factory",
    "SELECT * FROM fp_template.accounts_user",
    "INSERT INTO f_borg.telemetry_site (name, time_zone) VALUES ('x', 'UTC')",
    "SET search_path = f_borg; SELECT * FROM accounts_user",
    "SET search_path = public; SELECT * FROM accounts_user",
    "CREATE TABLE mine (id int)",
    "CREATE SCHEMA mine",
    "DROP TABLE telemetry_site",
]


def _run(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def _where() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema(), current_user")
        schema, role = cursor.fetchone()
    return str(schema), str(role)


def _role(factory: Factory) -> str:
    return role_name(str(connection.settings_dict["NAME"]), factory.schema_name)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_inside_a_factory_nothing_else_can_be_reached(in_acme: Factory, borg: Factory, statement: str) -> None:
    with pytest.raises(DatabaseError, match=r"permission denied|must be owner|does not exist"):
        _run(statement)
    assert _where() == ("f_acme", _role(in_acme))


def test_after_a_rollback_statements_run_where_the_code_is(acme: Factory, borg: Factory) -> None:
    def fail_in_borg() -> None:
        with transaction.atomic():
            with factory_context(borg):
                assert _where()[0] == "f_borg"
            raise ZeroDivisionError

    with factory_context(acme):
        with pytest.raises(ZeroDivisionError):
            fail_in_borg()
        assert _where() == ("f_acme", _role(acme))
    assert _where()[0] == "public"


def test_a_session_that_forgot_its_settings_reaches_no_factory_and_no_staff(in_acme: Factory) -> None:
    """As a pooler between us and PostgreSQL might make it forget."""
    User.objects.count()
    with connection.cursor() as cursor:
        cursor.execute("RESET role; RESET search_path")
    with pytest.raises(DatabaseError, match="does not exist"), transaction.atomic():
        User.objects.count()


def test_code_whose_connection_somebody_else_has_bound_since_is_stopped(acme: Factory, borg: Factory) -> None:
    """Two tasks that share a thread, and so its connection: the second one's factory is not the first one's."""
    first, second = copy_context(), copy_context()
    entered = factory_context(acme)
    first.run(entered.__enter__)
    assert first.run(_where)[0] == "f_acme"
    other = factory_context(borg)
    second.run(other.__enter__)
    with pytest.raises(WrongFactoryError):
        first.run(User.objects.count)
    second.run(other.__exit__, None, None, None)
    assert first.run(_where)[0] == "f_acme"
    first.run(entered.__exit__, None, None, None)


def test_a_thread_that_entered_nothing_is_in_no_factory(live_factory: Factory) -> None:
    def within() -> str:
        with factory_context(live_factory):
            return _where()[0]

    with ThreadPoolExecutor(1) as threads:
        try:
            assert threads.submit(copy_context().run, within).result() == live_factory.schema_name
            assert threads.submit(copy_context().run, _where).result()[0] == "public"
        finally:
            threads.submit(connections.close_all).result()


def test_a_factory_without_its_role_is_not_entered_at_all(in_acme: Factory) -> None:
    stranger = Factory(slug="nobody", schema_name="f_nobody", name="x")
    with factory_context(stranger), pytest.raises(DatabaseError, match="aborted"), transaction.atomic():
        User.objects.count()


def test_the_audit_trail_is_append_only_for_the_application(in_acme: Factory) -> None:
    entry = audit_record(actor="somebody", action="deed.done")
    attempts = [
        lambda: AuditEntry.objects.filter(pk=entry.pk).update(actor="nobody"),
        entry.delete,
        lambda: _run("DELETE FROM accounts_auditentry"),
        lambda: _run("TRUNCATE accounts_auditentry"),
    ]
    for attempt in attempts:
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            attempt()
    assert AuditEntry.objects.get(pk=entry.pk).actor == "somebody"


def test_a_deleted_factory_leaves_no_role(live_factory: Factory) -> None:
    factory_delete(live_factory)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_roles WHERE rolname = %s", [_role(live_factory)])
        assert cursor.fetchone()[0] == 0


def test_every_factory_has_a_role_and_securing_it_again_changes_nothing(acme: Factory) -> None:
    assert roles_missing() == []
    role_secure(acme.schema_name)
    with factory_context(acme):
        assert _where() == ("f_acme", _role(acme))


def test_check_deploy_warns_where_roles_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    def told() -> bool:
        found = run_checks(include_deployment_checks=True, tags=["security"])
        return any(message.id == "tenants.W001" for message in found)

    assert not told()
    monkeypatch.setattr(settings, "FACTORY_ROLES", False)
    assert told()
