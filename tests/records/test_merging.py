"""Three-way merge by path: its laws, and every way in which two sides can be at odds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.records.merging import KEEP, Merge, Pair, differing, merge_trees, parents_of, virtual_base

LABEL = "theirs-3f2a91c0"
Files = dict[bytes, TreeEntry]


def entry(path: bytes, content: str = "", mode: str = "file") -> TreeEntry:
    data = b"" if mode == "folder" else content.encode()
    return TreeEntry(path=path, mode=mode, size=len(data), digest=Digest(f"blake3:{blake3(data).hexdigest()}"))


def tree(**contents: str) -> Files:
    """A tree by path; ``__`` stands for ``/``; a content that begins with ``+`` is executable, ``/`` is an empty folder, ``->`` a link."""
    made: Files = {}
    for name, content in contents.items():
        path = name.replace("__", "/").encode()
        mode = "executable" if content.startswith("+") else "folder" if content == "/" else "symlink" if content.startswith("->") else "file"
        made[path] = entry(path, content.removeprefix("+"), mode)
    return made


class InMemory:
    def __init__(self, files: Files) -> None:
        self.files = files

    def entry(self, path: bytes) -> TreeEntry | None:
        return self.files.get(path)

    def below(self, folder: bytes) -> Iterator[TreeEntry]:
        return (found for path, found in sorted(self.files.items()) if path.startswith(folder + b"/"))


def pairs(before: Mapping[bytes, TreeEntry], after: Mapping[bytes, TreeEntry]) -> Iterator[Pair]:
    for path in sorted({*before, *after}):
        if before.get(path) != after.get(path):
            yield before.get(path), after.get(path)


def plan(base: Files, ours: Files, theirs: Files, keep: str = "both") -> Merge:
    return merge_trees(pairs(base, ours), pairs(base, theirs), trees=(InMemory(ours), InMemory(theirs)), label=LABEL, keep=keep)


def merged(base: Files, ours: Files, theirs: Files, keep: str = "both") -> Files:
    result = {**ours, **plan(base, ours, theirs, keep).changes}
    return {path: found for path, found in result.items() if found is not None}


def kinds(base: Files, ours: Files, theirs: Files) -> dict[str, str]:
    return {conflict.path.decode(): conflict.kind for conflict in plan(base, ours, theirs).conflicts}


NAMES = (b"a", b"b", b"a/x", b"a/y", b"b/x", b"a/x/q", b"c")


@st.composite
def trees(draw: st.DrawFn) -> Files:
    """Small trees in which files of one are folders of another."""
    made: Files = {}
    for path in draw(st.lists(st.sampled_from(NAMES), max_size=5, unique=True)):
        nested = any(path in parents_of(other) or other in parents_of(path) for other in made)
        if not nested:
            mode = draw(st.sampled_from(["file", "file", "executable", "symlink", "folder"]))
            made[path] = entry(path, draw(st.sampled_from("123")), mode)
    return made


def test_what_one_side_changed_is_taken_and_what_neither_changed_stays() -> None:
    base = tree(a="1", b="1", c="1", d="1")
    assert merged(base, tree(a="2", b="1", c="1", d="1"), tree(a="1", b="3", d="1", e="5")) == tree(a="2", b="3", d="1", e="5")


def test_the_same_change_on_both_sides_is_no_conflict() -> None:
    found = plan(tree(a="1", b="1"), tree(a="2", n="n"), tree(a="2", n="n"))
    assert (found.changes, found.conflicts) == ({}, [])


def test_two_edits_of_one_file_are_both_kept() -> None:
    found = merged(tree(a="1"), tree(a="2"), tree(a="3"))
    assert found == {b"a": entry(b"a", "2"), b"a.theirs-3f2a91c0": entry(b"a.theirs-3f2a91c0", "3")}
    assert kinds(tree(a="1"), tree(a="2"), tree(a="3")) == {"a": "both-changed"}
    assert kinds({}, tree(a="2"), tree(a="3")) == {"a": "both-added"}


@pytest.mark.parametrize(("ours", "theirs", "kind"), [({}, {"a": "2"}, "removed-changed"), ({"a": "2"}, {}, "changed-removed")])
def test_an_edit_outlives_a_removal(ours: dict[str, str], theirs: dict[str, str], kind: str) -> None:
    assert merged(tree(a="1"), tree(**ours), tree(**theirs)) == tree(a="2")
    assert kinds(tree(a="1"), tree(**ours), tree(**theirs)) == {"a": kind}


def test_an_executable_bit_and_an_edit_go_together() -> None:
    assert merged(tree(a="1"), tree(a="+1"), tree(a="2")) == tree(a="+2")
    assert merged(tree(a="+1"), tree(a="+2"), tree(a="1")) == tree(a="2")
    assert kinds(tree(a="1"), tree(a="+1"), tree(a="2")) == {}


def test_one_file_that_both_added_is_executable_if_one_side_says_so() -> None:
    assert merged({}, tree(a="1"), tree(a="+1")) == merged({}, tree(a="+1"), tree(a="1")) == tree(a="+1")
    assert kinds({}, tree(a="1"), tree(a="+1")) == {"a": "mode"}


def test_a_link_and_a_file_of_one_name_are_both_kept() -> None:
    found = merged(tree(a="1"), tree(a="->b"), tree(a="2"))
    assert found[b"a"].mode == "symlink"
    assert found[b"a.theirs-3f2a91c0"].mode == "file"


def test_a_file_and_a_folder_of_one_name_are_both_kept_whichever_side_has_which() -> None:
    assert merged({}, tree(a="1"), tree(a__x="2", a__y="3")) == {
        b"a": entry(b"a", "1"),
        b"a.theirs-3f2a91c0/x": entry(b"a.theirs-3f2a91c0/x", "2"),
        b"a.theirs-3f2a91c0/y": entry(b"a.theirs-3f2a91c0/y", "3"),
    }
    assert merged({}, tree(a__x="2"), tree(a="1")) == {b"a/x": entry(b"a/x", "2"), b"a.theirs-3f2a91c0": entry(b"a.theirs-3f2a91c0", "1")}
    assert kinds({}, tree(a="1"), tree(a__x="2", a__y="3")) == kinds({}, tree(a__x="2"), tree(a="1")) == {"a": "file-folder"}


def test_an_edit_in_a_folder_that_the_other_side_made_a_file_is_kept() -> None:
    base = tree(a__x="1", a__y="1")
    assert b"a.theirs-3f2a91c0/x" in merged(base, tree(a="2"), tree(a__x="3", a__y="1"))
    assert merged(base, tree(a__x="3", a__y="1"), tree(a="2"))[b"a.theirs-3f2a91c0"] == entry(b"a.theirs-3f2a91c0", "2")


def test_an_empty_folder_is_empty_no_longer_when_the_other_side_filled_it() -> None:
    for ours, theirs in ((tree(d="/"), tree(d__x="1")), (tree(d__x="1"), tree(d="/"))):
        assert merged({}, ours, theirs) == tree(d__x="1")
        assert not plan({}, ours, theirs).conflicts


def test_a_folder_stays_when_each_side_took_out_what_the_other_left_in_it() -> None:
    assert merged(tree(d__x="1", d__y="1"), tree(d__x="1"), tree(d__y="1")) == tree(d="/")
    assert merged(tree(d__e__x="1", d__e__y="1", d__z="1"), tree(d__e__x="1"), tree(d__e__y="1")) == tree(d__e="/")
    assert merged(tree(d__x="1", d__y="1"), tree(d__x="1"), {}) == {}


def test_a_name_for_theirs_is_one_that_nobody_has() -> None:
    taken = b"a." + LABEL.encode()
    ours = {**tree(a="2"), taken: entry(taken, "mine")}
    found = merged(tree(a="1"), ours, tree(a="3"))
    assert found[taken] == entry(taken, "mine")
    assert found[taken + b"-2"].digest == entry(b"a", "3").digest


def test_a_name_for_theirs_is_no_longer_than_a_file_system_takes() -> None:
    path = b"f/" + b"n" * 255
    beside = plan({path: entry(path, "1")}, {path: entry(path, "2")}, {path: entry(path, "3")}).conflicts[0].beside
    assert len(beside.rpartition(b"/")[2]) == 255
    assert beside.endswith(LABEL.encode())


def test_a_conflict_can_be_decided_for_one_side() -> None:
    base, ours, theirs = tree(a="1", b="1"), tree(a="2", n="5"), tree(a="3", b="2", n__x="4")
    assert merged(base, ours, theirs, "ours") == tree(a="2", n="5")
    assert merged(base, ours, theirs, "theirs") == tree(a="3", b="2", n__x="4")


@given(trees(), trees(), st.sampled_from(KEEP))
def test_a_merge_with_oneself_or_with_the_base_changes_nothing(base: Files, side: Files, keep: str) -> None:
    assert merged(base, side, side, keep) == merged(base, side, base, keep) == merged(base, base, side, keep) == side
    assert not plan(base, side, side).conflicts


@settings(max_examples=150)
@given(trees(), trees(), trees(), st.sampled_from(KEEP))
def test_what_comes_of_a_merge_is_a_tree(base: Files, ours: Files, theirs: Files, keep: str) -> None:
    found = merged(base, ours, theirs, keep)
    for path, there in found.items():
        assert there.path == path
        assert not any(folder in found for folder in parents_of(path))
    done = plan(base, ours, theirs, keep)
    assert {path: ours.get(path) for path in done.changes} == done.before


@settings(max_examples=150)
@given(trees(), trees(), trees())
def test_no_content_that_a_side_has_made_gets_lost(base: Files, ours: Files, theirs: Files) -> None:
    found = {(there.digest, there.mode == "symlink") for there in merged(base, ours, theirs).values()}
    for side in (ours, theirs):
        for path, there in side.items():
            made_here = there.mode != "folder" and (path not in base or base[path].digest != there.digest)
            assert not made_here or (there.digest, there.mode == "symlink") in found


@settings(max_examples=150)
@given(trees(), trees(), trees())
def test_from_either_side_the_same_contents_come_out(base: Files, ours: Files, theirs: Files) -> None:
    def contents(files: Files) -> list[str]:
        return sorted(there.digest for there in files.values() if there.mode != "folder")

    assert contents(merged(base, ours, theirs)) == contents(merged(base, theirs, ours))
    assert bool(plan(base, ours, theirs).conflicts) == bool(plan(base, theirs, ours).conflicts)


@given(trees(), trees(), trees())
def test_a_merge_without_conflict_is_the_same_from_either_side(base: Files, ours: Files, theirs: Files) -> None:
    if not plan(base, ours, theirs).conflicts:
        assert merged(base, ours, theirs) == merged(base, theirs, ours)


@given(trees(), trees(), trees())
def test_differences_between_trees_with_overlays_are_those_between_what_they_stand_for(stored: Files, other: Files, wanted: Files) -> None:
    overlay = {path: wanted.get(path) for path in {*stored, *wanted}}
    found = list(differing(pairs(stored, other), (overlay, {}), other.get))
    assert found == list(pairs(wanted, other))
    assert list(differing(pairs(other, stored), ({}, overlay), other.get)) == list(pairs(other, wanted))


def test_the_base_of_a_crosswise_history_decides_nothing_that_was_decided_in_two_ways() -> None:
    root, one, other = tree(a="1", b="1"), tree(a="2", b="1"), tree(a="3", b="2")
    overlay = virtual_base(pairs(root, one), pairs(root, other))
    assert overlay[b"b"] == entry(b"b", "2")
    undecided = overlay[b"a"]
    assert undecided is not None
    assert undecided not in (one[b"a"], other[b"a"], root[b"a"])
