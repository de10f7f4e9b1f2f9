"""The topics that readings come by, from devices and from brokers. Pure."""

SUBSCRIPTION = "factories/+/devices/+/telemetry"
# Mosquitto's count of messages that it could not keep, for all its clients.
DROPPED = "$SYS/broker/publish/messages/dropped"


def topic_parse(topic: str) -> tuple[str, str] | None:
    """Factory and machine of a topic, either possibly empty; None for a topic of any other form.

    >>> topic_parse("factories/mill/devices/M01/telemetry")
    ('mill', 'M01')
    >>> topic_parse("factories/mill/devices/M01/status") is None
    True
    """
    parts = topic.split("/")
    if len(parts) != 5 or (parts[0], parts[2], parts[4]) != ("factories", "devices", "telemetry"):
        return None
    return parts[1], parts[3]
