"""Recordings of many makes become rows, and what can't be read says what to do."""

import gzip

import pytest

from factorypulse.replay.errors import ReplayError
from factorypulse.replay.recording import rows_together, tables_of
from factorypulse.replay.tables import Table, TableOptions


@pytest.fixture
def table(tmp_path):
    def make(text, *, name="run.csv", machine="M01", encoding="utf-8", **options):
        path = tmp_path / name
        raw = text.encode(encoding)
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return Table(path, machine, TableOptions(**options))

    return make


def told(table):
    return [(row.t_ms, row.machine, row.metrics) for row in table]


FIVE_PAST = 1581168600000


@pytest.mark.parametrize(
    "times",
    [
        ("2020-02-08T13:30:00Z", "2020-02-08T13:30:01+00:00"),
        ("2020-02-08 13:30:00", "2020-02-08 13:30:01"),
        ("1581168600", "1581168601"),
        ("1581168600000", "1581168601000"),
        ("1581168600000000000", "1581168601000000000"),
        ("08.02.2020 13:30:00", "08.02.2020 13:30:01"),
        ("2020/02/08 13:30:00", "2020/02/08 13:30:01"),
    ],
)
def test_times_of_many_forms_are_read(table, times):
    rows = told(table(f"timestamp,v\n{times[0]},1\n{times[1]},2.5\n"))
    assert rows == [(FIVE_PAST, "M01", {"v": 1.0}), (FIVE_PAST + 1000, "M01", {"v": 2.5})]


def test_small_numbers_count_in_seconds(table):
    assert [row.t_ms for row in table("time,v\n0,1\n0.01,2\n")] == [0, 10]


def test_semicolons_bring_decimal_commas_and_a_byte_order_mark_is_no_name(table):
    text = "\ufeffZeit;Druck (bar);Text\n08.02.2020 13:30;1,5;an\n08.02.2020 13:31;;aus\n08.02.2020 13:32;2;an\n"
    rows = told(table(text, name="run.csv.gz"))
    assert rows == [(FIVE_PAST, "M01", {"Druck bar": 1.5}), (FIVE_PAST + 120_000, "M01", {"Druck bar": 2.0})]


def test_a_table_of_old_windows_is_read(table):
    [(_, _, metrics)] = told(table("time,Temp °C\n0,1\n", encoding="cp1252"))
    assert metrics == {"Temp °C": 1.0}


def test_rows_without_times_follow_each_other(table):
    assert [row.t_ms for row in table("a,b\n1,2\n3,4\n", every_s=180)] == [0, 180_000]


def test_the_long_form_has_one_reading_a_row(table):
    text = "time,machine,metric,value\n0,A,t,1\n0,B,t,2\n1,A,p,3\n"
    rows = told(table(text, machine="", machine_column="machine"))
    assert rows == [(0, "A", {"t": 1.0}), (0, "B", {"t": 2.0}), (1000, "A", {"p": 3.0})]


def test_a_column_may_name_the_machines_of_a_wide_table(table):
    rows = told(table("unit,cycle,s1\n1,1,5\n2,1,6\n", machine="engine", machine_column="unit", time="cycle"))
    assert rows == [(1000, "engine-1", {"s1": 5.0}), (1000, "engine-2", {"s1": 6.0})]


def test_damaged_rows_are_counted_and_passed_over(table):
    damaged = table("time,v,w\n0,1,2\nsoon,1,2\n1\n2,nan,\n3,4,x\n")
    assert told(damaged) == [(0, "M01", {"v": 1.0, "w": 2.0}), (3000, "M01", {"v": 4.0})]
    assert damaged.unreadable == 3


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("", {}, "is empty"),
        ("time,v\n", {}, "has no rows"),
        ("a,b\n1,2\n", {}, "--every SECONDS"),
        ("time,v\nyesterday,1\n", {}, "--time-format"),
        ("time,v\n1,x\n", {}, "no column has numbers"),
        ("time,v\n1,1\n", {"time": "when"}, "no column “when”"),
        ("time,v\n1,1\n", {"columns": ("w",)}, "no column “w”"),
    ],
)
def test_what_cannot_be_replayed_says_what_to_do(table, text, options, sentence):
    with pytest.raises(ReplayError, match=sentence):
        told(table(text, **options))


def test_a_file_that_only_says_it_is_compressed_is_refused(tmp_path):
    path = tmp_path / "run.csv.gz"
    path.write_bytes(b"time,v\n1,1\n")
    with pytest.raises(ReplayError, match="can't be opened"):
        list(Table(path, "M01", TableOptions()))
    path.write_bytes(gzip.compress(b"time,v\n" + b"1,1\n" * 100_000)[:-20])
    with pytest.raises(ReplayError, match="can't be read"):
        list(Table(path, "M01", TableOptions()))


def test_a_folder_plays_all_its_tables_from_their_own_beginnings(tmp_path):
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "a.csv").write_text("time,v\n2020-01-01 00:00:00,1\n2020-01-01 00:00:02,2\n")
    (tmp_path / "inputs" / "b.csv").write_text("time,v\n2024-01-01 00:00:00,3\n2024-01-01 00:00:01,4\n")
    (tmp_path / "truth.csv").write_text("time,v\n0,1\n")
    rows = rows_together(tables_of(tmp_path, machine="rig", options=TableOptions()))
    assert [(r.t_ms, r.machine, r.metrics["v"]) for r in rows] == [
        (0, "rig-a", 1.0), (0, "rig-b", 3.0), (1000, "rig-b", 4.0), (2000, "rig-a", 2.0),
    ]  # fmt: skip
