"""What is counted on a reading's journey. Any process may count at any time.

It costs microseconds, so batches are counted and not readings. Labels are of few values: codes and kinds, never names
that a device or a person chooses.
"""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

READINGS_ACCEPTED = Counter("factorypulse_readings_accepted", "Readings that are on disk, by the journal's commit.")
READINGS_REFUSED = Counter("factorypulse_readings_refused", "Readings and bodies that were refused.", ["code"])
READINGS_STORED = Counter("factorypulse_readings_stored", "Readings that the drain has written to the store.")
READINGS_BURIED = Counter("factorypulse_readings_buried", "Readings that went among the dead letters.")

JOURNAL_COMMIT_S = Histogram(
    "factorypulse_journal_commit_seconds", "One group commit, the disk's sync included.", buckets=_SECONDS
)
JOURNAL_FAILURES = Counter("factorypulse_journal_failures", "Commits that failed; nothing was acknowledged.", ["code"])

STORE_WRITE_S = Histogram("factorypulse_store_write_seconds", "One batch into the reading store.", buckets=_SECONDS)
DRAIN_PAUSES = Counter("factorypulse_drain_pauses", "Times that a factory's lane stumbled and waits.")

LIVE_FRAMES = Counter("factorypulse_live_frames", "Messages of readings sent towards browsers.")
LIVE_FRAMES_DROPPED = Counter("factorypulse_live_frames_dropped", "Factories' ticks dropped because Valkey was away.")
MQTT_CONNECTIONS = Gauge("factorypulse_mqtt_connections", "Devices that are connected by MQTT.")
