"""The store as a whole: many writers, sudden death, damage, newer formats."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lineal.errors import Conflict, Integrity, InvalidInput, InvalidState, LinealError
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.store import index, segments
from lineal.store.backends.address import parse_address
from lineal.store.repository import Repository

PROJECT = "a" * 32

WRITER = """
import random, sys
from pathlib import Path
from lineal.store.repository import Repository
from lineal.records.dataset import TreeEntry
path, seed, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = Repository.open(path, project_id="a" * 32)
draw = random.Random(seed)
print("ready", flush=True)
for number in range(rounds):
    with store.batch():
        entries = []
        for place in range(5):
            data = draw.randbytes(draw.choice([10, 3000, 200_000]))
            entries.append(TreeEntry(path=b"%d" % place, mode="file", size=len(data), digest=store.put_bytes(data)))
        root = store.put_tree(entries)
    commit = store.commit(root, meta={"seed": seed, "number": number})
    name = f"datasets/w{seed}-{number}"
    store.move_ref(name, commit, expected=None)
    print(name, commit, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(path: Path) -> Iterator[Repository]:
    opened = Repository.open(path, project_id=PROJECT)
    yield opened
    opened.close()


def reopened(path: Path) -> Repository:
    return Repository.open(path, project_id=PROJECT)


def start_writer(path: Path, seed: int, rounds: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(seed), str(rounds)], stdout=subprocess.PIPE, text=True)


def committed(store: Repository, content: bytes = b"some content") -> tuple[Digest, Digest]:
    """A tree of one file behind the ref ``datasets/d``: its root and the file's digest."""
    digest = store.put_bytes(content)
    root = store.put_tree([TreeEntry(path=b"file", mode="file", size=len(content), digest=digest)])
    store.move_ref("datasets/d", store.commit(root, meta={}), expected=None)
    return root, digest


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 0x40
    path.write_bytes(data)


def test_four_processes_that_write_at_once_lose_and_damage_nothing(path: Path) -> None:
    writers = [start_writer(path, seed, 12) for seed in range(4)]
    lines = [line.split() for writer in writers for line in writer.communicate()[0].splitlines() if line != "ready"]
    assert [writer.returncode for writer in writers] == [0, 0, 0, 0]
    store = reopened(path)
    assert store.refs("datasets/") == {name: Digest(commit) for name, commit in lines}
    assert len(lines) == 48
    report = store.verify()
    assert report.sound
    for _name, commit in lines:
        root = store.read_commit(Digest(commit)).root
        assert all(len(store.read(entry.digest)) == entry.size for entry in store.entries(root))


@pytest.mark.parametrize("after", [1, 3, 7])
def test_everything_finished_before_a_kill_is_readable_after_it(path: Path, after: int) -> None:
    writer = start_writer(path, after, 1000)
    assert writer.stdout is not None
    finished = []
    for line in writer.stdout:
        if line.startswith("datasets/"):
            finished.append(line.split())
        if len(finished) >= after:
            break
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    store = reopened(path)
    assert store.verify().sound
    refs = store.refs("datasets/")
    for name, commit in finished:
        assert refs[name] == commit
        assert sum(1 for entry in store.entries(store.read_commit(Digest(commit)).root) if store.read(entry.digest)) == 5
    store.put_bytes(b"the next writer")


def test_a_batch_that_is_interrupted_leaves_nothing_half_done(store: Repository, path: Path) -> None:
    _root, digest = committed(store)

    def interrupted() -> None:
        with store.batch():
            store.put_bytes(b"never seen")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    again = reopened(path)
    assert again.read(digest) == b"some content"
    assert again.verify().sound
    assert not list((path / "tmp").iterdir())
    assert len(list((path / "packs").rglob("*.pack"))) == 3


def test_what_is_put_in_a_batch_is_read_in_it_and_durable_behind_it(store: Repository, path: Path) -> None:
    big = random.Random(1).randbytes(900_000)
    with store.batch():
        digests = [store.put_bytes(b"%d" % number * 2000) for number in range(300)]
        large = store.put_bytes(big)
        assert [store.read(digest) for digest in digests] == [b"%d" % number * 2000 for number in range(300)]
        assert store.read(large) == big
        assert not any(reopened(path).contains(digest) for digest in digests)
    assert all(reopened(path).contains(digest) for digest in [*digests, large])
    assert len(list((path / "packs").rglob("*.pack"))) == 1


def test_a_put_in_one_thread_is_durable_although_another_has_a_batch_open(store: Repository, path: Path) -> None:
    with store.batch():
        store.put_bytes(b"waits for the batch")
        found: list[Digest] = []
        thread = threading.Thread(target=lambda: found.append(store.put_bytes(b"at once")))
        thread.start()
        thread.join()
        assert reopened(path).read(found[0]) == b"at once"


def test_what_another_process_wrote_is_seen(store: Repository, path: Path) -> None:
    other = reopened(path)
    digest = other.put_bytes(b"from elsewhere")
    assert store.contains(digest)
    assert store.read(digest) == b"from elsewhere"


