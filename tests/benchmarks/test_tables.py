"""The document's tables come from the figures, and leave the words around them alone."""

import json

from benchmarks.tables import placed, tables

LOAD = {
    "load": {"shape": {"name": "metrics10"}, "readings_per_s": 5_000.0},
    "messages": 500,
    "sent": {"ack_p50_ms": 1.0, "ack_p99_ms": 2.0, "acknowledged": 500},
    "seen": {"p50_ms": 10.0, "p99_ms": 40.0, "newest_p99_ms": 30.0},
    "checked": {"lost": 0, "doubled": 0, "altered": 0, "unlike": 0},
    "cost": {"ingest": {"cpu_s": 1.0, "pss_mib": 100.0}},
    "drain_s": 0.2,
    "alarm_s": 0.3,
    "pss_mib": 100.0,
    "readings_per_cpu_s": 60_000.0,
    "seconds": 10.0,
    "restarted": False,
    "held": True,
}
FAILED = {**LOAD, "load": {**LOAD["load"], "readings_per_s": 10_000.0}, "held": False}


def contender(name, *loads):
    return {"name": name, "durable": "yes", "loads": list(loads)}


def test_the_summary_names_the_highest_rate_that_held_and_the_furthest_peer(tmp_path):
    further = {**FAILED, "held": True}
    figures = {
        "machine": {"cpu": "a", "cores": 2, "system": "b"},
        "contenders": {
            "postgres": contender("ours", LOAD, FAILED, FAILED),
            "peer-a": contender("slow peer", LOAD),
            "peer-b": contender("fast peer", LOAD, further),
        },
    }
    (tmp_path / "ingest.json").write_text(json.dumps(figures))
    summary = tables(tmp_path)["ingest"]
    assert "| ours | 5,000 | 60,000 | 10 / 40 (30) | - |" in summary
    assert "fast peer | 10,000" in summary
    assert "slow peer" not in summary


def test_a_table_takes_only_its_own_place():
    text = "before\n<!-- a -->\nold\n<!-- /a -->\nbetween\n<!-- b -->\nkept\n<!-- /b -->\n"
    assert placed(text, "a", "new") == text.replace("old", "new")


def test_figures_of_any_benchmark_become_a_table(tmp_path):
    (tmp_path / "door.json").write_text(json.dumps([{"load": "fast", "ack_p99_ms": 1.25}]))
    (tmp_path / "query.json").write_text(json.dumps({"p99_ms": 12.0}))
    found = tables(tmp_path)
    assert "| fast | 1.25 |" in found["door"]
    assert "| p99 ms | 12 |" in found["query"]
