"""Versions, mounted for real through the kernel."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lineal.bootstrap.compose import create_workspace, open_workspace
from lineal.errors import Conflict, InvalidInput, LinealError, NotFound, Unavailable
from lineal.records.dataset import TreeEntry
from lineal.records.mount import Mount
from lineal.workspace import mounting
from lineal.workspace.interface import Workspace

FOLDERS, FILES = 3, 300
BIG = 3_000_000


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with ``flights`` in two versions: folders, links, odd names, an executable, and a file of many chunks."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK) or not (shutil.which("fusermount3") or shutil.which("fusermount")):
        pytest.skip("NO FUSE: /dev/fuse or fusermount is missing, so no version is mounted")
    project = tmp_path_factory.mktemp("mounting")
    data = project / "data"
    for number in range(FOLDERS):
        (data / f"part{number}/deep").mkdir(parents=True)
        for place in range(FILES):
            (data / f"part{number}/{place:04}.txt").write_text(f"{number}-{place}")
    (data / "big.bin").write_bytes(os.urandom(BIG))
    (data / "table.csv").write_text("a,b\n1,2\n")
    (data / "empty").mkdir()
    (data / "none").write_bytes(b"")
    (data / "odd\n ü#?.txt").write_text("odd")
    (data / os.fsdecode(b"raw-\xff")).write_bytes(b"raw")
    (data / "tool.sh").write_text("#!/bin/sh\necho works\n")
    (data / "tool.sh").chmod(0o755)
    (data / "part0/link.csv").symlink_to("../table.csv")
    (data / "folder-link").symlink_to("part1")
    (data / "outside").symlink_to("/etc/hostname")
    with closing(create_workspace(project, name="mounting")) as workspace:
        workspace.datasets.add(data, name="flights")
        (data / "table.csv").write_text("a,b\n3,4\n")
        workspace.datasets.add(data, name="flights")
    return project


@pytest.fixture
def workspace(project: Path) -> Iterator[Workspace]:
    with closing(open_workspace(project)) as opened:
        yield opened


@pytest.fixture
def mount(workspace: Workspace) -> Iterator[Callable[[str, Path], Mount]]:
    """Mounts; what is still there in the end is taken away."""

    made: set[str] = set()

    def make(reference: str, folder: Path) -> Mount:
        found = workspace.datasets.mount(reference, folder)
        made.add(found.id)
        return found

    yield make
    for left in workspace.datasets.mounts():
        if left.id in made and not left.lost:
            workspace.datasets.unmount(Path(left.folder), force=True)


@pytest.fixture(scope="module")
def place(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """``flights@1``, mounted once for the tests that only read."""
    place = tmp_path_factory.mktemp("place") / "flights"
    with closing(open_workspace(project)) as workspace:
        workspace.datasets.mount("flights@1", place)
        yield place
        workspace.datasets.unmount(place, force=True)


def tree(folder: Path) -> dict[bytes, tuple[int, object]]:
    """Everything below a folder: type and executable bits, and content or target."""
    found: dict[bytes, tuple[int, object]] = {}
    top = os.fsencode(folder)
    for here, folders, names in os.walk(top):
        for name in (*folders, *names):
            path = os.path.join(here, name)
            status = os.lstat(path)
            kind = stat.S_IFMT(status.st_mode) | (status.st_mode & 0o111 if stat.S_ISREG(status.st_mode) else 0)
            value: object = os.readlink(path) if stat.S_ISLNK(status.st_mode) else None
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    value = file.read()
            found[os.path.relpath(path, top)] = kind, value
    return found


def test_a_mount_is_the_folder_that_a_checkout_makes(workspace: Workspace, place: Path, tmp_path: Path) -> None:
    workspace.datasets.checkout("flights@1", tmp_path / "copy")
    assert tree(place) == tree(tmp_path / "copy")


def test_stat_tells_size_time_rights_and_a_lasting_inode(workspace: Workspace, place: Path) -> None:
    version = workspace.datasets.get("flights@1")
    found = (place / "big.bin").stat()
    assert (found.st_size, found.st_mtime_ns // 1000, found.st_uid) == (BIG, version.created_at, os.getuid())
    assert stat.filemode(found.st_mode) == "-r--r--r--"
    assert stat.filemode((place / "tool.sh").stat().st_mode) == "-r-xr-xr-x"
    assert stat.filemode((place / "part0").stat().st_mode) == "dr-xr-xr-x"
    with os.scandir(place) as items:
        assert {item.name: item.inode() for item in items if item.name == "big.bin"} == {"big.bin": found.st_ino}
    assert subprocess.run([place / "tool.sh"], capture_output=True, check=True).stdout == b"works\n"
    assert os.statvfs(place).f_files == version.files + FOLDERS + 1


def test_any_program_can_ask_which_version_and_content_it_reads(workspace: Workspace, place: Path) -> None:
    version = workspace.datasets.get("flights@1")
    entry = workspace.datasets.view("flights@1").entry(b"table.csv")
    assert isinstance(entry, TreeEntry)
    asked = {name: os.getxattr(place / "table.csv", name).decode() for name in os.listxattr(place / "table.csv")}
    assert asked["user.lineal.version"] == "flights@1"
    assert asked["user.lineal.commit"] == version.commit
    assert asked["user.lineal.digest"] == entry.digest
    assert asked["user.lineal.address"] == "lineal://flights@1/table.csv"
    assert os.getxattr(place, "user.lineal.digest").decode() == version.digest
    with pytest.raises(OSError, match="No data"):
        os.getxattr(place / "table.csv", "user.other")


def test_ranges_can_be_read_in_any_order_and_by_many_at_once(project: Path, place: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    whole = (project / "data/big.bin").read_bytes()
    starts = [number * 37_123 % BIG for number in range(200)]
    descriptor = os.open(place / "big.bin", os.O_RDONLY)
    with ThreadPoolExecutor(8) as readers:
        parts = list(readers.map(lambda start: os.pread(descriptor, 5000, start), starts))
    os.close(descriptor)
    assert parts == [whole[start : start + 5000] for start in starts]
    assert (place / "none").read_bytes() == b""


def test_a_folder_that_is_listed_piece_by_piece_and_again_from_the_start_is_listed_whole(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = pytest.importorskip("lineal.interfaces.fuse.operations")
    names = [f"{number:04}.txt" for number in range(FILES)]
    descriptor = os.open(place / "part1", os.O_RDONLY)
    first, again = sorted(os.listdir(descriptor)), sorted(os.listdir(descriptor))
    os.close(descriptor)
    assert first == again
    assert set(names) <= set(first)
    monkeypatch.setattr(operations, "_KEPT_NAMES", 10)
    folder = operations._Folder(lambda: iter([(str(number), {}) for number in range(100)]))
    assert [name for _place, (name, _facts) in folder.names(0)] == [str(number) for number in range(100)]
    assert [(where, name) for where, (name, _facts) in folder.names(97)] == [(98, "97"), (99, "98"), (100, "99")]
    assert [name for _place, (name, _facts) in folder.names(5)][:2] == ["5", "6"], "further back than what is kept"


def test_nothing_can_be_changed(place: Path) -> None:
    deeds: list[Callable[[], object]] = [
        lambda: (place / "new.txt").write_text("x"),
        lambda: (place / "table.csv").open("ab"),
        (place / "table.csv").unlink,
        lambda: (place / "table.csv").chmod(0o777),
        (place / "new").mkdir,
        lambda: (place / "table.csv").rename(place / "other"),
        lambda: os.setxattr(place / "table.csv", "user.x", b"1"),
    ]
    for deed in deeds:
        with pytest.raises(OSError, match=r"Read-only|not supported") as refused:
            deed()
        assert refused.value.errno in {errno.EROFS, errno.EOPNOTSUPP}


def test_mounts_are_listed_survive_their_command_and_end_when_they_are_taken_away(
    workspace: Workspace, mount: Callable[[str, Path], Mount], tmp_path: Path
) -> None:
    made = mount("flights", tmp_path / "latest")
    (tmp_path / "kept").mkdir()
    kept = mount("flights@1", tmp_path / "kept")
    assert [found.id for found in workspace.datasets.mounts() if found.folder.startswith(str(tmp_path))] == [made.id, kept.id]
    assert (made.reference, (tmp_path / "latest/table.csv").read_text()) == ("flights@2", "a,b\n3,4\n")
    (workspace.root / "data/table.csv").write_text("a,b\n5,6\n")
    workspace.datasets.add(workspace.root / "data", name="flights")
    assert (tmp_path / "latest/table.csv").read_text() == "a,b\n3,4\n", "a mount stays the version that it was"
    ended = workspace.datasets.unmount(tmp_path / "latest")
    assert ended is not None
    assert (ended.id, ended.lost) == (made.id, False)
    assert ended.ended_at is not None
    assert not (tmp_path / "latest").exists(), "a folder that was made for it goes with it"
    subprocess.run(["fusermount3", "-u", tmp_path / "kept"], check=True)
    wait_until(lambda: not any(found.id == kept.id for found in workspace.datasets.mounts()))
    assert list((tmp_path / "kept").iterdir()) == []


def test_what_a_killed_process_left_is_cleaned_up(workspace: Workspace, mount: Callable[[str, Path], Mount], tmp_path: Path) -> None:
    first, second = mount("flights@1", tmp_path / "first"), mount("flights@1", tmp_path / "second")
    for killed in (first, second):
        os.kill(killed.pid, signal.SIGKILL)
        wait_until(lambda killed=killed: not answers(Path(killed.folder)))  # type: ignore[misc]
    ended = workspace.datasets.unmount(tmp_path / "first")
    assert ended is not None
    assert ended.lost
    assert not (tmp_path / "first").exists()
    assert [(found.id, found.lost) for found in workspace.datasets.mounts() if found.folder.startswith(str(tmp_path))] == [(second.id, True)]
    assert not (tmp_path / "second").exists()
    again = mount("flights@1", tmp_path / "second")
    os.kill(again.pid, signal.SIGKILL)
    wait_until(lambda: not answers(tmp_path / "second"))
    assert mount("flights@2", tmp_path / "second").reference == "flights@2", "a new mount takes the place of a dead one"


def test_of_two_that_mount_at_one_folder_at_once_one_is_refused(project: Path, tmp_path: Path, mount: Callable[[str, Path], Mount]) -> None:
    command = [sys.executable, "-m", "lineal.main", "data", "mount", "flights@1", str(tmp_path / "link")]
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as other:
        try:
            first: Mount | None = mount("flights@2", tmp_path / "real")
        except Conflict:
            first = None
        _said, errors = other.communicate(timeout=60)
    assert (other.returncode == 0) == (first is None), errors
    with closing(open_workspace(project)) as workspace:
        (there,) = [found for found in workspace.datasets.mounts() if found.folder == str(tmp_path / "real")]
        ended = workspace.datasets.unmount(tmp_path / "link")
        assert ended is not None
        assert ended.id == there.id
    assert list((tmp_path / "real").iterdir()) == []


def test_a_mount_that_is_in_use_stays_unless_it_is_forced_away(workspace: Workspace, mount: Callable[[str, Path], Mount], tmp_path: Path) -> None:
    mount("flights@1", tmp_path / "busy")
    with (tmp_path / "busy/big.bin").open("rb") as file:
        file.read(1)
        with pytest.raises(Conflict) as refused:
            workspace.datasets.unmount(tmp_path / "busy")
        assert refused.value.kind == "mount-busy"
        assert answers(tmp_path / "busy")
        workspace.datasets.unmount(tmp_path / "busy", force=True)
        assert not (tmp_path / "busy/big.bin").exists()


def test_a_mount_point_must_be_an_empty_folder_outside_lineals_own(workspace: Workspace, mount: Callable[[str, Path], Mount], tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    cases: list[tuple[Path, type[LinealError], str]] = [
        (tmp_path / "full", Conflict, "folder-not-empty"),
        (tmp_path / "full/file", InvalidInput, "not-a-folder"),
        (tmp_path / "full/file/below", InvalidInput, "not-a-folder"),
        (workspace.root / ".lineal/mnt", InvalidInput, "bad-path"),
        (workspace.root / ".lineal/../.lineal/mnt", InvalidInput, "bad-path"),
    ]
    for folder, kind, name in cases:
        with pytest.raises(kind) as refused:
            mount("flights@1", folder)
        assert refused.value.kind == name
    with pytest.raises(NotFound):
        mount("nothing@1", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    with pytest.raises(NotFound) as nowhere:
        workspace.datasets.unmount(tmp_path / "full")
    assert nowhere.value.kind == "not-mounted"
    mount("flights@1", tmp_path / "taken")
    with pytest.raises(Conflict, match="holds something"):
        mount("flights@2", tmp_path / "taken")


def test_where_nothing_can_be_mounted_the_reason_and_the_next_step_are_told(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounting, "DEVICE", tmp_path / "no-such-device")
    with pytest.raises(Unavailable) as missing:
        workspace.datasets.mount("flights@1", tmp_path / "place")
    assert missing.value.kind == "no-fuse"
    monkeypatch.undo()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(Unavailable, match="pip install 'lineal\\[mount\\]'") as absent:
        workspace.datasets.mount("flights@1", tmp_path / "place")
    assert absent.value.kind == "missing-extra"
    monkeypatch.undo()
    monkeypatch.setenv("FUSE_LIBRARY_PATH", "/no/such/libfuse.so")
    with pytest.raises(Unavailable) as broken:
        workspace.datasets.mount("flights@1", tmp_path / "place")
    assert broken.value.kind == "no-fuse"
    assert not (tmp_path / "place").exists()


def test_a_damaged_store_fails_the_reads_that_need_it_and_says_so_in_the_log(project: Path, tmp_path: Path) -> None:
    assert project.is_dir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/sound.txt").write_text("sound")
    (tmp_path / "data/large.bin").write_bytes(os.urandom(1_000_000))
    with closing(create_workspace(tmp_path, name="damaged")) as workspace:
        workspace.datasets.add(tmp_path / "data", name="d")
        pack = max((tmp_path / ".lineal/store/packs").rglob("*.pack"), key=lambda path: path.stat().st_size)
        damaged = bytearray(pack.read_bytes())
        damaged[len(damaged) // 2] ^= 0x40
        pack.chmod(0o644)
        pack.write_bytes(damaged)
        found = workspace.datasets.mount("d@1", tmp_path / "place")
        try:
            with pytest.raises(OSError, match="Input/output") as failed:
                (tmp_path / "place/large.bin").read_bytes()
            assert failed.value.errno == errno.EIO
            assert (tmp_path / "place/sound.txt").read_text() == "sound"
        finally:
            workspace.datasets.unmount(tmp_path / "place", force=True)
        assert "damaged" in (tmp_path / f".lineal/mounts/{found.id}.log").read_text()


def test_commands_mount_list_and_unmount(project: Path, tmp_path: Path) -> None:
    def command(*words: str) -> str:
        done = subprocess.run([sys.executable, "-m", "lineal.main", "data", *words], cwd=project, capture_output=True, text=True, check=True)
        return done.stdout

    assert "flights@1 is at" in command("mount", "flights@1", str(tmp_path / "place"))
    assert (tmp_path / "place/table.csv").read_text() == "a,b\n1,2\n"
    assert f'"folder": "{tmp_path}/place"' in command("mounts", "--json")
    assert "no longer" in command("unmount", str(tmp_path / "place"))


def test_in_the_foreground_it_is_there_until_it_is_interrupted(project: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lineal.main", "data", "mount", "flights@1", str(tmp_path / "place"), "--foreground"]
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        wait_until(lambda: answers(tmp_path / "place"))
        time.sleep(0.3)  # nobody is so quick, and libfuse misses a signal between its look for one and its wait for the next question
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _said, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert not (tmp_path / "place").exists()


def answers(place: Path) -> bool:
    try:
        os.stat(place / "table.csv")
    except OSError:
        return False
    return True


def wait_until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)
