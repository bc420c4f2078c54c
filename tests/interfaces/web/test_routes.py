import dataclasses
import json
import re
from typing import Any

import pytest

from lineal.interfaces.web.routes import PAGES, PARTS
from lineal.records.run import Param

HOSTILE = "<script>alert"


def addresses(sample: Any) -> dict[str, str]:
    """One address per page."""
    runs = list(sample.runs.all)
    prediction = sample.deployments.predictions("price")[0].id
    return {
        "/runs": "/runs",
        "/runs/{run}": f"/runs/{runs[295]}",
        "/compare": f"/compare?runs={runs[270]},{runs[271]},{runs[299]}",
        "/graph": "/graph?focus=data:houses@2",
        "/data": "/data",
        "/data/{name}/diff": "/data/houses/diff?a=houses@1&b=2",
        "/data/{name}/merge": "/data/houses/merge?source=cleaning&into=main",
        "/data/{name}/revert": "/data/houses/revert?version=1",
        "/data/{name}": "/data/houses",
        "/runs/{run}/files": f"/runs/{list(sample.runs.all)[5]}/files",
        "/models": "/models",
        "/models/{name}": "/models/price",
        "/deployments": "/deployments",
        "/deployments/{name}": "/deployments/price",
        "/predictions/{prediction}": f"/predictions/{prediction}",
        "/audit": "/audit",
        "/search": "/search?q=hous",
        "/api": "/api",
        "/charts": "/charts?where=train",
        "/delete": "/delete?ref=data:houses@2",
    }


def more_addresses(sample: Any) -> list[str]:
    """Further states of pages."""
    runs = list(sample.runs.all)
    return [
        "/runs?where=train&order=metrics.rmse desc&columns=params.loss,metrics.r2&mistakes=1&limit=200",
        "/runs?status=failed",
        "/runs?offset=100",
        "/runs?where=params.max_depth = 99",
        "/runs?group=params.max_depth&columns=metrics.rmse&open=params.max_depth = 8",
        "/runs?group=nothing",
        f"/runs/{runs[-1]}",
        f"/runs/{runs[4]}",
        "/compare",
        f"/compare?runs={runs[270]},{runs[280]}&show=all",
        "/graph",
        "/graph?fold=0",
        f"/graph?focus=run:{runs[200]}&direction=up&depth=2",
        "/data/houses@2",
        "/data/houses@2?prefix=20&after=2010.csv",
        "/data/houses@cleaning?folder=2013",
        "/data/houses?offset=2",
        "/data/houses/diff",
        "/data/houses/merge",
        "/data/houses/merge?source=odd",
        "/data/houses/merge?source=cleaning&keep=theirs",
        "/data/houses/revert?version=houses@1&only=1&branch=cleaning",
        "/models/price@1",
        "/models/price@champion",
        "/deployments/price?wrong=1&every=week",
        "/deployments/price-try",
        "/audit?subject=deployment:price&before=500",
        "/search",
        "/search?q=price",
        "/search?q=nothing like it",
        f"/delete?ref=run:{runs[200]}",
    ]


def twin(address: str) -> str:
    path, mark, query = address.partition("?")
    return f"{path}.json{mark}{query}"


ON_SERVERS = {"/members"}
"""Pages of what only a server has."""


@pytest.mark.parametrize("page", sorted(ON_SERVERS))
def test_what_only_a_server_has_is_told_where_one_works_alone(page: str, visitor: Any) -> None:
    answer = visitor.get(page)
    assert answer.status_code == 404
    assert "no-server" in answer.text


@pytest.mark.parametrize("page", [path for path, _view, _role in PAGES if path not in ON_SERVERS])
def test_every_page_is_html_and_json(page: str, visitor: Any, sample: Any) -> None:
    address = addresses(sample)[page]
    html = visitor.get(address)
    assert html.status_code == 200, html.text
    assert html.headers["content-type"].startswith("text/html")
    found = visitor.get(twin(address))
    assert found.status_code == 200, found.text
    assert found.headers["content-type"] == "application/json"
    assert json.loads(found.text)
    link = re.search(r'rel="alternate" type="application/json" href="([^"]+)"', html.text)
    assert link
    assert visitor.get(link[1].replace("&amp;", "&")).json() == found.json()


def test_further_states_of_pages_answer(visitor: Any, sample: Any) -> None:
    for address in more_addresses(sample):
        answer = visitor.get(address)
        assert answer.status_code == 200, address
        assert "</html>" in answer.text


