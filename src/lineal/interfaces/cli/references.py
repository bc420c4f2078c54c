"""Arguments that name things, with completion of what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from lineal.workspace.interface import Workspace

Command = TypeVar("Command", bound=Callable[..., Any])

MOST_RUNS = 50


def reference_argument(name: str, *, many: bool = False) -> Callable[[Command], Command]:
    """A required argument that is a reference; ``many`` takes one or more."""
    return click.argument(name, metavar=name.upper() + ("..." if many else ""), nargs=-1 if many else 1, required=True, shell_complete=_complete)


def complete_branch(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """The branches of the dataset that the argument ``name`` names."""
    from lineal.bootstrap.compose import open_workspace
    from lineal.errors import LinealError

    try:
        found = open_workspace().branches.list(str(context.params.get("name", "")))
    except LinealError:
        return []
    return [branch.name for branch in found if branch.name.startswith(incomplete)]


def _complete(_context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from lineal.bootstrap.compose import open_workspace
    from lineal.errors import LinealError

    try:
        space = open_workspace()
        candidates = list(_candidates(space, parameter.name or ""))
    except LinealError:
        return []  # completion never complains
    return [candidate for candidate in candidates if candidate.startswith(incomplete)]


def _candidates(space: Workspace, name: str) -> Iterator[str]:
    if name in {"run", "runs", "ref"}:
        yield from (run.id[:8] for run in space.runs.search(limit=MOST_RUNS).runs)
    if name in {"name", "ref", "before", "after"}:
        yield from (dataset.name for dataset in space.datasets.list())
    if name in {"model", "ref"}:
        yield from (model.latest.reference for model in space.models.list())
    if name in {"deployment", "ref"}:
        yield from (deployment.name for deployment in space.deployments.list())
