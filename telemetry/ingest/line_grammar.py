"""InfluxDB line protocol, line by line: the exact grammar, as InfluxDB's own parser reads it. Pure.

A comma, space or equals sign belongs to a name when a backslash stands right before it; a backslash before anything
else is itself. A text value stands in double quotes and may hold line breaks. Quantifiers are possessive, so that no
body can make them go back and forth.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_KEY = r"(?:[^,= \\\n]|\\++[,= ]?+)++"
_MEASUREMENT = r"(?:[^, \\\n]|\\++[, ]?+)++"
_TEXT = r'"(?:[^"\\]|\\[\s\S])*+"'
_FIELD = rf"{_KEY}=(?:{_TEXT}|[^, \"\n][^, \n]*+)"
_LINE = re.compile(
    rf"(?P<head>{_MEASUREMENT}(?:,{_KEY}={_KEY})*+)[ ]++(?P<fields>{_FIELD}(?:,{_FIELD})*+)"
    r"(?:[ ]++(?P<time>-?[0-9]++))?+[ ]*+(?=\n|\Z)"
)
_TAG = re.compile(rf",({_KEY})=({_KEY})")
_PAIR = re.compile(rf"({_KEY})=({_TEXT}|[^, \n]++)")
_MEASUREMENT_AT_START = re.compile(_MEASUREMENT)
_ESCAPED = re.compile(r"\\([,= ])")
_BLANK = " \t\0"


@dataclass(frozen=True, slots=True)
class Line:
    """One point. number: its line in the body, from 0; fields: names and what stands after the equals sign."""

    number: int
    tags: dict[str, str]
    fields: list[tuple[str, str]]
    time: str | None


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no point: its number from 0, its beginning, and what is wrong with it."""

    number: int
    text: str
    fault: str


def lines_read(text: str) -> Iterator[Line | BadLine]:
    """Every line that is neither empty nor a comment; a bad one costs only itself.

    >>> [line.tags for line in lines_read(r'cpu,machine=M\\ 1 load=0.5 17')]
    [{'machine': 'M 1'}]
    >>> [line.fault for line in lines_read("cpu load")]
    ['missing fields']
    """
    at, number = 0, 0
    while at < len(text):
        end = _line_end(text, at)
        start = at + len(text[at:end]) - len(text[at:end].lstrip(_BLANK))
        if start == end or text[start] == "#":
            at, number = end + 1, number + 1
            continue
        found = _LINE.match(text, start)
        if found is None:
            yield BadLine(number, text[start:end][:80], _fault(text[start:end]))
        else:
            yield _line(number, found)
            end = found.end()
        number += text.count("\n", at, end) + 1
        at = end + 1


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _line(number: int, found: "re.Match[str]") -> Line:
    head = found["head"]
    measurement = _MEASUREMENT_AT_START.match(head)
    tags = _TAG.findall(head, measurement.end() if measurement else 0)
    fields = [(unescaped(key), value) for key, value in _PAIR.findall(found["fields"])]
    return Line(number, {unescaped(key): unescaped(value) for key, value in tags}, fields, found["time"])


def unescaped(name: str) -> str:
    """A measurement's, tag's or field's name, or a tag's value, as it was meant."""
    return _ESCAPED.sub(r"\1", name) if "\\" in name else name


def _fault(line: str) -> str:
    """In InfluxDB's words, which people who use it search for."""
    head = _MEASUREMENT_AT_START.match(line)
    if head is None:
        return "missing measurement"
    rest = line[head.end() :]
    tags = re.match(rf"(?:,{_KEY}={_KEY})*+", rest)
    after = rest[tags.end() :] if tags else rest
    if after.startswith(","):
        return "missing tag key or tag value"
    fields = re.match(rf"[ ]++{_FIELD}(?:,{_FIELD})*+", after)
    if fields is None:
        return "unbalanced quotes" if re.search(r'="', after) else "missing fields"
    return "invalid field format" if after[fields.end() :].startswith(",") else "bad timestamp"
