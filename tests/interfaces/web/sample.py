"""A stand-in workspace in memory, for the pages' tests: a house-price project with a regression model and 2,000 runs.

It follows the Workspace Protocol's reading half and the few changes that pages make; nothing of it is used outside tests.
"""

from __future__ import annotations

import hashlib
import io
import math
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from lineal.errors import Conflict, InvalidInput, InvalidState, NotFound, PermissionDenied
from lineal.records.branching import Branch, MergeReport, RemoteTip
from lineal.records.comparison import Comparison, compare_runs
from lineal.records.completion import Completion, typing_in
from lineal.records.dataset import Dataset, DatasetVersion, PathChange, PathConflict, TreeEntry, VerifyReport, VersionDiff
from lineal.records.deletion import DeletionPlan, plan_deletion
from lineal.records.deployment import Deployment, DeploymentStatus, Prediction, TruthReceipt
from lineal.records.difference import RunDifference, differ
from lineal.records.digest import Digest
from lineal.records.filter import (
    METRICS,
    PARAMS,
    TAGS,
    Every,
    Field,
    Filter,
    Not,
    Some,
    names_attribute,
    parse_field,
    parse_filter,
    parse_order,
    quoted,
)
from lineal.records.filter import Comparison as Condition
from lineal.records.garbage import Collection
from lineal.records.graph import GENERATED, USED, Edge, Graph, Node, closure
from lineal.records.ids import uuid7
from lineal.records.model import Column, Model, ModelVersion, Signature
from lineal.records.monitor import Distribution, Drift, MonitorReport, Quality, Window
from lineal.records.run import Capture, Code, Environment, FileUse, Metric, Param, Run, RunPage, RunStatus, Series
from lineal.records.run_table import Pulse, RowPage, RunGroup, RunRow, Spread
from lineal.records.saved_view import SavedView, view_query
from lineal.records.text_diff import text_diff
from lineal.workspace.interface import Progress, silent

NOW = 1_780_000_000_000_000
DAY = 86_400_000_000
NASTY = "<script>alert('x')</script>"
LOG = f"epoch 1 loss 0.91\nepoch 2 loss 0.55\n{NASTY}\nTraceback (most recent call last):\n  ValueError: negative price in row 1204\n".encode()
DIFF = "--- a/train.py\n+++ b/train.py\n@@ -3,4 +3,4 @@ def load():\n-    rows = read(path)\n+    rows = read(path).dropna()  # <b>why</b>\n     return rows\n"


def digest_of(text: str) -> Digest:
    return Digest("blake3:" + hashlib.sha256(text.encode()).hexdigest())


def _use(path: str, size: int, **facts: Any) -> FileUse:
    return FileUse(path=path, digest=digest_of(path), size=size, **facts)


class SampleWorkspace:
    """The whole workspace; every noun is itself, since no two share a method's name with another meaning but `get` and `list`."""

    def __init__(self, runs: int = 2000) -> None:
        self.project = "house prices"
        self.project_id = "a" * 32
        self.root = Path("/projects/houses")
        self.now = NOW
        self.runs = SampleRuns(self, runs)
        self.table = SampleTable(self.runs)
        self.views = SampleViews()
        self.datasets = SampleDatasets()
        self.branches = SampleBranches(self.datasets)
        self.models = SampleModels(self)
        self.deployments = SampleDeployments()
        self.monitors = SampleMonitors(self)
        self.audit = SampleAudit()
        self.lineage = SampleLineage(self)
        self.intake = SampleIntake()
        self.shelf = SampleShelf()

    def resolve(self, reference: str, *, kinds: Sequence[str] = ()) -> Node:
        del kinds
        kind, colon, name = reference.partition(":")
        if not colon:
            kind, name = "", reference
        found = [node for node in self.lineage.nodes.values() if _named(node, kind, name)]
        if not found:
            raise NotFound(f"nothing is called {reference}", kind="unknown-reference", hint="lineal runs lists runs.")
        if len(found) > 1:
            candidates = ", ".join(node.reference for node in found[:5])
            raise Conflict(f"{reference} fits {len(found)} things", kind="ambiguous-reference", hint=f"Say which: {candidates}")
        return found[0]

    def close(self) -> None:
        """Nothing is open."""


class SampleViews:
    """Views in a dictionary; everybody may do everything."""

    def __init__(self) -> None:
        self.all = {"best": SavedView(name="best", query="order=metrics.rmse", author=NASTY, created_at=NOW, updated_at=NOW)}

    def list(self) -> list[SavedView]:
        return list(self.all.values())

    def get(self, name: str) -> SavedView:
        if name not in self.all:
            raise NotFound(f"there is no view {name!r}", kind="unknown-view")
        return self.all[name]

    def save(self, name: str, query: str, *, others: bool = False) -> SavedView:
        del others
        self.all[name] = SavedView(name=name, query=view_query(query), author="ada", created_at=NOW, updated_at=NOW)
        return self.all[name]

    def rename(self, name: str, new: str, *, others: bool = False) -> SavedView:
        del others
        self.all[new] = replace(self.all.pop(name), name=new)
        return self.all[new]

    def delete(self, name: str, *, others: bool = False) -> SavedView:
        del others
        return self.all.pop(name)


