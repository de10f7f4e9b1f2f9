"""A trial without the simulator."""

from collections.abc import Iterator

import pytest

from tests.e2e.trial import Trial, running_trial


@pytest.fixture(scope="package")  # a trial takes longer to start than most of what is done with it
def quiet_trial() -> Iterator[Trial]:
    """A factory in which nothing happens but what a test sends; each test's machines are its own."""
    with running_trial(simulator=False) as running:
        yield running
