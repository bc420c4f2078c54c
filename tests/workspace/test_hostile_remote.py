"""A remote whose owner means no good: nothing is written outside of where data belongs."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineal.bootstrap.compose import clone_workspace, create_workspace
from lineal.errors import Integrity, InvalidInput
from lineal.records.dataset import TreeEntry
from lineal.store import tree
from lineal.store.repository import Repository
from lineal.workspace.local import LocalWorkspace


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[tuple[Repository, LocalWorkspace]]:
    """A remote's store, and the project that was pushed to it."""
    made = create_workspace(tmp_path / "honest")
    (made.root / "data").mkdir()
    (made.root / "data" / "x").write_text("1")
    made.datasets.add(made.root / "data", name="d")
    made.remotes.add("origin", str(tmp_path / "remote"))
    made.remotes.push()
    store = Repository.open(tmp_path / "remote", project_id=made.site.project_id)
    yield store, made
    store.close()
    made.close()


def forge(store: Repository, entries: list[TreeEntry], monkeypatch: pytest.MonkeyPatch, **meta: str) -> None:
    """Makes the newest version what no Lineal would make."""
    head = store.ref("datasets/d")
    assert head is not None
    with monkeypatch.context() as patch:
        patch.setattr(tree, "_check", lambda _entry: None)
        root = store.put_tree(entries)
    read = store.read_commit(head)
    forged = {**read.meta, "at": read.meta["at"] + 1, **meta}
    store.move_ref("datasets/d", store.commit(root, parents=[head], meta=forged), expected=head)


@pytest.mark.parametrize("path", [b"../escaped", b"/tmp/escaped", b"a/../../escaped", b"a//b", b"./a"])
def test_a_path_that_leads_out_is_not_taken_over(
    remote: tuple[Repository, LocalWorkspace], path: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store, honest = remote
    forge(store, [TreeEntry(path=path, mode="file", size=4, digest=store.put_bytes(b"evil"))], monkeypatch)
    with pytest.raises(Integrity) as caught:
        honest.remotes.pull()
    assert caught.value.kind == "unsafe-tree"
    assert honest.datasets.get("d").number == 1
    assert not (tmp_path / "escaped").exists()


def test_a_link_is_not_written_through(remote: tuple[Repository, LocalWorkspace], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store, honest = remote
    outside = tmp_path / "outside"
    outside.mkdir()
    link, evil = store.put_bytes(os.fsencode(outside)), store.put_bytes(b"evil")
    entries = [
        TreeEntry(path=b"a", mode="symlink", size=len(os.fsencode(outside)), digest=link),
        TreeEntry(path=b"a-b", mode="file", size=4, digest=evil),
        TreeEntry(path=b"a/b/c", mode="file", size=4, digest=evil),
    ]
    forge(store, entries, monkeypatch)
    honest.remotes.pull()
    for target in (tmp_path / "new", None):
        with pytest.raises(Integrity) as caught:
            honest.datasets.checkout("d", target)
        assert caught.value.kind == "unsafe-tree"
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in (honest.root / "data").iterdir()) == ["x"]


@pytest.mark.parametrize(
    ("root", "path"), [("absolute", "/tmp/lineal-untrusted"), ("home", ".ssh"), ("project", ".git/hooks"), ("project", "../out")]
)
def test_a_commit_does_not_choose_where_it_is_checked_out(
    remote: tuple[Repository, LocalWorkspace], root: str, path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store, _honest = remote
    entry = TreeEntry(path=b"evil", mode="file", size=4, digest=store.put_bytes(b"evil"))
    forge(store, [entry], monkeypatch, root=root, path=path, path_b64=base64.b64encode(path.encode()).decode())
    copy = clone_workspace(str(tmp_path / "remote"), tmp_path / "copy")
    try:
        copy.remotes.pull()
        with pytest.raises(InvalidInput) as caught:
            copy.datasets.checkout("d")
        assert caught.value.kind == "untrusted-place"
        copy.datasets.checkout("d", tmp_path / "chosen")
    finally:
        copy.close()
    assert [path.name for path in (tmp_path / "chosen").iterdir()] == ["evil"]
    assert not Path("/tmp/lineal-untrusted").exists()
