"""The installation's key for browser push (VAPID, RFC 8292): VAPID_PRIVATE_KEY, or made once and kept with the state.

Nodes that send push must share it, because a browser's subscription is bound to the public half.
"""

import base64
import os
import tempfile
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from py_vapid import Vapid02

_FILE = "vapid.pem"


def public_key() -> str:
    """The public half as browsers take it (`applicationServerKey`): base64url of the uncompressed point."""
    point = vapid().public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def vapid() -> Vapid02:
    """The key, ready to sign. Raises ValueError for a VAPID_PRIVATE_KEY that is none."""
    return _read(settings.VAPID_PRIVATE_KEY, str(settings.STATE_DIR))


@lru_cache(maxsize=2)
def _read(configured: str, state_dir: str) -> Vapid02:
    if configured:
        pem = configured.replace("\\n", "\n")
        return Vapid02.from_pem(pem.encode()) if "BEGIN" in pem else Vapid02.from_string(configured)
    path = Path(state_dir) / _FILE
    if not path.exists():
        _make(path)
    return Vapid02.from_pem(path.read_bytes())


def _make(path: Path) -> None:
    """Of several processes and threads that start at once one makes the key, whole; the others read it."""
    key = Vapid02()
    key.generate_keys()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Readable by its owner alone, as `mkstemp` makes a file.
    handle, name = tempfile.mkstemp(prefix=f"{_FILE}.", dir=path.parent)
    draft = Path(name)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_pem())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
