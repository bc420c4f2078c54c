"""`lineal://` as a file system."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from lineal.bootstrap.session import close_shared, shared_workspace
from lineal.interfaces.fsspec import LinealFileSystem
from lineal.records.digest import Digest
from lineal.store.objects import Objects

CSV = "lineal://flights@1/flights.csv"


def test_folders_list_what_lies_directly_in_them(fs: LinealFileSystem) -> None:
    assert fs.ls("", detail=False) == ["flights", "single"]
    found = {info["name"]: info for info in fs.ls("lineal://flights@1/")}
    assert set(found) == {
        f"flights@1/{name}"
        for name in (
            "2013", "empty", "flights.csv", "odd #1?&%20 ü.txt", os.fsdecode(b"raw-\xff"), "tool.sh", "latest.csv", "months", "out", "round"
        )
    }  # fmt: skip
    kinds = {name: info["type"] for name, info in found.items()}
    assert kinds["flights@1/2013"] == kinds["flights@1/empty"] == kinds["flights@1/months"] == kinds["flights@1/round"] == "directory"
    assert kinds["flights@1/latest.csv"] == kinds["flights@1/flights.csv"] == "file"
    assert kinds["flights@1/out"] == "other"
    assert found["flights@1/latest.csv"]["destination"] == "flights.csv"
    assert found["flights@1/latest.csv"]["digest"] == found["flights@1/flights.csv"]["digest"]
    assert found["flights@1/tool.sh"]["executable"]
    assert fs.ls("flights@1/empty") == []
    assert fs.ls("flights@1/flights.csv", detail=False) == ["flights@1/flights.csv"]
    assert fs.ls("flights@1/months", detail=False) == ["flights@1/months/01", "flights@1/months/02"]


def test_what_is_not_there_is_said_in_the_words_of_a_file_system(fs: LinealFileSystem) -> None:
    for path in (
        "flights@1/no.csv",
        "flights@9/flights.csv",
        "nothing@1/a",
        "flights@1/flights.csv/x",
        "flights@1/out",
        "flights@1/../../etc/passwd",
    ):
        assert not fs.exists(path), path
        with pytest.raises(FileNotFoundError):
            fs.open(path)
    with pytest.raises(IsADirectoryError):
        fs.open("flights@1/2013")
    with pytest.raises(FileNotFoundError, match="no Lineal project"):
        LinealFileSystem(project="/").ls("")


def test_a_name_alone_is_the_latest_version_and_a_number_stays(fs: LinealFileSystem) -> None:
    assert fs.cat("lineal://flights/flights.csv") == b"day,delay,carrier\n1,2.5,UA\n"
    assert fs.info("flights/flights.csv")["version"] == "flights@2"
    assert fs.size(CSV) > 100_000
    commit = shared_workspace().datasets.get("flights@1").commit.partition(":")[2]
    assert fs.ukey(f"flights@~{commit}/flights.csv") == fs.ukey(CSV) != fs.ukey("flights@2/flights.csv")
    assert fs.cat("lineal://single@1") == fs.cat("lineal://single@1/flights.csv") == fs.cat("lineal://flights@2/latest.csv")


def test_a_version_by_its_number_is_the_one_that_the_ledger_has(fs: LinealFileSystem) -> None:
    assert fs.exists(CSV)
    datasets = shared_workspace().datasets
    for reference in ("flights@1", "data:flights@2", "single@1"):
        assert datasets.view(reference).version == datasets.get(reference)


def test_a_new_version_is_seen_at_once_after_invalidate(tmp_path: Path) -> None:
    from lineal.bootstrap.compose import create_workspace

    (tmp_path / "a.txt").write_text("one")
    workspace = create_workspace(tmp_path, name="moving")
    workspace.datasets.add(tmp_path / "a.txt", name="a")
    fs = LinealFileSystem(project=tmp_path)
    assert fs.cat("a/a.txt") == b"one"
    (tmp_path / "a.txt").write_text("two!")
    workspace.datasets.add(tmp_path / "a.txt", name="a")
    fs.invalidate_cache()
    assert fs.cat("a/a.txt") == b"two!"
    workspace.close()
    close_shared()


def test_find_glob_and_walk_go_through_everything_and_through_no_linked_folder(fs: LinealFileSystem) -> None:
    everything = fs.find("flights@1")
    assert "flights@1/2013/02/part.parquet" in everything
    assert not [path for path in everything if "months/" in path or "round/" in path]
    assert fs.find("flights@1/2013", withdirs=True) == [
        "flights@1/2013",
        "flights@1/2013/01",
        "flights@1/2013/01/part.parquet",
        "flights@1/2013/02",
        "flights@1/2013/02/part.parquet",
    ]
    assert fs.find("flights@1/months") == ["flights@1/months/01/part.parquet", "flights@1/months/02/part.parquet"]
    assert fs.find("flights@1", maxdepth=1) == sorted(path for path in everything if path.count("/") == 1)
    assert fs.glob("lineal://flights@1/2013/*/*.parquet") == ["flights@1/2013/01/part.parquet", "flights@1/2013/02/part.parquet"]
    assert fs.glob("flights@1/**/part.parquet") == ["flights@1/2013/01/part.parquet", "flights@1/2013/02/part.parquet"]
    assert fs.glob("flights@1/*.csv") == ["flights@1/flights.csv", "flights@1/latest.csv"]
    walked = {folder: (sorted(folders), sorted(files)) for folder, folders, files in fs.walk("flights@1")}
    assert set(walked) == {"flights@1", "flights@1/2013", "flights@1/2013/01", "flights@1/2013/02", "flights@1/empty"}
    assert "months" in walked["flights@1"][0]
    assert fs.du("flights@1/2013") == sum(fs.sizes(fs.find("flights@1/2013")))


def test_ranges_are_read_and_nothing_else(fs: LinealFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fs.cat(CSV)
    assert fs.cat_file(CSV, 100_000, 100_050) == whole[100_000:100_050]
    assert fs.cat_file(CSV, -20) == whole[-20:]
    assert fs.cat_file(CSV, 5, -len(whole) + 9) == whole[5:9]
    assert fs.cat_ranges([CSV] * 3, [0, 10, 200_000], [5, 20, 200_010]) == [whole[:5], whole[10:20], whole[200_000:200_010]]
    broken, sound = fs.cat_ranges(["flights@1/no", CSV], 0, 3)
    assert isinstance(broken, FileNotFoundError)
    assert sound == whole[:3]
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(["flights@1/no", CSV], 0, 3, on_error="raise")
    assert fs.head(CSV, 3) == whole[:3]
    asked: list[bytes] = []
    get = Objects.get

    def counted(self: Objects, key: bytes) -> tuple[int, bytes]:
        asked.append(key)
        return get(self, key)

    monkeypatch.setattr(Objects, "get", counted)
    with fs.open(CSV) as file:
        file.seek(150_000)
        assert file.read(10) == whole[150_000:150_010]
    assert len(asked) <= 8


def test_a_file_seeks_reads_lines_and_text(fs: LinealFileSystem) -> None:
    with fs.open(CSV) as file:
        assert file.readline() == b"day,delay,carrier\n"
        assert file.tell() == 18
        assert file.seek(-4, os.SEEK_END) == file.size - 4
        assert len(file.read()) == 4
        file.seek(0)
        assert len(file.read()) == file.size
    with fs.open(CSV, "r", encoding="utf-8") as text:
        assert next(iter(text)) == "day,delay,carrier\n"
    with fsspec.open("lineal://flights@1/odd #1?&%20 ü.txt", "rb") as file:
        assert file.read() == b"odd"
    assert fs.cat("flights@1/" + os.fsdecode(b"raw-\xff")) == b"raw"


def test_threads_that_seek_and_read_in_one_file_each_get_what_they_went_to(fs: LinealFileSystem) -> None:
    whole = fs.cat(CSV)
    with fs.open(CSV) as file:
        file.seek(100)
        with concurrent.futures.ThreadPoolExecutor(1) as other:
            assert other.submit(lambda: (file.seek(5000), file.read(10))[1]).result() == whole[5000:5010]
            assert file.read(10) == whole[100:110]
            assert other.submit(file.read, 10).result() == whole[110:120], "a file that is handed on goes on where it was"
            assert file.read(10) == whole[120:130]
            file.seek(200)
            assert other.submit(file.read, 10).result() == whole[200:210]
            assert file.read(10) == whole[210:220]
            file.seek(300)
            rest = len(file.readline())
            assert file.read(10) == whole[300 + rest : 310 + rest]


def test_nothing_can_be_written(fs: LinealFileSystem) -> None:
    deeds: list[Callable[[], object]] = [
        lambda: fs.open("flights@1/new.csv", "wb"),
        lambda: fs.open(CSV, "ab"),
        lambda: fs.pipe("flights@1/new.csv", b"x"),
        lambda: fs.rm(CSV),
        lambda: fs.mkdir("flights@1/new"),
        lambda: fs.makedirs("flights@1/new", exist_ok=True),
        lambda: fs.touch("flights@1/new"),
        lambda: fs.mv(CSV, "flights@1/other"),
        lambda: fs.cp_file(CSV, "flights@1/other"),
    ]
    for deed in deeds:
        with pytest.raises(OSError, match="cannot be written"):
            deed()


def test_a_copy_to_the_disk_is_the_file(fs: LinealFileSystem, tmp_path: Path) -> None:
    fs.get("flights@1/2013", str(tmp_path / "copy"), recursive=True)
    assert (tmp_path / "copy/02/part.parquet").read_bytes() == fs.cat("flights@1/2013/02/part.parquet")


def test_pickled_it_finds_the_same_project_from_elsewhere(fs: LinealFileSystem, tmp_path: Path) -> None:
    with fs.open(CSV) as file:
        file.read(1000)
        packed = pickle.dumps((fs, file))
        follows = file.read(50)
    script = "import pickle, sys; fs, file = pickle.load(sys.stdin.buffer); print(fs.size(sys.argv[1])); sys.stdout.flush(); sys.stdout.buffer.write(file.read(50))"
    script += "; assert 'sqlalchemy' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script, CSV], input=packed, capture_output=True, cwd=tmp_path, check=True)
    assert done.stdout == f"{fs.size(CSV)}\n".encode() + follows


def _size_and_head(fs: LinealFileSystem) -> tuple[int, bytes]:
    return fs.size(CSV), fs.cat_file(CSV, 0, 17)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_threads_and_forked_processes_read_at_once(fs: LinealFileSystem) -> None:
    whole = fs.cat(CSV)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        parts = pool.map(lambda place: fs.cat_file(CSV, place, place + 1000), range(0, len(whole), 1000))
    assert b"".join(parts) == whole
    with multiprocessing.get_context("fork").Pool(2) as workers:
        assert set(workers.map(_size_and_head, [fs] * 4)) == {(len(whole), whole[:17])}


def test_facts_that_caches_go_by(fs: LinealFileSystem) -> None:
    assert Digest(fs.ukey(CSV)).startswith("blake3:")
    assert fs.checksum(CSV) != fs.checksum("flights@2/flights.csv")
    assert fs.modified(CSV) == fs.created("flights@1/2013")
    assert fs.modified(CSV) < fs.modified("flights@2/flights.csv")
    assert fs.unstrip_protocol("flights@1/a") == "lineal://flights@1/a"
    assert fs.isdir("flights@1/months")
    assert fs.isfile("flights@1/latest.csv")
