"""TCP ports: which are free, and when one begins to answer."""

import socket

LOOPBACK = "127.0.0.1"


def port_is_free(port: int, *, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now. SO_REUSEADDR looks past connections that are merely closing."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def port_answers(port: int, *, host: str = LOOPBACK) -> bool:
    """Whether a server accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0
