"""Exit 0 when what an address names is well: http://…, tcp://host:port, or file://path?max_age_s=N."""

import os
import socket
import sys
import time
import urllib.parse
import urllib.request


def check(address: str) -> None:
    """Raises OSError when it does not answer, or is too old."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme == "http":
        request = urllib.request.Request(address, headers={"Host": os.environ["DOMAIN"], "X-Forwarded-Proto": "https"})
        urllib.request.urlopen(request, timeout=4).close()  # the scheme was just checked
    elif parts.scheme == "tcp":
        socket.create_connection((parts.hostname, parts.port), timeout=4).close()
    elif parts.scheme == "file":
        age_s = time.time() - os.stat(parts.path).st_mtime  # noqa: PTH116  # no import for one call
        if age_s > int(urllib.parse.parse_qs(parts.query)["max_age_s"][0]):
            raise OSError(f"{parts.path} is {age_s:.0f} s old")
    else:
        raise OSError(f"no check for {parts.scheme}")


if __name__ == "__main__":
    try:
        check(sys.argv[1])
    except OSError as error:
        sys.exit(str(error))
