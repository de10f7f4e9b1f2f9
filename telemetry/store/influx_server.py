"""One InfluxDB server: version, authentication, writing, asking. Translates its errors once."""

import gzip
import re
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import msgspec
import urllib3
from influxdb_client import InfluxDBClient, WriteService
from influxdb_client.rest import ApiException

from common import clock
from telemetry.store.base import StoreUnavailableError
from telemetry.store.influx_answers import ReadingsRefusedError, WriteVerdict, write_verdict
from telemetry.store.influxql import Answer, Result, Table

_CONNECT_S, _READ_S = 3, 30
_POOL = 8
# A server that restarts or is busy for a moment costs no round of the drain; longer is the drain's to wait.
WRITE_WITHIN_S = 3.0
_FIRST_PAUSE_S = 0.1
_BAD_REQUEST, _NOT_FOUND = 400, 404


# A chart's rollups are read twice as fast so; 1.x compares the whole header. 2.x and 3.x answer JSON to everybody.
_MSGPACK = "application/x-msgpack"
_NO_DATABASE = ("database not found", "default retention policy not set", "dbrp")
# Takes a seventh of the bytes away for 0.2 us a reading; the client library's own level 9 takes 2.6 us.
_GZIP_LEVEL = 1


_from_json = msgspec.json.Decoder(Answer).decode
_from_msgpack = msgspec.msgpack.Decoder(Answer).decode


class _NotExecutedError(StoreUnavailableError):
    """The server answers to several statements that it has executed none, and not why."""