def test_lookups_do_not_grow_with_the_number_of_packs(store: Repository, path: Path) -> None:
    digests = [store.put_bytes(b"small %d" % number) for number in range(120)]
    head = reopened(path)._objects.index._head
    assert len(head.packs) < index.NEAR_LOOSE_PACKS
    assert len(head.segments) <= 4
    assert all(reopened(path).contains(digest) for digest in digests)
    assert len(list((path / "index").rglob("*.idx"))) == len(head.segments)


def test_a_reader_that_saw_the_index_before_a_merge_still_finds_everything(store: Repository, path: Path) -> None:
    reader = reopened(path)
    digests = [store.put_bytes(b"small %d" % number) for number in range(7)]
    reader.contains(digests[0])
    digests += [store.put_bytes(b"later %d" % number) for number in range(40)]
    assert [reader.read(digest)[:5] for digest in digests] == [b"small"] * 7 + [b"later"] * 40


def test_an_index_is_split_into_shards_and_still_finds_everything(store: Repository, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "LARGEST_SHARD", 50)
    digests = []
    for number in range(16):
        with store.batch():
            digests += [store.put_bytes(b"%d.%d" % (number, place)) for place in range(40)]
    assert len(reopened(path)._objects.index._head.segments[0].shards) == 13
    assert all(reopened(path).contains(digest) for digest in digests)
    assert store.verify().sound


def test_a_ref_moves_only_from_what_is_expected(store: Repository, path: Path) -> None:
    first, second = store.put_bytes(b"1"), store.put_bytes(b"2")
    store.move_ref("datasets/x", first, expected=None)
    with pytest.raises(Conflict) as caught:
        reopened(path).move_ref("datasets/x", second, expected=None)
    assert caught.value.kind == "ref-moved"
    store.move_ref("datasets/x", second, expected=first)
    assert store.refs() == {"datasets/x": second}
    store.move_ref("datasets/x", None, expected=second)
    assert store.ref("datasets/x") is None


def test_projects_that_share_a_store_do_not_see_each_others_refs(store: Repository, path: Path) -> None:
    store.move_ref("datasets/x", store.put_bytes(b"1"), expected=None)
    assert Repository.open(path, project_id="b" * 32).refs() == {}


