"""Valkey behind TLS, as on a network that others share: every client of ours proves whom it talks to."""

import asyncio
import contextlib
import ipaddress
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings

from common import clock

# Cache, live fan-out, our own client and the workers' broker, each by its own library.
ASKS_ALL = """
import django; django.setup()
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.core.cache import cache
from factorypulse.celery import app
from telemetry.live.valkey import valkey
cache.set("asked", "by TLS", timeout=60)
assert cache.get("asked") == "by TLS"
assert valkey().ping()
async_to_sync(get_channel_layer().group_send)("nobody", {"type": "x"})
app.connection_for_write().ensure_connection(max_retries=1)
print("all by TLS")
"""


def _certificate(folder: Path) -> tuple[Path, Path]:
    """One of this machine's loopback address, signed by itself; its file, and the one with its key as well."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "valkey")])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "trusted.pem").write_bytes(public)
    (folder / "server.pem").write_bytes(private + public)
    return folder / "trusted.pem", folder / "server.pem"


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest.fixture
def behind_tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The test's own Valkey at an address that asks for TLS, and the certificate to trust."""
    plain = urlsplit(settings.REDIS_URL)
    trusted, server_file = _certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(plain.hostname, plain.port)
        await asyncio.gather(_pass_on(reader, there[1]), _pass_on(there[0], writer))

    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(relay, "127.0.0.1", 0, ssl=context))
    port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield plain._replace(scheme="rediss", netloc=f":{plain.password}@127.0.0.1:{port}").geturl(), trusted
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def _ask(url: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "factorypulse.settings.test", "REDIS_URL": url, **more}
    return subprocess.run(
        [sys.executable, "-c", ASKS_ALL],
        cwd=settings.BASE_DIR, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_every_client_speaks_tls_and_believes_no_certificate_but_a_trusted_one(behind_tls: tuple[str, Path]) -> None:
    url, trusted = behind_tls
    asked = _ask(url, SSL_CERT_FILE=str(trusted))
    assert (asked.returncode, asked.stdout.strip()) == (0, "all by TLS"), asked.stderr[-3_000:]
    refused = _ask(url)
    assert refused.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr
