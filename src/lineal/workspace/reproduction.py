"""Reproduces a run: fresh code, restored data, the recorded command again with the originals out of reach, and a verdict."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from lineal.errors import InvalidInput, InvalidState
from lineal.ledger.nodes import load_nodes, reach_up
from lineal.records.digest import Digest
from lineal.records.graph import Node
from lineal.records.run import Run, RunStatus
from lineal.records.standing_in import ANY
from lineal.records.verdict import Evidence, Reproduction, verdict
from lineal.workspace.evidence import changed_answers, compare_environments, compare_outputs, compare_summaries
from lineal.workspace.interface import Datasets, Progress, silent
from lineal.workspace.isolation import NAMESPACE
from lineal.workspace.remounting import mounted_again
from lineal.workspace.rerun import Errand, send
from lineal.workspace.restoring import Substitutes, changed_outside, exact_path, restore_code, restore_inputs, restore_outside
from lineal.workspace.site import Site

_FINISH_SECONDS = 3600.0  # the rerun's files are digested before its checkout is removed
_WORKSPACE = "LINEAL_WORKSPACE"
_STAND_INS = "LINEAL_STAND_INS"
_REDACTED = "[redacted]"


class RecordedRuns(Protocol):
    """What a reproduction needs of `lineal.workspace.interface.Runs`."""

    def get(self, reference: str) -> Run:
        """The run's record."""

    def ingest(self) -> int:
        """Brings in what was recorded meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Workplace:
    site: Site
    runs: RecordedRuns
    datasets: Datasets


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One run of the chain with what came of running it again; ``rerun`` is None where it could not be."""

    run: Run
    rerun: Run | None
    missing: tuple[str, ...]
    isolated: str


def reproduce(
    site: Site,
    runs: RecordedRuns,
    datasets: Datasets,
    reference: str,
    *,
    data: Mapping[str, str] | None = None,
    above: Callable[[str], Sequence[Node]] | None = None,
    progress: Progress = silent,
) -> Reproduction:
    """Runs a recorded run again in a fresh checkout and says whether the same came out.

    With ``data``, other versions stand in for recorded ones; runs in between, that made the run's inputs from such a dataset, are run again first.
    Every rerun is recorded as a run with the tag ``reproduces``. Temporary folders are gone when this returns, however it returns.

    Args:
        data: reference of the version that stands in, by dataset name.
        above: gives the runs that a run stands on; the ledger's answer unless given.

    Raises:
        InvalidState: kind ``still-running``, or ``no-command`` where nothing says how the run was started.
        InvalidInput: kind ``unused-dataset``, if the run does not stand on a dataset named in ``data``.
    """
    workplace = _Workplace(site=site, runs=runs, datasets=datasets)
    run = runs.get(reference)
    _check_repeatable(run)
    instead = _replacements(datasets, data or {})
    chain = _chain(above or (lambda identifier: _runs_above(site, identifier)), runs, run, instead)
    made: dict[str, Digest] = {}
    for place, step in enumerate(chain[:-1]):
        progress(f"running {step.name or step.id[:8]} again", place, len(chain))
        done = _rerun(workplace, step, Substitutes(datasets=instead, contents=made), progress)
        if done.rerun is None or done.rerun.exit_code:
            return _conclude(site, _Step(run=run, rerun=None, missing=(f"what {step.name or step.id[:8]} makes",), isolated="none"), data, instead)
        made |= _made_anew(step, done.rerun)
    progress(f"running {run.name or run.id[:8]} again", len(chain) - 1, len(chain))
    last = _rerun(workplace, run, Substitutes(datasets=instead, contents=made), progress)
    progress("comparing", len(chain), len(chain))
    return _conclude(site, last, data, instead)


def _check_repeatable(run: Run) -> None:
    if run.status is RunStatus.RUNNING:
        raise InvalidState(f"run {run.id[:8]} is still running", kind="still-running", hint=f"Wait for it, or end it with: lineal stop {run.id[:12]}")
    if not run.command:
        raise InvalidState(
            f"nothing says how run {run.id[:8]} was started, so it cannot be run again",
            kind="no-command",
            hint="Record runs that are to be reproduced with: lineal run -- COMMAND",
        )


def _replacements(datasets: Datasets, data: Mapping[str, str]) -> dict[str, str]:
    """References by dataset name, checked; a bare number or version counts as one of that dataset."""
    found = {}
    for name, version in data.items():
        name = name.removeprefix("data:").partition("@")[0]  # noqa: PLW2901 - the name alone
        text = f"{name}@{version}" if version.isdecimal() else version.removeprefix("data:")
        found[name] = f"data:{datasets.get(f'data:{text}').reference}"
    return found


