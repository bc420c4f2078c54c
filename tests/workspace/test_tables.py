"""Table files: their facts and their differences."""

from __future__ import annotations

import csv
import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineal.workspace.tables import DelimitedFacts, parquet_facts, row_diff, suffix


def facts(data: bytes, *, piece: int = 1 << 20) -> dict[str, object]:
    counting = DelimitedFacts(",")
    for start in range(0, len(data), piece):
        counting.observe(memoryview(data)[start : start + piece])
    return counting.facts()


cells = st.text(alphabet=st.sampled_from('ab",\n 1'), max_size=6)


@settings(deadline=None)
@given(st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=20), st.integers(1, 7))
def test_rows_are_counted_as_a_csv_reader_counts_them(rows: list[list[str]], piece: int) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([["a", "b"], *rows])
    assert facts(text.getvalue().encode(), piece=piece)["rows"] == len(rows)


def test_types_are_guessed_from_the_first_rows() -> None:
    data = b"i,f,s,t,b,n\n1,1.5,x,2013-01-01,True,\n-2,NA,y,2013-01-01 10:00:00,false,\n"
    columns = facts(data)["columns"]
    assert columns == [
        {"name": name, "type": kind} for name, kind in zip("ifstbn", ("int", "float", "str", "timestamp", "bool", "unknown"), strict=True)
    ]


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n1\n"])
def test_what_has_no_header_is_no_table(data: bytes) -> None:
    assert facts(data) == {}


def test_a_last_line_without_an_end_counts() -> None:
    assert facts(b"a,b\n1,2\n3,4")["rows"] == 2
    assert facts(b"a,b")["rows"] == 0


def test_names_say_what_is_a_table() -> None:
    assert [suffix(name) for name in ("a.CSV", "b/c.tsv", "d.parquet", "e.txt", "csv")] == [".csv", ".tsv", ".parquet", "", ""]


def test_a_long_table_is_compared_within_seconds() -> None:
    rows = [f"{number},{','.join(str(number * place % 101) for place in range(1, 19))},{number % 2}" for number in range(350_000)]
    before = ("id," + ",".join(f"c{place}" for place in range(18)) + ",late\n" + "\n".join(rows)).encode()
    flipped = [row[:-1] + ("1" if row[-1] == "0" else "0") if 100_000 <= place < 105_000 else row for place, row in enumerate(rows)]
    after = ("id," + ",".join(f"c{place}" for place in range(18)) + ",late\n" + "\n".join(flipped)).encode()
    started = time.process_time()
    found = row_diff("t.csv", io.BytesIO(before), io.BytesIO(after))
    assert time.process_time() - started < 10
    assert (found["changed"], found["columns"]) == (5000, {"late": 5000})


def test_quoted_line_ends_do_not_split_rows() -> None:
    before, after = b'a,b\n"x\ny",1\nz,2\n', b'a,b\n"x\ny",1\nz,3\n'
    found = row_diff("t.csv", io.BytesIO(before), io.BytesIO(after))
    assert (found["changed"], found["rows_after"]) == (1, 2)


def test_two_columns_of_one_name_and_other_separators_are_told_apart() -> None:
    found = row_diff("t.tsv", io.BytesIO(b"a\ta\n1\t2\n"), io.BytesIO(b"a\ta\n1\t3\n"))
    assert found["columns"] == {"a.1": 1}


def test_what_is_no_table_has_no_rows() -> None:
    assert row_diff("t.txt", io.BytesIO(b"x"), io.BytesIO(b"y")) == {}
    assert row_diff("t.parquet", io.BytesIO(b"x"), io.BytesIO(b"y")) == {}
    assert parquet_facts(io.BytesIO(b"no parquet")) == {}
    assert row_diff("t.csv", io.BytesIO(b""), io.BytesIO(b""))["rows_after"] == 0


def parquet(columns: dict[str, list[object]]) -> io.BytesIO:
    arrow = pytest.importorskip("pyarrow")
    written = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    written.write_table(arrow.table(columns), file)
    file.seek(0)
    return file


def test_parquet_files_are_described_and_compared_like_any_table() -> None:
    count = 20_000
    before: dict[str, list[object]] = {
        "id": list(range(count)),
        "late": [number % 2 == 0 for number in range(count)],
        "x": [None, float("nan")] * (count // 2),
    }
    late = [not value if 5000 <= place < 10_000 else value for place, value in enumerate(before["late"])]
    found = row_diff("t.parquet", parquet(before), parquet({**before, "late": late}))
    assert (found["changed"], found["columns"], found["added"]) == (5000, {"late": 5000}, 0)
    assert found["examples"][0]["row"] == 5001
    shorter = row_diff("t.parquet", parquet(before), parquet({name: values[:-3] for name, values in before.items()}))
    assert (shorter["removed"], shorter["changed"]) == (3, 0)
    assert parquet_facts(parquet(before)) == {
        "format": "parquet",
        "columns": [{"name": "id", "type": "int64"}, {"name": "late", "type": "bool"}, {"name": "x", "type": "double"}],
        "rows": count,
    }
