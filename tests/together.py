"""Which tests share a worker, so that they share what takes long to start and never run beside each other.

pytest-xdist's own groups are lost with this pytest, silently: it wrote them into a field that nodes no longer have.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# At most one trial and one browser run beside the rest of the suite, and the largest group begins first.
_TOGETHER = {
    "tests/e2e/": "browser",
    "tests/dev/test_demo.py": "demo",
    "tests/faults/test_life_cycle.py": "life cycle",
    "tests/faults/test_data.py": "data",
    "tests/faults/test_services.py": "services",
}


class _Together(LoadScopeScheduling):
    """Tests by group; all others one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for path, group in _TOGETHER.items() if nodeid.startswith(path)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Together:
    """Asked once, by the process that gives out tests."""
    return _Together(config, log)
