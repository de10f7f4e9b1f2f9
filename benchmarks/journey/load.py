"""What is sent: how many readings a second, from which machines, in messages of which shape. Pure.

Message i of connection c is due at (i * connections + c) / messages_per_s after the start, whatever was answered
before. Its number is c * messages_per_connection + i, so that acknowledgements of one connection are ranges of a
ledger. Reading j of message n has the number n * block + j; the metric `count` carries it as its value.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]
Float64Array = NDArray[np.float64]

COUNT = "count"
# With `count` the ten values that a machine reports at once.
OTHERS = ("vibration", "temperature", "current", "power", "pressure", "flow", "speed", "torque", "level")
SINGLES = tuple(f"count{number}" for number in range(10))
# Added to a number, so that every value has the same digits and fits the same place in a prepared message.
FIRST_VALUE = 100_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of message. metrics: series in it; block: readings of each."""

    name: str
    metrics: int
    block: int

    @property
    def readings(self) -> int:
        """Readings in one message."""
        return self.metrics * self.block


SHAPES = {shape.name: shape for shape in (Shape("single", 1, 1), Shape("metrics10", 10, 1), Shape("block100", 10, 100))}


@dataclass(frozen=True, slots=True)
class Load:
    """An open-loop load of `readings_per_s` for `seconds`; each connection is a gateway of several machines."""

    shape: Shape
    readings_per_s: float
    seconds: float
    machines: int = 100
    connections: int = 10
    start_ms: float = field(default=0.0, compare=False)

    @property
    def messages_per_s(self) -> float:
        """Messages a second over all connections."""
        return self.readings_per_s / self.shape.readings

    @property
    def messages_per_connection(self) -> int:
        """At least one of each machine, so that every series exists."""
        return max(
            self.machines // self.connections * len(self.series_names()) // self.shape.metrics,
            round(self.messages_per_s * self.seconds / self.connections),
        )

    @property
    def messages(self) -> int:
        """All of them."""
        return self.messages_per_connection * self.connections

    @property
    def readings(self) -> int:
        """All of them."""
        return self.messages * self.shape.readings

    @property
    def spacing_ms(self) -> int:
        """Between readings of a block; blocks of one machine follow each other without overlap."""
        return max(1, int(self.machines / self.messages_per_s * 1000) // self.shape.block)

    def machine_names(self) -> list[str]:
        """All machines, by index."""
        return [machine_name(index) for index in range(self.machines)]

    def series_names(self) -> tuple[str, ...]:
        """The metrics of each machine."""
        return SINGLES if self.shape.name == "single" else (COUNT, *OTHERS)[: self.shape.metrics]

    def machine_of(self, connection: int, index: Int64Array) -> Int64Array:
        """The machine's index of a connection's messages."""
        return index % (self.machines // self.connections) * self.connections + connection

    def due_ms(self, connection: int, index: Int64Array) -> Float64Array:
        """When a connection's messages are due, milliseconds after the start."""
        return np.asarray((index * self.connections + connection) * (1000.0 / self.messages_per_s), np.float64)

    def times_ms(self, numbers: Int64Array) -> Int64Array:
        """The timestamp of each reading number, epoch milliseconds.

        >>> Load(SHAPES["metrics10"], 1000.0, 2.0, start_ms=5_000.0).times_ms(np.array([0, 1, 20])).tolist()
        [5000, 5100, 5010]
        """
        message, place = np.divmod(numbers, self.shape.block)
        connection, index = np.divmod(message, self.messages_per_connection)
        due_ms = (index * self.connections + connection) * (1000.0 / self.messages_per_s)
        newest = np.floor(self.start_ms + due_ms).astype(np.int64)
        return np.asarray(newest - (self.shape.block - 1 - place) * self.spacing_ms, np.int64)


def machine_name(index: int) -> str:
    """A machine's key.

    >>> machine_name(7)
    'M0007'
    """
    return f"M{index:04}"
