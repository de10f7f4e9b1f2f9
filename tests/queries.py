"""How many questions a page asks the database."""

from collections.abc import Callable

from django.db import connection
from django.test.utils import CaptureQueriesContext


def queries_of(ask: Callable[[], object], *, tries: int = 3) -> int:
    """The fewest of some tries: any may look up anew what a process knows for seconds, as a host's factory."""

    def once() -> int:
        with CaptureQueriesContext(connection) as captured:
            ask()
        return len(captured)

    return min(once() for _ in range(tries))