def test_what_people_wrote_is_text_and_never_markup(visitor: Any, sample: Any) -> None:
    for address in [*addresses(sample).values(), *more_addresses(sample)]:
        assert HOSTILE not in visitor.get(address).text, address
    assert "&lt;script&gt;alert" in visitor.get("/runs").text


def test_no_page_has_anything_inline(visitor: Any, sample: Any) -> None:
    for address in [*addresses(sample).values(), *more_addresses(sample)]:
        text = visitor.get(address).text
        assert not re.search(r"<script(?![^>]*(?:src=|application/json))", text), address
        assert not re.search(r"<[^>]+\s(?:style|on\w+)=", text), address
        assert not re.search(r'(?:src|href)="(?:https?:)?//', text), address


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/runs/ffffffff", 404, "no run is called"),
        ("/data/nothing", 404, "no dataset is called"),
        ("/data/houses@9", 404, "no version"),
        ("/models/nothing", 404, "no model is called"),
        ("/deployments/nothing", 404, "no deployment is called"),
        ("/predictions/x", 404, "no prediction has the id"),
        ("/graph?focus=nothing", 404, "nothing is called"),
        ("/delete", 422, "names nothing to delete"),
        ("/runs?offset=x", 422, "whole number"),
        ("/nothing", 404, "no page"),
    ],
)
def test_an_error_page_says_what_why_and_what_next(address: str, status: int, words: str, visitor: Any) -> None:
    answer = visitor.get(address)
    assert answer.status_code == status
    assert words in answer.text
    if address != "/nothing":
        problem = visitor.get(twin(address))
        assert problem.status_code == status
        assert problem.headers["content-type"] == "application/problem+json"
        assert words in problem.json()["detail"]


def test_a_broken_filter_keeps_what_was_typed(visitor: Any) -> None:
    answer = visitor.get("/runs?where=metrics.rmse >")
    assert answer.status_code == 200
    assert 'value="metrics.rmse &gt;"' in answer.text
    assert "cannot read the filter" in answer.text


def test_home_is_runs(visitor: Any) -> None:
    assert visitor.get("/").headers["location"] == "/runs"


def test_a_reference_leads_to_its_page(visitor: Any, newest: Any) -> None:
    for text, page in (("houses@2", "/data/houses@2"), ("model:price@2", "/models/price@2"), (newest.id[:12], f"/runs/{newest.id}")):
        answer = visitor.get(f"/search?q={text}")
        assert (answer.status_code, answer.headers["location"]) == (303, page)


def test_the_table_as_csv_has_every_run(visitor: Any, sample: Any) -> None:
    answer = visitor.get("/runs.csv?mistakes=1")
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.text.splitlines()) == len(sample.runs.all) + 1


def test_a_running_page_changes_only_when_there_is_news(visitor: Any, sample: Any) -> None:
    run = list(sample.runs.all)[-1]
    first = visitor.get(f"/runs/{run}/live?seen=")
    seen = re.search(r"seen=(\w+)", first.text)
    assert seen
    assert visitor.get(f"/runs/{run}/live?seen={seen[1]}").status_code == 204
    sample.runs.annotate(run, note="news")
    assert visitor.get(f"/runs/{run}/live?seen={seen[1]}").status_code == 200


def test_a_log_goes_on_where_it_was_left(visitor: Any, sample: Any) -> None:
    run = list(sample.runs.all)[-1]
    whole = visitor.get(f"/runs/{run}/log")
    assert whole.headers["x-run-status"] == "running"
    assert visitor.get(f"/runs/{run}/log?from=10").content == whole.content[10:]
    assert visitor.get(f"/runs/{run}/log?from=100000").content == b""


def test_running_rows_are_brought_up_to_date(visitor: Any, sample: Any) -> None:
    run = list(sample.runs.all)[-1]
    text = visitor.get(f"/runs/rows?runs={run}&columns=metrics.rmse").text
    assert re.findall(r'data-row="(\w+)"', text) == [run]
    assert "data-running" in text
    assert visitor.get("/runs/events").status_code == 204


def test_further_rows_go_on_where_the_page_ends(visitor: Any) -> None:
    page = visitor.get("/runs?where=metrics.rmse > 0&order=metrics.rmse").text
    first = re.findall(r'data-row="(\w+)"', page)
    after = re.search(r'data-after="([^"]*)"', page)
    assert after
    words = "where=metrics.rmse > 0&order=metrics.rmse&columns=metrics.rmse"
    further = [re.findall(r'data-row="(\w+)"', visitor.get(f"/runs/rows?{words}&{place}").text) for place in (f"after={after[1]}", "offset=100")]
    assert further[0] == further[1]
    assert (len(first), len(further[0])) == (100, 100)
    assert not set(first) & set(further[0])


