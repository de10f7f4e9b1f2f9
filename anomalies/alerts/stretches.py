"""When what an alert tells of was so, read off its timeline. Pure."""

from collections.abc import Iterable

Stretch = tuple[int, int | None]


def stretches_of(entries: Iterable[tuple[str, int]]) -> list[Stretch]:
    """(from, to) of each stretch; `to` is None while it lasts.

    entries: (kind, event time) of those entries of one alert that have an event time, in the order they were written.
    What late readings told stands behind what it belongs before, and moves begin and end outward.

    >>> stretches_of([("raised", 10), ("began_earlier", 7), ("wrong_before", 1), ("right_before", 3), ("returned", 20)])
    [(7, 20), (1, 3)]
    """
    found: list[tuple[int, int | None]] = []
    # The place of the stretch that lasts, or was the last to.
    present = -1
    for kind, at in entries:
        if kind == "raised":
            present = len(found)
            found.append((at, None))
        elif kind == "wrong_before":
            found.append((at, at))
        elif kind == "right_before":
            found[-1] = (found[-1][0], at)
        elif present >= 0:
            begin, end = found[present]
            if kind == "began_earlier":
                found[present] = (min(begin, at), end)
            elif end is None or kind == "ended_later":
                found[present] = (begin, at)
    return found
