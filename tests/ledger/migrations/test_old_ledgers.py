"""Ledgers that earlier versions made, kept as they were written, come up to the newest format with all that is in them.

Each holds three runs with series and a model, two versions of a dataset, a registered model with an alias, notes and events.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData, create_engine, func, insert, select

from lineal.ledger import schema
from lineal.ledger.database import Ledger
from lineal.ledger.migrations import migrate

KEPT = {int(path.name.split(".")[0].removeprefix("format-")): path for path in Path(__file__).parent.glob("format-*.db.gz")}
OPEN = "import sys; from lineal.ledger.database import Ledger; Ledger.open(sys.argv[1]).close()"


def unpacked(version: int, folder: Path) -> Path:
    path = folder / "ledger.db"
    path.write_bytes(gzip.decompress(KEPT[version].read_bytes()))
    return path


def counts(engine: Engine) -> dict[str, int]:
    """How many rows each table has."""
    found = MetaData()
    found.reflect(engine)
    with engine.connect() as connection:
        return {name: connection.execute(select(func.count()).select_from(table)).scalar_one() for name, table in found.tables.items()}


def facts(engine: Engine) -> dict[str, list[Any]]:
    """The rows of what never changes its shape: names, numbers and points."""
    asked = {
        "runs": select(schema.runs.c.id, schema.runs.c.number, schema.runs.c.name, schema.runs.c.status, schema.runs.c.note),
        "params": select(schema.params.c.run_id, schema.params.c.key),
        "metrics": select(schema.metrics.c.run_id, schema.metrics.c.key, schema.metrics.c.last),
        "models": select(schema.model_versions.c.name, schema.model_versions.c.number),
        "versions": select(schema.dataset_versions.c.name, schema.dataset_versions.c.number),
        "edges": select(schema.edges),
        "events": select(schema.events.c.sequence, schema.events.c.action, schema.events.c.subject),
    }
    with engine.connect() as connection:
        return {name: sorted(map(repr, connection.execute(query))) for name, query in asked.items()}


def carried_over(version: int, source: Path, url: str) -> None:
    """Makes the ledger of that format in another database: its tables of then, and every row."""
    old, new = create_engine(f"sqlite:///{source}"), create_engine(url)
    with new.begin() as connection:
        migrate(connection, f"{version:04d}")
        connection.exec_driver_sql("DROP TABLE alembic_version")  # a ledger that was made by that version never saw Alembic
    tables = MetaData()
    tables.reflect(new)
    with old.connect() as reading, new.begin() as connection:
        connection.execute(tables.tables["meta"].delete())
        for table in tables.sorted_tables:
            columns = ", ".join(f'"{column.name}"' for column in table.columns)
            rows = [dict(row) for row in reading.exec_driver_sql(f"SELECT {columns} FROM {table.name}").mappings()]
            if rows:
                connection.execute(insert(table), [_typed(table, row) for row in rows])
    old.dispose()
    new.dispose()


def _typed(table: Any, row: dict[str, Any]) -> dict[str, Any]:
    booleans = {column.name for column in table.columns if str(column.type) == "BOOLEAN"}
    return {name: bool(value) if name in booleans and value is not None else value for name, value in row.items()}


@pytest.mark.parametrize("version", KEPT)
def test_an_old_ledger_comes_up_with_all_that_is_in_it_and_a_copy_of_what_it_was(version: int, tmp_path: Path) -> None:
    path = unpacked(version, tmp_path)
    engine = create_engine(f"sqlite:///{path}")
    before, told = counts(engine), facts(engine)
    ledger = Ledger.open(f"sqlite:///{path}")
    assert before["runs"] == 3
    assert {name: number for name, number in counts(engine).items() if name in before} == before
    assert facts(engine) == told
    with ledger.read() as connection:
        assert connection.execute(select(schema.meta.c.value).where(schema.meta.c.key == "format")).scalar() == str(schema.FORMAT_VERSION)
    ledger.close()
    engine.dispose()
    copy = create_engine(f"sqlite:///{path}.format-{version}.bak")
    assert counts(copy) == before
    assert facts(copy) == told
    copy.dispose()


@pytest.mark.parametrize("version", KEPT)
def test_two_servers_that_come_at_once_bring_an_old_ledger_up_once(version: int, tmp_path: Path, new_database: Callable[[], str]) -> None:
    url = new_database()
    carried_over(version, unpacked(version, tmp_path), url)
    engine = create_engine(url)
    before, told = counts(engine), facts(engine)
    both = [subprocess.Popen([sys.executable, "-c", OPEN, url], stderr=subprocess.PIPE, env=_environment()) for _ in range(3)]
    assert [(process.communicate()[1], process.returncode) for process in both] == [(b"", 0)] * 3
    assert {name: number for name, number in counts(engine).items() if name in before} == before
    assert facts(engine) == told
    engine.dispose()


def test_two_servers_that_come_at_once_make_one_ledger(new_database: Callable[[], str]) -> None:
    url = new_database()
    both = [subprocess.Popen([sys.executable, "-c", OPEN, url], stderr=subprocess.PIPE, env=_environment()) for _ in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in both] == [(b"", 0)] * 4


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if not key.startswith("LINEAL_")}
