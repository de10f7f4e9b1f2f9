"""What is refused is said in the reader's language, whatever the doors wrote down."""

import gzip
import io
import json
from collections.abc import Callable, Iterator

import pytest
from django.utils import translation

from telemetry.ingest.admission import name_fault
from telemetry.ingest.bodies import body_read, media_check
from telemetry.ingest.columns import value_fault
from telemetry.ingest.key_machines import machines_check
from telemetry.ingest.lines import lines_parse
from telemetry.ingest.payloads import MAX_BYTES, MAX_READINGS, parse
from telemetry.ingest.plan_room import no_room
from telemetry.ingest.refusals import PayloadError, grouped
from telemetry.refusal_words import detail_said, reason_word
from tenants.limits import limit_sentence, limits_of

NOW = 1_795_255_200_000


def _json(*values: object) -> Iterator[Callable[[], object]]:
    for value in values:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        yield lambda body=body: parse(body, received_ms=NOW)


def _lines(*bodies: bytes, precision: str = "ns") -> Iterator[Callable[[], object]]:
    for body in bodies:
        yield lambda body=body: lines_parse(body, received_ms=NOW, precision=precision)


def _read(body: bytes, encoding: str) -> Callable[[], object]:
    return lambda: body_read(io.BytesIO(body), length=0, encoding=encoding)


REFUSED = [
    *_json(
        *[{"machine": "M", "metrics": {"a": value}} for value in (True, "x", {}, None, [1], 1e300)],
        *[{"machine": "M", "timestamp": at, "metrics": {"a": 1}} for at in (True, 1e30, "soon", "2026-11-21T10:00:00")],
        {"metrics": {"a": 1}},
        {"machine": 7, "metrics": {"a": 1}},
        {"machine": "M", "timestamps": [1, 2], "metrics": {"a": [1]}},
        {"machine": "M", "timestamps": [1, None], "metrics": {"a": [1, 2]}},
        {"readings": ["x", {"machine": "M", "a": 1}]},
        "text",
        {},
        b"{",
        b"[" * 100_000,
        b" " * (MAX_BYTES + 1),
        {"machine": "M", "timestamps": [NOW] * (MAX_READINGS + 1), "metrics": {"a": [1.5] * (MAX_READINGS + 1)}},
    ),
    *_lines(b"mill a=t", b"mill,machine=M a=t", b'mill,machine=M a="x"', b"mill", b"", b"mill,machine=M a=1x"),
    *_lines(b"mill,machine=M a=1 99999999999999999999999", b"mill,machine=M a=t", precision="s"),
    *_lines(b"mill,machine=M a=1", precision="weeks"),
    _read(b"{}", "br"),
    _read(b"{}", "gzip"),
    _read(gzip.compress(b"{}")[:-4], "gzip"),
    _read(b"{}", "zstd"),
    _read(b" " * (MAX_BYTES + 1), "identity"),
    lambda: media_check("text/plain"),
    lambda: machines_check(parse(b'{"machine": "M", "metrics": {"a": 1}}', received_ms=NOW), frozenset({"N"})),
]


def told(refuse: Callable[[], object]) -> list[tuple[str, str]]:
    """Codes and details as quarantine gets them."""
    try:
        found = refuse()
    except PayloadError as error:
        return [(error.code, error.detail)]
    return [(one.code, one.detail) for one in grouped(found.rejected, source="test")]


@pytest.mark.parametrize("at", range(len(REFUSED)))
def test_what_a_door_refuses_is_said_in_german(at: int) -> None:
    refusals = told(REFUSED[at])
    assert refusals
    for code, detail in refusals:
        known(code, detail)


def test_names_figures_and_plans_are_said_in_german() -> None:
    limits = limits_of(None)
    for code, detail in filter(None, [name_fault("", "a"), name_fault("M", "?"), value_fault(1e300)]):
        known(code, detail)
    for code in ("machine_limit", "metric_limit", "series_limit"):
        said = known(code, no_room(code, "M01", "temp", limits))
        assert "M01" in said or "temp" in said
    assert known("rate_limited", limit_sentence("readings_per_s", limits) + " Wait 3 s.").endswith("mehr. 3 s warten.")


def test_what_is_not_known_is_left_to_be_shown_as_it_is() -> None:
    with translation.override("de"):
        assert detail_said("what a door says since yesterday") is None
    assert detail_said("what a door says since yesterday") == "what a door says since yesterday"


def known(code: str, detail: str) -> str:
    """The detail in German. Fails where it or its code is not known."""
    with translation.override("de"):
        said, word = detail_said(detail), reason_word(code)
    assert word != code, code
    assert said is not None, detail
    assert said != detail, "not translated"
    return said
