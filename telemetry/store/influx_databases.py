"""A factory's database (1.x, 3.x) or bucket (2.x): made, emptied and removed as each generation of InfluxDB has it."""

from typing import Protocol
from urllib.parse import quote

import msgspec
import urllib3
from django.utils.translation import gettext as _
from influxdb_client import Bucket
from influxdb_client.rest import ApiException

from common.errors import ConflictError
from common.times import from_ms as instant_of
from common.times import rfc3339
from telemetry.store import influxql
from telemetry.store.base import StoreUnavailableError
from telemetry.store.influx_levels import LEVELS, SLICE_MS
from telemetry.store.influx_server import InfluxServer
from telemetry.store.line_protocol import MACHINE_TAG, MARKS, MEASUREMENT, tag_of

_NOT_FOUND, _CONFLICT = 404, 409
_BEGINNING, _END = "1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z"
_HOUR_MS = 3_600_000
# Readings first: a rollup made in between is under a mark that goes next.
_MEASUREMENTS = (MEASUREMENT, MARKS, *(level.measurement for level in LEVELS))
_JSON = {"Content-Type": "application/json"}


class ReadingsKeptError(ConflictError):
    """The server can't remove single readings."""

    code = "readings_kept"


class Databases(Protocol):
    """What can be done with the databases of one server. Everything may raise StoreUnavailableError.

    prepared_first: whether `create` comes before a process's first write, also to a database that exists.
    """

    prepared_first: bool

    def create(self, name: str, *, keep_ms: int) -> None:
        """Make a database; an existing one stays. keep_ms: how long readings are of use, for servers that are told."""

    def drop(self, name: str) -> None:
        """Remove a database with everything in it; a missing one is none."""

    def delete_machine(self, name: str, machine: str) -> None:
        """Remove a machine's readings. Raises ReadingsKeptError where the server can't."""

    def delete_before(self, name: str, before_ms: int) -> None:
        """Remove readings older than an instant, unless the server was told at the beginning how long to keep them."""


def databases_of(server: InfluxServer) -> Databases:
    """The way of the server's generation."""
    if server.version >= (3, 0):
        return _Databases3(server)
    return _Databases2(server) if server.version >= (2, 0) else _Databases1(server)


class _Databases1:
    """All in InfluxQL. Old readings are deleted; a retention policy would refuse history that is moved here."""

    prepared_first = False  # an account that may not make databases can use one that an operator has made

    def __init__(self, server: InfluxServer) -> None:
        self._server = server

    def create(self, name: str, *, keep_ms: int) -> None:
        self._server.execute("", influxql.create_database(name))

    def drop(self, name: str) -> None:
        self._server.execute("", influxql.drop_database(name))

    def delete_machine(self, name: str, machine: str) -> None:
        for measurement in _MEASUREMENTS:
            self._server.execute(name, influxql.delete_machine(machine, measurement))

    def delete_before(self, name: str, before_ms: int) -> None:
        for measurement in _MEASUREMENTS:
            self._server.execute(name, influxql.delete_before(_cut_ms(measurement, before_ms), measurement))


class _Databases2:
    """Buckets, by the client library. Old readings are deleted; a retention rule would refuse history moved here."""

    prepared_first = True  # without its mapping, a bucket that an operator has made takes readings and shows none

    def __init__(self, server: InfluxServer) -> None:
        self._server = server

    def create(self, name: str, *, keep_ms: int) -> None:
        with _Translated():
            buckets = self._server.client.buckets_api()
            bucket = buckets.find_bucket_by_name(name)
            if bucket is None:
                bucket = buckets.create_bucket(bucket_name=name, org=self._server.org)
            self._map(name, bucket)

    def _map(self, name: str, bucket: Bucket) -> None:
        """InfluxQL finds a bucket by a mapping, which servers before 2.4 do not make by themselves."""
        # By hand: the client library's models insist on members that some servers leave out.
        found = self._server.request("GET", "/api/v2/dbrps", fields={"orgID": bucket.org_id, "db": name})
        if not msgspec.json.decode(found.data).get("content"):
            wanted = {"bucketID": bucket.id, "orgID": bucket.org_id, "database": name}
            body = msgspec.json.encode({**wanted, "retention_policy": "autogen", "default": True})
            self._server.request("POST", "/api/v2/dbrps", body=body, headers=_JSON, accept=(_CONFLICT,))

    def drop(self, name: str) -> None:
        with _Translated():
            buckets = self._server.client.buckets_api()
            bucket = buckets.find_bucket_by_name(name)
            if bucket is not None:
                buckets.delete_bucket(bucket)

    def delete_machine(self, name: str, machine: str) -> None:
        escaped = tag_of(machine).replace("\\", "\\\\").replace('"', '\\"')
        for measurement in _MEASUREMENTS:
            self._delete(name, f'_measurement="{measurement}" AND {MACHINE_TAG}="{escaped}"', before=_END)

    def delete_before(self, name: str, before_ms: int) -> None:
        for measurement in _MEASUREMENTS:
            before = rfc3339(instant_of(_cut_ms(measurement, before_ms)))
            self._delete(name, f'_measurement="{measurement}"', before=before)

    def _delete(self, name: str, predicate: str, *, before: str) -> None:
        with _Translated():
            try:
                self._server.client.delete_api().delete(
                    _BEGINNING, before, predicate, bucket=name, org=self._server.org
                )
            except ApiException as error:
                if error.status != _NOT_FOUND:
                    raise
                # A factory that never stored anything has no bucket to delete from.


class _Databases3:
    """Retention is told once, when a database is made; single readings can't be deleted."""

    prepared_first = True  # the server makes a database on the first write by itself, without our plan's retention

    def __init__(self, server: InfluxServer) -> None:
        self._server = server

    def create(self, name: str, *, keep_ms: int) -> None:
        body = msgspec.json.encode({"db": name, "retention_period": f"{-(-keep_ms // _HOUR_MS)}h"})
        self._server.request("POST", "/api/v3/configure/database", body=body, headers=_JSON, accept=(_CONFLICT,))

    def drop(self, name: str) -> None:
        path = f"/api/v3/configure/database?db={quote(name, safe='')}"
        self._server.request("DELETE", path, accept=(_NOT_FOUND,))

    def delete_machine(self, name: str, machine: str) -> None:
        if self._server.query(name, [influxql.select_any(machine)])[0].values:
            raise ReadingsKeptError(
                _("This InfluxDB can't delete the readings of one machine; they go when the plan keeps them no longer.")
            )

    def delete_before(self, name: str, before_ms: int) -> None:
        """Nothing: the server hides and removes what is older than the database's retention period."""


def _cut_ms(measurement: str, before_ms: int) -> int:
    """A slice that keeps some of its readings keeps its mark: without one it would count as empty."""
    return before_ms // SLICE_MS * SLICE_MS if measurement == MARKS else before_ms


class _Translated:
    """The client library's errors as the store's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        # ValueError: an answer in which the library misses something; to the drain it would mean the readings.
        if isinstance(error, ApiException | urllib3.exceptions.HTTPError | ValueError | msgspec.MsgspecError):
            raise StoreUnavailableError(f"InfluxDB: {error}") from error
