"""What the operating system knows about a device's line."""

import asyncio
import contextlib
import fcntl
import socket
import sys
import termios

_PROBES = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}


def silence_probe(line: socket.socket | None) -> None:
    """Let the system notice a dead line: a device may have chosen to keep nothing alive."""
    if line is None:
        return
    with contextlib.suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _PROBES.items():
            if hasattr(socket, name):
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def bytes_on_the_way(transport: asyncio.Transport) -> int | None:
    """What was written and is not confirmed by the other side's TCP; None when nobody can tell any more.

    Linux still knows it after the other side has reset the connection.
    """
    line = transport.get_extra_info("socket")
    if line is None or line.fileno() < 0:
        return None
    count = bytearray(4)
    try:
        fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, count)
    except OSError:
        return None
    return int.from_bytes(count, sys.byteorder) + transport.get_write_buffer_size()
