"""Brings code and data back as a run saw them, in a fresh folder, from the repository, the datasets and the store."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lineal.errors import LinealError
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.records.location import RUN, URL
from lineal.records.run import Code, FileUse, Run
from lineal.records.tracked import RESTORABLE
from lineal.store.digesting import file_digest
from lineal.store.repository import Repository
from lineal.workspace.interface import Datasets


@dataclass(frozen=True, slots=True, kw_only=True)
class Substitutes:
    """What stands in for what a run read.

    Attributes:
        datasets: a reference such as ``data:flights@2``, by dataset name.
        contents: a content id by occurrence, for what an earlier step of the same reproduction made anew.
    """

    datasets: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, Digest] = field(default_factory=dict)


def restore_code(store: Repository, code: Code, *, repository: Path, fresh: Path) -> list[str]:
    """Fills the empty folder ``fresh`` with the recorded commit, the uncommitted diff and the code files that were run.

    Args:
        repository: the top folder of the git repository that has the commit.

    Returns:
        What could not be restored, one phrase each.
    """
    missing = []
    if code.commit and not _check_out(code, repository, fresh):
        missing.append(f"commit {code.commit[:10]}, which is no longer in the repository")
    if code.diff is not None and not _apply(store, code.diff, fresh):
        missing.append("the uncommitted changes, which do not apply")
    if code.dirty and code.diff is None and not code.files:
        missing.append("the uncommitted changes, which were not kept")
    project = fresh / code.path
    project.mkdir(parents=True, exist_ok=True)
    for name, digest in code.files.items():
        path = os.path.join(os.fsencode(project), os.fsencode(name))
        if not _put(store, path, digest):
            missing.append(f"the code file {name}")
    return missing


def restore_outside(store: Repository, run: Run, folder: Path) -> dict[str, str]:
    """Writes the files outside the project that the run read into ``folder``, as they were: for each path the file that holds its content.

    A path where nothing lies any more is left out, and so is what the store does not hold: `restore_inputs` tells of both.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, str] = {}
    for number, use in enumerate(_kept_outside(run)):
        path, holder = _outside_path(use), os.fsencode(folder / str(number))
        if os.path.isfile(path) and use.digest is not None and store.contains(use.digest) and _put(store, holder, use.digest):
            found[os.fsdecode(os.path.realpath(path))] = os.fsdecode(holder)
    return found


def changed_outside(run: Run) -> list[str]:
    """The paths outside the project whose content is no longer what the run read."""
    return [
        use.path
        for use in _kept_outside(run)
        if os.path.isfile(_outside_path(use)) and use.digest is not None and not _is(_outside_path(use), use.digest)
    ]


def _kept_outside(run: Run) -> list[FileUse]:
    """What the run read outside the project and that is known by its content; what is tracked is known by its source's marks."""
    return [use for use in run.inputs if use.root in {"absolute", "home"} and (use.digest or "").startswith("blake3:")]


def restore_inputs(store: Repository, datasets: Datasets, run: Run, *, project: Path, instead: Substitutes) -> list[str]:
    """Puts everything that the run read at its path below ``project``; what lies outside must be there still, or be kept (`restore_outside`).

    Returns:
        Paths that could not be restored, each with the reason.
    """
    missing = list(_moved_sources(datasets, run))
    for dataset in dict.fromkeys(use.dataset for use in run.inputs if use.dataset and use.root != URL):
        missing.extend(_restore_dataset(datasets, dataset, project, instead.datasets.get(dataset.partition("@")[0])))
    for use in run.inputs:
        replaced = use.dataset.partition("@")[0] in instead.datasets
        digest = instead.contents.get(use.occurrence, use.digest)
        if not replaced and (problem := _restore_input(store, use, digest, project)):
            missing.append(f"{use.path} ({problem})")
    return missing


def exact_path(use: FileUse) -> bytes:
    """The path's bytes as they were, also where they are no text."""
    return base64.b64decode(use.path_b64) if use.path_b64 else os.fsencode(use.path)


def _check_out(code: Code, repository: Path, fresh: Path) -> bool:
    """The recorded commit alone, without history and with nothing that points back at the repository."""
    steps = (
        ("init", "--quiet", "."),
        ("fetch", "--quiet", "--depth", "1", str(repository), code.commit),
        ("-c", "advice.detachedHead=false", "checkout", "--quiet", "--detach", code.commit),
    )
    done = all(_git(fresh, *step) for step in steps)
    if done and code.remote:
        _git(fresh, "remote", "add", "origin", code.remote)
    return done


