"""A real SMTP server in a process of its own, which takes, delays or refuses mail as a file beside it says."""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from uuid import uuid4

from aiosmtpd.smtp import SMTP, Envelope, Session

from factorypulse.dev.ports import free_port


class Mailbox:
    """Keeps what arrives as files. Modes: accept, refuse 450, refuse 550, refuse-data 554, hang (after keeping it)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _mode(self) -> list[str]:
        return (self._folder / "mode").read_text().split()

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options) -> str:
        mode = self._mode()
        if mode[0] == "refuse" and (len(mode) < 3 or mode[2] == address):
            return f"{mode[1]} not now, or never"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        mode = self._mode()
        if mode[0] == "refuse-data":
            return f"{mode[1]} not this"
        draft = self._folder / f"{uuid4().hex}.part"
        draft.write_bytes(envelope.original_content or b"")
        draft.rename(draft.with_name(f"{time.time_ns()}-{uuid4().hex}.eml"))
        while self._mode()[0] == "hang":  # noqa: ASYNC110  # what ends it is a file, written by another process
            await asyncio.sleep(0.02)
        return "250 OK"


class SmtpServer:
    """What a test sees of it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.process: subprocess.Popen[bytes] | None = None
        self.mode("accept")

    def mode(self, words: str) -> None:
        """From now on."""
        draft = self.folder / "mode.part"
        draft.write_text(words)
        draft.rename(self.folder / "mode")

    def messages(self) -> list[EmailMessage]:
        """Everything that arrived, in its order."""
        found = sorted(self.folder.glob("*.eml"))
        return [message_from_bytes(path.read_bytes(), policy=default) for path in found]  # type: ignore[arg-type]

    def wait_for(self, count: int) -> list[EmailMessage]:
        """The messages, once there are so many."""
        end = time.monotonic() + 90
        while time.monotonic() < end:
            found = self.messages()
            if len(found) >= count:
                return found
            time.sleep(0.02)
        raise AssertionError(f"{len(self.messages())} of {count} messages arrived")

    def start(self) -> None:
        command = [sys.executable, __file__, "--folder", str(self.folder), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextmanager
def smtp_running(folder: Path) -> Iterator[SmtpServer]:
    """The server for a block."""
    server = SmtpServer(folder, free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


async def _serve(folder: Path, port: int) -> None:
    loop = asyncio.get_running_loop()
    mailbox = Mailbox(folder)
    server = await loop.create_server(lambda: SMTP(mailbox, loop=loop, enable_SMTPUTF8=True), "127.0.0.1", port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    asyncio.run(_serve(given.folder, given.port))
