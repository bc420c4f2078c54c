"""Answers of databases and rows made in memory, in programs as users write them."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from click.testing import CliRunner

from lineal.bootstrap.compose import create_workspace
from lineal.main import program
from lineal.pages import application
from lineal.records.run import Run
from lineal.workspace.interface import RunRequest, Workspace

CONNECT = {
    "sqlite3": "import sqlite3; connection = sqlite3.connect('shop.db')",
    "sqlalchemy url": "connection = 'sqlite:///shop.db'",
    "sqlalchemy engine": "import sqlalchemy; connection = sqlalchemy.create_engine('sqlite:///shop.db')",
    "sqlalchemy connection": "import sqlalchemy; connection = sqlalchemy.create_engine('sqlite:///shop.db').connect()",
    "duckdb": "import duckdb; connection = duckdb.connect(); connection.execute(\"CREATE TABLE orders AS SELECT * FROM read_csv('orders.csv')\")",
}
QUERY = """
{connect}
import lineal
with lineal.run("train") as run:
    orders = run.query("orders", "SELECT id, price, place FROM orders WHERE price > {mark} ORDER BY id", connection, params={params}{more})
    assert list(orders.columns) == ["id", "price", "place"], orders
    assert len(orders) == 2, orders
"""
NAMED = frozenset({"sqlalchemy url", "sqlalchemy engine", "sqlalchemy connection"})


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = create_workspace(tmp_path, name="shop")
    (tmp_path / "orders.csv").write_text("id,price,place\n1,0.5,Oslo\n2,1.5,\n3,2.5,Rome\n")
    fill(tmp_path, [(1, 0.5, "Oslo"), (2, 1.5, None), (3, 2.5, "Rome")])
    yield made
    made.close()


def fill(folder: Path, rows: list[tuple[int, float, str | None]]) -> None:
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id INTEGER, price REAL, place TEXT)")
        connection.execute("DELETE FROM orders")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
    connection.close()


def play(workspace: Workspace, code: str) -> Run:
    (workspace.root / "program.py").write_text(textwrap.dedent(code))
    done = subprocess.run([sys.executable, "program.py"], cwd=workspace.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    workspace.runs.ingest()
    return workspace.runs.get(workspace.runs.search().runs[0].id)


def queried(workspace: Workspace, more: str = "") -> Run:
    return play(workspace, QUERY.format(connect=CONNECT["sqlite3"], mark="?", params="[1]", more=more))


def test_the_same_answer_is_the_same_content_whatever_driver_asked(workspace: Workspace) -> None:
    lines = ["import lineal", "with lineal.run('train') as run:"]
    for name, connect in CONNECT.items():
        mark, params = (":low", "{'low': 1}") if name in NAMED else ("?", "[1]")
        statement = f"SELECT id, price, place FROM orders WHERE price > {mark} ORDER BY id"
        lines += [f"    {connect}", f"    assert len(run.query({name!r}, {statement!r}, connection, params={params})) == 2"]
    run = play(workspace, "\n".join(lines))
    uses = {use.facts["query"]["name"]: use for use in run.inputs if use.facts.get("query")}
    assert set(uses) == set(CONNECT)
    for name, use in uses.items():
        facts = use.facts["query"]
        assert (facts["rows"], facts["columns"]) == (2, [["id", "int"], ["price", "float"], ["place", "str"]])
        assert (facts["params"], use.restorable) == ({"low": 1} if name in NAMED else [1], True)
        assert facts["source"].startswith(("sqlite:///", "duckdb:///")), facts
        assert facts["took"] > 0
    assert len({use.digest for use in uses.values()}) == 1
    assert workspace.runs.artifact(f"run:{run.id}", "queries/duckdb.csv").read() == b'"id","price","place"\n2,1.5,\n3,2.5,"Rome"\n'


def test_a_changed_answer_shows_in_a_comparison_and_an_equal_one_is_the_same_occurrence(workspace: Workspace) -> None:
    first, second = queried(workspace), queried(workspace)
    occurrences = {use.occurrence for run in (first, second) for use in run.inputs if use.path == "queries/orders.csv"}
    assert len(occurrences) == 1
    fill(workspace.root, [(2, 1.5, None), (3, 2.75, "Rome")])
    third = queried(workspace)
    assert "queries/orders.csv" in workspace.runs.compare([f"run:{second.id}", f"run:{third.id}"]).differing["inputs"]
    assert "queries/orders.csv" not in workspace.runs.compare([f"run:{first.id}", f"run:{second.id}"]).differing["inputs"]
    graph = workspace.lineage.graph(f"run:{third.id}")
    assert "orders" in {node.label for node in graph.nodes}


def test_what_is_large_or_not_wanted_is_known_by_its_digest_only(workspace: Workspace) -> None:
    kept = queried(workspace)
    (use,) = [use for use in queried(workspace, more=", keep=False").inputs if use.facts.get("query")]
    assert use.digest == next(known.digest for known in kept.inputs if known.facts.get("query"))
    (workspace.root / "lineal.toml").write_text("[capture]\nquery_keep_bytes = 10\n")
    fill(workspace.root, [(2, 1.5, None), (3, 2.875, "Rome")])
    (use,) = [use for use in queried(workspace).inputs if use.facts.get("query")]
    assert (use.facts["query"]["kept"], use.restorable, use.note) == (False, False, "the result was not kept")
    (use,) = [use for use in queried(workspace, more=", keep=True").inputs if use.facts.get("query")]
    assert use.facts["query"]["kept"]


def test_secrets_in_statements_and_addresses_are_not_recorded(workspace: Workspace) -> None:
    run = play(
        workspace,
        """
        import lineal, sqlite3
        connection = sqlite3.connect("shop.db")
        with lineal.run("train") as run:
            run.query("one", "SELECT 1 AS a -- password='hunter22222'", connection)
            run.query("two", "SELECT :api_key AS a", connection, params={"api_key": "abcdefgh"})
        """,
    )
    facts = [use.facts["query"] for use in run.inputs if use.facts.get("query")]
    assert "hunter22222" not in facts[0]["text"]
    assert facts[1]["params"] == {"api_key": "[redacted]"}


def test_postgresql_is_asked_by_its_own_driver_and_by_url_and_says_neither_user_nor_password(workspace: Workspace, postgres: str) -> None:
    plain = postgres.replace("postgresql+psycopg://", "postgresql://")
    statement = "SELECT g AS id, g * 1.5::float8 AS price, timestamptz '2013-01-01 00:00+00' AS at FROM generate_series(1, 3) g ORDER BY g"
    run = play(
        workspace,
        f"""
        import lineal, psycopg
        with lineal.run("train") as run, psycopg.connect("{plain}") as connection:
            connection.execute("SET TIME ZONE 'Asia/Tokyo'")
            own = run.query("own", {statement!r}, connection, role="train")
            url = run.query("url", {statement!r}, "{postgres}")
            assert own.equals(url.assign(at=url["at"].astype(own["at"].dtype))) and len(own) == 3, (own, url)
        """,
    )
    own, url = (use for use in run.inputs if use.facts.get("query"))
    assert own.digest == url.digest
    assert own.role == "train"
    assert {use.facts["query"]["brand"] for use in (own, url)} == {"postgresql"}
    for use in (own, url):
        assert use.facts["query"]["source"].startswith("postgresql")
        assert "postgres:" not in use.facts["query"]["source"]
        assert "@" not in use.facts["query"]["source"]


def asked(workspace: Workspace, path: str) -> str:
    async def go() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application(workspace)), base_url="http://localhost:8400") as client:
            return (await client.get(path)).text

    return anyio.run(go)


def test_show_and_the_page_tell_of_queries_and_rows(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    code = QUERY.format(connect=CONNECT["sqlite3"], mark="?", params="[1]", more="") + "    run.rows('test', orders[['price']])\n"
    run = play(workspace, code)
    monkeypatch.chdir(workspace.root)
    shown = " ".join(CliRunner().invoke(program(), ["show", run.id]).output.split())
    assert "Query orders" in shown
    assert "2 rows of 3 columns" in shown
    assert "Rows in memory" in shown
    page = asked(workspace, f"/runs/{run.id}")
    assert "<h2>Query orders</h2>" in page
    assert "<h2>Rows in memory</h2>" in page


def test_a_reproduction_asks_again_and_names_an_answer_that_changed(workspace: Workspace) -> None:
    (workspace.root / "train.py").write_text(
        textwrap.dedent("""
            import lineal, sqlite3
            with lineal.run() as run:
                run.rows("train", [[1]])
                connection = sqlite3.connect("shop.db")
                orders = run.query("orders", "SELECT price FROM orders ORDER BY id", connection)
                run.query("dice", "SELECT random() AS eyes", connection)
                open("out.txt", "w").write(str(orders["price"].sum()))
        """)
    )
    run = workspace.runs.execute(RunRequest(command=[sys.executable, "train.py"], folder=workspace.root))
    again = workspace.runs.reproduce(f"run:{run.id}")
    assert again.verdict == "identical", again
    assert again.evidence.missing_inputs == ()
    assert [reason for reason in again.reasons if "query" in reason] == ["although the query dice gave another answer"]


def test_what_is_no_query_is_told_at_once(workspace: Workspace) -> None:
    play(
        workspace,
        """
        import json, lineal, sqlalchemy, sqlite3
        from lineal.errors import LinealError
        connection = sqlite3.connect("shop.db")
        asked = {
            "no rows": ("a", "DELETE FROM orders", connection),
            "no connection": ("a", "SELECT 1", 7),
            "no url": ("a", "SELECT 1", "not a url: hunter22"),
            "no port": ("a", "SELECT 1", "postgresql://ada:hunter22@host:x/shop"),
            "no such database": ("a", "SELECT 1", "paradox://ada:hunter22@host/shop"),
            "no driver": ("a", "SELECT 1", "oracle+cx_oracle://ada:hunter22@host/shop"),
            "nobody there": ("a", "SELECT 1", "postgresql+psycopg://ada:hunter22@127.0.0.1:9/shop"),
            "no folder": ("a", "SELECT 1", "sqlite:////no/such/folder/shop.db"),
            "no name": ("a/b", "SELECT 1", connection),
            "no statement": ("a", "SELEKT 1", connection),
            "no statement by url": ("a", "SELEKT 1", "sqlite:///shop.db"),
            "no table": ("a", "SELECT * FROM nothing", sqlalchemy.create_engine("sqlite:///shop.db")),
        }
        said = {}
        with lineal.run("train") as run:
            for what, arguments in asked.items():
                try:
                    run.query(*arguments)
                except LinealError as error:
                    said[what] = [error.kind, error.message]
        json.dump(said, open("said.json", "w"))
        """,
    )
    said = json.loads((workspace.root / "said.json").read_text())
    assert {what: kind for what, (kind, _message) in said.items()} == {
        "no rows": "no-rows",
        "no connection": "not-a-connection",
        "no url": "not-a-connection",
        "no port": "not-a-connection",
        "no such database": "not-a-connection",
        "no driver": "missing-extra",
        "nobody there": "database-unavailable",
        "no folder": "database-unavailable",
        "no name": "bad-name",
        "no statement": "query-failed",
        "no statement by url": "query-failed",
        "no table": "query-failed",
    }
    assert said["no statement"][1] == 'the database refuses the statement: near "SELEKT": syntax error'
    assert "hunter22" not in str(said)


def test_test_rows_among_training_rows_are_warned_of_in_the_run_and_from_one_it_stands_on(workspace: Workspace) -> None:
    train = play(
        workspace,
        """
        import lineal, numpy
        table = numpy.arange(2000.0).reshape(-1, 2)
        with lineal.run("train") as run:
            assert run.rows("train", table[:800], numpy.ones(800)) is not None
            run.rows("test", table[790:900])
            open("model.bin", "w").write("weights")
        """,
    )
    assert train.warnings == ("10 of the 110 different rows of test are among the rows of train: what was measured on them is too good",)
    uses = {use.path: use for use in train.inputs}
    assert (uses["rows/train.rows"].role, uses["rows/train.rows"].facts["rows"]["rows"]) == ("train", 800)
    assert uses["rows/train.rows"].facts["rows"]["labels"].startswith("blake3:")
    later = play(
        workspace,
        """
        import lineal, pandas
        with lineal.run("judge") as run:
            open("model.bin").read()
            run.rows("validation", pandas.DataFrame({"a": [0.0, 7.0], "b": [1, 7]}), name="holdout")
        """,
    )
    whose = f"of train of run {train.id[:8]} (train), which this one stands on"
    assert later.warnings == (f"1 of the 2 different rows of holdout are among the rows {whose}: what was measured on them is too good",)


def test_clean_splits_warn_of_nothing(workspace: Workspace) -> None:
    code = "import lineal\nwith lineal.run() as run:\n    run.rows('train', [[1, 'a'], [2, 'b']])\n    run.rows('test', [[3, 'a'], [2, 'a']])\n"
    assert play(workspace, code).warnings == ()
