"""Which MQTT 5 properties a device may send, in which packet and with which values. Pure."""

from collections.abc import Mapping

from telemetry.ingest.mqtt_wire import ProtocolViolationError, Reader

SESSION_EXPIRY, AUTHENTICATION_METHOD, AUTHENTICATION_DATA = 0x11, 0x15, 0x16
ASSIGNED_CLIENT_ID, REASON_STRING, RECEIVE_MAXIMUM, TOPIC_ALIAS = 0x12, 0x1F, 0x21, 0x23
MAXIMUM_QOS, MAXIMUM_PACKET_SIZE = 0x24, 0x27
_PAYLOAD_FORMAT, _RESPONSE_TOPIC, _SUBSCRIPTION_ID, _USER = 0x01, 0x08, 0x0B, 0x26
_PROBLEM_INFORMATION, _RESPONSE_INFORMATION = 0x17, 0x19

_MESSAGE = frozenset({_PAYLOAD_FORMAT, 0x02, 0x03, _RESPONSE_TOPIC, 0x09, _USER})
IN_CONNECT = frozenset(
    {
        SESSION_EXPIRY, AUTHENTICATION_METHOD, AUTHENTICATION_DATA, _PROBLEM_INFORMATION, _RESPONSE_INFORMATION,
        RECEIVE_MAXIMUM, 0x22, _USER, MAXIMUM_PACKET_SIZE,
    }
)  # fmt: skip
IN_WILL = _MESSAGE | {0x18}
# No subscription identifier: that one only a server sends [MQTT-3.3.4-6].
IN_PUBLISH = _MESSAGE | {TOPIC_ALIAS}
IN_SUBSCRIBE = frozenset({_SUBSCRIPTION_ID, _USER})
IN_UNSUBSCRIBE = frozenset({_USER})
IN_DISCONNECT = frozenset({SESSION_EXPIRY, REASON_STRING, _USER})

_NEVER_0 = frozenset({_SUBSCRIPTION_ID, RECEIVE_MAXIMUM, MAXIMUM_PACKET_SIZE})
_0_OR_1 = frozenset({_PAYLOAD_FORMAT, _PROBLEM_INFORMATION, _RESPONSE_INFORMATION})


def properties_read(reader: Reader, allowed: frozenset[int]) -> Mapping[int, object]:
    """The properties at this place of a packet, user properties left out.

    Raises MalformedPacketError for what can't stand here, ProtocolViolationError for values that may not.
    """
    found = reader.properties(allowed)
    for identifier, value in found.items():
        if value == 0 and identifier in _NEVER_0:
            raise ProtocolViolationError(f"property {identifier:#x} is 0")
        if identifier in _0_OR_1 and value not in (0, 1):
            raise ProtocolViolationError(f"property {identifier:#x} is neither 0 nor 1")
    topic = found.get(_RESPONSE_TOPIC)
    if isinstance(topic, str) and ("+" in topic or "#" in topic):
        raise ProtocolViolationError("a response topic has no wildcards")
    if AUTHENTICATION_DATA in found and AUTHENTICATION_METHOD not in found:
        raise ProtocolViolationError("authentication data without its method")
    return found
