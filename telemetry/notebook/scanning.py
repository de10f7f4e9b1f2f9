"""Asks the operator's virus scanner about a file before it is kept: ClamAV's clamd, by its INSTREAM command (clamd(8)).

Without a scanner nothing is asked. With one, a file that it can't look at is not kept: half a wall is none.
"""

import socket
from typing import IO
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.utils.translation import gettext as _

from common.errors import DomainError, InvalidInputError

_log = structlog.get_logger(__name__)
_CHUNK_BYTES = 64 * 1024
_ANSWER_BYTES = 4_096
# A large workbook takes clamd seconds.
_WAIT_S = 30.0
_PORT = 3310


class FileInfectedError(InvalidInputError):
    """The scanner knows something bad in it."""

    code = "document_infected"


class ScannerAwayError(DomainError):
    """The scanner did not answer, or could not look at the file."""

    code = "scanner_away"
    status = 503


def file_scan(file: IO[bytes]) -> None:
    """Read the file from its beginning to its end, and leave it at its beginning.

    Raises FileInfectedError, ScannerAwayError.
    """
    if not settings.CLAMD_URL:
        return
    file.seek(0)
    try:
        answer = _asked(file)
    except OSError as error:
        _log.error("scanner_away", error=str(error))
        answer = ""
    finally:
        file.seek(0)
    if answer.endswith(" FOUND"):
        _log.warning("document_infected", found=answer)
        raise FileInfectedError(_("The virus scanner refuses this file."))
    if not answer.endswith(": OK"):
        raise ScannerAwayError(_("The virus scanner can't look at this file now, so it was not kept. Try again later."))


def _asked(file: IO[bytes]) -> str:
    """What clamd says, such as “stream: OK”. Raises OSError."""
    with _connected() as line:
        line.sendall(b"zINSTREAM\0")
        while chunk := file.read(_CHUNK_BYTES):
            line.sendall(len(chunk).to_bytes(4, "big") + chunk)
        line.sendall(bytes(4))
        said = b""
        while b"\0" not in said and len(said) < _ANSWER_BYTES and (more := line.recv(_ANSWER_BYTES)):
            said += more
    return said.partition(b"\0")[0].decode("utf-8", "replace").strip()


def _connected() -> socket.socket:
    address = urlsplit(settings.CLAMD_URL)
    if address.scheme == "unix":
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.settimeout(_WAIT_S)
        line.connect(address.path)
        return line
    return socket.create_connection((address.hostname or "localhost", address.port or _PORT), timeout=_WAIT_S)
