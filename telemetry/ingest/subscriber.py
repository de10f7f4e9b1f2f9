"""The third door: what a broker has for us. It keeps messages until our journal has them, so waiting loses nothing.

One thread takes messages, journals them by factory and acknowledges them. All factories stand in one queue at the
broker; a factory that has to wait lets the others pass as long as the window of unacknowledged messages has room.
"""

import os
import secrets
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from django.db import Error as DatabaseError
from django.db import close_old_connections, connections

from common import clock
from common.expiring import ExpiringMap
from telemetry.ingest.admission import plan_learn, rate_wait_s
from telemetry.ingest.broker import V5, V311, BrokerConnection, BrokerMessage
from telemetry.ingest.broker_address import BrokerAddress
from telemetry.ingest.broker_gaps import BrokerGaps
from telemetry.ingest.doors import Floods, refusals_append
from telemetry.ingest.journal import Journal, JournalError
from telemetry.ingest.messages import Gathered, gathered_append, messages_gather
from telemetry.ingest.plan_room import room_learn
from telemetry.ingest.refusals import Refusal
from tenants.hosts import factory_of_slug

_log = structlog.get_logger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 4.0
_JOURNAL_PAUSES_S = (0.2, 5.0)
_TURN_S = 0.2
_BELIEVED_S = 5.0


@dataclass(slots=True)
class _Lane:
    """One factory's messages: those that wait, and those that were read and are not on disk yet."""

    waiting: list[BrokerMessage] = field(default_factory=list)
    gathered: Gathered | None = None
    of: list[BrokerMessage] = field(default_factory=list)
    pause_s: float = 0.0
    not_before_s: float = 0.0


