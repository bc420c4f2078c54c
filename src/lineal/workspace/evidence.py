"""Compares what a rerun gave with what the run had given: contents first, then what a format or an order may hide."""

from __future__ import annotations

import csv
import dataclasses
import io
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from lineal.errors import LinealError
from lineal.records.digest import Digest
from lineal.records.run import Environment, FileUse, Run
from lineal.records.verdict import OutputEvidence
from lineal.store.repository import Repository

LARGEST_COMPARED = 256 * 1024 * 1024
"""Bytes of a table up to which its rows are compared one by one."""

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_LINES = frozenset({".txt", ".jsonl", ".ndjson", ".log"})
_MODELS = frozenset({".skops", ".onnx"})
_MOST_PACKAGES = 12


def compare_outputs(store: Repository, before: Run, after: Run) -> tuple[OutputEvidence, ...]:
    """How every output of the run compares with the rerun's, and what the rerun wrote beyond them."""
    made = {(use.root, use.path): use for use in after.outputs}
    found = [_compare(store, use, made.pop((use.root, use.path), None)) for use in before.outputs]
    if before.capture.grade != "declared-only":  # else nobody knows what else the run wrote
        found.extend(OutputEvidence(path=use.path, state="unexpected", after=use.digest or "") for use in made.values() if use.root == "project")
    return tuple(found)


def compare_summaries(before: Run, after: Run) -> dict[str, tuple[float | None, float | None]]:
    """Recorded and new value of every summary metric of either."""
    old, new = _summaries(before), _summaries(after)
    return {key: (old.get(key), new.get(key)) for key in sorted({*old, *new})}


def compare_environments(before: Environment, after: Environment) -> tuple[str, ...]:
    """What differs, one sentence each; at most 12 packages are named."""
    facts = ("python", "platform", "machine", "cpu")
    told = [_moved(name, getattr(before, name), getattr(after, name)) for name in facts if getattr(before, name) != getattr(after, name)]
    packages = [
        _moved(name, before.packages.get(name, ""), after.packages.get(name, ""))
        for name in sorted({*before.packages, *after.packages})
        if before.packages.get(name) != after.packages.get(name)
    ]
    more = len(packages) - _MOST_PACKAGES
    return (*told, *packages[:_MOST_PACKAGES], *([f"{more} more packages differ"] if more > 0 else []))


def _summaries(run: Run) -> Mapping[str, float]:
    return {key: metric.last for key, metric in run.metrics.items() if metric.last_step is None}


def _moved(name: str, before: str, after: str) -> str:
    if not before or not after:
        return f"{name} {after} is new" if after else f"{name} {before} is gone"
    return f"{name} was {before} and is {after}"


def _compare(store: Repository, before: FileUse, after: FileUse | None) -> OutputEvidence:
    if after is None:
        return OutputEvidence(path=before.path, state="missing", before=before.digest or "")
    evidence = OutputEvidence(path=before.path, state="identical", before=before.digest or "", after=after.digest or "")
    if before.digest is None or after.digest is None:
        return dataclasses.replace(evidence, state="uncompared", detail="it was not digested")
    if before.digest == after.digest:
        return evidence
    state, detail = _difference(store, before.path, before.digest, after.digest)
    return dataclasses.replace(evidence, state=state, detail=detail)


def _difference(store: Repository, path: str, before: Digest, after: Digest) -> tuple[str, str]:
    """State and detail for two contents that are not the same bytes."""
    suffix = Path(path).suffix.lower()
    try:
        if suffix in _MODELS:
            return ("same-content", "") if _canonical(store, before, suffix) == _canonical(store, after, suffix) else ("different", "")
        small = max(store.size(before), store.size(after)) <= LARGEST_COMPARED
        if small and suffix in {*_SEPARATORS, *_LINES}:
            return _compare_rows(store, suffix, before, after)
    except (LinealError, OSError, csv.Error, UnicodeError):
        return "different", ""
    return "different", ""


def _canonical(store: Repository, digest: Digest, suffix: str) -> Digest:
    from lineal.serving.formats import canonical_digest  # only models need it

    with tempfile.TemporaryDirectory(prefix="lineal-") as folder:
        path = Path(folder) / f"model{suffix}"
        store.write_to(digest, path)
        return canonical_digest(path)


def _compare_rows(store: Repository, suffix: str, before: Digest, after: Digest) -> tuple[str, str]:
    with store.open_content(before) as old, store.open_content(after) as new:
        old_rows, new_rows = _rows(old, suffix), _rows(new, suffix)
        heads = (next(old_rows, ""), next(new_rows, "")) if suffix in _SEPARATORS else ("", "")
        counted, recounted = Counter(map(hash, old_rows)), Counter(map(hash, new_rows))
    if heads[0] != heads[1]:
        return "different", "its columns differ"
    gone, come = (counted - recounted).total(), (recounted - counted).total()
    if not gone and not come:
        return "reordered", ""
    return "different", f"{gone:,} of {counted.total():,} rows are gone and {come:,} are new"


def _rows(file: BinaryIO, suffix: str) -> Iterator[object]:
    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    if suffix in _SEPARATORS:
        yield from (tuple(row) for row in csv.reader(text, delimiter=_SEPARATORS[suffix]))
    else:
        yield from text


def changed_answers(before: Run, after: Run) -> tuple[str, ...]:
    """Queries that gave another answer when they were asked again, or were not asked, one sentence each."""
    again = {use.path: use.digest for use in after.inputs if use.facts.get("query")}
    found = []
    for use in before.inputs:
        query = use.facts.get("query")
        if query and again.get(use.path) != use.digest:
            found.append(f"the query {query['name']} " + ("gave another answer" if use.path in again else "was not asked"))
    return tuple(found)
