"""Why something was refused, in the reader's language: a reason in a few words by its code, and the detail beside it.

The doors answer devices, and write down, in the source's language alone. What they say stands here once more, and a
test provokes every refusal to see that it is known.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from telemetry.resaying import Resayer, in_source_language

_BY_CODE: dict[str, Promise] = {
    "not_a_number": _("Not a number"),
    "not_finite": _("NaN or Infinity"),
    "out_of_range": _("Beyond every measure"),
    "length_mismatch": _("Columns of different length"),
    "timestamp_invalid": _("Not a time"),
    "timestamp_too_old": _("Too old"),
    "timestamp_in_future": _("From the future"),
    "machine_missing": _("Machine not named"),
    "machine_invalid": _("Machine's name not allowed"),
    "machine_not_of_key": _("Key is for other machines"),
    "metric_invalid": _("Metric's name not allowed"),
    "machine_limit": _("All machines of the plan are taken"),
    "metric_limit": _("All metrics of the machine are taken"),
    "series_limit": _("All metrics of the plan are taken"),
    "rate_limited": _("More than the plan allows"),
    "too_large": _("Body too large"),
    "too_many_readings": _("Too many readings in a body"),
    "too_deep": _("JSON nested too deeply"),
    "malformed_json": _("Not JSON"),
    "malformed_payload": _("Not readable"),
    "unknown_shape": _("Not one of our shapes"),
    "malformed_line": _("Not a line of the protocol"),
    "no_lines": _("Nothing in the body"),
    "invalid_precision": _("Unit of time not known"),
    "malformed_encoding": _("Not what its encoding says"),
    "unsupported_media_type": _("Kind of body not read here"),
    "qos_not_supported": _("QoS 2 not taken"),
    "foreign_topic": _("Topic of somebody else"),
    "unknown_topic": _("Topic not known"),
    "broker_gap": _("Lost at the broker"),
    "store_refused": _("Refused by the store, and kept"),
    "more_refused": _("More of the same"),
}

_SOURCES: dict[str, Promise] = {"drain": _("Reading store"), "registration": _("Registration")}
_WORDS = (
    gettext_noop("true or false"),
    gettext_noop("text"),
    gettext_noop("a list"),
    gettext_noop("an object"),
    gettext_noop("null"),
    gettext_noop("something else"),
)
_DETAILS = Resayer(
    gettext_noop("a reading is a number, this is %(kind)s"),
    gettext_noop("NaN, Infinity and numbers beyond float64 are no readings"),
    gettext_noop("beyond ±%(largest)s nothing is measured"),
    gettext_noop("a list needs “timestamps” beside it"),
    gettext_noop("a column needs as many values as there are timestamps, %(count)s"),
    gettext_noop("a column's timestamps may not be null"),
    gettext_noop("a timestamp is RFC 3339 text or epoch milliseconds"),
    gettext_noop("a timestamp is beyond every clock"),
    gettext_noop("this number is no epoch time in milliseconds"),
    gettext_noop("not RFC 3339: write 2026-11-21T10:00:00Z, or with another offset"),
    gettext_noop("an offset is missing: end it with Z or +01:00"),
    gettext_noop("more than %(minutes)s minutes ahead: %(time)s"),
    gettext_noop("%(time)s looks like seconds: send milliseconds"),
    gettext_noop("older than %(days)s days: %(time)s"),
    gettext_noop("name the machine: “machine” or “equipment_id”"),
    gettext_noop("name the machine by the tag “machine”"),
    gettext_noop("a machine's name is text"),
    gettext_noop("a machine's name is 1 to 64 letters, digits, spaces and _ . : -"),
    gettext_noop("a metric's name is 1 to 64 letters, digits, spaces and _ . : - / % °"),
    gettext_noop("this key is not for this machine"),
    gettext_noop("a reading is an object"),
    gettext_noop("A body is an object or a list of objects; /api/docs shows the four shapes."),
    gettext_noop("There is no reading in this body; /api/docs shows the four shapes."),
    gettext_noop("There is no line in this body that is a point."),
    gettext_noop("“%(given)s” is no precision; there are ns, us, ms and s."),
    gettext_noop("unable to parse '%(line)s': %(fault)s"),
    gettext_noop("This is not JSON in UTF-8: %(fault)s"),
    gettext_noop("The JSON is nested too deeply."),
    gettext_noop("Send JSON as application/json, not “%(kind)s”."),
    gettext_noop("Content-Encoding may be gzip or zstd, not “%(encoding)s”."),
    gettext_noop("The body is not gzip."),
    gettext_noop("The gzip body is cut off."),
    gettext_noop("The body is not zstd."),
    gettext_noop("One body may have %(bytes)s bytes, also after inflation."),
    gettext_noop("One body may have %(bytes)s bytes."),
    gettext_noop("One body may have %(most)s readings; this has %(readings)s."),
    gettext_noop("QoS 2 is not taken here: publish with QoS 1"),
    gettext_noop("“%(topic)s” is not a topic of this factory"),
    gettext_noop("“%(topic)s” is not factories/…/devices/…/telemetry"),
    gettext_noop("the store refused this for good; it is kept among the dead letters"),
    gettext_noop("More of the same body was refused."),
    gettext_noop("More was refused than is listed."),
    gettext_noop("The broker did not know us any more: what it was sent between %(from)s and %(to)s is lost."),
    gettext_noop(
        "The broker's queue was full: it dropped %(count)s messages between %(from)s and %(to)s, of this factory or"
        " others."
    ),
    # Those of the plan, see `tenants.limits`, alone or with what follows them.
    gettext_noop("The plan allows %(allowed)s readings a second, and this factory sends more."),
    gettext_noop("The plan allows bodies of %(allowed)s bytes, also after inflation: send smaller ones."),
    gettext_noop("The plan has room for %(allowed)s machines, and they are all taken."),
    gettext_noop("The plan has room for %(allowed)s metrics of one machine, and they are all taken."),
    gettext_noop("The plan has room for %(allowed)s metrics of all machines together, and they are all taken."),
    gettext_noop("%(sentence)s “%(name)s” has none."),
    gettext_noop("%(sentence)s Wait %(seconds)s s."),
    words=_WORDS,
)


def reason_word(code: str) -> str:
    """A refusal's code in a few words; one that is not known, as it is.

    >>> reason_word("too_deep"), reason_word("a_new_one")
    ('JSON nested too deeply', 'a_new_one')
    """
    return str(_BY_CODE.get(code, code))


def source_word(source: str) -> str:
    """Where a refusal came from: a door and its key, or a part of the product."""
    return str(_SOURCES.get(source, source))


def detail_said(detail: str) -> str | None:
    """What a door said of a refusal, in the reader's language; None where it is only known in the source's."""
    return detail if in_source_language() else _DETAILS.again(detail)
