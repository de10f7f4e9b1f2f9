"""What the operating system knows about a device's line."""

import asyncio
import contextlib
import fcntl
import resource
import select
import socket
import sys
import termios

_OTHER_FILES = 200
_PROBES = {"TCP_KEEPIDLE": 120, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}


def connections_possible(most: int) -> int:
    """How many sockets this process may hold, at most as many as asked for; journal and database keep theirs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < most + _OTHER_FILES:
        wanted = most + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(hard, most + _OTHER_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        soft = max(soft, wanted)
    return most if soft == resource.RLIM_INFINITY else max(1, min(most, soft - _OTHER_FILES))


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


def hung_up(transport: asyncio.Transport) -> bool:
    """Whether the other side has ended the connection, although we have not read all it sent; False if unknown."""
    line = transport.get_extra_info("socket")
    if line is None or line.fileno() < 0 or not hasattr(select, "POLLRDHUP"):
        return False
    poll = select.poll()
    poll.register(line.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))