def test_a_saved_view_leads_to_what_it_keeps(visitor: Any) -> None:
    query = "where=metrics.rmse > 0&order=-metrics.rmse&columns=metrics.rmse&selected=aa&offset=100"
    shown = visitor.get(f"/runs?{query}").text
    kept = re.search(r'name="query" value="([^"]*)"', shown)
    assert kept
    made = visitor.post("/api/v1/views", {"name": "large <b>", "query": kept[1].replace("&amp;", "&")}).json()
    assert made["query"] == "where=metrics.rmse+%3E+0&order=-metrics.rmse&columns=metrics.rmse"
    assert visitor.get("/views/large%20%3Cb%3E").headers["location"] == f"/runs?{made['query']}"
    listed = visitor.get(f"/runs?{made['query']}").text
    assert 'href="/views/large%20%3Cb%3E"' in listed
    assert "large <b>" not in listed
    assert visitor.post("/api/v1/views/large%20%3Cb%3E/rename", {"name": "larger"}).json()["name"] == "larger"
    assert visitor.ask("DELETE", "/api/v1/views/larger", json={}).json()["name"] == "larger"
    assert visitor.get("/views/larger").status_code == 404


def test_groups_are_opened_by_their_address(visitor: Any, sample: Any) -> None:
    closed = visitor.get("/runs?group=params.max_depth&where=metrics.rmse > 0&columns=metrics.rmse").text
    count = sample.table.count(where="params.max_depth = 8 and metrics.rmse > 0")
    assert f">{count}</a>" in closed
    assert "data-row" not in closed
    link = re.search(r'href="(/runs\?[^"]*open=params.max_depth%20%3D%208)"', closed)
    assert link
    opened = visitor.get(link[1].replace("&amp;", "&")).text
    assert 0 < len(re.findall("data-row", opened)) <= 20
    assert 'aria-expanded="true"' in opened
    assert "runs cannot be grouped" in visitor.get("/runs?group=nothing").text


def test_columns_can_be_any_name_of_the_project(visitor: Any, sample: Any) -> None:
    run = next(iter(sample.runs.all.values()))
    sample.runs.all[run.id] = dataclasses.replace(run, params={**run.params, "long_ago": Param(value=1)})
    assert 'value="params.long_ago"' in visitor.get("/runs").text


def test_without_the_script_pages_are_linked(visitor: Any) -> None:
    text = visitor.get("/runs?offset=100&where=metrics.rmse > 0").text
    pager = text.partition("data-pager")[2]
    assert 'rel="prev"' in pager
    assert "offset=200" in pager


def test_parts_are_no_pages() -> None:
    assert not {path for path, _view, _role in PARTS} & {path for path, _view, _role in PAGES}


def test_a_name_that_ends_like_a_twin_is_still_a_page(visitor: Any) -> None:
    page = visitor.get("/data/x.json/")
    assert page.headers["content-type"].startswith("text/html")
    assert "x.json" in page.text
    assert visitor.get("/data/x.json").headers["content-type"] == "application/problem+json"


def test_static_files_are_kept_for_good_and_nothing_else_is_served(visitor: Any) -> None:
    static = re.search(r'href="(/static/\w+)/lineal.css"', visitor.get("/runs").text)
    assert static
    answer = visitor.get(f"{static[1]}/lineal.css")
    assert "immutable" in answer.headers["cache-control"]
    assert visitor.get(f"{static[1]}/../rendering.py").status_code == 404
    assert visitor.get(f"{static[1]}/%2e%2e/rendering.py").status_code == 404
    assert visitor.get("/static/old/lineal.css").status_code == 404
    assert visitor.get("/favicon.ico").status_code == 307


def test_a_chosen_theme_is_in_the_page_from_the_start(visitor: Any) -> None:
    assert 'data-theme="dark"' in visitor.get("/runs", headers={"cookie": "theme=dark"}).text
    assert "data-theme=" not in visitor.get("/runs", headers={"cookie": 'theme="><b>'}).text.partition("<body")[0]


def test_an_empty_project_teaches_the_first_command(visitor: Any, sample_module: Any) -> None:
    from lineal.pages import application

    empty = sample_module.SampleWorkspace(12)
    empty.runs.all.clear()
    page = type(visitor)(application(empty)).get("/runs").text
    assert "lineal run -- python train.py" in page


def test_the_example_request_is_one_that_the_service_takes(visitor: Any) -> None:
    page = visitor.get("/deployments/price").text
    assert "/predict -H" in page
    assert "{&#34;instances&#34;: [{&#34;rooms&#34;:" in page