class Subscriber:
    """Keeps one subscription alive until it is stopped.

    client_id: the broker keeps messages for it while we are away, so it stays the same for ever; see `client_id_kept`.
    memory_file: remembers over restarts what tells a gap, see `broker_gaps`.
    """

    def __init__(
        self, journal: Journal, address: BrokerAddress, *, client_id: str, memory_file: Path | None = None
    ) -> None:
        self._journal = journal
        self._address = address
        self._client_id = client_id
        self._version = V5
        self._gaps = BrokerGaps(memory_file, broker=f"{address.host}:{address.port}")
        self._ask_dropped = True
        self._lanes: dict[str, _Lane] = {}
        self._believed: ExpiringMap[str, bool] = ExpiringMap(size=1_000, fresh_s=_BELIEVED_S)
        self._strangers = Floods()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)

    def start(self) -> None:
        """Connect, and go on trying for as long as that fails."""
        self._thread.start()

    def stop(self, *, within_s: float = 5.0) -> None:
        """Finish the commit that is under way, acknowledge it, leave; what is left waits at the broker."""
        self._stop.set()
        self._thread.join(within_s)
        if self._thread.is_alive():
            _log.warning("subscriber_left_behind", broker=self._address.host)

    # --- connections ---

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._stop.is_set():
            began_s = clock.monotonic_s()
            try:
                self._connect_once()
            except Exception:  # noqa: BLE001
                # The thread's edge. The broker has what was not acknowledged; the next connection gets it again.
                _log.exception("subscriber_failed", broker=self._address.host)
            if clock.monotonic_s() - began_s > LONGEST_PAUSE_S:
                pause_s = FIRST_PAUSE_S
            self._stop.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        connections.close_all()

    def _connect_once(self) -> None:
        where = {"broker": self._address.host, "port": self._address.port}
        self._lanes.clear()
        connection = BrokerConnection(
            self._address, client_id=self._client_id, version=self._version, ask_dropped=self._ask_dropped
        )
        try:
            connection.open()
            self._serve(connection)
        except OSError as error:
            _log.warning("broker_unreachable", **where, error=str(error))
            return
        finally:
            connection.close()
            self._gaps.save()
        if connection.ready and not connection.dropped_answered:
            self._ask_dropped = False  # some brokers hang up on who asks for what is not theirs
        if not self._stop.is_set():
            _log.warning("broker_lost", **where, reason=connection.reason)
            self._version_learn(connection)

    def _version_learn(self, connection: BrokerConnection) -> None:
        if connection.version_refused:
            self._version = V311
        elif not connection.answered:
            # Some brokers hang up on a version they don't know.
            self._version = V311 if self._version == V5 else V5

    def _serve(self, connection: BrokerConnection) -> None:
        told = False
        while not self._stop.is_set() and not connection.ended:
            for message in connection.turn(_TURN_S):
                self._lanes.setdefault(message.factory, _Lane()).waiting.append(message)
            self._store(connection)
            if told:
                strained, connection.strained = connection.strained, False
                self._tell_gap(self._gaps.heard(dropped=connection.dropped, strained=strained))
            elif connection.ready:
                told = True
                self._tell_gap(self._gaps.connected(session_present=connection.session_present))
                _log.info(
                    "broker_subscribed", broker=self._address.host, port=self._address.port,
                    mqtt=self._version.name, session_present=connection.session_present,
                )  # fmt: skip

    def _tell_gap(self, sentence: str) -> None:
        """Nobody can say whose messages are gone: every factory that is heard by way of this broker is told."""
        if not sentence:
            return
        _log.error("broker_gap", broker=self._address.host, factories=len(self._gaps.factories), detail=sentence)
        for slug in sorted(self._gaps.factories):
            refusals_append(self._journal, slug, [Refusal("MQTT broker", "", "", "broker_gap", sentence, 1)])

    # --- messages ---

    def _store(self, connection: BrokerConnection) -> None:
        """Journal what may be journaled now, all of it in one commit, then acknowledge it."""
        now_s = clock.monotonic_s()
        committing: list[tuple[str, _Lane, Future[int]]] = []
        for slug, lane in list(self._lanes.items()):
            if connection.ended or now_s < lane.not_before_s:
                continue
            try:
                if self._prepare(connection, slug, lane) and lane.gathered:
                    committing.append((slug, lane, gathered_append(self._journal, slug, lane.gathered)))
            except JournalError as error:
                self._failed(slug, lane, error)
        for slug, lane, committed in committing:
            failure = committed.exception()
            if failure is None:
                connection.acknowledge(lane.of)
                self._settle(slug, lane)
            else:
                self._failed(slug, lane, failure)

    def _prepare(self, connection: BrokerConnection, slug: str, lane: _Lane) -> bool:
        """Read what waits, unless the factory has to rest; whether there is something to put on disk."""
        if lane.gathered is not None:
            return True
        if not self._known(slug):
            connection.acknowledge(lane.waiting)
            count = self._strangers.count("", len(lane.waiting))
            if count:
                _log.warning("messages_of_no_factory", broker=self._address.host, count=count, factory=slug[:64])
            del self._lanes[slug]
            return False
        if rate_wait_s(slug) > 0:
            return False
        self._gaps.of_factory(slug)
        lane.of, lane.waiting = lane.waiting, []
        lane.gathered = messages_gather(slug, lane.of)
        return True

    def _settle(self, slug: str, lane: _Lane) -> None:
        lane.gathered, lane.of, lane.pause_s = None, [], 0.0
        if not lane.waiting:
            del self._lanes[slug]

    def _failed(self, slug: str, lane: _Lane, error: BaseException) -> None:
        first_s, longest_s = _JOURNAL_PAUSES_S
        lane.pause_s = min(2 * lane.pause_s or first_s, longest_s)
        lane.not_before_s = clock.monotonic_s() + lane.pause_s
        _log.error("messages_not_stored", factory=slug, messages=len(lane.of), error=str(error))

    def _known(self, slug: str) -> bool:
        """Whether there is such a factory; where nobody can tell, the drain will."""
        if self._believed.fresh(slug):
            return True
        close_old_connections()
        try:
            factory = factory_of_slug(slug)
        except DatabaseError as error:
            _log.warning("factory_believed_without_database", factory=slug, error=str(error)[:200])
            self._believed.put(slug, True)
            return True
        if factory is None:
            return False
        plan_learn(factory)
        room_learn(factory)
        return True


def client_id_kept(directory: Path) -> str:
    """This node's name at brokers, made once and kept beside the journal: what it has acknowledged stands there."""
    file = directory / "broker_client_id"
    if file.exists():
        kept = file.read_text(encoding="ascii").strip()
        if kept:
            return kept
    # At most 23 letters and digits, which every broker of MQTT 3.1.1 takes.
    made = f"factorypulse{secrets.token_hex(5)}"
    directory.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(".new")
    with new.open("w", encoding="ascii") as stream:
        stream.write(made)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    return made
