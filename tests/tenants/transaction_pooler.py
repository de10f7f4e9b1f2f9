"""A pooler that shares one session of PostgreSQL among all its clients, transaction by transaction.

It speaks the protocol as PgBouncer does with `pool_mode = transaction`: a client is greeted with a made-up process
number, and has the session from its first message to the end of its transaction.
"""

import contextlib
import os
import socket
import struct
import threading
from typing import Any

import psycopg

_SSL, _GSS = 80877103, 80877104
_TRANSACTION_OVER = b"I"


class TransactionPooler:
    """Listens on `port` until it is closed; `parameters` are those that psycopg would connect with."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self._held = psycopg.connect(**parameters, autocommit=True)
        self._session = socket.socket(fileno=os.dup(self._held.pgconn.socket))
        self._session.setblocking(True)
        self._free = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Hang up on everybody."""
        self._server.close()
        self._session.close()
        self._held.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            _greet(client)
            owned = False
            while (message := _message(client))[:1] != b"X":
                if not owned:
                    self._free.acquire()
                    owned = True
                self._session.sendall(message)
                if message[:1] in {b"Q", b"S"} and self._answer(client) == _TRANSACTION_OVER:
                    self._free.release()
                    owned = False

    def _answer(self, client: socket.socket) -> bytes:
        """Pass an answer on; how the session's transaction stands after it."""
        while (message := _message(self._session))[:1] != b"Z":
            client.sendall(message)
        client.sendall(message)
        return message[5:6]


def _greet(client: socket.socket) -> None:
    while True:
        (length, code) = struct.unpack("!ii", _exactly(client, 8))
        _exactly(client, length - 8)
        if code not in {_SSL, _GSS}:
            break
        client.sendall(b"N")
    told = {"server_version": "16.0", "client_encoding": "UTF8", "TimeZone": "UTC", "standard_conforming_strings": "on"}
    greeting = _packed(b"R", struct.pack("!i", 0))
    for name, value in told.items():
        greeting += _packed(b"S", f"{name}\0{value}\0".encode())
    client.sendall(greeting + _packed(b"K", struct.pack("!ii", 4711, 1)) + _packed(b"Z", _TRANSACTION_OVER))


def _packed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _message(source: socket.socket) -> bytes:
    head = _exactly(source, 5)
    return head + _exactly(source, struct.unpack("!i", head[1:])[0] - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = source.recv(size - len(found))
        if not part:
            raise ConnectionResetError
        found += part
    return found