def _apply(store: Repository, diff: Digest, fresh: Path) -> bool:
    try:
        content = store.read(diff)
    except LinealError:
        return False
    return not content.strip() or _git(fresh, "apply", "--whitespace=nowarn", "-", given=content)


def _git(folder: Path, *arguments: str, given: bytes = b"") -> bool:
    try:
        done = subprocess.run(["git", "-c", "protocol.file.allow=always", *arguments], cwd=folder, input=given, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def _restore_dataset(datasets: Datasets, recorded: str, project: Path, replacement: str | None) -> Iterator[str]:
    try:
        version = datasets.get(f"data:{recorded}")
        if version.root == "project":
            target = project / version.path
            if target.is_dir():
                shutil.rmtree(target)  # the commit may hold the same folder in another state
            target.unlink(missing_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            datasets.checkout(replacement or f"data:{recorded}", target)
        elif replacement:
            yield f"{replacement} (the dataset lies outside the project, where nothing is replaced)"
    except LinealError as error:
        yield f"{replacement or recorded} ({error.message})"


def _moved_sources(datasets: Datasets, run: Run) -> Iterator[str]:
    """Tracked sources that are no longer what the run read, which a rerun would read in their new state."""
    for dataset in dict.fromkeys(use.dataset for use in run.inputs if use.dataset and not (use.digest or "").startswith("blake3:")):
        try:
            version = datasets.get(f"data:{dataset}")
            if not version.tracked:
                continue
            (report,) = datasets.verify(f"data:{dataset}")
        except LinealError as error:
            yield f"{dataset} ({error.message})"
            continue
        read = {use.path.rstrip("/").removeprefix(version.path).lstrip("/") for use in run.inputs if use.dataset == dataset}
        moved = [change.path for change in report.changed if change.change != "added" and (version.single_file or change.path in read or "" in read)]
        if moved:
            kept = "what was read can be had with: lineal data checkout" if report.label == RESTORABLE else "the source keeps no versions of it"
            yield f"{dataset} ({', '.join(moved[:3])} changed at {version.tracked['url']} since; {kept})"


def _restore_input(store: Repository, use: FileUse, digest: Digest | None, project: Path) -> str:
    """Why the input is not there as it was, or an empty string."""
    if digest is None:
        return use.note or "its content was never digested"
    if use.root == URL and use.dataset:
        return "" if store.contains(digest) else f"the store no longer has what {use.dataset} holds there"
    if use.root == URL or (use.root == RUN and use.facts):
        return ""  # nothing is put there: `_moved_sources` tells where that matters, and a query is asked again
    if not digest.startswith("blake3:"):
        there = os.path.exists(os.path.join(os.fsencode(project), exact_path(use)) if use.root == "project" else _outside_path(use))
        return "" if there else use.note or "its bytes were not kept"
    if use.root != "project":
        return _outside(store, use, digest)
    path = os.path.join(os.fsencode(project), exact_path(use))
    if use.dataset:
        return "" if os.path.isdir(path) or _is(path, digest) else "the dataset does not hold it as it was read"
    if _put(store, path, digest) or _put_tree(store, path, digest):
        return ""
    return use.note or "its bytes were not kept"


def _outside(store: Repository, use: FileUse, digest: Digest) -> str:
    path = _outside_path(use)
    if os.path.isdir(path) or _is(path, digest):
        return ""
    if not os.path.exists(path):
        return "it lies outside the project and is not there any more"
    return "" if store.contains(digest) else "it lies outside the project and is no longer what it was"


def _outside_path(use: FileUse) -> bytes:
    return os.path.expanduser(b"~/" + exact_path(use)) if use.root == "home" else exact_path(use)


def _is(path: bytes, digest: Digest) -> bool:
    try:
        return file_digest(path) == digest
    except OSError:
        return False


def _put(store: Repository, path: bytes, digest: Digest) -> bool:
    """Makes the file at ``path`` that content, if the store has it."""
    if not digest.startswith("blake3:"):
        return False
    if _is(path, digest):
        return True
    return _tried(lambda: _write(store, path, digest))


def _put_tree(store: Repository, path: bytes, digest: Digest) -> bool:
    def write_all(entries: Iterable[TreeEntry]) -> None:
        for entry in entries:
            _write(store, os.path.join(path, entry.path), entry.digest)

    return _tried(lambda: write_all(store.entries(digest)))


def _write(store: Repository, path: bytes, digest: Digest) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    store.write_to(digest, path)


def _tried(deed: Callable[[], None]) -> bool:
    try:
        deed()
    except (LinealError, OSError):
        return False
    return True
