"""What every contender of the benchmark offers, so that the same instruments fit all."""

from collections.abc import Sequence
from typing import Protocol

from benchmarks.journey.load import Float64Array, Int64Array
from benchmarks.journey.mqtt_link import MqttAddress
from benchmarks.journey.viewers import Viewer

VIEWERS = 10
WATCHED_EACH = 5


class Contender(Protocol):
    """A system that takes readings by MQTT, stores them, evaluates limits and shows them to browsers.

    durable: what is safe when an acknowledgement leaves. mqtt: where to publish.
    """

    name: str
    durable: str
    mqtt: MqttAddress

    def start(self) -> None:
        """Everything runs and answers."""

    def stop(self) -> None:
        """Everything has ended and its data is gone."""

    def limits_set(self, machines: Sequence[str], metrics: Sequence[str]) -> None:
        """Watch these metrics of each machine for values above LIMIT."""

    def viewers(self, machines: Sequence[str]) -> list[Viewer]:
        """VIEWERS browsers, each watching WATCHED_EACH of the machines."""

    def roles(self) -> dict[str, list[int]]:
        """Our processes by role: the first of each tree."""

    def stored(
        self, machine: str, metrics: Sequence[str], *, from_ms: int, to_ms: int
    ) -> list[tuple[Int64Array, Float64Array]]:
        """Times and values of each metric in [from_ms, to_ms), as its history shows them."""

    def alarms(self) -> int:
        """A number that grows when a limit is found passed."""


def watched_by(viewer: int, machines: Sequence[str]) -> tuple[str, ...]:
    """The machines that one of the viewers watches, spread over all.

    >>> watched_by(1, ["a", "b", "c", "d", "e", "f", "g"])
    ('f', 'g', 'a', 'b', 'c')
    """
    return tuple(machines[(viewer * WATCHED_EACH + place) % len(machines)] for place in range(WATCHED_EACH))


LIMIT = 90.0
BEYOND = 95.0
