"""The network between a browser and the product: a line that can be cut, and mended."""

import contextlib
import socket
import threading

_CHUNK_BYTES = 65_536


class Cable:
    """Listens on a port of its own and passes everything on to another; while cut it refuses, and open lines end."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._lines: set[socket.socket] = set()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._begin()

    def cut(self) -> None:
        """Pull it out."""
        for each in (self._server, *self._lines):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._lines.clear()

    def mend(self) -> None:
        """Put it back."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._begin()

    def _begin(self) -> None:
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            try:
                onward = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                # The server is away for a moment; the cable is not.
                client.close()
                continue
            self._lines |= {client, onward}
            for source, target in ((client, onward), (onward, client)):
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)
