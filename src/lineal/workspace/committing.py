"""The last steps of a new version: the commit, the ref that moves to it, and the ledger's row."""

from __future__ import annotations

from dataclasses import replace

from lineal.errors import Conflict, Integrity
from lineal.records.dataset import DatasetVersion
from lineal.records.digest import Digest
from lineal.records.location import Location
from lineal.workspace.heads import Head, set_head
from lineal.workspace.lines import line_ref
from lineal.workspace.site import Site

_ATTEMPTS = 20


def commit_version(site: Site, version: DatasetVersion, location: Location) -> DatasetVersion:
    """Makes a version the next one of its branch, or gives the latest where that says the same.

    Crash order: everything is durable, then the commit, then the ref, then the rows; a row that is missing is made up for next time.
    """
    from lineal.workspace import projection

    store, ref = site.store, line_ref(version.name, version.branch)
    for _attempt in range(_ATTEMPTS):
        head = store.ref(ref)
        projection.project(site, version.name, () if head is None else (head,))
        same = _unchanged(site, version, head)
        if same is not None:
            set_head(site, version.name, Head(branch=version.branch, commit=head))
            return same
        stamped = replace(version, created_at=site.clock(), parents=() if head is None else (head,))
        meta = projection.commit_meta(stamped, location)
        commit = store.commit(version.digest, parents=stamped.parents, meta=meta, schema=version.schema)
        set_head(site, version.name, Head(branch=version.branch, commit=commit))  # before: an add that dies is repeated on its branch
        try:
            store.move_ref(ref, commit, expected=head)
        except Conflict as error:
            if error.kind != "ref-moved":
                raise
            continue
        projection.project(site, version.name, (commit,))
        return _committed(site, version.name, commit)
    raise Conflict(f"{version.name} is being added by too many at once", kind="ref-moved", hint="Try again in a moment.")


def version_at(site: Site, name: str, commit: Digest | None) -> DatasetVersion | None:
    """The version that a commit is, deleted or not; None where the ledger has none."""
    if commit is None:
        return None
    from lineal.ledger import datasets as rows

    with site.ledger.read() as connection:
        return rows.version_of_commit(connection, project_id=site.project_id, name=name, commit=commit)


def _committed(site: Site, name: str, commit: Digest) -> DatasetVersion:
    found = version_at(site, name, commit)
    if found is None:
        raise Integrity(f"{name} has the commit {commit}, but the ledger has no row for it", kind="damaged-ledger", hint="Mend it with: lineal fsck")
    return found


def _unchanged(site: Site, version: DatasetVersion, head: Digest | None) -> DatasetVersion | None:
    """The latest version, if it is this one and says no less."""
    latest = version_at(site, version.name, head)
    if latest is None or latest.deleted_at is not None:
        return None
    same = (latest.digest, latest.path, latest.root, latest.single_file) == (version.digest, version.path, version.root, version.single_file)
    says_more = (version.md5 and not latest.md5) or (version.source and version.source != latest.source)
    return latest if same and not says_more and latest.tracked == version.tracked else None
