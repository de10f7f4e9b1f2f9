"""Numbers read the same wherever they are written."""

import json
from pathlib import Path

import pytest

from telemetry.figures import figure

FIGURES = json.loads((Path(__file__).parent.parent / "js" / "figures.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("value", "text"), FIGURES)
def test_figure_reads_as_in_the_browser(value: float | None, text: str) -> None:
    assert figure(value) == text
