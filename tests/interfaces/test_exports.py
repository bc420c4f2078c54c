"""Tables of runs, series and comparisons, in both formats."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lineal.errors import NotFound, Unavailable
from lineal.interfaces import exports
from lineal.interfaces.exports import Table, as_csv, as_parquet, comparison_table, runs_table, series_table


def read_csv(pieces: Iterator[bytes]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(pieces).decode())))


def read_parquet(pieces: Iterator[bytes]) -> Any:
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(io.BytesIO(b"".join(pieces)))


def a_table(rows: Sequence[Sequence[Any]], **columns: str) -> Table:
    return Table(columns=columns, rows=lambda: iter(rows))


def test_every_run_that_matches_is_a_row_whatever_the_pages(sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PAGE", 7)
    rows = read_csv(as_csv(runs_table(sample, where="status = 'finished'", order="-metrics.rmse")))
    found = sample.runs.search(where="status = 'finished'", order="-metrics.rmse", limit=1000)
    assert [row["id"] for row in rows] == [run.id for run in found.runs]
    assert float(rows[0]["metrics.rmse"]) == found.runs[0].metrics["rmse"].last
    assert {row["status"] for row in rows} == {"finished"}


def test_parquet_keeps_types_and_missing_values(sample: Any) -> None:
    table = read_parquet(as_parquet(runs_table(sample, limit=50)))
    kinds = {field.name: str(field.type) for field in table.schema}
    assert (kinds["number"], kinds["started_at"], kinds["metrics.rmse"]) == ("int64", "timestamp[us, tz=UTC]", "double")
    assert kinds["params.max_depth"] == "int64"
    assert table.num_rows == 50
    assert table.column("metrics.rmse").null_count == sum("rmse" not in run.metrics for run in sample.runs.search(limit=50).runs)


def test_columns_of_mixed_kinds_are_text(sample: Any) -> None:
    del sample
    table = a_table([["x", 1.0, True, 2**70, float("nan")], [[1, "a"], None, None, "b", None]], a="text", b="float", c="bool", d="text", e="float")
    found = read_parquet(as_parquet(table)).to_pylist()
    assert (found[0]["d"], found[1]["a"], found[1]["b"]) == (str(2**70), '[1,"a"]', None)
    assert found[0]["e"] != found[0]["e"]
    assert found[1]["e"] is None


def test_no_cell_and_no_head_is_a_formula() -> None:
    values = ["=1+1", "+1", "-1+1", "@a", "\t=1", "\r=1", "plain", -1.5, None, {"a": "=1"}]
    ((head, *cells),) = (
        [
            row[0]
            for row in csv.reader(io.StringIO(b"".join(as_csv(a_table([[value] for value in values], **{"=head": "text"}))).decode(), newline=""))
        ],
    )
    assert head == "'=head"
    assert cells == ["'=1+1", "'+1", "'-1+1", "'@a", "'\t=1", "'\r=1", "plain", "-1.5", "", '{"a":"=1"}']


def test_every_point_of_a_long_series_comes_once_and_in_order(sample: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "WINDOW", 1000)
    run = next(run for run in sample.runs.all.values() if "loss" in run.metrics and run.metrics["loss"].points == 100_000)
    whole = sample.runs.series(run.id, "loss")
    asked: list[int] = []
    series = sample.runs.series

    def watched(*words: Any, **further: Any) -> Any:
        found = series(*words, **further)
        asked.extend(len(one.steps) for one in found)
        return found

    monkeypatch.setattr(sample.runs, "series", watched)
    rows = list(series_table(sample, run.id, ["loss"]).rows())
    assert [(row[1], row[2]) for row in rows] == [(one.rank, step) for one in whole for step in one.steps]
    assert max(asked) <= 2 * 1000
    with pytest.raises(NotFound):
        series_table(sample, run.id, ["nothing"])


def test_a_comparison_is_a_row_for_each_thing_and_a_column_for_each_run(sample: Any) -> None:
    runs = list(sample.runs.all)[100:102]
    rows = read_csv(as_csv(comparison_table(sample, runs)))
    depth = next(row for row in rows if (row["section"], row["key"]) == ("params", "max_depth"))
    heads = [name for name in depth if name.endswith((runs[0][:8], runs[1][:8]))]
    assert [depth[head] for head in heads] == [str(sample.runs.get(run).params["max_depth"].value) for run in runs]
    assert read_parquet(as_parquet(comparison_table(sample, runs))).num_rows == len(rows)


def test_without_pyarrow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Unavailable) as caught:
        next(as_parquet(a_table([], a="text")))
    assert "pip install pyarrow" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/api/v1/export/runs.csv?where=params.max_depth = 8", "text/csv"),
        ("/api/v1/export/runs.parquet", "application/vnd.apache.parquet"),
        ("/runs.csv?where=train", "text/csv"),
        ("/runs.parquet?status=failed", "application/vnd.apache.parquet"),
    ],
)
def test_they_are_downloads(path: str, media: str, visitor: Any) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(media)
    assert answer.headers["content-disposition"].startswith('attachment; filename="runs.')


def test_a_filter_that_cannot_be_read_is_an_error_and_no_file(visitor: Any) -> None:
    assert visitor.get("/api/v1/export/runs.csv?where=metrics.auc >").status_code == 422


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    from lineal.interfaces.cli.exporting import write_table

    target = tmp_path / "runs.csv"
    target.write_text("before")

    def broken() -> Iterator[Sequence[Any]]:
        yield [1]
        raise RuntimeError("the ledger is away")

    with pytest.raises(RuntimeError):
        write_table(Table(columns={"a": "int"}, rows=broken), form="", output=str(target))
    assert [path.name for path in tmp_path.iterdir()] == ["runs.csv"]
    assert target.read_text() == "before"
    write_table(a_table([[1]], a="int"), form="", output=str(target))
    assert target.read_bytes() == b"a\r\n1\r\n"
    with pytest.raises(Unavailable):
        write_table(a_table([[1]], a="int"), form="csv", output=str(tmp_path / "no" / "x.csv"))
