"""What to do about each reason for which something was refused, in one sentence for whoever looks after the devices."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_NAMES = _("Rename it at the device: 1 to 64 letters, digits, spaces and a few signs, nothing else at either end.")
_JSON = _("Look at the payload: the device or gateway sends something else than one of the shapes in the API's docs.")
_SMALLER = _("Send smaller bodies more often, or packed with gzip or zstd: the size counts after unpacking.")
_ROOM = _("Delete what is not used any more under Configure, or ask for a larger plan. Known metrics go on arriving.")
_CLOCK = _("Set the device's clock (NTP) and send milliseconds. A gateway that was away for long loses its oldest.")

_BY_CODE: dict[str, Promise] = {
    "not_a_number": _("Send a number: text, true and null are no readings. States can be sent as 0 and 1."),
    "not_finite": _("The sensor or driver has no value and sends NaN or Infinity: leave the metric out instead."),
    "out_of_range": _("Nothing measures that much: the driver probably reads the wrong register or byte order."),
    "length_mismatch": _("Each column needs as many values as there are timestamps."),
    "timestamp_invalid": _("Send RFC 3339 with an offset, or whole milliseconds since 1970; or leave the time out."),
    "timestamp_too_old": _CLOCK,
    "timestamp_in_future": _("Set the device's clock (NTP) and check that it sends milliseconds and its time zone."),
    "machine_missing": _("Name the machine in the body (“machine”) or, by MQTT, in the topic."),
    "machine_invalid": _NAMES,
    "metric_invalid": _NAMES,
    "machine_limit": _ROOM,
    "metric_limit": _ROOM,
    "series_limit": _ROOM,
    "rate_limited": _("The factory sends more than its plan allows: send less often, or ask for a larger plan."),
    "too_large": _SMALLER,
    "too_many_readings": _SMALLER,
    "too_deep": _JSON,
    "malformed_json": _JSON,
    "malformed_payload": _JSON,
    "unknown_shape": _JSON,
    "malformed_line": _("Look at the payload: a line is “measurement,machine=M01 field=1.5 time”."),
    "malformed_encoding": _("The body is not what its Content-Encoding says: check the client's compression."),
    "unsupported_media_type": _("Send JSON as application/json, plain or packed with gzip or zstd."),
    "no_lines": _("The body holds no line that is a point: look at what the gateway sends."),
    "invalid_precision": _("Name the unit of the timestamps by “precision”: ns, us, ms or s."),
    "machine_not_of_key": _("Give the device a key of its own, or widen this one's list of machines under API keys."),
    "qos_not_supported": _("Publish with QoS 1: it is acknowledged once the reading is on disk."),
    "foreign_topic": _("The topic names another factory: set it to this factory's, as “Connect a machine” shows it."),
    "unknown_topic": _("Publish to factories/<factory>/devices/<machine>/telemetry."),
    "broker_gap": _("Give the broker's queue more room, and keep its session over restarts; let devices send again."),
    "store_refused": _("This was acknowledged and is kept. The platform's staff can store it once they have looked."),
    "more_refused": _("More of the same: mend the reasons listed beside it first."),
}


def remedy(code: str) -> str | Promise:
    """What to do about a refusal code; for one without a sentence of its own, where to look."""
    return _BY_CODE.get(code) or _("Look at the payload and at the device that sent it.")
