"""The MQTT door: devices publish, and are acknowledged once the journal has committed. It is no broker.

What all devices of a factory sent within one turn of the event loop is parsed into one set of columns and becomes one
journal row: under load the cost of a message shrinks, and at rest nothing waits.
"""

import asyncio
import secrets
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections

from accounts.api_keys import VerifiedKey, require_address
from common.errors import DomainError, NotAuthenticatedError
from telemetry.ingest import counted
from telemetry.ingest.admission import refused_charge
from telemetry.ingest.doors import refusals_append
from telemetry.ingest.journal import Journal, JournalError, JournalFullError
from telemetry.ingest.messages import gathered_append, messages_gather
from telemetry.ingest.mqtt_answers import puback_encode
from telemetry.ingest.mqtt_keys import key_check, keys_gone
from telemetry.ingest.mqtt_line import connections_possible
from telemetry.ingest.mqtt_pace import READ_BYTES
from telemetry.ingest.mqtt_packets import Connect, Publish, Reason
from telemetry.ingest.mqtt_resends import Resends, record
from telemetry.ingest.mqtt_room import DoorRoom
from telemetry.ingest.mqtt_session import MESSAGE_COST_BYTES, DeviceConnection
from telemetry.ingest.refusals import Refusal, excerpt, sayable

_log = structlog.get_logger(__name__)

T = TypeVar("T")
MAX_CONNECTIONS = 10_000
_TURN_BYTES = 4 * 1024 * 1024
_WATCH_EVERY_S = 0.5
_WRONG_KEY_DELAY_S = 0.3
_TLS_WITHIN_S = 10.0
_SETTLED_NAP_S = 0.005


class _Message(NamedTuple):
    device: DeviceConnection
    machine: str
    packet_id: int
    payload: bytes

    @property
    def source(self) -> str:
        return _source(self.device.key)

    @property
    def machines(self) -> frozenset[str]:
        return self.device.key.machines if self.device.key else frozenset()


@dataclass(slots=True)
class _Owed:
    """What one device gets once its messages of a turn are on disk."""

    pubacks: bytearray = field(default_factory=bytearray)
    records: bytearray = field(default_factory=bytearray)
    count: int = 0
    cost_bytes: int = 0


_OwedByDevice: TypeAlias = dict[DeviceConnection, _Owed]


