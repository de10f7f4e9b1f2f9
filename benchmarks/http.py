"""How fast the web process takes readings and shows them: granian as in production, one worker, and keep-alive clients.

Every answer to readings leaves after the journal's commit and sync, on this disk. Embedded PostgreSQL and Valkey, keys
checked, production's settings and log; nothing is drained meanwhile. Requests per core are those per CPU-second of the
web process and its children, system time included; the load generator shares the machine, and its own CPU is told.
Run: `make bench NAME=http`. CONNECTIONS, THREADS (of the worker) and SECONDS change the load.
"""

import asyncio
import json
import os
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks._web_plant import EVERY_MS, HOURS, METRICS, Plant, furnish, services, web
from benchmarks.journey.meter import costs

RESULT = Path(os.environ.get("STATE_DIR", ".factorypulse")).resolve() / "bench" / "http.json"
SECONDS = float(os.environ.get("SECONDS", "5"))
CONNECTIONS = int(os.environ.get("CONNECTIONS", "16"))
READERS = 2
THREADS = [int(number) for number in os.environ.get("THREADS", "8").split(",")]
ONLY = os.environ.get("ONLY", "")
READINGS = 100


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of request: what is sent on a connection, again and again, and the status that must come back."""

    name: str
    request: bytes
    status: int
    connections: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; per core: requests per CPU-second of the web process."""

    load: str
    threads: int
    connections: int
    requests_per_s: float
    requests_per_core: float
    p50_ms: float
    p99_ms: float
    client_cpu: float


def main() -> None:
    """Run every load, print the table, write the figures."""
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    log = RESULT.with_suffix(".log")
    log.unlink(missing_ok=True)
    rows: list[Row] = []
    with services(RESULT.parent) as environment:
        shown = furnish(environment)
        for threads in THREADS:
            with web(environment, shown, threads=threads, log=log) as plant:
                rows += [measure(plant, load, threads) for load in loads(plant) if ONLY in load.name]
    print(f"Durable when readings were answered: yes. {READINGS} readings a request, one worker")
    print(
        f"{'load':<44}{'threads':>8}{'clients':>8}{'per s':>9}{'per core':>10}"
        f"{'p50 ms':>9}{'p99 ms':>9}{'client CPU':>12}"
    )
    for row in rows:
        print(
            f"{row.load:<44}{row.threads:>8}{row.connections:>8}{row.requests_per_s:>9,.0f}"
            f"{row.requests_per_core:>10,.0f}{row.p50_ms:>9.2f}{row.p99_ms:>9.2f}{row.client_cpu:>12.2f}"
        )
    RESULT.write_text(json.dumps([asdict(row) for row in rows], indent=2), encoding="utf-8")


def measure(plant: Plant, load: Load, threads: int) -> Row:
    """One load for SECONDS, after a moment to warm up."""
    asyncio.run(_run(plant, load, 0.5))
    roles = {"web": [plant.pid]}
    before_s, client_s = costs(roles)["web"].cpu_s, _client_s()
    latencies_s, elapsed_s = asyncio.run(_run(plant, load, SECONDS))
    cpu_s, client_s = costs(roles)["web"].cpu_s - before_s, _client_s() - client_s
    p50, p99 = np.percentile(latencies_s, [50, 99]) * 1e3
    count = len(latencies_s)
    return Row(
        load.name,
        threads,
        load.connections,
        count / elapsed_s,
        count / cpu_s,
        float(p50),
        float(p99),
        client_s / elapsed_s,
    )


# --- what is sent ---


def loads(plant: Plant) -> list[Load]:
    """Readings in every shape, then what programs and people read."""
    key = f"X-API-Key: {plant.key}\r\n"
    cookie = f"Cookie: {plant.cookie}\r\n"
    ingest, write = "/api/v1/telemetry/ingest", "/api/v2/write?precision=ms"
    now_ms = time.time_ns() // 1_000_000
    bodies = [
        ("JSON, 10 machines x 10 metrics", ingest, _json_rows(now_ms)),
        ("JSON, 100 machines x 1 metric", ingest, _json_singles(now_ms)),
        ("JSON, a block of 100 at 100 Hz", ingest, _json_block(now_ms)),
        ("lines, 10 machines x 10 fields", write, _lines(now_ms, 10, 10)),
        ("lines, 100 machines x 1 field", write, _lines(now_ms, 100, 1)),
    ]
    span = f"from={now_ms - HOURS * 3_600_000}&to={now_ms}"
    reads = [
        (
            f"API: chart, {METRICS} metrics x {HOURS * 3_600_000 // EVERY_MS} to 1,000",
            f"/api/v1/telemetry/M01?{span}&points=1000",
            key,
        ),
        ("API: dashboard", "/api/v1/dashboard/summary", key),
        ("API: machines", "/api/v1/machines", key),
        ("page: fleet", "/", cookie),
        ("page: machine", "/machines/M01", cookie),
    ]
    return [
        *(
            Load(name, _request(plant, "POST", path, key, body), 201 if path == ingest else 204, CONNECTIONS)
            for name, path, body in bodies
        ),
        *(Load(name, _request(plant, "GET", path, headers), 200, READERS) for name, path, headers in reads),
    ]


def _request(plant: Plant, method: str, path: str, headers: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: {plant.host}\r\nX-Forwarded-Proto: https\r\n{headers}"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _json_rows(now_ms: int) -> bytes:
    metrics = {f"metric{at}": 70.125 + at for at in range(10)}
    return json.dumps([{"machine": f"M{at:02}", "timestamp": now_ms, "metrics": metrics} for at in range(10)]).encode()


def _json_singles(now_ms: int) -> bytes:
    return json.dumps(
        [{"machine": f"M{at:02}", "timestamp": now_ms, "metrics": {"vibration": 2.125}} for at in range(READINGS)]
    ).encode()


def _json_block(now_ms: int) -> bytes:
    times = [now_ms - 10 * at for at in range(READINGS)]
    return json.dumps({"machine": "M01", "timestamps": times, "metrics": {"vibration": [2.125] * READINGS}}).encode()


def _lines(now_ms: int, machines: int, fields: int) -> bytes:
    values = ",".join(f"metric{at}={70.125 + at}" for at in range(fields))
    return "\n".join(f"mill,line=A,machine=M{at:02} {values} {now_ms}" for at in range(machines)).encode()


# --- the clients ---


async def _run(plant: Plant, load: Load, seconds: float) -> tuple[list[float], float]:
    began = time.perf_counter()
    clients = [_client(plant.port, load, began + seconds) for _ in range(load.connections)]
    found = await asyncio.gather(*clients)
    return [latency for latencies in found for latency in latencies], time.perf_counter() - began


async def _client(port: int, load: Load, until: float) -> list[float]:
    """Sends the next request when the answer to the last one is there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies: list[float] = []
    while (sent := time.perf_counter()) < until:
        writer.write(load.request)
        head = await reader.readuntil(b"\r\n\r\n")
        assert int(head[9:12]) == load.status, head + await reader.read(2_000)
        await _rest(reader, head.lower())
        latencies.append(time.perf_counter() - sent)
    writer.close()
    return latencies


async def _rest(reader: asyncio.StreamReader, head: bytes) -> None:
    if b"transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    elif b"content-length: " in head:
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))


def _client_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
