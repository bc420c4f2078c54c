"""What every ``--json`` prints is JSON, whatever a record holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lineal.records.documents import document
from lineal.records.graph import Edge, Graph, Node


class Shade(Enum):
    DARK = "dark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    shade: Shade = Shade.DARK
    path: bytes = b"data/\xff.csv"
    plain: bytes = b"data/a.csv"
    score: float = float("nan")
    marks: frozenset[str] = frozenset({"b", "a"})
    parts: tuple[Any, ...] = ()
    facts: dict[Any, Any] = field(default_factory=dict)


def test_a_record_becomes_an_object_of_json_types() -> None:
    found = document(Thing(parts=(Thing(score=1.5), None, "text"), facts={1: float("-inf"), b"k".decode(): {2.0}}))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert (found["shade"], found["score"], found["marks"]) == ("dark", "NaN", ["a", "b"])
    assert found["facts"] == {"1": "-Infinity", "k": [2.0]}
    assert (found["parts"][0]["score"], found["parts"][1:]) == (1.5, [None, "text"])


def test_a_path_that_is_no_text_stands_beside_its_exact_bytes() -> None:
    found = document(Thing())
    assert (found["plain"], "plain_b64" in found) == ("data/a.csv", False)
    assert (found["path"], found["path_b64"]) == ("data/?.csv", "ZGF0YS//LmNzdg==")


def test_a_graph_keeps_its_own_keys() -> None:
    node = Node(id="a", kind="run", label="train #1", reference="run:a")
    found = document({"around": Graph(nodes=(node,), edges=(Edge(source="a", target="b", relation="used"),), focus="a")})
    assert set(found["around"]) == {"nodes", "edges", "truncated", "focus"}
    assert (found["around"]["nodes"][0]["label"], found["around"]["edges"][0]["relation"]) == ("train #1", "used")
