"""An empty ledger on each database; PostgreSQL is a real one, started once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from lineal.ledger import schema
from lineal.ledger.database import Ledger


@pytest.fixture(scope="session")
def shared_database(new_database: Callable[[], str]) -> str:
    """One database that tests use one after the other."""
    return new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An open, empty ledger on each database."""
    sqlite = request.param == "sqlite"
    opened = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}" if sqlite else request.getfixturevalue("shared_database"))
    with opened.write() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            if table.name != "meta":
                connection.execute(delete(table))
    yield opened
    opened.close()
