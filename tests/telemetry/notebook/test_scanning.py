"""A virus scanner looks at documents before they are kept; here a stand-in that speaks clamd's protocol."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import User
from telemetry.models import Machine, MachineDocument
from telemetry.notebook.documents import document_add
from telemetry.notebook.scanning import FileInfectedError, ScannerAwayError
from tenants.models import Factory
from tests.conftest import FactoryClient

BAD = b"%PDF-1.7\nEICAR\n%%EOF"
LARGE = b"%PDF-1.7\n" + bytes(200_000)


@pytest.fixture
def scanner(tmp_path: Path, settings: Any) -> Iterator[list[bytes]]:
    """What the scanner was given, file by file; it knows the word EICAR, and takes no more than 300 kB."""
    seen: list[bytes] = []

    class Clamd(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            assert self.rfile.read(10) == b"zINSTREAM\0"
            content = b""
            while length := int.from_bytes(self.rfile.read(4), "big"):
                content += self.rfile.read(length)
            seen.append(content)
            if len(content) > 300_000:
                self.wfile.write(b"INSTREAM size limit exceeded. ERROR\0")
            else:
                self.wfile.write(b"stream: Eicar-Signature FOUND\0" if b"EICAR" in content else b"stream: OK\0")

    settings.MEDIA_ROOT = tmp_path / "files"
    with socketserver.ThreadingUnixStreamServer(str(tmp_path / "clamd"), Clamd) as server:
        settings.CLAMD_URL = f"unix://{tmp_path / 'clamd'}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield seen
        server.shutdown()
        thread.join()


@pytest.fixture
def add(in_acme: Factory, operator: User) -> Callable[[bytes], MachineDocument]:
    machine = Machine.objects.create(key="M01")
    return lambda content: document_add(
        user=operator, machine=machine, upload=SimpleUploadedFile("manual.pdf", content)
    )


def test_a_clean_file_is_looked_at_whole_and_kept_whole(
    scanner: list[bytes], add: Callable[[bytes], MachineDocument]
) -> None:
    document = add(LARGE)
    assert scanner == [LARGE]
    assert document.file.read() == LARGE


def test_what_the_scanner_finds_or_cannot_look_at_is_not_kept(
    scanner: list[bytes], add: Callable[[bytes], MachineDocument]
) -> None:
    with pytest.raises(FileInfectedError):
        add(BAD)
    with pytest.raises(ScannerAwayError):
        add(LARGE + LARGE)
    assert not MachineDocument.objects.exists()


def test_while_the_scanner_is_away_nothing_is_kept_and_the_page_says_so(
    in_acme: Factory, operator: User, settings: Any, client_for: Callable[..., FactoryClient]
) -> None:
    Machine.objects.create(key="M01")
    settings.CLAMD_URL = "tcp://127.0.0.1:1"
    upload = SimpleUploadedFile("manual.pdf", LARGE)
    page = client_for(operator).post("/documents/add/M01", {"file": upload}, follow=True).content.decode()
    assert "virus scanner" in page
    assert not MachineDocument.objects.exists()
