"""What is on disk while its PUBACK may not have arrived: sent again, with DUP, it is not stored twice.

A reading with a timestamp needs none of this, its identity makes the second one change nothing. One without would get
a second time of arrival. So the journal keeps, with each row, marks of the messages in it: those of the last moments
before a kill, and those of connections that ended when their PUBACKs may not have been read, for as long as devices
take to come back. A mark is client id, packet id and checksum of the payload; see [MQTT-4.4.0-1] and [MQTT-3.3.1-1].
"""

import asyncio
import hashlib
import struct
import zlib
from collections import Counter, deque
from collections.abc import Iterator

import structlog

from common import clock
from common.expiring import ExpiringMap
from telemetry.ingest.journal import Journal, JournalError
from telemetry.ingest.mqtt_line import bytes_on_the_way

_log = structlog.get_logger(__name__)

REMEMBERED_S = 600
# For how long a PUBACK that was written may still not have been read at the other end.
LAST_MOMENTS_MS = 3_000
_RECORD = struct.Struct("<HI")
RECORD_BYTES = _RECORD.size
_CLIENT_BYTES, _LENGTH_BYTES = 8, 4
_PER_CLIENT = 2_000
_CLIENTS = 10_000
_SHORTEST_PUBACK = 4


def client_mark(client_id: str) -> bytes:
    """What stands for a client id in marks."""
    return hashlib.blake2b(client_id.encode(), digest_size=_CLIENT_BYTES).digest()


def marks(client: bytes, records: bytes | bytearray) -> bytes:
    """What the journal keeps of messages of one client."""
    return client + len(records).to_bytes(_LENGTH_BYTES) + records


def _marks_of(blob: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(blob):
        start = at + _CLIENT_BYTES + _LENGTH_BYTES
        end = start + int.from_bytes(blob[start - _LENGTH_BYTES : start])
        yield blob[at : at + _CLIENT_BYTES], blob[start:end]
        at = end


def record(packet_id: int, payload: bytes) -> bytes:
    """What stands for a message among its client's."""
    return _RECORD.pack(packet_id, zlib.crc32(payload))


class Told:
    """The PUBACKs written on one connection that the device may not have read, as records.

    What its side's TCP has not confirmed may be lost with the line; what it has confirmed a moment ago may be lost in
    the device, which gives up a line with all that it has not read from it when its own writing fails.
    """

    __slots__ = ("_batches", "_records")

    def __init__(self) -> None:
        self._records = bytearray()
        self._batches: deque[tuple[float, int]] = deque()

    def add(self, records: bytes | bytearray) -> None:
        """These are being told now."""
        if not records:
            return
        self._records += records
        self._batches.append((clock.monotonic_s(), len(records)))
        while len(self._records) > _PER_CLIENT * RECORD_BYTES and len(self._batches) > 1:
            del self._records[: self._batches.popleft()[1]]

    def unsure(self, transport: asyncio.Transport | None) -> bytes:
        """Those that count when the connection ends now; forgets the others."""
        young_s = clock.monotonic_s() - LAST_MOMENTS_MS / 1000
        if self._batches and self._batches[0][0] < young_s:
            on_the_way = None if transport is None else bytes_on_the_way(transport)
            if on_the_way is not None:
                held = -(-on_the_way // _SHORTEST_PUBACK) * RECORD_BYTES
                while self._batches and self._batches[0][0] < young_s and len(self._records) > held:
                    del self._records[: self._batches.popleft()[1]]
        return bytes(self._records)


class Resends:
    """Marks of this node's MQTT door, in memory and in the journal. For the event loop's thread alone."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._unsure: ExpiringMap[tuple[str, bytes], bytes] = ExpiringMap(size=_CLIENTS, fresh_s=REMEMBERED_S)
        self._untold: ExpiringMap[tuple[str, bytes], dict[int, int]] = ExpiringMap(size=_CLIENTS, fresh_s=REMEMBERED_S)
        self._tidy_ms = 0

    def load(self) -> None:
        """Learn from the journal what the door's last life has left open. Once, before devices are let in."""
        try:
            left = _left_open(self._journal.marks_read(), now_ms=clock.now_ms())
            self._journal.marks_replace(
                [(factory, marks(client, records)) for (factory, client), records in left.items()]
            )
        except JournalError as error:
            _log.warning("resends_not_known", error=str(error))
            return
        for place, records in left.items():
            self._unsure.put(place, records)

    def keep(self, factory: str, client: bytes, records: bytes, *, untold: bool = False) -> None:
        """These are on disk, and the connection is gone; untold: before any PUBACK was written."""
        if not records:
            return
        if untold:
            self.untold(factory, client).update(_RECORD.iter_unpack(records))
        held = self._unsure.fresh((factory, client))
        together = ((held.value if held else b"") + records)[-_PER_CLIENT * RECORD_BYTES :]
        self._unsure.put((factory, client), together)
        try:
            self._journal.marks_keep(factory, marks(client, records))
        except JournalError as error:
            _log.warning("resends_not_kept", factory=factory, error=str(error))

    def of(self, factory: str, client: bytes) -> dict[int, int]:
        """What a client may send again although it is on disk: packet id to the payload's checksum.

        Who sends the same bytes by the same packet id again and again can't be told from one who resends: not counted.
        """
        held = self._unsure.fresh((factory, client))
        if held is None:
            return {}
        records: list[tuple[int, int]] = list(_RECORD.iter_unpack(held.value))
        often = Counter(records)
        return {packet_id: crc for packet_id, crc in records if often[packet_id, crc] == 1}

    def untold(self, factory: str, client: bytes) -> dict[int, int]:
        """Messages whose PUBACK was never written, as packet id to checksum: whoever meets one again takes it out.

        Sent again they need not say DUP: mqtt.js does not when the line broke while it was writing, and an open packet
        id can mean nothing else.
        """
        held = self._untold.fresh((factory, client))
        if held is None:
            found: dict[int, int] = {}
            self._untold.put((factory, client), found)
            return found
        return held.value

    def tidy(self) -> None:
        """Forget in the journal what is too old; call it often, it works once a second."""
        now_ms = clock.now_ms()
        if abs(now_ms - self._tidy_ms) >= 1_000:
            self._tidy_ms = now_ms
            self._journal.marks_forget(
                moments_before_ms=now_ms - LAST_MOMENTS_MS, kept_before_ms=now_ms - REMEMBERED_S * 1000
            )


def _left_open(rows: list[tuple[str, int, bool, bytes]], *, now_ms: int) -> dict[tuple[str, bytes], bytes]:
    """By factory and client the records that count: those kept, and those of rows of the last moments."""
    last_ms = max((at_ms for _, at_ms, kept, _ in rows if not kept), default=0)
    left: dict[tuple[str, bytes], bytes] = {}
    for factory, at_ms, kept, blob in rows:
        if kept and at_ms >= now_ms - REMEMBERED_S * 1000:
            for client, records in _marks_of(blob):
                left[factory, client] = left.get((factory, client), b"") + records
    known = {place: set(_RECORD.iter_unpack(records)) for place, records in left.items()}
    for factory, at_ms, kept, blob in rows:
        if not kept and at_ms >= last_ms - LAST_MOMENTS_MS:
            for client, records in _marks_of(blob):
                fresh = [one for one in _RECORD.iter_unpack(records) if one not in known.get((factory, client), ())]
                left[factory, client] = left.get((factory, client), b"") + b"".join(_RECORD.pack(*one) for one in fresh)
    return {place: records[-_PER_CLIENT * RECORD_BYTES :] for place, records in left.items()}
