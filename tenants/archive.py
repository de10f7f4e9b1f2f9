"""A factory in one file, and back: its tables, its readings and its files.

A gzipped tar: `manifest.json`, `tables/<table>.tsv` (PostgreSQL's COPY text with a line of column names first),
`files/<path>`, and whatever the floors above keep (`parts`: readings, as `telemetry.store.archiving` writes them, so
that an archive of one store can be restored into another). People's open sessions, errands and earlier exports are left
out.
"""

import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

import structlog
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.dispatch import Signal
from django.utils.translation import gettext as _
from django_tenants.utils import get_public_schema_name, quote_schema_name, schema_context

from common import clock
from common.errors import NotFoundError
from tenants.archive_manifest import ArchiveInvalidError, Manifest
from tenants.context import factory_context
from tenants.models import Factory, Plan
from tenants.provisioning import factory_create, factory_delete
from tenants.remains import files_of
from tenants.search_path import connection, schema_bound

_log = structlog.get_logger(__name__)
# Whoever holds a session's key is that person, so no list of them goes along either.
_LEFT_OUT = {
    "django_session",
    "usersessions_usersession",
    "django_migrations",
    "accounts_factoryexport",
    "accounts_errand",
}
# Where exports wait to be fetched, below the factory's folder: no archive holds another.
EXPORTS = "exports"
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY tablename"
# Names can't be parameters; each is quoted before it is put in.
_CATCH_UP = """
    SELECT setval(pg_get_serial_sequence(%s, %s), coalesce((SELECT max({column}) FROM {table}), 0) + 1, false)
"""
_SEQUENCES = """
    SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity <> ''
    WHERE c.relnamespace = to_regnamespace(%s) AND c.relkind = 'r'
"""


class PlanUnknownError(NotFoundError):
    """This installation has no plan of that short name."""

    code = "plan_unknown"


class Restored(NamedTuple):
    """A factory made of an archive; plan_refused: the plan that the archive names and that it did not get, or empty."""

    factory: Factory
    plan_refused: str


@dataclass(frozen=True, slots=True)
class Part:
    """What a floor above keeps: its tables, which are not written as such, and how it writes and reads them.

    write: how many pieces there are at most, and an iterator of (name, bytes), inside the factory; read: takes each in.
    """

    folder: str
    tables: frozenset[str]
    write: Callable[[], tuple[int, Iterator[tuple[str, bytes]]]]
    read: Callable[[str, bytes], None]


parts: list[Part] = []
# Sent with `factory`, inside it, once all it has is there; what fails then undoes the whole.
factory_restored = Signal()


# What is being written, how many of it are, and how many there are at most: "tables", a part's folder, or "files".
Progress = Callable[[str, int, int], None]


def _untold(stage: str, done: int, total: int) -> None:
    """Nobody watches."""


def archive_write(factory: Factory, target: IO[bytes], *, progress: Progress = _untold) -> Manifest:
    """Write the whole factory to a binary file as of one instant; returns the manifest."""
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=3) as tar:
        with factory_context(factory), _snapshot():
            manifest = Manifest.of(factory, tables=_tables_written(factory))
            _add(tar, "manifest.json", manifest.to_bytes())
            for number, table in enumerate(manifest.tables):
                progress("tables", number, len(manifest.tables))
                _table_write(tar, table)
        with factory_context(factory):
            for part in parts:
                total, pieces = part.write()
                for number, (name, content) in enumerate(pieces):
                    progress(part.folder, number, total)
                    _add(tar, f"{part.folder}/{name}", content)
            _files_write(tar, factory, progress)
    _log.info("factory_archived", factory=factory.slug, tables=len(manifest.tables))
    return manifest


def archive_restore(source: IO[bytes], *, slug: str = "", plan: str = "") -> Restored:
    """Make the factory that an archive holds, under its own address or another; nothing stays when that fails.

    plan: the short name of the plan it gets. Without one it gets the plan that its archive names, when this
    installation signed that and has such a plan, and else the plan of whoever signs up: an archive may be anybody's,
    and nobody gives themselves a plan by writing it into a file.
    Raises PlanUnknownError, ArchiveInvalidError, ArchiveVersionError, FactoryAddressTakenError and the other errors of
    addresses.
    """
    chosen = _plan_get(plan) if plan else None
    try:
        with tarfile.open(fileobj=source, mode="r:gz") as tar:
            members = iter(tar)
            manifest = _manifest_read(tar, next(members, None))
            factory = factory_create(slug=slug or manifest.slug, name=manifest.name, time_zone=manifest.time_zone)
            try:
                refused = _settings_restore(factory, manifest, chosen)
                _contents_restore(factory, manifest, tar, members)
                with factory_context(factory):
                    factory_restored.send(sender=None, factory=factory)
            except BaseException:
                factory_delete(factory)
                raise
    except (tarfile.TarError, EOFError, OSError, KeyError, ValueError) as error:
        told = _("This is no archive of a factory, or it is damaged: %(why)s") % {"why": error}
        raise ArchiveInvalidError(told) from error
    _log.info("factory_restored", factory=factory.slug, archived_at=manifest.archived_at, plan_refused=refused)
    return Restored(factory, refused)


def _files_write(tar: tarfile.TarFile, factory: Factory, progress: Progress) -> None:
    own = f"{factory.slug}/"
    paths = [path for path in files_of(factory.slug) if not path.startswith(f"{own}{EXPORTS}/")]
    for number, path in enumerate(paths):
        progress("files", number, len(paths))
        with default_storage.open(path, "rb") as file:
            _add(tar, f"files/{path.removeprefix(own)}", file.read())