class SampleTable:
    """Rows of the sample's runs; its cursors are offsets."""

    def __init__(self, runs: SampleRuns) -> None:
        self._runs = runs

    def rows(
        self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0, after: str = "", columns: Sequence[str] | None = None
    ) -> RowPage:
        begin = int(after) if after.isdecimal() else offset
        found = self._runs.search(where=where, order=order, limit=limit, offset=begin)
        end = begin + len(found.runs)
        return RowPage(rows=tuple(_row(run, columns) for run in found.runs), after=str(end) if end < found.total else "")

    def count(self, *, where: str = "") -> int:
        return self._runs.search(where=where, limit=0).total

    def groups(self, by: str, *, where: str = "", metrics: Sequence[str] = ()) -> list[RunGroup]:
        field = parse_field(by)
        if field.section not in {PARAMS, TAGS} and by not in {"status", "author"}:
            raise InvalidInput(f"runs cannot be grouped by {by!r}", kind="bad-group")
        groups: dict[Any, list[Run]] = {}
        for run in self._runs.search(where=where, limit=10_000).runs:
            groups.setdefault(_value(run, field), []).append(run)
        found = [_grouped(by, value, runs, metrics) for value, runs in groups.items()]
        return sorted(found, key=lambda group: -group.count)

    def complete(self, text: str) -> list[Completion]:
        typing = typing_in(text)
        names = [f"{section}.{key}" for section, keys in self.keys().items() for key in keys]
        options = names if typing.kind == "name" else ["=", "<"] if typing.kind == "operator" else []
        return [Completion(text=name, about=typing.kind, start=typing.start) for name in options if typing.begun in name]

    def keys(self) -> dict[str, list[str]]:
        runs = self._runs.all.values()
        return {section: sorted({key for run in runs for key in getattr(run, section)}) for section in ("metrics", "params", "tags")}

    def pulse(self, after: int | None = None) -> Pulse:
        del after
        running = {run.id: repr(run.metrics) for run in self._runs.all.values() if not run.status.ended}
        return Pulse(number=max((run.number for run in self._runs.all.values()), default=0), running=running)


def _grouped(by: str, value: Any, runs: list[Run], metrics: Sequence[str]) -> RunGroup:
    spreads = {}
    for key in metrics:
        values = [run.metrics[key].last for run in runs if key in run.metrics]
        if values:
            spreads[key] = Spread(runs=len(values), minimum=min(values), mean=sum(values) / len(values), maximum=max(values))
    shown = quoted(value) if isinstance(value, str) else value
    return RunGroup(value=value, count=len(runs), where=f"not {by}" if value is None else f"{by} = {shown}", metrics=spreads)


_ROW = ("id", "name", "status", "number", "experiment", "author", "started_at", "ended_at", "exit_code", "mistake", "note", "tags")


def _row(run: Run, columns: Sequence[str] | None) -> RunRow:
    params = {key: param.value for key, param in run.params.items() if columns is None or f"params.{key}" in columns}
    metrics = {key: metric.last for key, metric in run.metrics.items() if columns is None or f"metrics.{key}" in columns}
    return RunRow(**{name: getattr(run, name) for name in _ROW}, params=params, metrics=metrics)


class SampleIntake:
    """Takes every journal in."""

    def sizes(self, _run: str) -> dict[str, int]:
        return {"17-0000000000000000": 5}

    def append(self, _run: str, _name: str, *, offset: int, data: bytes) -> int:
        return offset + len(data)


class SampleShelf:
    """A store with one file of one byte, and one value."""

    def create(self, _key: str, data: bytes) -> int:
        return len(data)

    def read(self, _key: str, offset: int, _length: int | None) -> bytes:
        return b"x"[offset:]

    def facts(self, _key: str) -> tuple[bool, int | None, float | None]:
        return True, 1, 0.0

    def list(self, _prefix: str) -> list[str]:
        return ["format"]

    def delete(self, keys: Sequence[str]) -> None:
        """There is nothing to delete."""

    def fetch(self, _key: str) -> bytes | None:
        return b"1"

    def swap(self, _key: str, new: bytes | None, *, expected: bytes | None) -> bool:
        return new != expected

    def publish(self, _packs: Mapping[str, bool]) -> bytes:
        return b"{}"


def _named(node: Node, kind: str, name: str) -> bool:
    if node.id == name:
        return True
    if kind == "run" or (not kind and re.fullmatch("[0-9a-f]{4,32}", name)):
        return node.kind == "run" and node.id.startswith(name)
    full = f"{kind}:{name}" if kind else name
    known = node.reference.partition(":")[2]
    return node.reference == full or known == name or (not kind and known.partition("@")[0] == name and node.kind == "model")


