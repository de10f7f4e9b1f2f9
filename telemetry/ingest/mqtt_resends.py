"""What is on disk while its PUBACK may not have arrived: sent again, with DUP, it is not stored twice.

A reading with a timestamp needs none of this, its identity makes the second one change nothing. One without would get
a second time of arrival. So the journal keeps, with each row, marks of the messages in it: those of the last moments
before a kill, and those of connections that ended before their PUBACKs had arrived, for as long as devices take to
come back. A mark is client id, packet id and checksum of the payload; see [MQTT-4.4.0-1] and [MQTT-3.3.1-1].
"""

import asyncio
import hashlib
import struct
import zlib
from collections import Counter

import structlog

from common import clock
from common.expiring import ExpiringMap
from telemetry.ingest.journal import Journal, JournalError
from telemetry.ingest.mqtt_line import bytes_on_the_way

_log = structlog.get_logger(__name__)

REMEMBERED_S = 600
# How long before a kill a PUBACK may have been written and still not have left the machine.
LAST_MOMENTS_MS = 3_000
_RECORD = struct.Struct("<HI")
RECORD_BYTES = _RECORD.size
_CLIENT_BYTES = 8
_PER_CLIENT = 1_000
_CLIENTS = 10_000
_SHORTEST_PUBACK = 4


def client_mark(client_id: str) -> bytes:
    """What stands for a client id in marks."""
    return hashlib.blake2b(client_id.encode(), digest_size=_CLIENT_BYTES).digest()


def record(packet_id: int, payload: bytes) -> bytes:
    """What stands for a message among its client's."""
    return _RECORD.pack(packet_id, zlib.crc32(payload))


class Told:
    """The last PUBACKs written on one connection, as records, until the device's side has confirmed them."""

    __slots__ = ("_records",)

    def __init__(self) -> None:
        self._records = bytearray()

    def add(self, records: bytes | bytearray) -> None:
        """These are being told now."""
        self._records += records
        if len(self._records) > 2 * _PER_CLIENT * _RECORD.size:
            del self._records[: -_PER_CLIENT * _RECORD.size]

    def unconfirmed(self, transport: asyncio.Transport | None) -> bytes:
        """Those that the other side's TCP may not have; forgets the others."""
        if not self._records:
            return b""
        length = len(self._records)
        on_the_way = None if transport is None else bytes_on_the_way(transport)
        if on_the_way is not None:
            length = min(length, -(-on_the_way // _SHORTEST_PUBACK) * _RECORD.size)
        del self._records[: len(self._records) - length]
        return bytes(self._records)


class Resends:
    """Marks of this node's MQTT door, in memory and in the journal. For the event loop's thread alone."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._unsure: ExpiringMap[tuple[str, bytes], bytes] = ExpiringMap(size=_CLIENTS, fresh_s=REMEMBERED_S)
        self._tidy_ms = 0

    def load(self) -> None:
        """Learn from the journal what the door's last life has left open. Once, before devices are let in."""
        try:
            marks = self._journal.marks_read()
            left = _left_open(marks, now_ms=clock.now_ms())
            self._journal.marks_replace([(factory, client + records) for (factory, client), records in left.items()])
        except JournalError as error:
            _log.warning("resends_not_known", error=str(error))
            return
        for place, records in left.items():
            self._unsure.put(place, records)

    def keep(self, factory: str, client: bytes, records: bytes) -> None:
        """These are on disk, and the connection is gone."""
        if not records:
            return
        held = self._unsure.fresh((factory, client))
        together = ((held.value if held else b"") + records)[-_PER_CLIENT * _RECORD.size :]
        self._unsure.put((factory, client), together)
        try:
            self._journal.marks_keep(factory, client + records)
        except JournalError as error:
            _log.warning("resends_not_kept", factory=factory, error=str(error))

    def of(self, factory: str, client: bytes) -> dict[int, int]:
        """What a client may send again although it is on disk: packet id to the payload's checksum."""
        held = self._unsure.fresh((factory, client))
        return dict(_RECORD.iter_unpack(held.value)) if held else {}

    def tidy(self) -> None:
        """Forget in the journal what is too old; call it often, it works once a second."""
        now_ms = clock.now_ms()
        if abs(now_ms - self._tidy_ms) >= 1_000:
            self._tidy_ms = now_ms
            self._journal.marks_forget(
                moments_before_ms=now_ms - LAST_MOMENTS_MS, kept_before_ms=now_ms - REMEMBERED_S * 1000
            )


def _left_open(marks: list[tuple[str, int, bool, bytes]], *, now_ms: int) -> dict[tuple[str, bytes], bytes]:
    """By factory and client the records that count: those kept, and those of the last moments.

    Who sends the same bytes by the same packet id again and again can't be told from one who resends: not counted.
    """
    last_ms = max((at_ms for _, at_ms, kept, _ in marks if not kept), default=0)
    left: dict[tuple[str, bytes], bytes] = {}
    for factory, at_ms, kept, blob in marks:
        if kept and at_ms >= now_ms - REMEMBERED_S * 1000:
            place = (factory, blob[:_CLIENT_BYTES])
            left[place] = left.get(place, b"") + blob[_CLIENT_BYTES:]
    size = _CLIENT_BYTES + _RECORD.size
    moments = [
        (factory, blob[at : at + size])
        for factory, at_ms, kept, blob in marks
        if not kept and at_ms >= last_ms - LAST_MOMENTS_MS
        for at in range(0, len(blob), size)
    ]
    often = Counter(moments)
    for factory, mark in moments:
        if often[factory, mark] == 1:
            place = (factory, mark[:_CLIENT_BYTES])
            left[place] = left.get(place, b"") + mark[_CLIENT_BYTES:]
    return {place: records[-_PER_CLIENT * _RECORD.size :] for place, records in left.items()}
