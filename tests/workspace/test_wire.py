"""A record that travels as its document comes back as it was."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from enum import Enum
from types import NoneType
from typing import Any, NewType, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lineal.errors import Integrity
from lineal.records.branching import Branch, MergeReport
from lineal.records.comparison import compare_runs
from lineal.records.dataset import Dataset, DatasetStatus, DatasetVersion, TreeEntry, VerifyReport, VersionDiff
from lineal.records.deletion import DeletionPlan
from lineal.records.deployment import Deployment, Prediction, TruthReceipt
from lineal.records.documents import document
from lineal.records.garbage import Collection
from lineal.records.graph import Graph, Node
from lineal.records.hosting import HostedProject, Invitation, Secret, Token, User
from lineal.records.model import Model, ModelVersion
from lineal.records.monitor import MonitorReport
from lineal.records.mount import Mount
from lineal.records.remote import Remote, Transfer
from lineal.records.run import Metric, Param, Run, RunPage, Series
from lineal.records.verdict import Reproduction
from lineal.workspace.wire import pack_series, restore, restore_each, unpack_series

RECORDS = (
    *(Run, RunPage, Dataset, DatasetVersion, TreeEntry, DatasetStatus, VersionDiff, VerifyReport, Collection, Branch, MergeReport, Remote, Transfer),
    *(Graph, Node, DeletionPlan, Model, ModelVersion, Deployment, Prediction, TruthReceipt, MonitorReport, Mount, Reproduction),
    *(HostedProject, User, Token, Secret, Invitation),
)
"""What the methods of a workspace and of a server give."""

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
JSON_VALUE = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT.filter(lambda text: text not in {"NaN", "Infinity", "-Infinity"})
NUMBER = st.floats(allow_nan=False)


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field of that type, a record's from its own fields."""
    plain = {str: TEXT, Any: JSON_VALUE, int: st.integers(-(2**62), 2**62), float: NUMBER, bytes: st.binary(max_size=6), bool: st.booleans()}
    if kind in plain:
        return plain[kind]
    if isinstance(kind, NewType):
        return TEXT
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if dataclasses.is_dataclass(kind):
        hints = get_type_hints(kind)
        made: Any = kind
        return st.builds(made, **{field.name: values_of(hints[field.name]) for field in dataclasses.fields(kind)})
    return _generic(get_origin(kind), get_args(kind))


def _generic(origin: Any, arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin is frozenset:
        return st.frozensets(values_of(arguments[0]), max_size=2)
    if origin is Mapping:
        return st.dictionaries(TEXT, values_of(arguments[1]), max_size=2)
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(values_of(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(values_of, arguments))
    return st.one_of(*(st.none() if each is NoneType else values_of(each) for each in arguments))


def travelled(value: object) -> Any:
    return json.loads(json.dumps(document(value), allow_nan=False))


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_record_that_a_workspace_gives_comes_back_as_it_was(kind: type[Any]) -> None:
    @settings(max_examples=15, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        value = data.draw(values_of(kind))
        assert restore(kind, travelled(value)) == value

    check()


def test_figures_that_are_not_finite_keep_their_type() -> None:
    metric = Metric(last=math.nan, minimum=-math.inf, maximum=math.inf, points=1)
    run = Run(id="a", name="a", status="running", params={"rate": Param(value=math.nan)}, metrics={"loss": metric})  # type: ignore[arg-type]
    found = restore(Run, travelled(run))
    assert math.isnan(found.params["rate"].value)
    assert math.isnan(found.metrics["loss"].last)
    assert (found.metrics["loss"].minimum, found.metrics["loss"].maximum) == (-math.inf, math.inf)


def test_a_comparison_comes_back_with_its_runs() -> None:
    runs = tuple(Run(id=name, name=name, status="finished", params={"depth": Param(value=depth)}) for name, depth in (("a", 1), ("b", 2)))  # type: ignore[arg-type]
    compared = compare_runs(runs)
    found = restore(type(compared), travelled(compared))
    assert (found.params, found.differing["params"], [run.id for run in found.runs]) == ({"depth": (1, 2)}, ("depth",), ["a", "b"])


def test_keys_of_a_newer_server_are_passed_over() -> None:
    assert restore(TreeEntry, {"path": "a", "mode": "file", "size": 1, "digest": "blake3:0", "colour": "red"}).size == 1


@pytest.mark.parametrize("value", [None, [], "text", {"id": 3}, {"params": 1}, {"params": {}, "id": "a"}])
def test_what_is_no_such_document_is_refused(value: Any) -> None:
    with pytest.raises(Integrity) as caught:
        restore(Run, value)
    assert caught.value.kind == "bad-answer"
    with pytest.raises(Integrity):
        restore_each(Run, {"a": 1})


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(), st.integers(0, 2**60)), max_size=20))
@settings(max_examples=30, deadline=None)
def test_series_travel_as_columns(points: list[tuple[int, float, int]]) -> None:
    steps, values, times = (tuple(column) for column in zip(*points, strict=True)) if points else ((), (), ())
    series = Series(key="loss", steps=steps, values=values, times=times, total=len(points))
    found = unpack_series(pack_series([series, series]))
    assert repr(found) == repr((series, series))


def test_what_holds_no_series_is_refused() -> None:
    for data in (b"", b"nothing", pack_series([])[:-1] + b"\x91\x01"):
        with pytest.raises(Integrity):
            unpack_series(data)
