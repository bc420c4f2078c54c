from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from lineal.bootstrap.hosting import back_up_server, people_of, restore_server
from lineal.errors import Conflict, Integrity, InvalidInput, InvalidState, LinealError, NotFound, Unavailable
from lineal.ledger import schema
from lineal.ledger.database import Ledger
from lineal.records.run import RunStatus
from lineal.workspace import backup
from lineal.workspace.hosting import Hosting
from lineal.workspace.interface import silent


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A data folder with a project, people, a dataset, a run with points and a file, and a run that goes on."""
    folder = tmp_path / "server"
    hosting = Hosting(folder=folder, settings={}, actor="ann")
    hosting.people.add_user("ann", admin=True)
    hosting.create("flights")
    workspace = hosting._local("flights")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n" * 500)
    workspace.datasets.add(tmp_path / "a.csv", name="a")
    run = workspace.requested.begin(name="done", experiment="", author="ann", started_at=1, tags={"k": "v"})
    workspace.requested.log(run.id, points=[("loss", 1.0 / (step + 1), step, step) for step in range(1000)], params={"a": "\x01ü"})
    (tmp_path / "out.bin").write_bytes(bytes(range(256)))
    workspace.requested.keep_file(run.id, "out.bin", tmp_path / "out.bin")
    workspace.requested.end(run.id, status=RunStatus.FINISHED, ended_at=5)
    workspace.runs.ingest()
    workspace.requested.begin(name="going", experiment="", author="ann", started_at=2, tags={})
    hosting.close()
    return folder


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_everything_comes_back_on_either_database(database: str, full: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    create: Callable[[], str] = request.getfixturevalue("new_database") if database == "postgres" else str
    url = create()
    made = back_up_server(full, tmp_path / "all.tar", progress=silent)
    restored = restore_server(tmp_path / "all.tar", tmp_path / "again", database=url, progress=silent)
    assert (restored.rows, restored.files) == (made.rows - 1, made.files)  # the format's own row is the new ledger's
    hosting = Hosting(folder=tmp_path / "again", database=url, settings={}, actor="ann")
    workspace = hosting._local("flights")
    workspace.runs.ingest()
    runs = {run.name: run for run in workspace.runs.search().runs}
    assert set(runs) == {"done", "going"}
    assert (runs["done"].metrics["loss"].points, runs["done"].params["a"].value, runs["done"].tags) == (1000, "\x01ü", {"k": "v"})
    assert len(workspace.runs.series(runs["done"].id, "loss")[0].steps) == 1000
    assert workspace.runs.artifact(runs["done"].id, "out.bin").read() == bytes(range(256))
    assert workspace.datasets.open("a@1", "").read().startswith(b"x,y\n1,2\n")
    assert [user.name for user in hosting.people.users()] == ["ann"]
    hosting.create("more")
    hosting.close()


def test_a_backup_may_be_taken_while_the_server_runs(full: Path, tmp_path: Path) -> None:
    hosting = Hosting(folder=full, settings={}, actor="ann")
    assert back_up_server(full, tmp_path / "all.tar", progress=silent).rows > 0
    with people_of(full) as people:
        assert people.users()
    hosting.close()


def test_a_file_that_is_there_is_not_written_over(full: Path, tmp_path: Path) -> None:
    (tmp_path / "all.tar").write_text("mine")
    with pytest.raises(Conflict) as caught:
        back_up_server(full, tmp_path / "all.tar", progress=silent)
    assert caught.value.kind == "file-exists"
    assert (tmp_path / "all.tar").read_text() == "mine"


def test_what_is_no_servers_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        back_up_server(tmp_path, tmp_path / "all.tar", progress=silent)
    assert caught.value.kind == "no-server"


def test_a_folder_with_something_in_it_is_left_alone(full: Path, tmp_path: Path) -> None:
    back_up_server(full, tmp_path / "all.tar", progress=silent)
    with pytest.raises(Conflict) as caught:
        restore_server(tmp_path / "all.tar", full, database=None, progress=silent)
    assert caught.value.kind == "folder-not-empty"


def damaged(path: Path, target: Path, change: Callable[[str, bytes], bytes]) -> None:
    import io

    with tarfile.open(path) as source, tarfile.open(target, "w") as out:
        for info in source:
            member = source.extractfile(info)
            assert member is not None
            data = change(info.name, member.read())
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))


def test_damage_is_found_before_anything_is_written(full: Path, tmp_path: Path) -> None:
    back_up_server(full, tmp_path / "all.tar", progress=silent)
    damaged(tmp_path / "all.tar", tmp_path / "bad.tar", lambda name, data: data[:-1] + b"?" if name.endswith(".pack") else data)
    with pytest.raises(Integrity) as caught:
        restore_server(tmp_path / "bad.tar", tmp_path / "again", database=None, progress=silent)
    assert caught.value.kind == "damaged-backup"
    assert not (tmp_path / "again").exists()


def test_a_backup_that_would_write_elsewhere_is_refused(full: Path, tmp_path: Path) -> None:
    import hashlib
    import io

    back_up_server(full, tmp_path / "all.tar", progress=silent)
    with tarfile.open(tmp_path / "all.tar") as source, tarfile.open(tmp_path / "evil.tar", "w") as out:
        for info in source:
            member = source.extractfile(info)
            assert member is not None
            data = member.read()
            if info.name == "sums.json":
                data = json.dumps({**json.loads(data), "files/../../evil": hashlib.sha256(b"x").hexdigest()}).encode()
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
        info = tarfile.TarInfo("files/../../evil")
        info.size = 1
        out.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(Integrity):
        restore_server(tmp_path / "evil.tar", tmp_path / "again", database=None, progress=silent)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100])
def test_what_is_no_backup_is_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(LinealError) as caught:
        restore_server(tmp_path / "x.tar", tmp_path / "again", database=None, progress=silent)
    assert caught.value.kind in {"damaged-backup", "bad-backup"}
    with pytest.raises(InvalidInput) as missing:
        restore_server(tmp_path / "none.tar", tmp_path / "again", database=None, progress=silent)
    assert missing.value.kind == "bad-backup"


def test_a_backup_of_a_newer_lineal_is_refused(full: Path, tmp_path: Path) -> None:
    back_up_server(full, tmp_path / "all.tar", progress=silent)
    head = json.dumps({"format": 99, "ledger": 99, "store": ""}).encode()
    damaged(tmp_path / "all.tar", tmp_path / "new.tar", lambda name, data: head if name == "backup.json" else data)
    with pytest.raises(InvalidState) as caught:
        restore_server(tmp_path / "new.tar", tmp_path / "again", database=None, progress=silent)
    assert caught.value.kind == "newer-format"


def test_only_its_owner_reads_a_backup(full: Path, tmp_path: Path) -> None:
    back_up_server(full, tmp_path / "all.tar", progress=silent)
    assert (tmp_path / "all.tar").stat().st_mode & 0o077 == 0


def test_a_restore_that_breaks_off_leaves_nothing(full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_given: object) -> tuple[int, int]:
        raise OSError(28, "No space left on device")

    back_up_server(full, tmp_path / "all.tar", progress=silent)
    monkeypatch.setattr(backup, "_put_files", full_disk)
    with pytest.raises(Unavailable) as caught:
        restore_server(tmp_path / "all.tar", tmp_path / "again", database=None, progress=silent)
    assert caught.value.kind == "backup-failed"
    assert not [path for path in tmp_path.iterdir() if "again" in path.name]
    monkeypatch.undo()
    assert restore_server(tmp_path / "all.tar", tmp_path / "again", database=None, progress=silent).rows > 0


def test_a_restore_whose_folder_cannot_be_named_leaves_no_row_in_a_ledger_elsewhere(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_database: Callable[[], str]
) -> None:
    def refused(*_given: object) -> None:
        raise OSError(30, "Read-only file system")

    url = new_database()
    back_up_server(full, tmp_path / "all.tar", progress=silent)
    monkeypatch.setattr(backup, "_name", refused)
    with pytest.raises(Unavailable):
        restore_server(tmp_path / "all.tar", tmp_path / "again", database=url, progress=silent)
    assert not [path for path in tmp_path.iterdir() if "again" in path.name]
    monkeypatch.undo()
    assert restore_server(tmp_path / "all.tar", tmp_path / "again", database=url, progress=silent).rows > 0


def test_a_restore_whose_rows_cannot_be_kept_leaves_no_folder(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new_database: Callable[[], str]
) -> None:
    def named_and_then_lost(making: Path, folder: Path) -> None:
        making.rename(folder)
        raise Unavailable("the ledger does not answer: it was stopped", kind="ledger-unavailable")

    url = new_database()
    back_up_server(full, tmp_path / "all.tar", progress=silent)
    monkeypatch.setattr(backup, "_name", named_and_then_lost)
    with pytest.raises(Unavailable):
        restore_server(tmp_path / "all.tar", tmp_path / "again", database=url, progress=silent)
    assert not [path for path in tmp_path.iterdir() if "again" in path.name]
    monkeypatch.undo()
    assert restore_server(tmp_path / "all.tar", tmp_path / "again", database=url, progress=silent).rows > 0


def test_an_index_that_was_merged_meanwhile_is_made_anew(full: Path, tmp_path: Path) -> None:
    shards = [path for path in full.glob("store/*/index/*") if path.is_file()]
    assert shards
    for shard in shards:  # as if the merge had come between the backup's two looks at the folder
        shard.unlink()
    back_up_server(full, tmp_path / "all.tar", progress=silent)
    restore_server(tmp_path / "all.tar", tmp_path / "again", database=None, progress=silent)
    hosting = Hosting(folder=tmp_path / "again", settings={}, actor="ann")
    assert hosting._local("flights").datasets.open("a@1", "").read().startswith(b"x,y")
    hosting.close()


def test_a_backup_of_postgresql_under_writes_is_one_state(full: Path, tmp_path: Path, new_database: Callable[[], str]) -> None:
    back_up_server(full, tmp_path / "all.tar", progress=silent)
    url = new_database()
    restore_server(tmp_path / "all.tar", tmp_path / "busy", database=url, progress=silent)
    ledger = Ledger.open(url)
    with ledger.snapshot() as connection:
        before = connection.execute(select(func.count()).select_from(schema.projects)).scalar_one()
        other = Ledger.open(url)
        with other.write() as writing:
            writing.execute(schema.projects.insert().values(id="9" * 32, name="late", created_at=1))
        other.close()
        assert connection.execute(select(func.count()).select_from(schema.projects)).scalar_one() == before
    ledger.close()
