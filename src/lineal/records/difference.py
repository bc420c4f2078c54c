"""How one run differs from another: what was chosen, what came out, and what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from lineal.records.digest import Digest
from lineal.records.resources import is_resource
from lineal.records.run import FileUse, Run
from lineal.records.text_diff import TextDiff

MOST_INPUTS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A named thing that differs.

    Attributes:
        change: ``added``, ``removed`` or ``changed``, from before to after.
        before, after: None where a run has none.
    """

    key: str
    change: str
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureChange:
    """A metric's last value in both runs, where it differs.

    Attributes:
        difference: after minus before, None where a run lacks it or it is no finite number.
        ratio: after by before, likewise.
    """

    key: str
    before: float | None = None
    after: float | None = None
    difference: float | None = None
    ratio: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputChange:
    """An input that differs.

    Attributes:
        change: ``added``, ``removed`` or ``changed``.
        before, after: content ids.
        before_dataset, after_dataset: the dataset versions they lie in, or empty.
    """

    path: str
    change: str
    before: Digest | None = None
    after: Digest | None = None
    before_dataset: str = ""
    after_dataset: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDifference:
    """What differs between two runs; what is the same is left out.

    Attributes:
        before, after: ids of the runs.
        environment: interpreter, platform, hardware and environment variables.
        code: file by file; ``uncommitted`` is how the recorded uncommitted diffs differ.
        log: how the outputs differ, but for times; None where they do not, or it was not asked for.
        notes: what was not looked at, and why.
    """

    before: str
    after: str
    params: tuple[Change, ...] = ()
    metrics: tuple[FigureChange, ...] = ()
    environment: tuple[Change, ...] = ()
    packages: tuple[Change, ...] = ()
    inputs: tuple[InputChange, ...] = ()
    code: tuple[TextDiff, ...] = ()
    uncommitted: TextDiff | None = None
    log: TextDiff | None = None
    notes: tuple[str, ...] = ()


def differ(before: Run, after: Run) -> RunDifference:
    """What differs as far as the runs' records tell: all but the texts."""
    inputs = _input_changes(before, after)
    more = len(inputs) - MOST_INPUTS
    return RunDifference(
        before=before.id,
        after=after.id,
        params=changes({key: param.value for key, param in before.params.items()}, {key: param.value for key, param in after.params.items()}),
        metrics=_figures(before, after),
        environment=changes(_surroundings(before), _surroundings(after)),
        packages=changes(before.environment.packages, after.environment.packages),
        inputs=inputs[:MOST_INPUTS],
        notes=(f"{more:,} further inputs differ",) if more > 0 else (),
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Change, ...]:
    """The keys whose values differ, sorted; NaN is the same as NaN.

    >>> changes({"a": 1, "b": 2}, {"b": 3, "c": 4})[1]
    Change(key='b', change='changed', before=2, after=3)
    """
    found = []
    for key in sorted({*before, *after}, key=str.lower):
        old, new = before.get(key), after.get(key)
        if repr(old) != repr(new):
            found.append(Change(key=key, change=_kind(key in before, key in after), before=old, after=new))
    return tuple(found)


def _kind(was: object, is_now: object) -> str:
    return "changed" if was and is_now else "removed" if was else "added"


def _figures(before: Run, after: Run) -> tuple[FigureChange, ...]:
    old, new = ({key: metric.last for key, metric in run.metrics.items() if not is_resource(key)} for run in (before, after))
    return tuple(_figure(change.key, change.before, change.after) for change in changes(old, new))


def _figure(key: str, before: float | None, after: float | None) -> FigureChange:
    if before is None or after is None or not (isfinite(before) and isfinite(after)):
        return FigureChange(key=key, before=before, after=after)
    ratio = after / before if before else None
    return FigureChange(
        key=key, before=before, after=after, difference=after - before, ratio=ratio if ratio is not None and isfinite(ratio) else None
    )


def _surroundings(run: Run) -> dict[str, Any]:
    found = run.environment
    facts = {
        "interpreter": found.interpreter,
        "python": found.python,
        "platform": found.platform,
        "machine": found.machine,
        "cpu": found.cpu,
        "cpu count": found.cpu_count or "",
        "memory (bytes)": found.memory_bytes or "",
        "gpus": ", ".join(found.gpus),
        "host": run.host,
        "command": " ".join(run.command),
        "folder": run.folder,
        "commit": run.code.commit,
        "branch": run.code.branch,
    }
    return {**{key: value for key, value in facts.items() if value}, **{f"${key}": value for key, value in found.variables.items()}}


def _input_changes(before: Run, after: Run) -> tuple[InputChange, ...]:
    old, new = ({(use.root, use.path): use for use in run.inputs} for run in (before, after))
    return tuple(_input(key[1], old.get(key), new.get(key)) for key in sorted({*old, *new}) if _state(old.get(key)) != _state(new.get(key)))


def _state(use: FileUse | None) -> tuple[Digest | None, bool]:
    return (use.digest, True) if use is not None else (None, False)


def _input(path: str, before: FileUse | None, after: FileUse | None) -> InputChange:
    return InputChange(
        path=path,
        change=_kind(before, after),
        before=before.digest if before else None,
        after=after.digest if after else None,
        before_dataset=before.dataset if before else "",
        after_dataset=after.dataset if after else "",
    )