class InfluxServer:
    """Thread-safe. Every method raises StoreUnavailableError when the server is away or says no."""

    def __init__(self, *, url: str, token: str, org: str) -> None:
        """token: of 2.x and 3.x, or `user:password` of 1.x; empty where the server asks for none."""
        self.url = url.rstrip("/")
        self.org = org
        self._token = token
        # Bytes cost more than the work of packing them where they travel: not to a neighbour, who is spoken to plainly.
        self._packs = self.url.startswith("https://")
        timeout = urllib3.Timeout(connect=_CONNECT_S, read=_READ_S)
        self._http = urllib3.PoolManager(maxsize=_POOL, timeout=timeout, retries=False)

    @cached_property
    def version(self) -> tuple[int, int]:
        """Major and minor, as the server says itself."""
        header = self.request("GET", "/ping").headers.get("X-Influxdb-Version", "")
        found = re.match(r"v?(\d+)\.(\d+)", header)
        if found is None:
            raise StoreUnavailableError(f"InfluxDB did not say its version but “{header}”")
        return int(found[1]), int(found[2])

    @property
    def has_v2_writes(self) -> bool:
        """`/api/v2/write` came with 1.8."""
        return self.version >= (1, 8)

    @cached_property
    def client(self) -> InfluxDBClient:
        """The client library, for what servers with /api/v2 do; its connections are kept."""
        timeout_ms = (_CONNECT_S * 1000, _READ_S * 1000)
        return InfluxDBClient(
            url=self.url,
            token=self._token or "none",
            org=self.org or "none",
            timeout=timeout_ms,
            connection_pool_maxsize=_POOL,
        )

    def write(self, database: str, body: bytes) -> bool:
        """Store lines with millisecond times; False when the server knows no such database.

        Raises ReadingsRefusedError when it will never take some of them (it has the others).
        """
        deadline_s, pause_s = clock.monotonic_s() + WRITE_WITHIN_S, _FIRST_PAUSE_S
        while True:
            verdict, reason = self._write_once(database, body)
            if verdict is WriteVerdict.NOT_NOW and clock.monotonic_s() + pause_s < deadline_s:
                time.sleep(pause_s)
                pause_s *= 2
                continue
            if verdict is WriteVerdict.TOO_LARGE and body.count(b"\n") > 1:
                return all(self.write(database, half) for half in _halves(body))
            if verdict in {WriteVerdict.REFUSED, WriteVerdict.TOO_LARGE}:
                raise ReadingsRefusedError(f"InfluxDB refused readings: {reason}")
            if verdict in {WriteVerdict.AWAY, WriteVerdict.NOT_NOW}:
                raise StoreUnavailableError(f"InfluxDB did not take readings: {reason}")
            return verdict is not WriteVerdict.DATABASE_MISSING

    def query(self, database: str, statements: Sequence[str]) -> list[Table]:
        """A table a statement, times in epoch milliseconds; empty ones where the server knows no such database."""
        tables: list[Table] = []
        for request in self._requests(statements):
            try:
                answers = self._ask(database, request)
            except _NotExecutedError:
                # 1.6 says so, and no more, of several statements to a database that is missing; of one it says why.
                answers = [
                    table for statement in request for table in self._ask(database, [statement])[:1] or [Table()]
                ]
            tables += answers + [Table()] * (len(request) - len(answers))
        return tables

    def query_groups(self, database: str, statement: str) -> list[Table]:
        """A table for each group of a statement that groups by tags."""
        response = self._asked(database, [statement])
        if response.status == _NOT_FOUND:
            return _nothing_stored(response)
        return [table for result in _results(response) for table in result.series]

    def execute(self, database: str, statement: str) -> None:
        """One InfluxQL statement that changes something; a missing database is no error."""
        fields = {"db": database, "q": statement}
        _results(self.request("POST", "/query", fields=fields, encode_multipart=False))

    def request(self, method: str, path: str, *, accept: tuple[int, ...] = (), **arguments: Any) -> Any:
        """One request as ourselves. Raises StoreUnavailableError for answers of 400 and up that are not in `accept`."""
        headers = {**self._headers, **arguments.pop("headers", {})}
        try:
            response = self._http.request(method, self.url + path, headers=headers, **arguments)
        except urllib3.exceptions.HTTPError as error:
            raise StoreUnavailableError(f"InfluxDB: {error}") from error
        if response.status >= _BAD_REQUEST and response.status not in accept:
            raise StoreUnavailableError(f"InfluxDB answered {response.status}: {response.data[:300]!r}")
        return response

    def _requests(self, statements: Sequence[str]) -> Iterator[Sequence[str]]:
        """Which statements travel together: 3.x takes one at a time."""
        if self.version >= (3, 0):
            yield from ([statement] for statement in statements)
        elif statements:
            yield statements

    def _ask(self, database: str, statements: Sequence[str]) -> list[Table]:
        response = self._asked(database, statements)
        if response.status == _NOT_FOUND:
            return _nothing_stored(response)
        return [result.series[0] if result.series else Table() for result in _results(response)]

    def _asked(self, database: str, statements: Sequence[str]) -> Any:
        fields = {"db": database, "q": ";".join(statements), "epoch": "ms"}
        # 3.x reads the address alone, and others may be asked for more than fits there.
        if self.version >= (3, 0):
            return self.request("GET", "/query", fields=fields, accept=(_NOT_FOUND,))
        headers = {"Accept": _MSGPACK} if (1, 4) <= self.version < (2, 0) else {}
        return self.request(
            "POST", "/query", fields=fields, encode_multipart=False, accept=(_NOT_FOUND,), headers=headers
        )

    @cached_property
    def _headers(self) -> dict[str, str]:
        if not self._token:
            return {}
        if ":" in self._token:
            return dict(urllib3.make_headers(basic_auth=self._token))
        return {"Authorization": f"Token {self._token}"}

    # --- one attempt to write ---

    def _write_once(self, database: str, body: bytes) -> tuple[WriteVerdict, str]:
        packed = gzip.compress(body, _GZIP_LEVEL) if self._packs else body
        encoding = "gzip" if self._packs else "identity"
        try:
            if self.has_v2_writes:
                return self._write_v2(database, packed, encoding)
            return self._write_v1(database, packed, encoding)
        except urllib3.exceptions.ProtocolError as error:
            return WriteVerdict.NOT_NOW, str(error)  # it hung up midway: restarting, perhaps
        except urllib3.exceptions.HTTPError as error:
            return WriteVerdict.AWAY, str(error)

    def _write_v1(self, database: str, body: bytes, encoding: str) -> tuple[WriteVerdict, str]:
        address = f"{self.url}/write?db={database}&precision=ms"
        response = self._http.request(
            "POST", address, body=body, headers={**self._headers, "Content-Encoding": encoding}
        )
        text = response.data.decode(errors="replace")
        return write_verdict(response.status, text), f"{response.status} {text[:300]}"

    def _write_v2(self, database: str, body: bytes, encoding: str) -> tuple[WriteVerdict, str]:
        # The service under WriteApi: above it, bytes are copied and packed at the highest level.
        service = WriteService(self.client.api_client)
        try:
            service.post_write(
                org=self.org or "none", bucket=database, body=body, precision="ms", content_encoding=encoding
            )
        except ApiException as error:
            text = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
            return write_verdict(error.status, text), f"{error.status} {text[:300]}"
        return WriteVerdict.STORED, ""


def _halves(body: bytes) -> tuple[bytes, bytes]:
    # The last line's end is no place to cut.
    middle = (body.find(b"\n", len(body) // 2, -1) + 1) or (body.rfind(b"\n", 0, len(body) // 2) + 1)
    return body[:middle], body[middle:]


def _nothing_stored(response: Any) -> list[Table]:
    """404 may say that a factory has stored nothing yet; any other 404 is a wrong address."""
    text = response.data.decode(errors="replace").lower()
    if not any(words in text for words in _NO_DATABASE):
        raise StoreUnavailableError(f"InfluxDB answered 404: {text[:300]}")
    return []


def _results(response: Any) -> list[Result]:
    packed = _MSGPACK in response.headers.get("Content-Type", "")
    try:
        answer = (_from_msgpack if packed else _from_json)(response.data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StoreUnavailableError(f"InfluxDB answered what is no answer: {response.data[:300]!r}") from error
    for result in answer.results:
        if result.error == "not executed" and len(answer.results) == 1:
            raise _NotExecutedError("InfluxDB did not execute the first of several statements")
        if result.error and not any(words in result.error for words in _NO_DATABASE):
            raise StoreUnavailableError(f"InfluxDB: {result.error}")
    return answer.results
