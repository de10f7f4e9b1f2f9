"""From MQTT messages of one factory to one journal row, whether devices sent them or a broker did."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import ClassVar, NamedTuple, Protocol

from common import clock
from telemetry.ingest.admission import admit, body_check, refused_charge
from telemetry.ingest.arrivals import arrivals_of
from telemetry.ingest.columns import Columns
from telemetry.ingest.doors import readings_append, refusals_append
from telemetry.ingest.journal import Journal, JournalFullError
from telemetry.ingest.key_machines import CODE
from telemetry.ingest.payloads import parse_into
from telemetry.ingest.refusals import PayloadError, Refusal, excerpt, grouped, sayable
from telemetry.readings import ReadingBatch


class MachineNotOfKeyError(PayloadError):
    """The message speaks of a machine that its sender's key is not for."""

    code: ClassVar[str] = CODE


class Message(Protocol):
    """A payload, the machine that its topic names, and who sent it, as quarantine tells it."""

    @property
    def machine(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def source(self) -> str: ...
    @property
    def machines(self) -> frozenset[str]:
        """Which machines its sender may speak of; empty for all."""


class Gathered(NamedTuple):
    """What messages come to: what may be kept, what was refused, and how long the senders should rest (s)."""

    batch: ReadingBatch
    refusals: list[Refusal]
    wait_s: float


def messages_gather(factory_slug: str, messages: Sequence[Message]) -> Gathered:
    """Read and admit messages that have just arrived; a malformed one costs only itself."""
    now_ms = clock.now_ms()
    columns, refusals = _read(factory_slug, messages, now_ms)
    parsed = columns.finish()
    admitted = admit(parsed, factory_slug=factory_slug, now_ms=now_ms)
    refusals += grouped(admitted.rejected[len(parsed.rejected) :], source=messages[0].source)
    return Gathered(admitted.batch, refusals, admitted.wait_s)


def gathered_append(journal: Journal, factory_slug: str, gathered: Gathered, *, marks: bytes = b"") -> "Future[int]":
    """Queue it; acknowledge the messages when the future has a result. Raises JournalError.

    marks: of the messages, for those that are sent again; see `mqtt_resends`.
    """
    committed = refusals_append(journal, factory_slug, gathered.refusals)
    if gathered.batch:
        committed = readings_append(journal, factory_slug, gathered.batch, marks=marks)
    if committed is None:
        raise JournalFullError("there is no room to note what was refused")
    return committed


def _machines_check(message: Message, now_ms: int) -> None:
    """Refuse a message that also speaks of machines its key is not for; read twice for such keys alone."""
    if message.machines:
        told = Columns()
        parse_into(told, message.payload, received_ms=now_ms, machine=message.machine)
        if any(machine not in message.machines for machine, _metric in told.finish().batch.keys):
            raise MachineNotOfKeyError("this key is not for this machine")


def _read(factory_slug: str, messages: Iterable[Message], now_ms: int) -> tuple[Columns, list[Refusal]]:
    columns, refusals = Columns(arrivals_of(factory_slug)), []
    for message in messages:
        before = len(columns.rejected)
        try:
            body_check(factory_slug, len(message.payload))
            _machines_check(message, now_ms)
            parse_into(columns, message.payload, received_ms=now_ms, machine=message.machine)
        except PayloadError as error:
            refused_charge(factory_slug)
            machine, detail = sayable(message.machine, 64), sayable(error.detail, 300)
            refusals.append(Refusal(message.source, machine, "", error.code, detail, 1, excerpt(message.payload)))
        if len(columns.rejected) > before:
            told = columns.rejected[before:]
            refusals += grouped(told, source=message.source, payload=excerpt(message.payload))
    return columns, refusals