@pytest.mark.parametrize("name", ["../outside", "/absolute", "", "a//b", "a/../b", "with space", ".hidden"])
def test_a_ref_cannot_be_called_what_leads_elsewhere(store: Repository, name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        store.ref(name)
    assert caught.value.kind == "bad-name"


def pack_of(path: Path, store: Repository, digest: Digest) -> Path:
    found = store._objects.index.find(bytes.fromhex(digest.removeprefix("blake3:")))
    assert found is not None
    return path / "packs" / found[0][:2] / f"{found[0]}.pack"


def damage_pack(path: Path, store: Repository, digest: Digest) -> str:
    flip(pack_of(path, store, digest), 20)
    return "file (" + digest


def damage_tree_node(path: Path, store: Repository, digest: Digest) -> str:
    root = store.read_commit(store.ref("datasets/d") or Digest("")).root
    assert digest
    flip(pack_of(path, store, root), 25)
    return root


def damage_pack_footer(path: Path, store: Repository, digest: Digest) -> str:
    pack = pack_of(path, store, digest)
    flip(pack, pack.stat().st_size - 60)
    return pack.stem


def cut_pack(path: Path, store: Repository, digest: Digest) -> str:
    pack = pack_of(path, store, digest)
    os.truncate(pack, pack.stat().st_size // 2)
    return pack.stem


def lose_pack(path: Path, store: Repository, digest: Digest) -> str:
    pack = pack_of(path, store, digest)
    pack.unlink()
    return pack.stem


def damage_ref(path: Path, _store: Repository, _digest: Digest) -> str:
    flip(path / "refs" / PROJECT / "datasets" / "d", 12)
    return "datasets/d"


@pytest.mark.parametrize("damage", [damage_pack, damage_tree_node, damage_pack_footer, cut_pack, lose_pack, damage_ref])
def test_damage_is_found_and_named_and_never_read_as_sound(path: Path, store: Repository, damage: Callable[[Path, Repository, Digest], str]) -> None:
    _root, digest = committed(store)
    other = store.put_bytes(b"in another pack")
    name = damage(path, store, digest)
    again = reopened(path)
    report = again.verify()
    assert not report.sound
    assert any(name in sentence for sentence in report.damaged), report.damaged
    assert again.read(other) == b"in another pack"
    with pytest.raises(Integrity) as caught:
        walk(again)
    assert caught.value.exit_code == 5


def walk(store: Repository) -> None:
    commit = store.ref("datasets/d")
    assert commit is not None
    for entry in store.entries(store.read_commit(commit).root):
        store.read(entry.digest)


def many(store: Repository) -> list[Digest]:
    return [store.put_bytes(b"number %d" % number) for number in range(30)]


@pytest.mark.parametrize("offset", [2, 70, -40])
def test_a_damaged_index_is_found_and_made_anew_from_the_packs(path: Path, store: Repository, offset: int) -> None:
    digests = many(store)
    shard = max((path / "index").rglob("*.idx"), key=lambda found: found.stat().st_size)
    flip(shard, offset)
    again = reopened(path)
    report = again.verify()
    assert any(shard.stem in sentence for sentence in report.damaged)
    again.rebuild_index()
    assert reopened(path).verify().sound
    assert [reopened(path).read(digest) for digest in digests] == [b"number %d" % number for number in range(30)]


def test_a_damaged_head_of_the_index_is_named_and_mended(path: Path, store: Repository) -> None:
    digests = many(store)
    flip(path / "index" / "head", 30)
    with pytest.raises(Integrity, match="head of the index") as caught:
        reopened(path)
    assert caught.value.kind == "damaged-index"
    Repository.mend_index(parse_address(str(path), base=path))
    assert all(reopened(path).contains(digest) for digest in digests)


def test_a_lost_index_is_noticed_and_mended(path: Path, store: Repository) -> None:
    digests = many(store)
    (path / "index" / "head").unlink()
    again = reopened(path)
    assert not again.verify().sound
    again.rebuild_index()
    assert all(reopened(path).contains(digest) for digest in digests)


def test_a_pack_whose_writer_died_before_naming_it_does_no_harm_and_is_adopted(path: Path, store: Repository) -> None:
    store.put_bytes(b"before")
    head = (path / "index" / "head").read_bytes()
    digest = store.put_bytes(b"its writer died")
    (path / "index" / "head").write_bytes(head)
    again = reopened(path)
    assert not again.contains(digest)
    again.rebuild_index()
    assert again.read(digest) == b"its writer died"


def test_a_newer_store_is_refused_by_name(path: Path, store: Repository) -> None:
    store.put_bytes(b"x")
    (path / "format").write_text('{"kind": "lineal-store", "format": 2}')
    with pytest.raises(InvalidState, match="newer Lineal") as caught:
        reopened(path)
    assert caught.value.kind == "newer-format"
    (path / "format").write_text("nonsense")
    with pytest.raises(Integrity):
        reopened(path)


def test_a_newer_pack_and_a_newer_commit_are_refused_by_name(path: Path, store: Repository) -> None:
    digest = store.put_bytes(b"x")
    pack = pack_of(path, store, digest)
    data = bytearray(pack.read_bytes())
    data[-4:] = (9).to_bytes(4, "little")
    pack.write_bytes(data)
    with pytest.raises(InvalidState, match="format 9"):
        reopened(path).read(digest)
    commit = store.put_bytes(b'{"format":9,"root":"blake3:00","parents":[],"meta":{},"schema":{}}')
    with pytest.raises(InvalidState, match="format 9"):
        store.read_commit(commit)


def test_bytes_that_are_no_commit_and_no_tree_are_said_to_be_damaged(store: Repository) -> None:
    digest = store.put_bytes(b"neither")
    for read, kind in ((lambda: store.read_commit(digest), "damaged-commit"), (lambda: list(store.entries(digest)), "damaged-tree")):
        with pytest.raises(LinealError) as caught:
            read()
        assert caught.value.kind == kind


@pytest.mark.parametrize("bad", [b"", b"/absolute", b"a//b", b"../up", b"a/./b", b"nul\0"])
def test_a_path_that_leads_out_of_a_tree_cannot_be_in_one(store: Repository, bad: bytes) -> None:
    digest = store.put_bytes(b"")
    with pytest.raises(InvalidInput) as caught:
        store.put_tree([TreeEntry(path=bad, mode="file", size=0, digest=digest)])
    assert caught.value.kind == "bad-tree-entry"


def test_entries_are_paged_by_prefix_and_by_the_last_path(store: Repository) -> None:
    digest = store.put_bytes(b"")
    names = [b"a/1", b"a/2", b"a/3", b"a/4", b"b/1", b"\xff\n"]
    root = store.put_tree(TreeEntry(path=name, mode="file", size=0, digest=digest) for name in names)
    assert [entry.path for entry in store.entries(root, prefix=b"a/", after=b"a/1", limit=2)] == [b"a/2", b"a/3"]
    assert [entry.path for entry in store.entries(root, after=b"a/4")] == [b"b/1", b"\xff\n"]
    assert list(store.entries(root, prefix=b"c")) == []


FORKING = """
import os, random, sys
from pathlib import Path
from lineal.store.repository import Repository
store = Repository.open(Path(sys.argv[1]), project_id="a" * 32)
store.put_bytes(random.Random(1).randbytes(3_000_000))
child = os.fork()
if child == 0:
    store.put_bytes(random.Random(2).randbytes(3_000_000))
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_goes_on_writing(path: Path) -> None:
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING, str(path)], check=False, timeout=60).returncode == 0
    assert reopened(path).contains(Repository.open(path.with_name("other"), project_id=PROJECT).put_bytes(random.Random(2).randbytes(3_000_000)))
