"""What the ingest benchmark sends is what it says it sends: numbers, times and packets, in every shape."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.journey.load import FIRST_VALUE, SHAPES, Load
from benchmarks.journey.messages import Messages

START_MS = 1_790_000_000_000.0


def packets(messages):
    """Topic, identifier and body of each prepared row, read from its bytes."""
    for row in messages.rows:
        data = row.tobytes()
        at = next(place for place in range(1, 5) if data[place] < 0x80) + 1
        length = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(data[1:at]))
        assert data[0] == 0x32
        assert len(data) - at == length
        topic_end = at + 2 + int.from_bytes(data[at : at + 2])
        yield data[at + 2 : topic_end].decode(), int.from_bytes(data[topic_end : topic_end + 2]), data[topic_end + 2 :]


def prepared(shape, *, connection, rate, seconds=2.0, machines=20, connections=4):
    load = Load(SHAPES[shape], rate, seconds, machines, connections)
    messages = Messages(load, connection, "acme")
    load = replace(load, start_ms=START_MS)
    messages.fill_times(load)
    return load, messages


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_reading_carries_its_number_and_the_time_it_is_due(shape):
    load, messages = prepared(shape, connection=3, rate=SHAPES[shape].readings * 100.0)
    block = load.shape.block
    for row, (topic, identifier, body) in enumerate(packets(messages)):
        content = json.loads(body)
        times = content.get("timestamps") or [content["timestamp"]]
        counts = next(value for name, value in content["metrics"].items() if name.startswith("count"))
        numbers = (3 * messages.count + row) * block + np.arange(block)
        assert np.atleast_1d(counts).tolist() == (FIRST_VALUE + numbers).tolist()
        assert times == load.times_ms(numbers).tolist()
        assert times[-1] == int(START_MS + load.due_ms(3, np.array([row]))[0])
        assert identifier == row % 65_535 + 1
        assert int(topic.split("/")[3][1:]) % load.connections == 3
        assert len(content["metrics"]) == load.shape.metrics


def test_a_machine_never_sends_two_readings_of_one_instant():
    load, _ = prepared("block100", connection=0, rate=100_000.0, machines=100, connections=10)
    per_connection = load.messages_per_connection
    index = np.arange(per_connection)
    mine = index[load.machine_of(0, index) == 0]
    times = load.times_ms((mine[:, None] * load.shape.block + np.arange(load.shape.block)).ravel())
    assert len(np.unique(times)) == len(times)


def test_single_readings_reach_every_series():
    load, messages = prepared("single", connection=1, rate=500.0)
    seen = {(topic, *json.loads(body)["metrics"]) for topic, _, body in packets(messages)}
    assert len(seen) == load.machines // load.connections * 10
