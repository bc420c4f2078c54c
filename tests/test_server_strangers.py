"""What is made of the table of routes and of grammars: foreign pages at every route that changes something, hostile filters, wrong secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.test_server import ROUTES, House

from lineal.interfaces.http.attempts import MOST, MOST_TOLD, Attempts

API = "/projects/default/api/v1"
FOREIGN = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:8500.evil.example"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"},
)
FORMS = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")
CHANGING = sorted({(method, path) for method, path, _role, _roles in ROUTES if method != "GET"})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("strangers") / "server")
    made.cookies["signed in to rule"] = made.hosting.people.begin_session("ann")
    yield made
    made.hosting.close()


def filled(path: str) -> str:
    return re.sub(r"\{\w+(:path)?\}", "x", path)


@pytest.mark.parametrize(("method", "path"), CHANGING, ids=str)
def test_a_page_of_another_site_changes_nothing_at_any_route(method: str, path: str, house: House) -> None:
    for headers in FOREIGN:
        for kind in ("application/json", "text/plain"):
            answer = house.ask(method, filled(path), by="signed in to rule", content=b"{}", headers={**headers, "content-type": kind})
            assert (answer.status_code, answer.json()["kind"]) == (403, "foreign-request")


@pytest.mark.parametrize(("method", "path"), [route for route in CHANGING if route[0] == "POST"], ids=str)
def test_a_form_without_a_word_of_where_it_comes_from_changes_nothing(method: str, path: str, house: House) -> None:
    for kind in FORMS:
        answer = house.ask(method, filled(path), by="signed in to rule", content=b"{}", headers={"content-type": kind})
        assert answer.status_code in {400, 415, 422, 501}, f"{kind}: {answer.status_code} {answer.text[:100]}"


WORDS = st.sampled_from(
    [
        "params.x",
        "metrics.loss",
        "metrics.loss.min",
        "tags.`a",
        "b`",
        "name",
        "note",
        "env.numpy",
        "started",
        "duration",
        "inputs.dataset",
        "status",
        "AND",
        "OR",
        "NOT",
        "(",
        ")",
        "IN",
        "(",
        ",",
        ")",
        "=",
        "!=",
        "<",
        "<=",
        ">",
        ">=\n",
        "",
        "",
        "",
        "LIKE",
        "ILIKE",
        "~",
        "contains",
        "IS",
        "NULL",
        "'a'",
        '"b"',
        "'it''s'",
        "1",
        "-1e999",
        "1e400",
        "nan",
        "2024-01-01",
        "-7d",
        "'%'",
        "'_'",
        "\\",
        ";",
        "--",
        "/*",
        "*/",
        "'",
        '"',
        "`",
        "x'",
        "OR",
        "'1'='1",
        "';",
        "DROP",
        "TABLE",
        "runs;",
        "--\n",
        "",
        "",
        "",
        "UNION",
        "SELECT",
        "*",
        "FROM",
        "tokens",
        "pg_sleep(9)",
        "randomblob(999999999)",
        "load_extension('x')",
        ":1",
        "?",
        "$1",
        "%s",
        "{}",
        "\x00",
        "\u202e",
        "😀",
    ]
)
FILTERS = st.one_of(st.text(max_size=60), st.lists(st.one_of(WORDS, st.text(max_size=4)), max_size=12).map(" ".join))


@settings(max_examples=250, database=None)
@given(text=FILTERS, key=st.sampled_from(["where", "order"]))
def test_no_text_in_a_search_is_sql(house: House, text: str, key: str) -> None:
    answer = house.ask("GET", f"{API}/runs?{key}={quote(text, safe='', errors='surrogatepass')}", by="reader")
    assert answer.status_code in {200, 422}, f"{text!r}: {answer.text}"
    if answer.status_code == 422:
        assert answer.json()["kind"].startswith("bad-"), answer.text


@settings(max_examples=150, database=None)
@given(text=FILTERS, order=FILTERS)
def test_no_text_in_mlflows_search_is_sql(house: House, text: str, order: str) -> None:
    body = json.dumps({"experiment_ids": ["0"], "filter": text, "order_by": [order]})
    path, headers = "/projects/default/api/2.0/mlflow/runs/search", {"content-type": "application/json"}
    answer = house.ask("POST", path, by="reader", content=body.encode("utf-8", "surrogatepass"), headers=headers)
    assert answer.status_code in {200, 400}, f"{text!r} {order!r}: {answer.text}"


def events(house: House) -> list[tuple[str, str, str, str]]:
    with house.hosting.ledger.read() as connection:
        found = connection.exec_driver_sql("SELECT action, actor, subject, payload FROM events WHERE action LIKE '%refused' ORDER BY sequence")
        return [(row[0], row[1], row[2], str(row[3])) for row in found]


def test_wrong_secrets_are_events_with_where_they_came_from(house: House) -> None:
    for _attempt in range(MOST + 5):
        last = house.ask("GET", f"{API}/runs", client="10.9.0.1", headers={"authorization": f"Bearer {house.secrets['revoked']}"})
    assert last.status_code == 429
    told = [event for event in events(house) if "10.9.0.1" in event[3]]
    identifier = house.secrets["revoked"].split("_")[1]
    assert [event[:3] for event in told] == [("token.refused", "(nobody)", f"token:{identifier}")] * 2
    assert all('"owner": "ann"' in event[3] or '"owner":"ann"' in event[3] for event in told)
    assert house.secrets["revoked"].split("_")[2] not in str(told)


def test_who_fails_to_sign_in_is_told_and_shuts_nobody_out(house: House) -> None:
    for _attempt in range(MOST + 2):
        last = house.ask("POST", "/api/v1/server/sign-in", client="10.9.0.2", json={"code": "wrong"})
    assert last.status_code == 429
    assert len([event for event in events(house) if event[0] == "sign-in.refused" and "10.9.0.2" in event[3]]) == 2
    good = house.hosting.people.add_user("late").code
    assert house.ask("POST", "/api/v1/server/sign-in", client="10.9.0.2", json={"code": good}).status_code == 200


def test_whoever_tries_from_everywhere_fills_no_ledger() -> None:
    now = [0.0]
    attempts = Attempts(clock=lambda: now[0])
    assert sum(attempts.failed(f"10.0.{place // 256}.{place % 256}") for place in range(2000)) == MOST_TOLD
    now[0] = 61.0
    assert attempts.failed("10.1.1.1")


def test_nothing_was_lost_by_any_of_it(house: House) -> None:
    assert house.ask("GET", f"{API}/runs", by="reader").json()["total"] == 0
    assert {project.name for project in house.hosting.projects()} >= {"default", "other"}


@pytest.mark.parametrize("place", ["file:///etc", "http://169.254.169.254/latest", "s3://bucket/x", "mlflow-artifacts:/../../etc", "/etc"])
def test_no_client_chooses_where_artifacts_lie(place: str, house: House) -> None:
    made = house.ask(
        "POST", "/projects/default/api/2.0/mlflow/experiments/create", by="contributor", json={"name": place, "artifact_location": place}
    )
    if made.status_code == 200:
        path = f"/projects/default/api/2.0/mlflow/experiments/get?experiment_id={made.json()['experiment_id']}"
        found = house.ask("GET", path, by="reader").json()["experiment"]
        assert found["artifact_location"] == f"mlflow-artifacts:/{found['experiment_id']}"
    else:
        assert made.status_code == 400