class MqttDoor:
    """Listens, gathers, commits, acknowledges. One per process, on one event loop.

    check_key: proves user name and password, in a thread; gone_keys: which of the connected keys are dead, in a thread.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        check_key: Callable[[str, str], VerifiedKey] = key_check,
        gone_keys: Callable[[Iterable[VerifiedKey]], set[VerifiedKey]] = keys_gone,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._journal = journal
        self.resends = Resends(journal)
        # Where every connection's bytes arrive: they are taken from there before the next one reads.
        self.reading = memoryview(bytearray(READ_BYTES))
        self._check_key = check_key
        self._gone_keys = gone_keys
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="mqtt-keys")
        self.room = DoorRoom(connections_possible(MAX_CONNECTIONS))
        self._sessions: dict[tuple[str, str], DeviceConnection] = {}
        self._waiting: dict[str, list[_Message]] = defaultdict(list)
        self._waiting_bytes = 0
        self._committing = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._turn_due = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen; returns the port, which differs from the one asked for when that was 0."""
        self.resends.load()
        self._server = await self.loop.create_server(
            lambda: DeviceConnection(self), host, port, ssl=tls, backlog=1024, reuse_address=True,
            ssl_handshake_timeout=_TLS_WITHIN_S if tls else None,
        )  # fmt: skip
        self._spawn(self._watch())
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more, acknowledge what is being committed, say good-bye."""
        if self._server is not None:
            self._server.close()
        self._turn()
        await self._quiet.wait()
        for device in list(self.room.connections):
            device.close(Reason.SERVER_SHUTTING_DOWN)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # --- connections come and go ---

    def enter(self, device: DeviceConnection) -> bool:
        """Whether there is room for one more."""
        entered = self.room.enter(device)
        counted.MQTT_CONNECTIONS.set(len(self.room.connections))
        return entered

    def leave(self, device: DeviceConnection) -> None:
        """The socket is closed."""
        self.room.leave(device)
        counted.MQTT_CONNECTIONS.set(len(self.room.connections))
        if device.unacknowledged:
            return  # whoever comes next by this client id has to know what becomes of them
        if device.key is not None and self._sessions.get((device.key.factory, device.client_id)) is device:
            del self._sessions[device.key.factory, device.client_id]

    def admit(self, device: DeviceConnection, packet: Connect) -> None:
        """Check the key off the event loop, then answer."""
        self._spawn(self._admit(device, packet))

    def take_over(self, device: DeviceConnection) -> None:
        """One connection per client id and factory: the newer one stays [MQTT-3.1.4-2]."""
        if device.key is None:
            return
        place = (device.key.factory, device.client_id)
        older = self._sessions.get(place)
        self._sessions[place] = device
        if older is not None:
            older.close(Reason.SESSION_TAKEN_OVER, "another connection has this client id")

    def new_client_id(self) -> str:
        """For a device that leaves the choice to us."""
        return f"fp-{secrets.token_hex(8)}"

    async def _admit(self, device: DeviceConnection, packet: Connect) -> None:
        user_name, password = packet.user_name or "", (packet.password or b"").decode("utf-8", "replace")
        try:
            key = await self.loop.run_in_executor(self._threads, _afresh, self._check_key, user_name, password)
            require_address(key, lambda: device.peer)
        except DomainError as error:
            _log.warning("device_refused", factory=user_name[:40], peer=device.peer, code=error.code)
            await asyncio.sleep(_WRONG_KEY_DELAY_S)
            bad = isinstance(error, NotAuthenticatedError)
            device.refused(Reason.BAD_CREDENTIALS if bad else Reason.NOT_AUTHORIZED, error.detail)
        except DatabaseError as error:
            _log.warning("device_not_checked", factory=user_name[:40], peer=device.peer, error=str(error))
            device.refused(Reason.SERVER_UNAVAILABLE, "keys can't be checked now")
        else:
            await self._older_settled(key.factory, packet.client_id)
            device.connected(key, packet)

    async def _older_settled(self, factory: str, client_id: str) -> None:
        """Hang up on an older connection of this client; its messages may come again, so they have to be decided."""
        # Looked up anew each time: of several that wait here, one may have become the older one meanwhile.
        while client_id and (older := self._sessions.get((factory, client_id))) is not None:
            older.close(Reason.SESSION_TAKEN_OVER, "another connection has this client id")
            if not older.unacknowledged:
                return
            await asyncio.sleep(_SETTLED_NAP_S)

    async def _watch(self) -> None:
        """Hang up on devices that fell silent and on keys that were revoked."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            now_s = self.loop.time()
            for device in list(self.room.connections):
                if device.overdue(now_s):
                    device.close(Reason.KEEP_ALIVE_TIMEOUT, "nothing was heard")
            self.resends.tidy()
            await self._watch_keys()

    async def _watch_keys(self) -> None:
        keys = {device.key for device in self.room.connections if device.key is not None}
        if not keys:
            return
        try:
            gone = await self.loop.run_in_executor(self._threads, _afresh, self._gone_keys, keys)
        except DatabaseError as error:
            _log.warning("keys_not_checked", error=str(error)[:200])
            return
        for device in list(self.room.connections):
            if device.key in gone:
                device.close(Reason.NOT_AUTHORIZED, "the key was revoked")

    def _spawn(self, work: "asyncio._CoroutineLike[None]") -> None:
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("mqtt_task_failed", error=repr(task.exception()))

    # --- messages ---

    def take(self, device: DeviceConnection, machine: str, packet: Publish) -> None:
        """Gather a message for the next commit: at once, or when the one that is under way has ended."""
        if device.key is None:
            return
        self._waiting[device.key.factory].append(_Message(device, machine, packet.packet_id, packet.payload))
        self._waiting_bytes += len(packet.payload)
        if self._waiting_bytes >= _TURN_BYTES:
            self._turn()
        elif not self._turn_due and not self._committing:
            self._turn_due = True
            self.loop.call_soon(self._turn)

    def refuse(self, device: DeviceConnection, code: str, detail: str, packet: Publish) -> None:
        """Quarantine a message that came by a wrong topic."""
        if device.key is not None:
            refused_charge(device.key.factory)
            refusal = Refusal(_source(device.key), "", "", code, sayable(detail, 300), 1, excerpt(packet.payload))
            refusals_append(self._journal, device.key.factory, [refusal])

    def _turn(self) -> None:
        self._turn_due = False
        waiting, self._waiting = self._waiting, defaultdict(list)
        self._waiting_bytes = 0
        for slug, messages in waiting.items():
            owed = _owed(messages)
            try:
                self._commit(slug, messages, owed)
            except JournalError as error:
                self._committed(slug, owed, error)

    def _commit(self, slug: str, messages: list[_Message], owed: _OwedByDevice) -> None:
        gathered = messages_gather(slug, messages)
        marks = b"".join([device.marks(due.records) for device, due in owed.items() if due.records])
        committed = gathered_append(self._journal, slug, gathered, marks=marks)
        self._committing += 1
        self._quiet.clear()
        # Payloads are not held on to: the disk may be slow, and they are in the journal's hands.
        committed.add_done_callback(lambda done: self._tell(slug, owed, done))
        if gathered.wait_s > 0:
            for device in owed:
                device.rest(gathered.wait_s)

    def _tell(self, slug: str, owed: _OwedByDevice, done: "Future[int]") -> None:
        """In the journal's thread."""
        self.loop.call_soon_threadsafe(self._committed_one, slug, owed, done.exception())

    def _committed_one(self, slug: str, owed: _OwedByDevice, error: BaseException | None) -> None:
        self._committing -= 1
        self._committed(slug, owed, error)
        if not self._committing:
            self._quiet.set()
            if self._waiting:
                self._turn()

    def _committed(self, slug: str, owed: _OwedByDevice, error: BaseException | None) -> None:
        """Acknowledge, or hang up without: the device keeps what it has and sends it again."""
        for device, due in owed.items():
            if error is None:
                device.settled(due.count, due.cost_bytes, bytes(due.pubacks), due.records)
            else:
                device.settled(due.count, due.cost_bytes)
                full = isinstance(error, JournalFullError)
                device.close(Reason.QUOTA_EXCEEDED if full else Reason.SERVER_BUSY, "not stored, send it again later")
        if error is not None:
            _log.error("messages_not_stored", factory=slug, devices=len(owed), error=str(error))


def _owed(messages: list[_Message]) -> _OwedByDevice:
    owed: _OwedByDevice = {}
    for device, _machine, packet_id, payload in messages:
        due = owed.get(device)
        if due is None:
            due = owed[device] = _Owed()
        due.cost_bytes += len(payload) + MESSAGE_COST_BYTES
        if packet_id:
            due.count += 1
            due.pubacks += puback_encode(device.version, packet_id)
            due.records += record(packet_id, payload)
    return owed


def _afresh(ask: Callable[..., T], *arguments: object) -> T:
    """Ask in a thread, not over a connection that broke since the last time."""
    close_old_connections()
    return ask(*arguments)


def _source(key: VerifiedKey | None) -> str:
    return f"MQTT {key.prefix}" if key else "MQTT"