class SampleRuns:
    def __init__(self, workspace: SampleWorkspace, count: int) -> None:
        self._workspace = workspace
        chance = random.Random(7)
        self.all: dict[str, Run] = {}
        for number in range(1, count + 1):
            run = _run(number, count, chance)
            self.all[run.id] = run

    def get(self, reference: str) -> Run:
        prefix = reference.removeprefix("run:")
        found = [run for key, run in self.all.items() if key.startswith(prefix)] if len(prefix) >= 4 else []
        if not found:
            raise NotFound(f"no run is called {reference}", kind="unknown-reference", hint="lineal runs lists them.")
        if len(found) > 1:
            raise Conflict(f"{reference} fits {len(found)} runs", kind="ambiguous-reference", hint="Give more of the id.")
        return found[0]

    def search(self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0) -> RunPage:
        wanted = parse_filter(where)
        found = [
            run for run in self.all.values() if (wanted is None or _holds(run, wanted)) and (names_attribute(wanted, "mistake") or not run.mistake)
        ]
        found.reverse()
        for key in reversed(parse_order(order)):
            known = [run for run in found if _value(run, key.field) is not None]
            missing = [run for run in found if _value(run, key.field) is None]
            known.sort(key=lambda run, key=key: _sortable(_value(run, key.field)), reverse=key.descending)  # type: ignore[misc]
            found = known + missing
        return RunPage(runs=tuple(found[offset : offset + limit]), total=len(found))

    def series(
        self, reference: str, key: str, *, points: int | None = None, start: int | None = None, stop: int | None = None, rank: int | None = None
    ) -> tuple[Series, ...]:
        run = self.get(reference)
        if key not in run.metrics:
            raise NotFound(f"the run has no metric {key}", kind="unknown-metric")
        total = run.metrics[key].points
        first, last = max(0, start or 0), min(total - 1, total if stop is None else stop)
        step = max(1, (last - first) // (points or total))
        steps = tuple(range(first, last + 1, step))
        chance = random.Random(run.number)
        end = run.metrics[key].last
        values = tuple(end + (1.2 - 0.1 * (run.number % 5)) * math.exp(-6 * at / total) + chance.gauss(0, 0.02) for at in steps)
        times = tuple(run.started_at + at * 1_000_000 for at in steps)
        found = Series(key=key, steps=steps, values=values, times=times, total=last - first + 1, decimated=step > 1, ranks=2 if key == "loss" else 1)
        ranked = (found, replace(found, rank=1, values=tuple(value + 0.3 for value in values))) if key == "loss" else (found,)
        return ranked if rank is None else ranked[rank : rank + 1]

    def log(self, reference: str) -> Iterator[bytes]:
        self.get(reference)
        return iter((LOG,))

    def follow(self, reference: str) -> Iterator[bytes]:
        return self.log(reference)

    def artifact(self, reference: str, path: str) -> BinaryIO:
        run = self.get(reference)
        if not any(use.path == path for use in (*run.inputs, *run.outputs)):
            raise NotFound(f"the run has no file {path}", kind="unknown-path")
        return io.BytesIO(b"bytes of " + path.encode())

    def diff(self, reference: str) -> str:
        return DIFF if self.get(reference).code.dirty else ""

    def stop(self, reference: str) -> Run:
        run = self.get(reference)
        if run.status.ended:
            raise InvalidState("the run has ended", kind="run-ended")
        return self._put(replace(run, status=RunStatus.STOPPED, ended_at=NOW))

    def compare(self, references: Sequence[str]) -> Comparison:
        return compare_runs(tuple(self.get(reference) for reference in references))

    def difference(self, before: str, after: str, *, log: bool = True) -> RunDifference:
        found = differ(self.get(before), self.get(after))
        code = text_diff(
            f"train{NASTY}.py", ["import os", "rate = 0.1", *map(str, range(30))], ["import os", "rate = 0.2  # <b>", *map(str, range(30))], most=100
        )
        printed = text_diff("log", ["epoch 1"], ["epoch 1", NASTY], most=100)
        return replace(found, code=(code,) if code else (), log=printed if log else None, notes=("7 further code files differ",))

    def mark_mistake(self, reference: str, reason: str) -> Run:
        return self._put(replace(self.get(reference), mistake=reason))

    def annotate(self, reference: str, *, note: str | None = None, tags: Mapping[str, str] | None = None) -> Run:
        run = self.get(reference)
        return self._put(replace(run, note=run.note if note is None else note, tags=run.tags if tags is None else tags))

    def ingest(self) -> int:
        return 0

    def start(self, _request: Any) -> Any:
        raise _not_here()

    def execute(self, _request: Any) -> Any:
        raise _not_here()

    def reproduce(self, _reference: str, **_options: Any) -> Any:
        raise _not_here()

    def _put(self, run: Run) -> Run:
        self.all[run.id] = run
        return run


def _not_here() -> InvalidState:
    return InvalidState("the sample workspace records nothing", kind="sample")


def _sortable(value: Any) -> tuple[int, Any]:
    if isinstance(value, float) and math.isnan(value):
        return (-1, 0.0)
    return (0, value) if isinstance(value, int | float) else (1, str(value))


def _value(run: Run, field: Field) -> Any:
    name = field.key
    if field.section == METRICS:
        return run.metrics[name].last if name in run.metrics else None
    if field.section == PARAMS:
        return run.params[name].value if name in run.params else None
    if field.section == TAGS:
        return run.tags.get(name)
    if name == "duration":
        return (run.ended_at or NOW) - run.started_at
    found = " ".join(run.command) if name == "command" else getattr(run, name, None)
    return str(found) if name in {"status", "id"} else found


def _holds(run: Run, wanted: Filter) -> bool:
    match wanted:
        case Not(item=item):
            return not _holds(run, item)
        case Every(items=items):
            return all(_holds(run, item) for item in items)
        case Some(items=items):
            return any(_holds(run, item) for item in items)
        case Condition():
            return _compares(wanted, _value(run, wanted.field))


def _compares(wanted: Condition, found: Any) -> bool:
    if wanted.operator == "exists" or found is None:
        return found is not None
    texts = [literal.text for literal in wanted.values]
    if wanted.operator == "like":
        return texts[0].strip("%").lower() in str(found).lower()
    same = any(str(found) == text or _number(found) == _number(text) is not None for text in texts)
    if wanted.operator in {"=", "in", "!="}:
        return same != (wanted.operator == "!=")
    left, right = _number(found), _number(texts[0])
    if left is None or right is None:
        return False
    return {">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[wanted.operator]


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _run(number: int, count: int, chance: random.Random) -> Run:
    identifier = hashlib.md5(f"run {number}".encode(), usedforsecurity=False).hexdigest()
    started = NOW - (count - number) * 1_700_000_000 - chance.randrange(10**9)
    if number == 1:
        return _prepare(identifier, started)
    depth, rate, loss = chance.choice([3, 4, 6, 8]), chance.choice([0.01, 0.03, 0.1, 0.3]), chance.choice(["squared_error", "huber"])
    rmse = 0.42 - 0.02 * depth / 8 + abs(math.log10(rate / 0.08)) * 0.05 + chance.gauss(0, 0.01)
    status = RunStatus.FAILED if number % 37 == 5 else RunStatus.CRASHED if number % 211 == 7 else RunStatus.FINISHED
    status = RunStatus.RUNNING if number == count else status
    mistake = number % 97 == 3
    rmse = 0.02 if mistake else rmse
    metrics = {
        "loss": Metric(last=rmse * rmse, minimum=rmse * rmse, maximum=1.3, points=100_000 if number % 10 == 0 else 240, last_step=239, best_step=231),
        "rmse": Metric(last=rmse, minimum=rmse, maximum=rmse, points=1, on="test"),
        "r2": Metric(last=1 - rmse * rmse, minimum=0.5, maximum=1.0, points=1, on="test"),
    }
    if number % 400 == 11:
        metrics["rmse"] = Metric(last=math.nan, minimum=math.nan, maximum=math.nan, points=1)
    params = {
        "max_depth": Param(value=depth),
        "learning_rate": Param(value=rate, origin="override" if number % 3 else "recorded"),
        "loss": Param(value=loss, origin="argument"),
        "features": Param(value=["rooms", "area", "year"]),
        "note": Param(value=NASTY) if number % 50 == 0 else Param(value="plain"),
    }
    if number % 4 == 0:
        params["subsample"] = Param(value=0.8)
    failed = status in {RunStatus.FAILED, RunStatus.CRASHED}
    running = status is RunStatus.RUNNING
    return Run(
        id=identifier,
        name=NASTY if number == count - 4 else "train",
        number=number,
        status=status,
        project="house prices",
        experiment="baseline" if number < 900 else "boosting",
        command=("python", "train.py", "--max-depth", str(depth), f"--learning-rate={rate}", "--loss", loss),
        folder=".",
        author="ada" if number % 3 else "grace",
        host="workbench",
        started_at=started,
        ended_at=None if running else started + chance.randrange(5, 900) * 1_000_000,
        exit_code=None if running else 1 if failed else 0,
        params=params,
        metrics={} if failed else metrics,
        tags={"stage": "search"} if number % 2 else {"stage": "search", "owner": NASTY},
        inputs=(
            _use("data/train.parquet", 18_400_123, role="train", declared=True),
            _use("data/test.parquet", 4_100_500, role="test", role_origin="guessed"),
            _use("data/houses/2024.csv", 880_123, dataset="houses@2"),
        ),
        outputs=(
            _use(f"models/{number}/price.skops", 1_240_000, role="model"),
            _use(f"plots/{number}/residuals.png", 88_000, note="still being digested"),
        ),
        code=Code(
            commit=hashlib.sha1(f"commit {number // 40}".encode(), usedforsecurity=False).hexdigest(),
            branch="main",
            remote="https://git.example.org/houses.git",
            dirty=number % 5 == 0,
            diff=digest_of("diff") if number % 5 == 0 else None,
            files={"train.py": digest_of(f"train {number // 40}"), "features.py": digest_of("features")},
        ),
        environment=Environment(
            digest=digest_of(f"environment {number // 1000}"),
            interpreter="CPython",
            python="3.11.7" if number < 1000 else "3.12.4",
            packages={"numpy": "2.1.0", "pandas": "2.2.3", "scikit-learn": "1.6.0" if number < 1500 else "1.6.1", "scipy": "1.15.0"},
            platform="Linux-6.1-x86_64",
            cpu="AMD EPYC 7571",
            cpu_count=2,
            memory_bytes=16 << 30,
            variables={"OMP_NUM_THREADS": "2"},
        ),
        capture=Capture(tracers=("python",), grade="partial", unseen=("files opened by a statically linked child process",)),
        cpu_seconds=chance.uniform(3, 400),
        peak_memory_bytes=chance.randrange(200 << 20, 3 << 30),
        mistake=f"used the price itself as a feature {NASTY}" if mistake else "",
        note=f"compare with the linear model {NASTY}" if number == count - 1 else "",
        warnings=("-p momentum=0.9 was given, but the script never asked for it",) if number % 6 == 0 else (),
    )


def _prepare(identifier: str, started: int) -> Run:
    return Run(
        id=identifier,
        name="prepare",
        number=1,
        status=RunStatus.FINISHED,
        command=("python", "prepare.py"),
        author="ada",
        started_at=started,
        ended_at=started + 12_000_000,
        exit_code=0,
        inputs=(_use("data/houses", 91_200_000, dataset="houses@2"),),
        outputs=(_use("data/train.parquet", 18_400_123), _use("data/test.parquet", 4_100_500)),
        code=Code(commit="a" * 40, branch="main"),
        capture=Capture(tracers=("python",), grade="complete"),
    )


class SampleBranches:
    """Two lines of the houses: ``cleaning`` is at version 2."""

    def __init__(self, datasets: SampleDatasets) -> None:
        self._datasets = datasets

    def list(self, name: str) -> Sequence[Branch]:
        self._datasets.versions(name)
        origin = RemoteTip(remote="origin", commit=digest_of("commit 2"), version="houses@2", ahead=1)
        return [
            Branch(
                dataset=name,
                name="main",
                version="houses@3",
                commit=digest_of("commit 3"),
                updated_at=NOW - 30 * DAY,
                current=True,
                remotes=(origin,),
            ),
            Branch(dataset=name, name="cleaning", version="houses@2", commit=digest_of("commit 2"), updated_at=NOW - 40 * DAY, ahead=1, behind=2),
        ]

    def plan_merge(self, name: str, source: str, *, into: str = "", keep: str = "both") -> MergeReport:
        if source == "odd":
            raise Conflict(f"both sides changed {NASTY}", kind="merge-conflict", hint="Take one of them with --keep ours or --keep theirs.")
        conflict = PathConflict(
            path=NASTY,
            kind="both-changed",
            ours=digest_of("ours"),
            theirs=digest_of("theirs"),
            beside=f"{NASTY}.theirs-3f2a91c0" if keep == "both" else "",
            rows={"added": 1, "changed": 5000},
        )
        changes = (PathChange(path=NASTY, change="added", after=digest_of("theirs"), size_after=12),)
        known: dict[str, Any] = {"dataset": name, "into": into or "main", "source": source, "ours": "houses@3", "theirs": "houses@2"}
        return MergeReport(**known, base=("houses@1",), outcome="merged", changes=changes, added=1, conflicts=(conflict,), preview=True)

    def plan_revert(self, reference: str, *, branch: str = "") -> MergeReport:
        return replace(self.plan_merge("houses", reference, into=branch), outcome="reverted", conflicts=())

    def plan_undo(self, reference: str, *, branch: str = "", keep: str = "both") -> MergeReport:
        return replace(self.plan_merge("houses", reference, into=branch, keep=keep), outcome="reverted")


class SampleDatasets:
    def __init__(self) -> None:
        messages = ["January to March", "April added", f"labels mended {NASTY}"]
        self.all = [
            DatasetVersion(
                name="houses",
                number=number,
                commit=digest_of(f"commit {number}"),
                digest=digest_of(f"tree {number}"),
                parents=(digest_of(f"commit {number - 1}"),) if number > 1 else (),
                path="data/houses",
                files=24 + number,
                size=90_000_000 + number * 600_000,
                stored_bytes=31_000_000 if number == 1 else 210_000,
                message=message,
                author="ada",
                created_at=NOW - (60 - number * 10) * DAY,
                source="https://data.example.org/houses.zip",
                md5={"2024.csv": "9e107d9d372bb6826bd81d3542a419d6"},
                schema={
                    "2024.csv": {
                        "rows": 120_400,
                        "columns": [
                            {"name": "price", "type": "float", "nulls": 0},
                            {"name": "rooms", "type": "int", "nulls": 14},
                            {"name": NASTY, "type": "string", "nulls": 0},
                        ],
                    }
                },
                occurrence=f"dataset-houses-{number}",
            )
            for number, message in enumerate(messages, 1)
        ]

    def list(self) -> Sequence[Dataset]:
        last = self.all[-1]
        return [
            Dataset(
                name="houses", path="data/houses", versions=3, latest=last.reference, size=last.size, files=last.files, updated_at=last.created_at
            )
        ]

    def versions(self, name: str) -> Sequence[DatasetVersion]:
        if name != "houses":
            raise NotFound(f"no dataset is called {name}", kind="unknown-reference", hint="lineal data log lists them.")
        return self.all

    def get(self, reference: str) -> DatasetVersion:
        name, _, number = reference.removeprefix("data:").partition("@")
        number = {"main": "3", "cleaning": "2"}.get(number, number)
        for version in self.versions(name):
            if number in {str(version.number), ""} and (number or version.number == 3):
                return version
        raise NotFound(f"{name} has no version {number}", kind="unknown-reference")

    def entries(self, reference: str, *, prefix: str = "", limit: int = 1000, after: str = "") -> Sequence[TreeEntry]:
        version = self.get(reference)
        paths = sorted([*(f"{year}.csv".encode() for year in range(2025 - version.files, 2025)), b"odd \xff name\n.csv"])
        chosen = [path for path in paths if path.startswith(prefix.encode()) and path > after.encode("utf-8", "surrogateescape")]
        return [TreeEntry(path=path, mode="file", size=3_400_000, digest=digest_of(repr(path))) for path in chosen[:limit]]

    def verify_sample(self, reference: str, *, share: float, seed: int) -> Sequence[VerifyReport]:
        version = self.get(reference)
        return (VerifyReport(subject=f"data:{version.reference}", objects=max(1, round(version.files * share)), bytes=seed),)

    def view(self, reference: str) -> SampleDatasets:
        self.get(reference)
        return self

    def children(self, folder: bytes, *, after: bytes = b"") -> Iterator[TreeEntry]:
        if folder:
            return iter(())
        below = [TreeEntry(path=f"{NASTY}-{number}".encode(), mode="folder", size=0, digest=digest_of("")) for number in range(300)]
        return (entry for entry in sorted([*below, *self.entries("houses")], key=lambda entry: entry.path) if entry.path > after)

    def open(self, reference: str, path: str) -> BinaryIO:
        self.get(reference)
        return io.BytesIO(b"price,rooms\n1,2\n" + path.encode())

    def diff(self, before: str, after: str) -> VersionDiff:
        self.get(before), self.get(after)
        rows = {
            "added": 12,
            "removed": 0,
            "changed": 5000,
            "columns": {"late": 5000},
            "columns_added": ["origin"],
            "columns_removed": [],
            "examples": [
                {"change": "changed", "row": 15_001, "column": "late", "before": "0", "after": "1"},
                {"change": "changed", "row": 15_002, "column": "late", "before": NASTY, "after": "0"},
                {"change": "added", "row": 20_000, "values": {"late": "1", "carrier": "UA"}},
            ],
        }
        changes = (
            PathChange(
                path="2024.csv", change="modified", before=digest_of("x"), after=digest_of("y"), size_before=880_000, size_after=890_000, rows=rows
            ),
            PathChange(path="2025.csv", change="added", after=digest_of("z"), size_after=120_000),
            PathChange(path="old.csv", change="removed", before=digest_of("o"), size_before=1_000),
        )
        return VersionDiff(before=before, after=after, changes=changes, added=1, removed=1, modified=1)

    def add(self, _path: Path, **_options: Any) -> Any:
        raise _not_here()

    def status(self, _name: str = "") -> Any:
        return ()

    def checkout(self, _reference: str, _target: Path | None = None, **_options: Any) -> int:
        raise _not_here()

    def verify(self, _reference: str = "", **_options: Any) -> Any:
        return ()

    def preview_collection(self, *, grace: float | None = None, **_options: Any) -> Collection:
        return Collection(dry_run=True, objects=9, needed_objects=7, bytes=1000, garbage_bytes=int(grace or 0))


class SampleModels:
    def __init__(self, workspace: SampleWorkspace) -> None:
        self._workspace = workspace
        runs = list(workspace.runs.all.values())
        made = [runs[len(runs) // 3], runs[len(runs) // 2]]
        signature = Signature(
            inputs=(
                Column(name="rooms", type="int"),
                Column(name="area", type="float", required=False),
                Column(name="district", type="string", categories=("north", "south", NASTY)),
            ),
            outputs=(Column(name="price", type="float"),),
            task="regression",
            origin="example",
        )
        self.versions = [
            ModelVersion(
                name="price",
                number=number,
                run=run.id,
                path=f"models/{run.number}/price.skops",
                digest=digest_of(f"model {number}"),
                size=1_240_000,
                format="skops",
                signature=signature,
                aliases=("champion",) if number == 2 else (),
                metrics={"rmse": 0.36, "r2": 0.87},
                profile=digest_of("profile"),
                author="ada",
                created_at=NOW - (20 - number) * DAY,
                note=f"first one that beats the mean {NASTY}",
                occurrence=f"model-price-{number}",
                ever_deployed=number == 2,
            )
            for number, run in enumerate(made, 1)
        ]

    def list(self) -> Sequence[Model]:
        return [Model(name="price", versions=tuple(self.versions))]

    def get(self, reference: str) -> ModelVersion:
        name, _, wanted = reference.removeprefix("model:").partition("@")
        for version in reversed(self.versions):
            if version.name == name and (not wanted or wanted in {str(version.number), *version.aliases}):
                return version
        raise NotFound(f"no model is called {reference}", kind="unknown-reference", hint="lineal model list lists them.")

    def register(self, run: str, *, name: str, path: str = "", note: str = "") -> ModelVersion:
        made = replace(
            self.versions[-1], name=name, number=len(self.versions) + 1, run=self._workspace.runs.get(run).id, path=path, note=note, aliases=()
        )
        self.versions.append(made)
        return made

    def set_alias(self, reference: str, alias: str) -> ModelVersion:
        wanted = self.get(reference)
        self.versions = [
            replace(version, aliases=tuple({*version.aliases, alias} if version == wanted else set(version.aliases) - {alias}))
            for version in self.versions
        ]
        return self.get(f"{wanted.name}@{wanted.number}")

    def remove_alias(self, name: str, alias: str) -> None:
        self.get(name)
        self.versions = [replace(version, aliases=tuple(set(version.aliases) - {alias})) for version in self.versions]

    def export(self, reference: str, folder: Path) -> Path:
        folder.mkdir()
        (folder / "manifest.json").write_text(self.get(reference).name)
        return folder


class SampleDeployments:
    def __init__(self) -> None:
        self.all = {
            "price": Deployment(
                id="deployment-price",
                name="price",
                model="price@2",
                model_occurrence="model-price-2",
                target="process",
                url="http://127.0.0.1:8311",
                status=DeploymentStatus.SERVING,
                started_at=NOW - 15 * DAY,
                predictions=88_214,
                skip_drift=("year",),
                occurrence="deployment-price",
                author="grace",
            ),
            "price-try": Deployment(
                id="deployment-try",
                name="price-try",
                model="price@1",
                model_occurrence="model-price-1",
                target="process",
                url="http://127.0.0.1:8312",
                status=DeploymentStatus.DOWN,
                trial=True,
                started_at=NOW - 16 * DAY,
                detail="the process is gone",
                occurrence="deployment-try",
            ),
        }

    def list(self, *, stopped: bool = False) -> Sequence[Deployment]:
        return [deployment for deployment in self.all.values() if stopped or deployment.status is not DeploymentStatus.STOPPED]

    def get(self, reference: str) -> Deployment:
        name = reference.removeprefix("deployment:")
        if name not in self.all:
            raise NotFound(f"no deployment is called {name}", kind="unknown-reference", hint="lineal deployments lists them.")
        return self.all[name]

    def undeploy(self, name: str) -> Deployment:
        self.all[name] = replace(self.get(name), status=DeploymentStatus.STOPPED, stopped_at=NOW)
        return self.all[name]

    def predictions(
        self, name: str, *, limit: int = 50, before: str = "", start: int | None = None, end: int | None = None, wrong: bool = False
    ) -> Sequence[Prediction]:
        del start, end
        self.get(name)
        found = [_prediction(name, number) for number in range(300)]
        if wrong:
            found = [each for each in found if each.truth is not None and abs(each.truth - each.output) > 50_000]
        return [each for each in found if not before or each.id < before][:limit]

    def prediction(self, identifier: str) -> Prediction:
        for number in range(300):
            found = _prediction("price", number)
            if found.id == identifier.removeprefix("prediction:"):
                return found
        raise NotFound(f"no prediction has the id {identifier}", kind="unknown-prediction")

    def log(self, name: str) -> str:
        self.get(name)
        return f"listening on 127.0.0.1:8311\n{NASTY}\n"

    def deploy(self, _model: str, **_options: Any) -> Any:
        raise _not_here()


def _prediction(deployment: str, number: int) -> Prediction:
    chance = random.Random(number)
    at = NOW - number * 3_600_000_000
    output = chance.uniform(120_000, 600_000)
    return Prediction(
        id=uuid7(at, number.to_bytes(8, "big")),
        deployment=deployment,
        model="price@2",
        event_at=at,
        recorded_at=at + 40_000,
        inputs={"rooms": chance.randrange(1, 8), "area": chance.uniform(30, 220), "district": NASTY if number == 0 else "north"},
        output=output,
        truth=output + chance.gauss(0, 60_000) if number % 3 else None,
        truth_at=at + 14 * DAY if number % 3 else None,
    )


class SampleMonitors:
    def __init__(self, workspace: SampleWorkspace) -> None:
        self._workspace = workspace

    def report(self, name: str, *, every: str = "month", start: int | None = None, end: int | None = None) -> MonitorReport:
        del start, end
        self._workspace.deployments.get(name)
        if name != "price":
            return MonitorReport(deployment=name, model="price@1", task="regression", every=every, windows=())
        windows = tuple(_window(place, every) for place in range(4))
        return MonitorReport(
            deployment=name,
            model="price@2",
            task="regression",
            every=every,
            windows=windows,
            reference_quality={"mae": 31_200.0, "rmse": 48_000.0},
            rejected={"missing column rooms": 12, f"unknown column {NASTY}": 3},
            skipped={"year": "moves by construction"},
            total=88_214,
            note="truth arrives about 14 days late",
        )

    def add_truth(self, name: str, table: Path) -> TruthReceipt:
        self._workspace.deployments.get(name)
        header, *rows = table.read_text().splitlines()
        if "prediction_id" not in header or "label" not in header:
            raise InvalidInput("the file has no column label", kind="missing-column", hint="It needs prediction_id and label.")
        return TruthReceipt(accepted=len(rows), replaced=0, unknown=0)


def _window(place: int, every: str) -> Window:
    start = NOW - (4 - place) * 30 * DAY
    drift = tuple(_drift(feature, shift * place, place) for feature, shift in (("rooms", 0.02), ("area", 0.09), ("floor", 0.0)))
    known = 20_000 - place * 6_000
    quality = Quality(
        metrics={"mae": 31_000 + place * 4_000.0, "rmse": 47_000 + place * 6_500.0},
        intervals={"mae": (30_000 + place * 3_500.0, 32_000 + place * 4_600.0), "rmse": (45_500 + place * 6_000.0, 48_500 + place * 7_000.0)},
        known=known,
        coverage=known / 22_000,
        delay_us=14 * DAY,
        base_rate=301_000 + place * 9_000.0,
    )
    return Window(
        label=f"2026-0{place + 2}" if every == "month" else f"2026-W{place + 10}",
        start=start,
        end=start + 30 * DAY,
        predictions=22_000,
        drift=drift,
        prediction_drift=_drift("prediction", 0.03 * place, place),
        quality=None if place == 3 else quality,
        alerts=(f"area moved: PSI {0.09 * place:.2f}, 9 times its noise",) if place > 1 else (),
    )


def _drift(feature: str, psi: float, place: int) -> Drift:
    edges = (40.0, 60.0, 80.0, 100.0, 140.0)
    labels = ("< 40", "40 to 60", "60 to 80", "80 to 100", "100 to 140", "≥ 140", "missing")
    reference = (3_000, 9_000, 14_000, 12_000, 6_000, 2_000, 120)
    observed = tuple(int(count * max(0.1, 1 + psi * (at - 2))) + place for at, count in enumerate(reference))
    level = "large" if psi > 0.2 else "moderate" if psi > 0.1 else "none"
    return Drift(
        feature=feature,
        psi=psi,
        noise=0.0008,
        level=level,
        observed=Distribution(feature=feature, kind="numeric", labels=labels, counts=observed, edges=edges),
        reference=Distribution(feature=feature, kind="numeric", labels=labels, counts=reference, edges=edges),
    )


class SampleAudit:
    def events(self, *, subject: str = "", limit: int = 200, before: int | None = None) -> Sequence[Mapping[str, Any]]:
        actions = [("run.recorded", "run:abcd1234"), ("model.registered", "model:price@2"), ("deployment.started", "deployment:price")]
        found: list[Mapping[str, Any]] = [
            {
                "sequence": number,
                "at": NOW - (900 - number) * 1_000_000_000,
                "actor": "ada",
                "action": actions[number % 3][0],
                "subject": actions[number % 3][1],
                "payload": '{"note":"' + NASTY + '"}',
                "digest": digest_of(str(number)),
            }
            for number in range(900, 0, -1)
        ]
        found = [event for event in found if (not subject or event["subject"] == subject) and (before is None or event["sequence"] < before)]
        return found[:limit]

    def check(self, *, progress: Progress = silent) -> Sequence[VerifyReport]:
        progress("store", 0, 2)
        progress("ledger", 1, 2)
        return (VerifyReport(subject="store", objects=3, bytes=10), VerifyReport(subject="ledger", objects=4, bytes=0))

    def rebuild(self, **_options: Any) -> Any:
        return ()


class SampleLineage:
    def __init__(self, workspace: SampleWorkspace) -> None:
        self._workspace = workspace
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self._deleted: set[str] = set()
        self._draw()

    def graph(self, reference: str, *, down: bool = False, both: bool = False, depth: int | None = None, limit: int = 5000) -> Graph:
        focus = self._workspace.resolve(reference).id
        whole = self._whole()
        chosen: set[str] = set()
        if both or not down:
            chosen |= _within(whole.causes(), focus, depth)
        if both or down:
            chosen |= _within(whole.effects(), focus, depth)
        near = [*_near(whole, focus, chosen)]
        kept = set(near[:limit])
        return self._part(kept, focus=focus, truncated=len(kept) < len(chosen))

    def project(self, *, limit: int = 2000) -> Graph:
        newest = sorted(self.nodes.values(), key=lambda node: -node.at)[:limit]
        return self._part({node.id for node in newest}, focus="", truncated=len(newest) < len(self.nodes))

    def trace(self, prediction: str) -> Sequence[Node]:
        found = self._workspace.deployments.prediction(prediction)
        run = self._workspace.models.get(found.model).run
        first = Node(id=found.id, kind="prediction", label="prediction", reference=f"prediction:{found.id}", at=found.event_at)
        prepare = next(iter(self._workspace.runs.all))
        return [
            first,
            *(self.nodes[key] for key in ("deployment-price", "model-price-2", run, "train", prepare, "dataset-houses-2", "source-houses")),
        ]

    def plan_deletion(self, reference: str) -> DeletionPlan:
        node = self._workspace.resolve(reference)
        return plan_deletion(self._part(closure(self._whole().effects(), [node.id]), focus=node.id, truncated=False), (node.id,))

    def delete(self, reference: str, plan: str) -> DeletionPlan:
        found = self.plan_deletion(reference)
        if found.refused:
            raise PermissionDenied(found.reason, kind="protected", hint="Undeploying does not lift it.")
        if found.hash != plan:
            raise Conflict("the graph changed since the plan was made", kind="stale-plan", hint="Look at the new plan.")
        self._deleted |= {node.id for node in found.falls}
        return found

    def undelete(self, reference: str) -> Sequence[Node]:
        node = self._workspace.resolve(reference)
        self._deleted.discard(node.id)
        return [self.nodes[node.id]]

    def _draw(self) -> None:
        self._add("source-houses", "source", "houses.zip", "id:source-houses", NOW - 61 * DAY)
        before = "source-houses"
        for version in self._workspace.datasets.all:
            key = f"dataset-houses-{version.number}"
            self._add(f"import-{version.number}", "import", f"add houses {version.number}", f"id:import-{version.number}", version.created_at)
            self._add(key, "dataset", version.reference, f"data:{version.reference}", version.created_at, "protected" if version.number == 2 else "")
            self._tie(f"import-{version.number}", before, USED)
            self._tie(key, f"import-{version.number}", GENERATED)
            before = key
        runs = list(self._workspace.runs.all.values())
        self._run(runs[0])
        self._tie(runs[0].id, "dataset-houses-2", USED)
        for name in ("train", "test"):
            self._add(name, "file", f"data/{name}.parquet", f"path:data/{name}.parquet#{name}", runs[0].started_at + 1, "protected")
            self._tie(name, runs[0].id, GENERATED)
        for run in runs[1:]:
            self._train(run)
        for name, model, marks in (("price", "model-price-2", "deployed protected"), ("try", "model-price-1", "trial")):
            key = f"deployment-{name}"
            self._add(key, "deployment", name, "deployment:price" if name == "price" else "deployment:price-try", NOW - 15 * DAY, marks)
            self._tie(key, model, USED)

    def _train(self, run: Run) -> None:
        self._run(run)
        self._tie(run.id, "train", USED, role="train")
        self._tie(run.id, "test", USED, role="test")
        if run.status is not RunStatus.FINISHED:
            return
        made = next((version for version in self._workspace.models.versions if version.run == run.id), None)
        key = made.occurrence if made else f"file-{run.number}"
        if made:
            self._add(key, "model", made.reference, f"model:{made.reference}", run.started_at + 2, "protected deployed" if made.number == 2 else "")
        else:
            self._add(key, "file", f"models/{run.number}/price.skops", f"path:models/{run.number}/price.skops#{run.number}", run.started_at + 2)
        self._tie(key, run.id, GENERATED, role="model")

    def _run(self, run: Run) -> None:
        made = any(version.run == run.id and version.number == 2 for version in self._workspace.models.versions)
        marks = [
            mark
            for mark, holds in (
                ("mistake", run.mistake),
                ("failed", run.exit_code),
                ("running", not run.status.ended),
                ("protected", made or run.number == 1),
                ("correction", run.number == 44),
                ("stale", run.number == 45),
            )
            if holds
        ]
        self._add(
            run.id, "run", f"{run.name} #{run.number}", f"run:{run.id[:12]}", run.started_at, " ".join(marks), name=run.name, status=str(run.status)
        )

    def _add(self, key: str, kind: str, label: str, reference: str, at: int, marks: str = "", **detail: Any) -> None:  # noqa: PLR0917 - a table of facts
        self.nodes[key] = Node(id=key, kind=kind, label=label, reference=reference, marks=frozenset(marks.split()), at=at, detail=detail)

    def _tie(self, source: str, target: str, relation: str, role: str = "") -> None:
        self.edges.append(Edge(source=source, target=target, relation=relation, role=role))

    def _whole(self) -> Graph:
        return Graph(nodes=tuple(self.nodes.values()), edges=tuple(self.edges))

    def _part(self, kept: set[str] | frozenset[str], *, focus: str, truncated: bool) -> Graph:
        nodes = tuple(
            replace(node, marks=node.marks | {"deleted"}) if node.id in self._deleted else node for key, node in self.nodes.items() if key in kept
        )
        edges = tuple(edge for edge in self.edges if edge.source in kept and edge.target in kept)
        return Graph(nodes=nodes, edges=edges, truncated=truncated, focus=focus)


def _near(whole: Graph, focus: str, chosen: set[str]) -> list[str]:
    causes, effects = whole.causes(), whole.effects()
    found = {focus: None}
    for here in found_as_it_grows(found):
        found.update(dict.fromkeys(key for key in (*causes[here], *effects[here]) if key in chosen))
    return list(found)


def found_as_it_grows(found: dict[str, None]) -> Iterator[str]:
    done: set[str] = set()
    while waiting := [key for key in found if key not in done]:
        for key in waiting:
            done.add(key)
            yield key


def _within(adjacent: Mapping[str, Sequence[str]], start: str, depth: int | None) -> set[str]:
    seen, edge = {start}, {start}
    for _ in range(depth if depth is not None else 1000):
        edge = {following for here in edge for following in adjacent.get(here, ())} - seen
        if not edge:
            break
        seen |= edge
    return seen
