"""Trees against plain dictionaries."""

from __future__ import annotations

from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from lineal.records.dataset import TreeEntry
from lineal.records.digest import blake3_digest
from lineal.store import nodes
from lineal.store.nodes import decode_node
from lineal.store.tree import Trees


class Memory:
    """Nodes in a dictionary, counting what is written."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.reads = 0

    def put(self, data: bytes) -> bytes:
        key = blake3(data).digest()
        self.kept[key] = data
        return key

    def get(self, identity: bytes) -> bytes:
        self.reads += 1
        return self.kept[identity]


def entry(path: bytes, value: int = 0) -> TreeEntry:
    return TreeEntry(path=path, mode=nodes.MODES[value % 4], size=value, digest=blake3_digest(bytes([value % 256]) * 32))


numbered = st.integers(0, 1500).map(lambda number: b"folder/%04d" % number)
odd = st.lists(st.binary(min_size=1, max_size=5).filter(lambda part: not {0, 47} & set(part) and part not in {b".", b".."}), min_size=1, max_size=3)
paths = numbered | odd.map(b"/".join)
contents = st.dictionaries(paths, st.integers(0, 255), max_size=40)
bases = st.tuples(st.integers(0, 1200), contents).map(lambda drawn: {**{b"folder/%04d" % number: 1 for number in range(drawn[0])}, **drawn[1]})
edits = st.dictionaries(paths, st.none() | st.integers(0, 255), max_size=60)


def build(trees: Trees, state: dict[bytes, int]) -> bytes:
    return trees.build(entry(path, value) for path, value in state.items())


@settings(max_examples=60, deadline=None)
@given(bases, edits, st.sampled_from([b"", b"folder/0300"]))
def test_an_edited_tree_is_the_tree_built_anew(base: dict[bytes, int], changes: dict[bytes, int | None], cut: bytes) -> None:
    if cut:
        changes = {**dict.fromkeys([path for path in base if path > cut]), **changes}
    memory = Memory()
    trees = Trees(memory)
    root = build(trees, base)
    after = {path: value for path, value in {**base, **changes}.items() if value is not None}
    edited = trees.edit(root, {path: None if value is None else entry(path, value) for path, value in changes.items()})
    assert edited == build(Trees(Memory()), after)
    assert list(trees.entries(edited)) == [entry(path, value) for path, value in sorted(after.items())]
    assert trees.totals(edited) == (len(after), sum(after.values()))


@settings(max_examples=60, deadline=None)
@given(bases, edits)
def test_a_tree_diff_is_the_difference_of_dictionaries(base: dict[bytes, int], changes: dict[bytes, int | None]) -> None:
    memory = Memory()
    trees = Trees(memory)
    after = {path: value for path, value in {**base, **changes}.items() if value is not None}
    found = list(trees.diff(build(trees, base), build(trees, after)))
    wanted = [
        (entry(path, base[path]) if path in base else None, entry(path, after[path]) if path in after else None)
        for path in sorted(base.keys() | after.keys())
        if base.get(path) != after.get(path)
    ]
    assert found == wanted


def test_one_change_among_many_writes_few_small_nodes_and_is_found_by_reading_few() -> None:
    memory = Memory()
    trees = Trees(memory)
    root = trees.build(entry(b"images/%06d.png" % number, number % 7) for number in range(30_000))
    before = set(memory.kept)
    edited = trees.edit(root, {b"images/012345.png": entry(b"images/012345.png", 99)})
    new = [memory.kept[key] for key in memory.kept.keys() - before]
    assert len(new) <= 4
    assert sum(map(len, new)) < 64_000
    memory.reads = 0
    assert [pair[1].path for pair in trees.diff(root, edited) if pair[1]] == [b"images/012345.png"]
    assert memory.reads < 20


def test_an_entry_is_found_by_its_path_alone() -> None:
    memory = Memory()
    trees = Trees(memory)
    root = trees.build(entry(b"a/%05d" % number, number % 256) for number in range(10_000))
    memory.reads = 0
    assert trees.entry(root, b"a/07777") == entry(b"a/07777", 7777 % 256)
    assert trees.entry(root, b"a/07777x") is None
    assert memory.reads < 16


def test_nodes_stay_between_their_bounds() -> None:
    memory = Memory()
    Trees(memory).build(entry(b"a/%05d" % number) for number in range(20_000))
    sizes = [len(decode_node(data, key)) for key, data in memory.kept.items()]
    assert max(sizes) <= nodes.MOST
    assert 40 < sum(sizes) / len(sizes) < 130


def listed(state: dict[bytes, int], folder: bytes) -> list[bytes]:
    """The children of a folder in the order of their first paths."""
    prefix = folder + b"/" if folder else b""
    inside = (path[len(prefix) :].partition(b"/")[0] for path in sorted(state) if path.startswith(prefix))
    return [prefix + name for name in dict.fromkeys(inside)]


def without_clashes(state: dict[bytes, int]) -> dict[bytes, int]:
    """A folder is no file at the same time."""
    folders = {path[:place] for path in state for place in range(len(path)) if path[place : place + 1] == b"/"}
    return {path: value for path, value in state.items() if path not in folders}


@settings(max_examples=60, deadline=None)
@given(bases, st.sampled_from([b"", b"folder"]))
def test_a_folder_lists_what_lies_directly_in_it_in_pages_too(base: dict[bytes, int], folder: bytes) -> None:
    trees = Trees(Memory())
    state = without_clashes({**base, b"a-b": 1, b"a/x": 1, b"a/y/z": 2, b"a0": 3, b"folder/sub/1": 0, b"folder/sub-1": 0})
    root = build(trees, state)
    found = list(trees.children(root, folder))
    assert [child.path for child in found] == listed(state, folder)
    assert [child for child in found if child.path in state] == [entry(child.path, state[child.path]) for child in found if child.path in state]
    assert all(child.mode == "folder" for child in found if child.path not in state)
    for place, child in enumerate(found[:20]):
        assert list(trees.children(root, folder, after=child.path)) == found[place + 1 :]


def test_a_folder_is_listed_without_reading_what_its_subfolders_hold() -> None:
    memory = Memory()
    trees = Trees(memory)
    root = trees.build(entry(b"%02d/%06d.png" % (number % 8, number)) for number in range(40_000))
    memory.reads = 0
    assert [child.path for child in trees.children(root)] == [b"%02d" % number for number in range(8)]
    assert memory.reads < 40
    assert list(trees.children(root, b"03/no")) == []
    assert list(trees.children(root, b"nothing")) == []


@settings(max_examples=60, deadline=None)
@given(bases, paths)
def test_what_lies_at_a_path_is_an_entry_a_folder_or_nothing(base: dict[bytes, int], asked: bytes) -> None:
    trees = Trees(Memory())
    state = without_clashes({**base, b"a-b": 1, b"a/x": 1, b"a/y/z": 2, b"a0": 3, b"folder/sub/1": 0, b"folder/sub-1": 0})
    root = build(trees, state)
    for path in (asked, b"a", b"a/y", b"a/y/z", b"a-", b"folder", b"folder/sub", b"folder/sub-1", b"zz", *list(state)[:5]):
        found = trees.lookup(root, path)
        if path in state:
            assert found == entry(path, state[path])
        elif any(other.startswith(path + b"/") for other in state):
            assert found is not None
            assert (found.path, found.mode) == (path, "folder")
        else:
            assert found is None


def test_looking_up_neighbours_reads_no_node_twice() -> None:
    memory = Memory()
    trees = Trees(memory)
    root = trees.build(entry(b"%03d/%06d.png" % (number // 1000, number)) for number in range(40_000))
    memory.reads = 0
    assert trees.lookup(root, b"020") is not None
    assert memory.reads <= 3, "the nodes above the leaves tell that there is a folder"
    assert trees.lookup(root, b"020/020500.png") == entry(b"020/020500.png")
    before = memory.reads
    assert trees.lookup(root, b"020/020500.png") == entry(b"020/020500.png")
    assert memory.reads == before <= 5
