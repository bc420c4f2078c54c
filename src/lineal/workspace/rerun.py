"""The process in which a run is run again: it first puts the fresh checkout in the originals' place, then records like any other.

``python -m lineal.workspace.rerun ERRAND`` reads what to do from a JSON file and writes the result beside it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lineal.errors import Unavailable
from lineal.workspace import isolation
from lineal.workspace.interface import RunRequest
from lineal.workspace.site import Layout, Site

_GRACE_SECONDS = 20.0
_TAIL = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """Everything that the process needs to know.

    Attributes:
        scratch: an empty folder outside ``top``, for the errand's own files.
        top: the originals: the repository's folder, or the project's where there is none.
        fresh: the checkout that takes its place.
        inner: the project's folder inside either.
        state: the workspace's ``.lineal`` folder.
        site: the further arguments of `Site`.
        outside: files outside ``top``, each with the file in ``scratch`` that holds what it was.
        keep: folders inside ``top`` that must stay readable: the interpreter's, Lineal's own, and the state.
        variables: environment variables to set; None takes one out.
        request: the fields of `RunRequest`; its folder is relative to the project.
    """

    scratch: str
    top: str
    fresh: str
    inner: str
    state: str
    site: Mapping[str, Any]
    request: Mapping[str, Any]
    keep: tuple[str, ...] = ()
    outside: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of it: the id of the recorded run, and how the originals were kept unreadable."""

    run: str
    isolated: str


def send(errand: Errand) -> Done:
    """Runs the errand in a process of its own and waits for it; an interrupt ends it too.

    Raises:
        Unavailable: kind ``rerun-failed``, if Lineal itself failed in there; the program's own failure is part of the record.
    """
    scratch = Path(errand.scratch)
    (scratch / "errand.json").write_text(json.dumps(dataclasses.asdict(errand)), encoding="utf-8")
    command = [sys.executable, "-m", "lineal.workspace.rerun", str(scratch / "errand.json")]
    with (scratch / "output").open("wb") as output:
        child = subprocess.Popen(command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            child.wait()
        finally:
            _end(child)
    result = scratch / "done.json"
    if not result.exists():
        tail = (scratch / "output").read_text(encoding="utf-8", errors="replace")[-_TAIL:].strip()
        raise Unavailable(f"the rerun could not be carried out: {tail or 'it ended without a word'}", kind="rerun-failed", hint="Try: lineal doctor")
    return Done(**json.loads(result.read_text(encoding="utf-8")))


def main(arguments: list[str]) -> None:
    """The process itself."""
    path = Path(arguments[0])
    body = json.loads(path.read_text(encoding="utf-8"))
    errand = Errand(**{**body, "keep": tuple(body["keep"])})
    isolated, project = _isolate(errand)
    for name, value in errand.variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    run = _execute(errand, project)
    (path.parent / "done.json").write_text(json.dumps({"run": run, "isolated": isolated}), encoding="utf-8")


def _isolate(errand: Errand) -> tuple[str, Path]:
    """How the originals are hidden now, and where the project lies for us."""
    top, fresh, scratch = Path(errand.top), Path(errand.fresh), Path(errand.scratch)
    keep = {Path(folder): scratch / f"kept-{place}" for place, folder in enumerate(errand.keep)}
    for holder in keep.values():
        holder.mkdir()
    if not scratch.is_relative_to(top):  # else the checkout would vanish behind itself
        with contextlib.suppress(OSError):
            instead = {Path(path): Path(content) for path, content in errand.outside.items()}
            isolation.enter_namespace(hide=top, behind=fresh, keep=keep, instead=instead)
            return isolation.NAMESPACE, top / errand.inner
    return _isolate_by_hook(errand), fresh / errand.inner


def _isolate_by_hook(errand: Errand) -> str:
    from lineal.capture.environment import process_variables
    from lineal.capture.tracers.inject.lineal_hook import is_python

    if not is_python(errand.request["command"][0]):
        return isolation.NONE
    search = process_variables().get("PYTHONPATH", "")
    keep = [Path(folder) for folder in (errand.fresh, *errand.keep)]
    os.environ.update(isolation.refuse_by_audit_hook(hide=Path(errand.top), keep=keep, search_path=search))
    return isolation.AUDIT_HOOK


def _execute(errand: Errand, project: Path) -> str:
    from lineal.workspace.execution import execute

    site = Site(layout=RerunLayout(root=project, state_folder=Path(errand.state), scratch=Path(errand.scratch)), **errand.site)
    try:
        return execute(site, RunRequest(**{**errand.request, "folder": project / errand.request["folder"]})).id
    finally:
        site.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunLayout(Layout):
    """The workspace's own layout, but with a stat index that knows nothing: the same paths are other files here."""

    scratch: Path

    @property
    def stat_index(self) -> Path:
        """In the scratch folder."""
        return self.scratch / "stat.db"


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