def _runs_above(site: Site, run: str) -> Sequence[Node]:
    """The runs that a run stands on, as the ledger knows them."""
    with site.ledger.read() as connection:
        reached = reach_up(connection, [run])
        return [node for node in load_nodes(connection, site.project_id, reached.ids).values() if node.kind == "run" and node.id != run]


def _chain(runs_above: Callable[[str], Sequence[Node]], runs: RecordedRuns, run: Run, instead: Mapping[str, str]) -> list[Run]:
    """The runs to repeat, causes first, the asked one last: those upstream whose inputs change by the replacement."""
    if not instead:
        return [run]
    above = runs_above(run.id)
    changed: set[str] = set()
    used: set[str] = set()
    steps = []
    for candidate in (*(runs.get(f"run:{node.id}") for node in sorted(above, key=lambda node: (node.at, node.id))), run):
        names = {use.dataset.partition("@")[0] for use in candidate.inputs if use.dataset}
        used |= names & set(instead)
        if names & set(instead) or changed & {use.occurrence for use in candidate.inputs}:
            changed |= {use.occurrence for use in candidate.outputs}
            steps.append(candidate)
    unused = sorted(set(instead) - used)
    if unused:
        raise InvalidInput(
            f"run {run.id[:8]} does not stand on the dataset {unused[0]!r}",
            kind="unused-dataset",
            hint=f"See what it stands on with: lineal lineage run:{run.id[:12]}",
        )
    return steps


def _make_folders_of_outputs(run: Run, project: Path) -> None:
    """Makes the folders that the outputs lay in: a program may count on one that was empty, and git keeps no empty folders."""
    for use in run.outputs:
        if use.root == "project":
            with contextlib.suppress(OSError):  # a file has the place: that is the program's own matter
                os.makedirs(os.path.dirname(os.path.join(os.fsencode(project), exact_path(use))), exist_ok=True)


def _rerun(workplace: _Workplace, run: Run, instead: Substitutes, progress: Progress) -> _Step:
    site, runs, datasets = workplace.site, workplace.runs, workplace.datasets
    with _scratch() as (scratch, fresh):
        top, inner = _originals(site, run)
        progress("restoring the code", 0, 0)
        code = replace(run.code, path=inner)
        missing = restore_code(site.store, code, repository=top, fresh=fresh)
        progress("restoring the data", 0, 0)
        missing += [f"the secret in {word!r}" for word in run.command if _REDACTED in word]
        missing += restore_inputs(site.store, datasets, run, project=fresh / inner, instead=instead)
        _make_folders_of_outputs(run, fresh / inner)
        folder = _folder(run)
        if not folder.is_absolute():
            (fresh / inner / folder).mkdir(parents=True, exist_ok=True)
        with mounted_again(site, datasets, run, project=fresh / inner, instead=instead.datasets) as not_mounted:
            missing += not_mounted
            progress("running", 0, 0)
            errand = _errand(site, run, scratch=scratch, fresh=fresh, top=top, inner=inner, folder=folder)
            done = send(replace(errand, variables={**errand.variables, _STAND_INS: json.dumps(_stand_ins(run, instead))}))
        if done.isolated != NAMESPACE:
            missing += [f"{path} (it lies outside the project and is no longer what it was)" for path in changed_outside(run)]
        runs.ingest()
        rerun = runs.get(f"run:{done.run}")
    return _Step(run=run, rerun=rerun, missing=tuple(missing), isolated=done.isolated)


def _errand(site: Site, run: Run, *, scratch: Path, fresh: Path, top: Path, inner: str, folder: Path) -> Errand:
    state = site.layout.state.resolve()
    settings = {key: list(value) if isinstance(value, tuple) else value for key, value in site.settings.items()}
    return Errand(
        scratch=str(scratch),
        top=str(top),
        fresh=str(fresh),
        inner=inner,
        state=str(state),
        keep=tuple(_kept(run, top, state)),
        outside=restore_outside(site.store, run, scratch / "outside"),
        variables={**_variables(run), _WORKSPACE: str(state.parent)},
        site={
            "project_id": site.project_id,
            "project": site.project,
            "ledger_url": site.ledger_url,
            "actor": site.actor,
            "settings": {**settings, "capture.finish_seconds": _FINISH_SECONDS},
        },
        request={**_request(run), "folder": str(folder)},
    )


def _stand_ins(run: Run, instead: Substitutes) -> dict[str, str]:
    """The versions that the rerun gets: those recorded, where it asks for none in particular; those that stand in, whatever it asks for."""
    recorded = sorted({use.dataset for use in run.inputs if use.dataset}, key=lambda reference: (len(reference), reference))
    return {
        **{reference.partition("@")[0]: reference for reference in recorded},  # of several the newest: it was the latest when the run asked for that
        **{name + ANY: reference.removeprefix("data:") for name, reference in instead.datasets.items()},
    }


