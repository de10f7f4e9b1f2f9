"""docs/reliability.md names tests that exist."""

import re

from tests.faults.processes import ROOT

NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def test_every_proof_that_the_document_names_exists():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    proofs = NAMED.findall(text)
    assert len(proofs) > 25
    missing = [
        f"{path}::{name}"
        for path, name in proofs
        if not (ROOT / "tests" / path).exists()
        or not re.search(rf"^(async )?def {name}\(", (ROOT / "tests" / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


def test_every_fault_of_the_journey_has_a_row_with_a_proof():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \|(.*)$", text, re.MULTILINE))
    wanted = [str(number) for number in (*range(1, 19), 21, 22)]
    assert [number for number in wanted if not NAMED.search(rows.get(number, ""))] == []
