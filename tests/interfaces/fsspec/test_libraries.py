"""Libraries that people read tables with, each over `lineal://`, and how much of a large file each of them fetches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec
import pytest

from lineal.bootstrap.compose import open_workspace
from lineal.interfaces.fsspec import LinealFileSystem
from lineal.store.objects import Objects

CSV = "lineal://flights@1/flights.csv"
PARTS = "flights@1/2013"
WIDE = "wide@1/wide.parquet"
ROWS = 20_000


@pytest.fixture(scope="module")
def wide(made: Path) -> int:
    """A table of nine columns that do not shrink, of which one is wanted; its size."""
    import numpy as np
    import pandas as pd

    draw = np.random.default_rng(1)
    table = pd.DataFrame({name: draw.random(100_000) for name in "abcdefgh"})
    table["n"] = range(len(table))
    (made / "wide").mkdir()
    table.to_parquet(made / "wide/wide.parquet", row_group_size=5_000)
    with closing(open_workspace(made)) as workspace:
        return workspace.datasets.add(made / "wide", name="wide").size


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many plain bytes were taken out of the store so far."""
    sizes: list[int] = []
    get = Objects.get

    def counted(self: Objects, key: bytes) -> tuple[int, bytes]:
        found = get(self, key)
        sizes.append(len(found[1]))
        return found

    monkeypatch.setattr(Objects, "get", counted)
    return lambda: sum(sizes)


def test_pandas_reads_tables_by_their_address(fs: LinealFileSystem, wide: int, fetched: Callable[[], int]) -> None:
    import pandas as pd

    assert fs.exists(CSV)
    assert pd.read_csv(CSV).shape == (ROWS, 3)
    assert pd.read_csv("lineal://flights@2/latest.csv").shape == (1, 3)
    assert pd.read_csv("lineal://single@1").shape == (1, 3)
    assert pd.read_parquet(f"lineal://{PARTS}").shape == (2 * ROWS, 3)
    before = fetched()
    assert pd.read_parquet(f"lineal://{WIDE}", columns=["a"]).shape == (100_000, 1)
    assert fetched() - before < wide * 2 / 3


def test_pandas_names_another_project(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    monkeypatch.chdir(tmp_path)
    assert pd.read_csv(CSV, storage_options={"project": str(project)}).shape == (ROWS, 3)
    with pytest.raises(FileNotFoundError):
        pd.read_csv(CSV)
    monkeypatch.setenv("LINEAL_WORKSPACE", str(project))
    assert pd.read_csv(CSV).shape == (ROWS, 3)


def test_pyarrow_scans_a_folder_of_parts(fs: LinealFileSystem, wide: int, fetched: Callable[[], int]) -> None:
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    through = PyFileSystem(FSSpecHandler(fs))
    parts = ds.dataset(PARTS, filesystem=through, format="parquet")
    assert parts.to_table(filter=ds.field("day") < 10).num_rows == 20
    assert pq.read_table(f"{PARTS}/01/part.parquet", filesystem=fs, columns=["day"]).num_rows == ROWS
    before = fetched()
    few = ds.dataset(WIDE, filesystem=through, format="parquet").to_table(columns=["a"], filter=ds.field("n") < 10)
    assert few.num_rows == 10
    assert fetched() - before < wide / 4


def test_polars_reads_files_and_scans_through_pyarrow(fs: LinealFileSystem, wide: int, fetched: Callable[[], int]) -> None:
    import polars as pl
    import pyarrow.dataset as ds

    with fsspec.open(CSV) as file:
        assert pl.read_csv(file).shape == (ROWS, 3)
    assert pl.read_parquet(f"lineal://{PARTS}/01/part.parquet", use_pyarrow=True).shape == (ROWS, 3)
    assert pl.scan_parquet(fs.open(f"{PARTS}/01/part.parquet")).select(pl.col("day").sum()).collect().item() == ROWS * (ROWS - 1) // 2
    before = fetched()
    few = pl.scan_pyarrow_dataset(ds.dataset(WIDE, filesystem=fs, format="parquet")).filter(pl.col("n") < 10).select("a").collect()
    assert few.shape == (10, 1)
    assert fetched() - before < wide / 4


def test_duckdb_queries_what_it_names(fs: LinealFileSystem, wide: int, fetched: Callable[[], int]) -> None:
    import duckdb

    with closing(duckdb.connect()) as connection:
        connection.register_filesystem(fs)

        def asked(query: str) -> Any:
            return connection.sql(query).fetchall()

        assert asked(f"SELECT count(*) FROM '{CSV}'") == [(ROWS,)]
        for _ in range(20):  # several threads seek and read in one file object
            assert asked(f"SELECT count(*), min(day), max(day) FROM read_parquet('lineal://{PARTS}/*/part.parquet')") == [(2 * ROWS, 0, ROWS - 1)]
        before = fetched()
        assert len(asked(f"SELECT a FROM 'lineal://{WIDE}' WHERE n < 10")) == 10
        assert fetched() - before < wide / 4