@contextmanager
def _snapshot() -> Iterator[None]:
    """One instant for all tables; whoever is in a transaction of their own already has theirs."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # enters the schema now: the level must be a transaction's first statement
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


def _tables_written(factory: Factory) -> list[str]:
    """Those that go along row by row."""
    elsewhere = frozenset[str]().union(*[part.tables for part in parts], _LEFT_OUT)
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [factory.schema_name])
        return [name for (name,) in cursor.fetchall() if name not in elsewhere]


def _manifest_read(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> Manifest:
    if member is None or member.name != "manifest.json":
        raise ArchiveInvalidError(_("This is no archive of a factory: it does not begin with a manifest."))
    return Manifest.read(_read(tar, member))


def _table_write(tar: tarfile.TarFile, table: str) -> None:
    with tempfile.TemporaryFile() as file:
        with connection.cursor() as cursor, cursor.copy(f"COPY {_quoted(table)} TO STDOUT WITH (HEADER true)") as rows:
            for data in rows:
                file.write(data)
        entry = tarfile.TarInfo(f"tables/{table}.tsv")
        entry.size = file.tell()
        file.seek(0)
        tar.addfile(entry, file)


def _contents_restore(
    factory: Factory, manifest: Manifest, tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo]
) -> None:
    tables = set(manifest.tables)
    by_folder = {part.folder: part for part in parts}
    pending = next(members, None)
    # The schema alone: an archive may be anybody's, and must not name a table of the public site.
    with schema_bound(factory.schema_name), transaction.atomic():
        _tables_check(factory.schema_name, tables)
        with connection.cursor() as cursor:
            # What a new schema brings along (content types, permissions) comes with the archive, under its own ids.
            cursor.execute(f"TRUNCATE {', '.join(_quoted(table) for table in sorted(tables))} CASCADE")
        while pending is not None and pending.name.startswith("tables/"):
            _table_read(tar, pending, tables)
            pending = next(members, None)
        if tables:
            raise ArchiveInvalidError(_("The archive ends before all its tables are read."))
        _sequences_catch_up(factory.schema_name)
    with factory_context(factory):
        while pending is not None:
            folder, _slash, name = pending.name.partition("/")
            if folder == "files":
                _file_restore(factory, name, _read(tar, pending))
            elif folder in by_folder:
                by_folder[folder].read(name, _read(tar, pending))
            else:
                raise ArchiveInvalidError(_("The archive holds something unknown: %(name)s") % {"name": pending.name})
            pending = next(members, None)


def _tables_check(schema: str, tables: set[str]) -> None:
    """Raises ArchiveInvalidError for a table that no factory has, or whose rows are not an archive's to bring."""
    with connection.cursor() as cursor:
        cursor.execute(_TABLES, [schema])
        known = {name for (name,) in cursor.fetchall()} - {"django_migrations"}
    if unknown := tables - known:
        raise ArchiveInvalidError(_("The archive holds something unknown: %(name)s") % {"name": min(unknown)})


def _table_read(tar: tarfile.TarFile, member: tarfile.TarInfo, tables: set[str]) -> None:
    table = member.name.removeprefix("tables/").removesuffix(".tsv")
    tables.remove(table)
    content = tar.extractfile(member)
    if content is None:
        raise ArchiveInvalidError(_("The archive is damaged."))
    columns = content.readline().decode().rstrip("\n").split("\t")
    listed = ", ".join(_quoted(column) for column in columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY {_quoted(table)} ({listed}) FROM STDIN") as rows:
        while data := content.read(1 << 20):
            rows.write(data)


def _sequences_catch_up(schema: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_SEQUENCES, [schema])
        for table, column in cursor.fetchall():
            names = {"table": _quoted(table), "column": _quoted(column)}
            cursor.execute(_CATCH_UP.format(**names), [_quoted(table), column])


def _settings_restore(factory: Factory, manifest: Manifest, chosen: Plan | None) -> str:
    """Set them; returns the plan that the archive names in vain, or nothing."""
    with schema_context(get_public_schema_name()):
        believed = Plan.objects.filter(slug=manifest.plan).first() if manifest.proved else None
        factory.plan = chosen or believed or factory.plan
        factory.mfa_required = manifest.mfa_required
        if manifest.idle_minutes is not None:
            factory.idle_minutes = manifest.idle_minutes
        factory.save(update_fields=["plan", "mfa_required", "idle_minutes"])
    given = factory.plan.slug if factory.plan else ""
    return manifest.plan if chosen is None and manifest.plan != given else ""


def _plan_get(slug: str) -> Plan:
    with schema_context(get_public_schema_name()):
        plan: Plan | None = Plan.objects.filter(slug=slug).first()
        known = ", ".join(Plan.objects.order_by("slug").values_list("slug", flat=True))
    if plan is None:
        raise PlanUnknownError(_("There is no plan “%(plan)s” here, but: %(known)s.") % {"plan": slug, "known": known})
    return plan


def _file_restore(factory: Factory, name: str, content: bytes) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ArchiveInvalidError(_("The archive names a file outside of the factory: %(name)s") % {"name": name})
    default_storage.save(f"{factory.slug}/{path}", File(io.BytesIO(content)))


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    content = tar.extractfile(member)
    if content is None:
        raise ArchiveInvalidError(_("The archive is damaged."))
    return content.read()


def _quoted(name: str) -> str:
    return str(quote_schema_name(name))


def archive_name(factory: Factory) -> str:
    """What a file of an archive is called: the address and the second."""
    return f"{factory.slug}-{clock.now():%Y%m%dT%H%M%SZ}.factory.tar.gz"


def archive_file(factory: Factory, folder: Path) -> Path:
    """Write an archive into a folder, readable by us alone; whole, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / archive_name(factory)
    unfinished = path.with_suffix(".part")
    with unfinished.open("xb") as file:
        unfinished.chmod(0o600)
        archive_write(factory, file)
    return unfinished.rename(path)
