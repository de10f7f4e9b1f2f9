"""The trial as it comes, with the machines that it simulates."""

from collections.abc import Iterator

import pytest

from tests.e2e.trial import Trial, running_trial


@pytest.fixture(scope="package")  # a trial takes longer to start than most of what is done with it
def trial() -> Iterator[Trial]:
    """A plant of eight simulated machines, for everybody: a test adds machines of its own, and looks at those."""
    with running_trial(simulator=True) as running:
        yield running
