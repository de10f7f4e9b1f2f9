"""A TCP line to a server that can be slowed down or cut."""

import contextlib
import socket
import threading
import time

_CHUNK_BYTES = 16_384


class SlowLine:
    """Listens on a port and passes on to another; each chunk towards the server takes `delay_s` longer."""

    def __init__(self, target_port):
        self.delay_s = 0.0
        self._target_port = target_port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._lines = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        for each in (self._server, *self._lines):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target_port))
            self._lines += [client, server]
            threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source, target, slowed):
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                if slowed and self.delay_s:
                    time.sleep(self.delay_s)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
