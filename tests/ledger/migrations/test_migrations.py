from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, select, text, update

from lineal.errors import InvalidState
from lineal.ledger import schema
from lineal.ledger.database import Ledger
from lineal.ledger.migrations import migrate, upgrade
from lineal.ledger.run_table import search_rows


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    create: Callable[[], str] = request.getfixturevalue("new_database")
    return create()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    made = create_engine(url)
    yield made
    made.dispose()


def shape(engine: Engine) -> dict[str, Any]:
    found: dict[str, Any] = {}
    looked = inspect(engine)
    for table in sorted(looked.get_table_names()):
        if table != "alembic_version":
            columns = [(column["name"], str(column["type"]), column["nullable"]) for column in looked.get_columns(table)]
            indexes = sorted((str(index["name"]), tuple(index["column_names"])) for index in looked.get_indexes(table))
            found[table] = (columns, looked.get_pk_constraint(table)["constrained_columns"], indexes)
    return found


def test_a_migrated_ledger_has_the_tables_of_a_fresh_one(engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        migrate(connection)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    if engine.dialect.name == "sqlite":
        fresh = create_engine(f"sqlite:///{tmp_path / 'fresh.db'}")
        schema.metadata.create_all(fresh)
        assert shape(engine) == shape(fresh)
        fresh.dispose()


def test_an_upgrade_keeps_the_rows_and_backs_up_first(url: str, tmp_path: Path) -> None:
    old = create_engine(url)
    with old.begin() as connection:
        migrate(connection, "0001")
        connection.execute(schema.meta.insert().values(key="format", value="1"))
        connection.execute(text("INSERT INTO projects (id, name, created_at) VALUES ('p', 'demo', 1)"))
        connection.execute(text("DROP TABLE alembic_version"))  # as the first ledgers were made
    old.dispose()
    again = Ledger.open(url)
    with again.read() as connection:
        assert connection.execute(select(schema.projects.c.name)).scalar_one() == "demo"
        assert connection.execute(select(schema.meta.c.value)).scalar_one() == str(schema.FORMAT_VERSION)
    again.close()
    if url.startswith("sqlite"):
        backup = create_engine(f"sqlite:///{tmp_path / 'ledger.db.format-1.bak'}")
        with backup.connect() as connection:
            assert connection.execute(select(schema.meta.c.value)).scalar_one() == "1"
        backup.dispose()


def test_an_upgrade_from_format_2_keeps_runs_that_can_be_found(url: str) -> None:
    old = create_engine(url)
    with old.begin() as connection:
        migrate(connection, "0002")
        connection.execute(schema.meta.insert().values(key="format", value="2"))
        connection.execute(schema.runs.insert().values(id="a" * 32, project_id="p", number=1, name="train", status="finished", started_at=1))
        connection.execute(schema.metrics.insert().values(project_id="p", run_id="a" * 32, key="auc", last=0.5, points=1))
        connection.execute(text("DROP TABLE alembic_version"))  # a ledger is made without Alembic
    old.dispose()
    again = Ledger.open(url)
    with again.read() as connection:
        assert [row.metrics for row in search_rows(connection, "p", where="metrics.auc < 1", order="-metrics.auc").rows] == [{"auc": 0.5}]
        assert connection.execute(select(schema.views)).all() == []
    assert "runs_hidden" in {index["name"] for index in inspect(again.engine).get_indexes("runs")}
    again.close()


def test_upgrading_what_is_up_to_date_changes_nothing(url: str) -> None:
    ledger = Ledger.open(url)
    upgrade(ledger.engine)
    before = shape(ledger.engine)
    upgrade(ledger.engine)
    assert shape(ledger.engine) == before
    ledger.close()


def test_a_newer_ledger_is_refused_by_name(url: str) -> None:
    ledger = Ledger.open(url)
    with ledger.write() as connection:
        connection.execute(update(schema.meta).where(schema.meta.c.key == "format").values(value="99"))
    ledger.close()
    with pytest.raises(InvalidState, match="format 99") as caught:
        Ledger.open(url)
    assert caught.value.kind == "newer-format"
