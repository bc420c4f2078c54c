"""The files of one run as a tree, and one of them looked into."""

from __future__ import annotations

from typing import Any

from lineal.errors import LinealError
from lineal.interfaces.web.gallery import tree
from lineal.interfaces.web.pages import Page, Visit
from lineal.interfaces.web.previews import Preview, preview
from lineal.records.run import FileUse, Run

MOST = 2_000
POLICY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "media-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}
"""As everywhere, and media and frames of this server."""


def files_page(visit: Visit) -> Page:
    """What a run wrote and read; with ``path`` the file there."""
    run = visit.workspace.runs.get(visit.path["run"])
    path = visit.word("path")
    use = next((use for use in (*run.outputs, *run.inputs) if use.path == path), None) if path else None
    trees = [(name, tree(name, uses[:MOST]), len(uses)) for name, uses in (("Outputs", run.outputs), ("Inputs", run.inputs))]
    context: dict[str, Any] = {
        "run": run,
        "trees": trees,
        "most": MOST,
        "path": path,
        "use": use,
        "preview": _preview(visit, run, use) if use is not None else None,
        "scripts": visit.switched("scripts"),
    }
    value = {"run": run.id, "outputs": run.outputs, "inputs": run.inputs, "file": use}
    return Page(template="files.html", title=f"Files of {run.name or 'run'} #{run.number}", rail="runs", value=value, context=context, headers=POLICY)


def _preview(visit: Visit, run: Run, use: FileUse) -> Preview:
    if not use.restorable or use.digest is None:
        return Preview(kind="none", note=f"Its bytes were not kept: {use.note or 'only its digest is known'}.")
    try:
        with visit.workspace.runs.artifact(run.id, use.path) as stream:
            return preview(use.path, stream, size=use.size)
    except LinealError as error:
        return Preview(kind="none", note=f"{error.message}. {error.hint}")
