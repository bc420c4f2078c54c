"""Every operation of the APIs is asked for whatever its description allows, and more, by Schemathesis: a server that answers 500 is wrong."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import skops.io
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from tests.lineal_server import RunningServer, start_server
from tests.test_server import House

from lineal.capture.journal import JournalWriter
from lineal.interfaces.http.openapi import openapi
from lineal.interfaces.http.people import SERVER_ENDPOINTS
from lineal.interfaces.http.routes import ENDPOINTS
from lineal.interfaces.mlflow.routes import ENTRIES, PREFIXES
from lineal.ledger.graph import FileFact, add_output
from lineal.records import journal

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("schemathesis", reason="NO SCHEMATHESIS: pip install schemathesis, or nothing asks for all that the API's description allows")
    import schemathesis
    from schemathesis import GenerationMode
    from schemathesis.checks import not_a_server_error
    from schemathesis.core.result import Ok
    from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 10
RUN = "b" * 32
REAL: Mapping[str, tuple[str, ...]] = {
    "run": (RUN, "bbbb", f"run:{RUN}"),
    "name": ("table", "delay"),
    "reference": ("table@1", "table@2", "delay@1"),
    "ref": (f"run:{RUN}", "data:table@1", "model:delay", "path:data.csv"),
    "runs": (f"{RUN},{RUN}",),
    "branch": ("cleaning", "another"),
    "alias": ("champion",),
    "before": ("table@1",),
    "after": ("table@2",),
    "source": ("cleaning", "table@1"),
    "key": ("loss",),
    "path": ("data.csv", "model.skops"),
    "user": ("reader", "contributor"),
    "project": ("other",),
    "role": ("reader", "contributor"),
    "at": ("table@1", "1"),
    "into": ("main",),
    "reason": ("broken",),
    "where": ("metrics.loss < 1", "tags.a = 'b' OR NOT params.key != 'x'"),
    "order": ("metrics.loss", "-started"),
}
"""Words that name something that is there."""
OF: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "/store/": {"path": ("format", "index/head")},
    "/datasets": {"name": ("table",), "reference": ("table@1", "table@2")},
    "/models": {"name": ("delay", "another"), "reference": ("delay@1",)},
    "/server/projects": {"name": ("one", "two")},
    "/server/users": {"name": ("eve", "bob")},
    "/runs/search": {"experiment_ids": (["0"],)},
    "/registered-models": {"name": ("delay",), "version": ("1", 1)},
    "/model-versions": {"name": ("delay",), "version": ("1", 1)},
}
"""The same, where a word means something else."""
TEXTS = [
    "name",
    "new_name",
    "alias",
    "description",
    "experiment_name",
    "filter",
    "metric_key",
    "model_json",
    "model_type",
    "page_token",
    "path",
    "run_name",
    "source",
    "source_run_id",
    "stage",
    "user_id",
    "key",
    "value",
    "filter_string",
    "status",
    "model_id",
]
WHOLES = ["max_results", "start_time", "end_time", "timestamp", "step"]
LISTS = ["order_by", "stages", "run_ids", "experiment_ids"]
OBJECTS = ["tags", "params", "metrics", "datasets", "models"]
MLFLOW_WORDS: Mapping[str, Any] = {
    **{name: {"type": "string"} for name in TEXTS},
    **{name: {"type": ["integer", "string", "number", "null"]} for name in WHOLES},
    **{name: {"type": "array", "items": {"type": "string"}, "maxItems": 3} for name in LISTS},
    **{name: {"type": "array", "maxItems": 3, "items": {"$ref": "#/components/schemas/Item"}} for name in OBJECTS},
    "run_id": {"enum": [RUN, "a" * 32, "", 7, None]},
    "experiment_id": {"enum": ["0", "1", 0, "none", ""]},
    "version": {"enum": ["1", 1, "2", "x", None, 2**70]},
}
"""What MLflow's clients say, of the types that they have or nearly so."""
ITEM = {
    "type": "object",
    "properties": {
        "key": {"type": ["string", "null"]},
        "value": {"type": ["string", "number", "null", "array"]},
        "timestamp": {"type": ["integer", "string", "number"]},
        "step": {"type": ["integer", "string", "number"]},
        "model_id": {"type": "string"},
        "dataset": {"type": ["object", "string"]},
        "tags": {"type": ["array", "null", "string"]},
    },
}