def _request(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "command": list(run.command),
        "params": {key: param.value for key, param in run.params.items() if param.origin == "override"},
        "tags": {"reproduces": run.id},
        "inputs": [use.path for use in run.inputs if use.declared and use.root == "project"],
        "outputs": [use.path for use in run.outputs if use.declared and use.root == "project"],
        "experiment": run.experiment,
    }


def _variables(run: Run) -> dict[str, str | None]:
    """The recorded variables as they were; those that would have been recorded but were not set are taken out.

    So are those of its launcher: the rerun is one process, and no part of that launch.
    """
    from lineal.capture.environment import ALLOWED
    from lineal.capture.launch import LAUNCH_VARIABLES
    from lineal.records.journal import FOLDER_VARIABLE, RANKS_VARIABLE, RUN_VARIABLE

    unset: dict[str, str | None] = dict.fromkeys((*sorted(ALLOWED), RUN_VARIABLE, FOLDER_VARIABLE, RANKS_VARIABLE))
    return {**unset, **{name: value for name, value in run.environment.variables.items() if name not in LAUNCH_VARIABLES}}


def _kept(run: Run, top: Path, state: Path) -> Iterator[str]:
    """Folders inside the originals that programs themselves live in, the interpreters' and Lineal's own, and where the rerun is recorded."""
    own = Path(__file__).resolve().parents[2]
    candidates = [Path(prefix).resolve() for prefix in (sys.prefix, sys.exec_prefix, sys.base_prefix)] + [own, state]
    if run.environment.interpreter:
        candidates.append(Path(run.environment.interpreter).absolute().parent.parent)
    inside = {folder for folder in candidates if folder.is_dir() and folder != top and folder.is_relative_to(top)}
    yield from (str(folder) for folder in sorted(inside) if not any(folder.is_relative_to(other) for other in inside - {folder}))


def _originals(site: Site, run: Run) -> tuple[Path, str]:
    """The folder to hide and the project's place in it: the whole repository where the code comes from one."""
    root = site.layout.root.resolve()
    if not run.code.commit:
        return root, ""
    try:
        answer = subprocess.run(["git", "rev-parse", "--show-toplevel"], cwd=root, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository any more: restoring the code will tell
        return root, ""
    top = Path(os.fsdecode(answer.stdout.rstrip(b"\n")))
    inner = root.relative_to(top) if root.is_relative_to(top) else Path()
    return (top if inner.parts or top == root else root), ("" if inner == Path() else str(inner))


def _folder(run: Run) -> Path:
    """Where the command ran: relative to the project where that was inside it."""
    return Path(run.folder or ".").expanduser()


def _made_anew(run: Run, rerun: Run) -> dict[str, Digest]:
    """The rerun's content by the occurrence that the run had made at the same path."""
    new = {(use.root, use.path): use.digest for use in rerun.outputs}
    return {use.occurrence: digest for use in run.outputs if (digest := new.get((use.root, use.path))) is not None}


def _conclude(site: Site, step: _Step, data: Mapping[str, str] | None, instead: Mapping[str, str]) -> Reproduction:
    rerun = step.rerun
    evidence = Evidence(
        outputs=() if rerun is None else compare_outputs(site.store, step.run, rerun),
        metrics={} if rerun is None else compare_summaries(step.run, rerun),
        missing_inputs=step.missing,
        replaced_inputs=tuple(f"{name} was replaced by {version.removeprefix('data:')}" for name, version in instead.items()) if data else (),
        notice_only=tuple(dict.fromkeys(use.dataset for use in step.run.inputs if use.dataset and not use.restorable)),
        environment=() if rerun is None else (*compare_environments(step.run.environment, rerun.environment), *changed_answers(step.run, rerun)),
        isolated=step.isolated,
        exit_code=None if rerun is None else rerun.exit_code,
        exit_code_before=step.run.exit_code,
    )
    found, reasons = verdict(evidence)
    return Reproduction(run=step.run.id, rerun="" if rerun is None else rerun.id, verdict=found, reasons=reasons, evidence=evidence)


@contextmanager
def _scratch() -> Iterator[tuple[Path, Path]]:
    """A folder for the errand's own files and one for the checkout; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="lineal-reproduce-")).resolve()
    try:
        (folder / "errand").mkdir()
        (folder / "fresh").mkdir()
        yield folder / "errand", folder / "fresh"
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    def unlock(deed: Callable[[str], object], path: str, _error: object) -> None:
        Path(path).parent.chmod(stat.S_IRWXU)
        Path(path).chmod(stat.S_IRWXU)
        deed(path)

    shutil.rmtree(folder, onerror=unlock)
