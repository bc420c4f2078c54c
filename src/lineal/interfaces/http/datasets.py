"""Data over HTTP."""

from __future__ import annotations

import base64
import os
import secrets
from typing import Any, BinaryIO

from lineal.errors import InvalidInput
from lineal.interfaces.http.calls import Call
from lineal.interfaces.http.table import NUMBER, SWITCH, TEXT, Endpoint, Schema, parameter, required
from lineal.records.access import Role

MOST_ENTRIES = 10_000
_SAMPLED = 5
_KEEP = ("both", "ours", "theirs")
KEPT: Schema = {"type": "string", "enum": list(_KEEP)}


def list_datasets(call: Call) -> Any:
    """Every dataset."""
    return {"datasets": call.workspace.datasets.list()}


def list_versions(call: Call) -> Any:
    """The versions of a dataset."""
    return {"versions": call.workspace.datasets.versions(call.path["name"])}


def get_dataset_version(call: Call) -> Any:
    """One version."""
    return call.workspace.datasets.get(call.path["reference"])


def list_entries(call: Call) -> Any:
    """Paths of a version, in order; page with ``after``, the last path seen."""
    entries = call.workspace.datasets.entries(
        call.path["reference"],
        prefix=_path(call, "prefix"),
        limit=call.number("limit", 1000, least=1, most=MOST_ENTRIES),
        after=_path(call, "after"),
    )
    return {"entries": entries}


def _path(call: Call, name: str) -> str:
    """A path that is a word of the query, or its exact bytes in base64 where it is no text."""
    exact = call.query.get(f"{name}_b64", "")
    try:
        return os.fsdecode(base64.b64decode(exact, validate=True)) if exact else call.query.get(name, "")
    except ValueError:
        raise InvalidInput(f"{name}_b64 is not base64", kind="bad-parameter") from None


def get_entry(call: Call) -> BinaryIO:
    """The bytes of one file of a version."""
    return call.workspace.datasets.open(call.path["reference"], call.need("path"))


def diff_versions(call: Call) -> Any:
    """What differs between two versions."""
    return call.workspace.datasets.diff(call.need("before"), call.need("after"))


def list_branches(call: Call) -> Any:
    """The lines of a dataset, the main one first."""
    return {"branches": call.workspace.branches.list(call.path["name"])}


def create_branch(call: Call) -> Any:
    """A new branch."""
    return call.workspace.branches.create(call.path["name"], call.field("branch"), at=call.optional_field("at") or "")


def delete_branch(call: Call) -> Any:
    """Takes a branch away; its versions stay."""
    left = call.workspace.branches.delete(call.path["name"], call.path["branch"], unmerged=call.optional_switch("unmerged"))
    return {"dataset": call.path["name"], "deleted": call.path["branch"], "versions": [version.reference for version in left]}


def plan_merge(call: Call) -> Any:
    """What a merge would do."""
    return call.workspace.branches.plan_merge(
        call.path["name"], call.need("source"), into=call.query.get("into", ""), keep=call.choice("keep", _KEEP)
    )


def merge_branch(call: Call) -> Any:
    """Merges a branch or version into a branch."""
    return call.workspace.branches.merge(
        call.path["name"],
        call.field("source"),
        into=call.optional_field("into") or "",
        keep=call.optional_field("keep") or _KEEP[0],
        message=call.optional_field("message") or "",
    )


def plan_revert(call: Call) -> Any:
    """What going back to a version, or taking its changes back, would do."""
    reference, branch = call.path["reference"], call.query.get("branch", "")
    if call.switched("only"):
        return call.workspace.branches.plan_undo(reference, branch=branch, keep=call.choice("keep", _KEEP))
    return call.workspace.branches.plan_revert(reference, branch=branch)


def revert_version(call: Call) -> Any:
    """Goes back to a version, or takes its changes back, by a new version."""
    reference, branch, message = call.path["reference"], call.optional_field("branch") or "", call.optional_field("message") or ""
    if call.optional_switch("only"):
        return call.workspace.branches.undo(reference, branch=branch, keep=call.optional_field("keep") or _KEEP[0], message=message)
    return call.workspace.branches.revert(reference, branch=branch, message=message)


def verify_sample(call: Call) -> Any:
    """Reads a random share of a version's contents back, and says how sure that makes one."""
    share = call.number("percent", _SAMPLED, least=1, most=100) / 100
    seed = call.optional_number("seed")
    chosen = secrets.randbits(32) if seed is None else seed
    return {"seed": chosen, "reports": call.workspace.datasets.verify_sample(call.path["reference"], share=share, seed=chosen)}


