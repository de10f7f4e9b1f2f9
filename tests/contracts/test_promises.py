"""README.md here names the test of each promise: what it names exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", Path(__file__).with_name("README.md").read_text(encoding="utf-8"))


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) > 40
    for file, test in NAMED:
        assert (ROOT / file).exists(), file
        if test:
            assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"