def mlflow_document() -> dict[str, Any]:
    """MLflow's API as a document of the same kind; its own description is protobuf's."""
    paths: dict[str, Any] = {}
    codes = ("200", "400", "403", "404", "409", "413", "415", "422", "501", "503")
    for entry in ENTRIES:
        operation: dict[str, Any] = {
            "operationId": f"mlflow_{entry.handler.__name__}_{entry.method.lower()}",
            "responses": {code: {"description": code, "content": {"application/json": {"schema": {"type": "object"}}}} for code in codes},
        }
        named = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"\{(\w+)\}", entry.path)]
        words = [
            {"name": name, "in": "query", "schema": schema} for name, schema in MLFLOW_WORDS.items() if name not in {"tags", "params", "metrics"}
        ]
        operation["parameters"] = named + (words if entry.method == "GET" else [])
        if entry.method != "GET":
            operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object", "properties": dict(MLFLOW_WORDS)}}}}
        paths.setdefault(PREFIXES[0] + entry.path, {})[entry.method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": "MLflow", "version": "3"}, "paths": paths, "components": {"schemas": {"Item": ITEM}}}


def operations(document: dict[str, Any]) -> dict[str, Any]:
    """The operations of a document, by method and path."""
    results = list(schemathesis.openapi.from_dict(document).get_all_operations())
    found = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(found) == len(results), "an operation does not describe itself"
    return {f"{operation.method.upper()} {operation.path}": operation for operation in found}


LINEAL = operations(openapi(ENDPOINTS, version="1", outer=SERVER_ENDPOINTS))
MLFLOW = operations(mlflow_document())


def _modes(operation: Any) -> Sequence[GenerationMode]:
    """What is valid, and what is not where there is anything that could be invalid."""
    takes = any(operation.iter_parameters()) or bool(operation.body)
    return (GenerationMode.POSITIVE, GenerationMode.NEGATIVE) if takes else (GenerationMode.POSITIVE,)


def _speak_of_what_is_there(words: dict[str, Any], operation: Any, choose: st.DataObject) -> None:
    """Replaces words by ones that name something, and leaves out those that say nothing of the kind."""
    known = {**REAL, **next((found for part, found in OF.items() if part in operation.path), {})}
    for word in list(words):
        if word in known:
            words[word] = choose.draw(st.sampled_from(known[word]))
        elif choose.draw(st.booleans()) and "{" + word + "}" not in operation.path:
            del words[word]


@dataclass
class Asked:
    """A server with a little of everything, and what its answers were."""

    server: RunningServer
    token: str
    statuses: dict[str, Counter[int]] = field(default_factory=dict)

    def call(self, name: str, operation: Any) -> None:
        """Asks for one operation, with words that are there and with ones that are not."""
        seen = self.statuses.setdefault(name, Counter())
        headers = {"authorization": f"Bearer {self.token}"}
        cases = [operation.as_strategy(generation_mode=mode) for mode in _modes(operation)]

        @hypothesis.seed(20)
        @settings(max_examples=EXAMPLES, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
        @given(case=st.one_of(cases), choose=st.data())
        def ask(case: Any, choose: st.DataObject) -> None:
            if choose.draw(st.booleans()):
                for words in (case.path_parameters, case.query, case.body):
                    if isinstance(words, dict):
                        _speak_of_what_is_there(words, operation, choose)
            answer = case.call(base_url=self.server.url, headers=headers)
            seen[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        try:
            ask()
        except Exception as error:
            error.add_note((self.server.folder.parent / f"{self.server.folder.name}.err").read_text()[-4000:])
            raise


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("whole") / "server"
    house = House(folder)
    fill(house, folder.parent)
    house.hosting.close()
    server = start_server(folder)
    yield Asked(server=server, token=house.secrets["admin of the server"])
    server.kill()


def fill(house: House, folder: Path) -> None:
    """Gives the project `default` a dataset of two versions and a branch, a run with a series, and its model with an alias."""
    workspace: Any = house.hosting.workspace("default")
    for text in ("a\n1\n", "a\n1\n2\n"):
        (folder / "data.csv").write_text(text)
        workspace.datasets.add(folder / "data.csv", name="table")
    workspace.branches.create("table", "cleaning", at="table@1")
    _record(house, folder)
    site, model = workspace.site, bytes(skops.io.dumps(LinearRegression().fit([[1.0], [2.0]], [1.0, 2.0])))
    fact = FileFact(root="project", path=b"model.skops", digest=site.store.put_bytes(model), size=len(model), role="model")
    with site.ledger.write() as connection:
        add_output(connection, project_id=site.project_id, activity=RUN, file=fact, at=1, new_id=lambda: site.entropy(16).hex())
    workspace.models.register(RUN, name="delay")
    workspace.models.set_alias("delay@1", "champion")


def _record(house: House, folder: Path) -> None:
    head = {"name": "first", "command": ["train"], "folder": "", "author": "ann", "attempt": 1, "parent": "", "experiment": "", "started": 5}
    writer = JournalWriter(folder / RUN, run=RUN, project="far", clock=lambda: 7, entropy=os.urandom, role="owner", begin=head)
    writer.append(journal.PARAMS, values={"key": "x"}, origin="param")
    writer.append(journal.TAGS, values={"a": "b"})
    writer.append(journal.SUMMARY, values={"loss": 0.5}, on="", time=8)
    writer.append(journal.END, status="finished", exit_code=0, ended=9)
    writer.close()
    path, headers = f"/projects/default/api/v1/journals/{RUN}/{writer.path.stem}?offset=0", {"content-type": "application/octet-stream"}
    house.ask("POST", path, by="contributor", content=writer.path.read_bytes(), headers=headers).raise_for_status()
    house.hosting.workspace("default").runs.ingest()


@pytest.mark.parametrize("name", LINEAL)
def test_no_operation_answers_500_or_what_is_not_described(name: str, asked: Asked) -> None:
    asked.call(name, LINEAL[name])


@pytest.mark.parametrize("name", MLFLOW)
def test_no_operation_of_mlflow_answers_500_or_what_its_client_cannot_read(name: str, asked: Asked) -> None:
    asked.call(name, MLFLOW[name])


def test_most_operations_did_what_they_are_for(asked: Asked) -> None:
    if len(asked.statuses) < len(LINEAL):
        pytest.skip("only some were asked for")
    idle = {name for name in LINEAL if not any(200 <= status < 300 for status in asked.statuses[name])}
    assert len(idle) < len(LINEAL) / 3, "\n".join(sorted(idle))
