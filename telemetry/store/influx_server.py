"""One InfluxDB server: version, authentication, writing, asking. Translates its errors once."""

import contextlib
import re
from functools import cached_property
from typing import Any

import msgspec
import urllib3
from influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from telemetry.store import line_protocol
from telemetry.store.base import StoreUnavailableError

_TIMEOUT = urllib3.Timeout(connect=3, read=30)
_BAD_REQUEST, _NOT_FOUND = 400, 404
# Written into the past beyond what the server keeps: refused for good, and no loss we could prevent.
_BEYOND_RETENTION = "beyond retention policy"


class _Result(msgspec.Struct):
    series: list[dict[str, Any]] = []
    error: str = ""


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


class InfluxServer:
    """Thread-safe. Every method raises StoreUnavailableError when the server is away or says no."""

    def __init__(self, *, url: str, token: str, org: str) -> None:
        """token: of 2.x and 3.x, or `user:password` of 1.x; empty where the server asks for none."""
        self._url = url.rstrip("/")
        self._token = token
        self._org = org
        self._http = urllib3.PoolManager(maxsize=4, timeout=_TIMEOUT, retries=False)

    @cached_property
    def version(self) -> tuple[int, int]:
        """Major and minor, as the server says itself."""
        header = self._request("GET", "/ping").headers.get("X-Influxdb-Version", "")
        found = re.match(r"v?(\d+)\.(\d+)", header)
        if found is None:
            raise StoreUnavailableError(f"InfluxDB did not say its version but “{header}”")
        return int(found[1]), int(found[2])

    @property
    def has_v2_writes(self) -> bool:
        """`/api/v2/write` came with 1.8."""
        return self.version >= (1, 8)

    @property
    def has_v2_management(self) -> bool:
        """Buckets and deletion by predicate came with 2.0; before, both are InfluxQL."""
        return self.version >= (2, 0)

    def write(self, database: str, body: bytes) -> None:
        """Store lines with millisecond times; makes the database when the server does not know it."""
        if self._wrote(database, body):
            return
        self.create_database(database)
        if not self._wrote(database, body):
            raise StoreUnavailableError(f"InfluxDB does not take readings for {database}")

    def query(self, database: str, statements: str) -> list[list[list[Any]]]:
        """The rows of each InfluxQL statement, times in epoch milliseconds; nothing where there is no such database."""
        fields = {"db": database, "q": statements, "epoch": "ms"}
        response = self._request("GET", "/query", fields=fields, accept=(_NOT_FOUND,))
        if response.status == _NOT_FOUND:
            return _nothing_stored(response)
        return [result.series[0]["values"] if result.series else [] for result in _results(response)]

    def execute(self, database: str, statement: str) -> None:
        """One InfluxQL statement that changes something."""
        _results(self._request("POST", "/query", fields={"db": database, "q": statement}, encode_multipart=False))

    def create_database(self, database: str) -> None:
        """Make the database (1.x) or bucket (2.x); an existing one stays."""
        if not self.has_v2_management:
            self.execute(database, line_protocol.create_database(database))
            return
        with self._client() as client, _Translated():
            buckets = client.buckets_api()
            if buckets.find_bucket_by_name(database) is None:
                buckets.create_bucket(bucket_name=database, org=self._org)

    def drop_database(self, database: str) -> None:
        """Remove the database or bucket with everything in it; a missing one is none."""
        if not self.has_v2_management:
            self.execute(database, line_protocol.drop_database(database))
            return
        with self._client() as client, _Translated():
            buckets = client.buckets_api()
            bucket = buckets.find_bucket_by_name(database)
            if bucket is not None:
                buckets.delete_bucket(bucket)

    def delete(self, database: str, *, predicate: str, before: str) -> None:
        """Deletion of 2.x and 3.x: everything before an RFC 3339 instant that the predicate holds for."""
        # A factory that never stored anything has no bucket to delete from.
        with contextlib.suppress(_NotFoundError), self._client() as client, _Translated():
            client.delete_api().delete("1970-01-01T00:00:00Z", before, predicate, bucket=database, org=self._org)

    def _wrote(self, database: str, body: bytes) -> bool:
        """False when the server has no such database."""
        return self._wrote_v2(database, body) if self.has_v2_writes else self._wrote_v1(database, body)

    def _wrote_v1(self, database: str, body: bytes) -> bool:
        response = self._request(
            "POST", f"/write?db={database}&precision=ms", body=body, accept=(_BAD_REQUEST, _NOT_FOUND)
        )
        if response.status == _BAD_REQUEST and _BEYOND_RETENTION not in response.data.decode(errors="replace"):
            raise StoreUnavailableError(f"InfluxDB refused readings: {response.data[:300]!r}")
        return bool(response.status != _NOT_FOUND)

    def _wrote_v2(self, database: str, body: bytes) -> bool:
        try:
            with self._client() as client, _Translated():
                client.write_api(write_options=SYNCHRONOUS).write(bucket=database, record=body, write_precision="ms")
        except _NotFoundError:
            return False
        return True

    def _client(self) -> InfluxDBClient:
        return InfluxDBClient(url=self._url, token=self._token or "none", org=self._org or "none", timeout=30_000)

    def _request(self, method: str, path: str, *, accept: tuple[int, ...] = (), **arguments: Any) -> Any:
        try:
            response = self._http.request(method, self._url + path, headers=self._headers(), **arguments)
        except urllib3.exceptions.HTTPError as error:
            raise StoreUnavailableError(f"InfluxDB: {error}") from error
        if response.status >= _BAD_REQUEST and response.status not in accept:
            raise StoreUnavailableError(f"InfluxDB answered {response.status}: {response.data[:300]!r}")
        return response

    def _headers(self) -> dict[str, str]:
        if not self._token:
            return {}
        if ":" in self._token:
            return dict(urllib3.make_headers(basic_auth=self._token))
        return {"Authorization": f"Token {self._token}"}


class _NotFoundError(StoreUnavailableError):
    """The server has no such bucket, or no such organisation."""


class _Translated:
    """The client library's errors as the store's."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if isinstance(error, ApiException) and error.status == _NOT_FOUND:
            raise _NotFoundError(f"InfluxDB: {error}") from error
        if isinstance(error, ApiException) and _BEYOND_RETENTION in str(error.body):
            return True
        if isinstance(error, ApiException | urllib3.exceptions.HTTPError):
            raise StoreUnavailableError(f"InfluxDB: {error}") from error
        return False


def _nothing_stored(response: Any) -> list[list[list[Any]]]:
    """2.x answers 404 for a bucket that is not there yet; any other 404 is a wrong address."""
    if b"dbrp" not in response.data.lower():
        raise StoreUnavailableError(f"InfluxDB answered 404: {response.data[:300]!r}")
    return []


def _results(response: Any) -> list[_Result]:
    answer = msgspec.json.decode(response.data, type=_Answer)
    for result in answer.results:
        if result.error and not result.error.startswith("database not found"):
            raise StoreUnavailableError(f"InfluxDB: {result.error}")
    return answer.results
