"""The lines of a dataset's versions: the main one and its branches, which are refs in the store, and how they stand to one another."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lineal.errors import InvalidInput, NotFound
from lineal.records.dataset import MAIN, DatasetVersion
from lineal.records.digest import Digest, raw_hash
from lineal.workspace.site import Site

MAIN_LINES, BRANCHES, CLOSED, REMOTES = "datasets/", "branches/", "closed/", "remotes/"
"""Prefixes of refs. A closed one keeps what a deleted branch alone had; a remote's says where that remote was when it was last seen."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_A_VERSION = re.compile(r"(\d+|~?(blake3:)?[0-9a-f]{4,64})\Z")


def checked_branch(text: str) -> str:
    """A new branch's name.

    Raises:
        InvalidInput: kind ``bad-name``, if it is none, or could be taken for a version.
    """
    if not _NAME.match(text):
        raise InvalidInput(
            f"{text!r} cannot be a branch's name", kind="bad-name", hint="Use letters, digits and . _ - (at most 100, a letter or digit first)."
        )
    if names_version(text) or text in {MAIN, "latest"}:
        raise InvalidInput(f"a branch cannot be called {text!r}: that names a version already", kind="bad-name", hint="Give it another name.")
    return text


def names_version(text: str) -> bool:
    """Whether a text behind ``name@`` is a number or the beginning of a commit, and so no branch."""
    return _A_VERSION.match(text) is not None


def line_ref(name: str, branch: str) -> str:
    """The ref of one of a dataset's lines."""
    return MAIN_LINES + name if branch == MAIN else f"{BRANCHES}{name}/{branch}"


def tip(site: Site, name: str, branch: str) -> Digest | None:
    """The newest commit of a line, or None where there is no such line or name."""
    if not _NAME.match(name) or not _NAME.match(branch):
        return None
    return site.store.ref(line_ref(name, branch))


def known_tip(site: Site, name: str, branch: str) -> Digest:
    """The newest commit of a line that must be there.

    Raises:
        NotFound: kind ``unknown-branch``.
    """
    found = tip(site, name, branch)
    if found is None:
        there = ", ".join(tips(site, name)) or "no line at all"
        raise NotFound(
            f"{name} has no branch {branch!r}", kind="unknown-branch", hint=f"There is {there}; make one with: lineal data branch {name} NAME"
        )
    return found


def head_to_add_to(site: Site, name: str, branch: str) -> Digest | None:
    """The commit that the next version of a branch stands on; None for the first of a dataset.

    Raises:
        NotFound: kind ``unknown-branch``: only the main line begins with a version.
    """
    return site.store.ref(line_ref(name, MAIN)) if branch == MAIN else known_tip(site, name, branch)


def tips(site: Site, name: str) -> dict[str, Digest]:
    """The newest commit of each line: the main one first, then branches by name."""
    main = site.store.ref(MAIN_LINES + name)
    prefix = f"{BRANCHES}{name}/"
    found = {} if main is None else {MAIN: main}
    return found | {ref.removeprefix(prefix): commit for ref, commit in site.store.refs(prefix).items()}


def all_tips(site: Site, name: str) -> list[Digest]:
    """Every commit from which a dataset's versions can be reached, those of deleted branches too, in a fixed order."""
    return [*tips(site, name).values(), *site.store.refs(f"{CLOSED}{name}/").values()]


def dataset_names(site: Site) -> list[str]:
    """Every dataset that a ref leads to."""
    prefixes = (MAIN_LINES, BRANCHES, CLOSED)
    return sorted({ref.split("/")[1] for prefix in prefixes for ref in site.store.refs(prefix)})


def closed_ref(name: str, branch: str, commit: Digest) -> str:
    """The ref that keeps what a deleted branch was at."""
    return f"{CLOSED}{name}/{branch}/{raw_hash(commit).hex()[:16]}"


def line_of(ref: str, name: str) -> str:
    """The line of a dataset that a ref is; empty where it is none of its."""
    if ref == MAIN_LINES + name:
        return MAIN
    prefix = f"{BRANCHES}{name}/"
    return ref.removeprefix(prefix) if ref.startswith(prefix) else ""


def version_of(site: Site, name: str, commit: str) -> DatasetVersion:
    """The version that a commit is. Raises NotFound kind ``unknown-reference`` where the ledger has none."""
    from lineal.ledger.datasets import version_of_commit  # most that ask for a line need no row

    with site.ledger.read() as connection:
        found = version_of_commit(connection, project_id=site.project_id, name=name, commit=commit)
    if found is None:
        raise NotFound(f"{name} has no version {unnumbered(name, commit)}", kind="unknown-reference", hint="Mend it with: lineal fsck --rebuild")
    return found


def named(site: Site, name: str, commit: str) -> str:
    """The reference of the version that a commit is, by its number where it has one."""
    from lineal.ledger.datasets import version_of_commit  # most that ask for a line need no row

    with site.ledger.read() as connection:
        found = version_of_commit(connection, project_id=site.project_id, name=name, commit=commit)
    return found.reference if found else unnumbered(name, commit)


def unnumbered(name: str, commit: str) -> str:
    """How a commit is named that has no number here.

    >>> unnumbered("flights", "blake3:3f2a91c0d4")
    'flights@~3f2a91c0'
    """
    return f"{name}@~{commit.partition(':')[2][:8]}"


class History:
    """The parents of a dataset's commits: from the ledger's rows, and from the store for those that have none."""

    def __init__(self, site: Site, name: str) -> None:
        from lineal.ledger.datasets import commit_parents

        self._site = site
        with site.ledger.read() as connection:
            self._known: dict[str, Sequence[str]] = dict(commit_parents(connection, project_id=site.project_id, name=name))

    def __call__(self, commit: str) -> Sequence[str]:
        """The parents of a commit."""
        if commit not in self._known:
            self._known[commit] = self._site.store.read_commit(Digest(commit)).parents
        return self._known[commit]