ENDPOINTS = (
    Endpoint(method="GET", path="/datasets", summary="Every dataset", handler=list_datasets, group="datasets", role=Role.READER),
    Endpoint(
        method="GET",
        path="/datasets/diff",
        summary="What differs between two versions",
        handler=diff_versions,
        group="datasets",
        role=Role.READER,
        query=(required("before", "such as flights@1"), required("after", "such as flights@2")),
    ),
    Endpoint(
        method="GET", path="/datasets/{name}/versions", summary="The versions of a dataset", handler=list_versions, group="datasets", role=Role.READER
    ),
    Endpoint(
        method="GET",
        path="/datasets/{reference}",
        summary="One version, such as flights@1",
        handler=get_dataset_version,
        group="datasets",
        role=Role.READER,
    ),
    Endpoint(
        method="GET",
        path="/datasets/{reference}/entries",
        summary="The paths of a version",
        handler=list_entries,
        group="datasets",
        role=Role.READER,
        query=(
            parameter("prefix", "paths that begin so"),
            parameter("after", "paths behind this one"),
            parameter("prefix_b64", "the prefix where it is no text, in base64"),
            parameter("after_b64", "the path where it is no text, in base64"),
            parameter("limit", "at most so many", NUMBER),
        ),
    ),
    Endpoint(
        method="GET",
        path="/datasets/{reference}/file",
        summary="The bytes of one file",
        handler=get_entry,
        group="datasets",
        role=Role.READER,
        query=(required("path", "inside the version"),),
        answers="application/octet-stream",
    ),
    Endpoint(
        method="GET", path="/datasets/{name}/branches", summary="The branches of a dataset", handler=list_branches, group="datasets", role=Role.READER
    ),
    Endpoint(
        method="POST",
        path="/datasets/{name}/branches",
        summary="Make a branch",
        handler=create_branch,
        group="datasets",
        role=Role.CONTRIBUTOR,
        body={"branch": TEXT, "at": TEXT},
        required=("branch",),
    ),
    Endpoint(
        method="DELETE",
        path="/datasets/{name}/branches/{branch}",
        summary="Delete a branch; its versions stay",
        handler=delete_branch,
        group="datasets",
        role=Role.MAINTAINER,
        body={"unmerged": SWITCH},
    ),
    Endpoint(
        method="GET",
        path="/datasets/{name}/merge",
        summary="What a merge would do",
        handler=plan_merge,
        group="datasets",
        role=Role.READER,
        query=(
            required("source", "the branch or version that is brought in"),
            parameter("into", "the branch that gets it; the working copy's unless given"),
            parameter("keep", "both, ours or theirs: what becomes of a path that both sides changed", KEPT),
        ),
    ),
    Endpoint(
        method="POST",
        path="/datasets/{name}/merge",
        summary="Merge",
        handler=merge_branch,
        group="datasets",
        role=Role.CONTRIBUTOR,
        body={"source": TEXT, "into": TEXT, "keep": KEPT, "message": TEXT},
        required=("source",),
    ),
    Endpoint(
        method="GET",
        path="/datasets/{reference}/revert",
        summary="What a revert would do",
        handler=plan_revert,
        group="datasets",
        role=Role.READER,
        query=(
            parameter("only", "take back what this version alone changed", SWITCH),
            parameter("branch", "the branch that gets it; the working copy's unless given"),
            parameter("keep", "both, ours or theirs: what becomes of a path that was changed again since", KEPT),
        ),
    ),
    Endpoint(
        method="POST",
        path="/datasets/{reference}/revert",
        summary="Go back to a version, or take its changes back",
        handler=revert_version,
        group="datasets",
        role=Role.CONTRIBUTOR,
        body={"only": SWITCH, "branch": TEXT, "keep": KEPT, "message": TEXT},
    ),
    Endpoint(
        method="GET",
        path="/datasets/{reference}/verify",
        summary="Read a random share of a version back",
        handler=verify_sample,
        group="datasets",
        role=Role.READER,
        query=(
            parameter("percent", "how much of it, 1 to 100; 5 unless given", NUMBER),
            parameter("seed", "chooses what is read; a fresh one unless given", NUMBER),
        ),
    ),
)
