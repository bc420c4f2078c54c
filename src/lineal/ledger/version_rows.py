"""What a row of a dataset version says, however it was read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lineal.records.dataset import DatasetVersion, PathConflict
from lineal.records.digest import Digest

IN_BODY = (
    "parents",
    "path",
    "root",
    "single_file",
    "files",
    "size",
    "stored_bytes",
    "message",
    "author",
    "source",
    "md5",
    "schema",
    "tracked",
    "branch",
    "reverts",
)
"""Facts of a version that its row keeps as JSON, beside the conflicts of a merge."""


def version_of_row(row: Mapping[str, Any]) -> DatasetVersion:
    """The version that a row of ``dataset_versions`` is of."""
    body: Mapping[str, Any] = json.loads(row["body"])
    known = {key: body[key] for key in IN_BODY if key in body}
    known["parents"] = tuple(Digest(parent) for parent in known.get("parents", ()))
    known["conflicts"] = tuple(PathConflict(**conflict) for conflict in body.get("conflicts", ()))
    return DatasetVersion(
        name=row["name"],
        number=row["number"],
        commit=Digest(row["commit"]),
        digest=Digest(row["digest"]),
        created_at=row["created_at"],
        occurrence=row["occurrence"],
        deleted_at=row["deleted_at"],
        **known,
    )
