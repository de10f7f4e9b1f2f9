"""Reads the time column of a recording: text of many forms, epochs, or seconds from the start. Pure."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

from factorypulse.replay.errors import ReplayError

# A number below is no date after 1973, so it counts from the recording's start.
_FIRST_EPOCH_S = 1e8
_PER_MS = ((1e11, 1e-3), (1e14, 1.0), (1e17, 1e3), (float("inf"), 1e6))  # epoch s, ms, us, ns
_FORMS = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y",
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y",
    "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d %m %Y %H:%M", "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p", "%d-%b-%Y %H:%M:%S", "%d %b %Y %H:%M:%S",
)  # fmt: skip

TimeReader = Callable[[str], int]


def time_reader(samples: list[str], *, form: str = "", decimal: str = ".") -> TimeReader:
    """A reader of epoch milliseconds, fit for all the samples; it raises ValueError for a text of another form.

    form: as strptime takes it. A time without an offset is UTC; a small number counts in seconds.

    >>> read = time_reader(["2020-02-08 13:30:47", "2020-02-08 13:30:48"])
    >>> read("2020-02-08 13:30:49") - read("2020-02-08 13:30:47")
    2000
    >>> time_reader(["13.02.2020 10:00"])("13.02.2020 10:00"), time_reader(["1581588000"])("1581588000")
    (1581588000000, 1581588000000)
    """
    if form:
        candidates: list[TimeReader] = [lambda text: _of(datetime.strptime(text.strip(), form))]  # noqa: DTZ007  # _of
    else:
        candidates = [lambda text: _number(text, decimal), _iso, *map(_by_form, _FORMS)]
    for read in candidates:
        with contextlib.suppress(ValueError, OverflowError):
            for sample in samples:
                read(sample)
            return read
    raise ReplayError(
        f"“{samples[0][:40]}” is no time that can be read; name its form, such as --time-format '%d.%m.%y %H:%M'"
    )


def _of(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def _iso(text: str) -> int:
    return _of(datetime.fromisoformat(text.strip()))


def _by_form(form: str) -> TimeReader:
    return lambda text: _of(datetime.strptime(text.strip(), form))  # noqa: DTZ007  # _of


def _number(text: str, decimal: str) -> int:
    value = float(text.replace(decimal, ".") if decimal != "." else text)
    if not value - value == 0:
        raise ValueError("no time")
    if abs(value) < _FIRST_EPOCH_S:
        return round(value * 1000)
    return round(value / next(per_ms for below, per_ms in _PER_MS if abs(value) < below))
