"""Datasets through the workspace: added, compared, brought back, checked; with bad input too."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from lineal.errors import Conflict, Integrity, InvalidInput, LinealError, NotFound
from lineal.ledger import schema
from lineal.ledger.events import list_events
from lineal.ledger.graph import FileFact, add_activity, add_output
from lineal.records.digest import Digest
from lineal.records.graph import GENERATED, USED
from lineal.workspace import projection
from lineal.workspace.audit import LocalAudit
from lineal.workspace.site import Site
from lineal.workspace.versioning import LocalDatasets


@pytest.fixture
def datasets(site: Site) -> LocalDatasets:
    return LocalDatasets(site)


@pytest.fixture
def data(site: Site) -> Path:
    folder = site.layout.root / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("id,late\n1,true\n2,false\n3,true\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "b.txt").write_text("text")
    return folder


def origins(site: Site, occurrence: str) -> list[Any]:
    """The occurrences that the import behind a dataset's occurrence used."""
    edges, occurrences = schema.edges.c, schema.occurrences
    with site.ledger.read() as connection:
        activity = connection.execute(select(edges.target).where(edges.source == occurrence, edges.relation == GENERATED)).scalar_one()
        used = connection.execute(select(edges.target).where(edges.source == activity, edges.relation == USED)).scalars().all()
        return list(connection.execute(select(occurrences).where(occurrences.c.id.in_(used)).order_by(occurrences.c.kind)))


def generate(site: Site, path: str, digest: str, kind: str = "file") -> str:
    """A run that wrote something; returns the occurrence's id."""
    with site.ledger.write() as connection:
        run = add_activity(connection, id=os.urandom(16).hex(), project_id=site.project_id, kind="run", label="prepare", at=site.clock())
        fact = FileFact(root="project", path=path.encode(), digest=digest, kind=kind)
        return add_output(connection, project_id=site.project_id, activity=run, file=fact, at=site.clock(), new_id=lambda: site.entropy(16).hex())


def test_versions_count_from_one_and_unchanged_content_is_no_new_one(datasets: LocalDatasets, data: Path) -> None:
    first = datasets.add(data, name="flights", message="first")
    assert (first.number, first.reference, first.files, first.path, first.message, first.author) == (1, "flights@1", 2, "data", "first", "ada")
    assert datasets.add(data, message="nothing new") == first
    (data / "a.csv").write_text("id,late\n1,true\n")
    second = datasets.add(data)
    assert (second.name, second.number, second.parents) == ("flights", 2, (first.commit,))
    assert [version.number for version in datasets.versions("flights")] == [2, 1]
    assert datasets.get("flights") == second
    assert datasets.get("data:flights@1") == first
    assert [(found.name, found.versions, found.latest) for found in datasets.list()] == [("flights", 2, "flights@2")]


def test_a_dataset_can_be_one_file(datasets: LocalDatasets, data: Path) -> None:
    version = datasets.add(data / "a.csv", md5=True)
    assert (version.name, version.single_file, version.path, version.files) == ("a", True, "data/a.csv", 1)
    assert version.md5 == {"a.csv": hashlib.md5((data / "a.csv").read_bytes()).hexdigest()}
    assert [entry.path for entry in datasets.entries("a@1")] == [b"a.csv"]
    (data / "a.csv").write_text("id,late\n1,false\n2,false\n3,true\n")
    assert [change.change for change in datasets.status("a")[0].changes] == ["modified"]
    datasets.add(data / "a.csv")
    assert datasets.checkout("a@1") == 1
    assert (data / "a.csv").read_text().startswith("id,late\n1,true")
    assert datasets.checkout("a@2", data / "copy.csv") == 1
    assert (data / "copy.csv").read_text().startswith("id,late\n1,false")


def test_tables_are_counted_while_they_are_read(datasets: LocalDatasets, data: Path) -> None:
    (data / "quoted.csv").write_text('name,value\n"two\nlines",1\n"say ""hi""",2')
    schema_of = datasets.add(data).schema
    assert schema_of["a.csv"]["rows"] == 3
    assert schema_of["a.csv"]["columns"] == [{"name": "id", "type": "int"}, {"name": "late", "type": "bool"}]
    assert schema_of["quoted.csv"]["rows"] == 2


def test_flipped_labels_are_counted_as_changed_rows_of_their_column(datasets: LocalDatasets, data: Path) -> None:
    rows = [[str(number), "true" if number % 3 else "false", str(number * 31 % 97)] for number in range(40_000)]
    table = data / "flights.csv"
    table.write_text("id,late,delay\n" + "".join(",".join(row) + "\n" for row in rows))
    datasets.add(data)
    for row in rows[20_000:25_000]:
        row[1] = "false" if row[1] == "true" else "true"
    table.write_text("id,late,delay\n" + "".join(",".join(row) + "\n" for row in rows))
    datasets.add(data)
    diff = datasets.diff("data@1", "data@2")
    assert (diff.added, diff.removed, diff.modified) == (0, 0, 1)
    (change,) = diff.changes
    assert (change.rows["changed"], change.rows["added"], change.rows["removed"], change.rows["columns"]) == (5000, 0, 0, {"late": 5000})
    assert change.rows["examples"][0] == {"change": "changed", "row": 20_001, "column": "late", "before": "true", "after": "false"}


def test_a_diff_says_what_came_went_and_changed(datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    (data / "sub" / "b.txt").unlink()
    (data / "sub").rmdir()
    (data / "new").write_text("x")
    (data / "a.csv").chmod(0o755)
    datasets.add(data)
    diff = datasets.diff("data@1", "data@2")
    assert {change.path: change.change for change in diff.changes} == {"a.csv": "mode", "new": "added", "sub/b.txt": "removed"}
    back = datasets.diff("data@2", "data@1")
    assert (back.added, back.removed, back.modified) == (1, 1, 1)


def test_status_tells_the_working_copy_from_the_latest_version(datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    assert datasets.status()[0].clean
    (data / "a.csv").write_text("changed")
    (data / "extra").write_text("x")
    (found,) = datasets.status("data")
    assert {change.path: change.change for change in found.changes} == {"a.csv": "modified", "extra": "added"}
    assert not found.clean


def test_what_no_version_has_is_not_overwritten(datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    (data / "a.csv").write_text("precious")
    with pytest.raises(Conflict, match=r"a\.csv") as caught:
        datasets.checkout("data@1")
    assert (caught.value.kind, caught.value.exit_code) == ("would-overwrite", 4)
    datasets.add(data)
    assert datasets.checkout("data@1") == 1


def test_a_version_is_written_elsewhere_without_touching_its_own_place(datasets: LocalDatasets, data: Path, tmp_path: Path) -> None:
    datasets.add(data)
    (data / "a.csv").write_text("edited")
    assert datasets.checkout("data@1", tmp_path / "copy") == 2
    assert (tmp_path / "copy" / "sub" / "b.txt").read_text() == "text"
    assert (data / "a.csv").read_text() == "edited"


def test_files_of_a_version_are_listed_in_pages_and_opened(datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    assert [entry.path for entry in datasets.entries("data", limit=1)] == [b"a.csv"]
    assert [entry.path for entry in datasets.entries("data", after="a.csv")] == [b"sub/b.txt"]
    assert [entry.path for entry in datasets.entries("data", prefix="sub/")] == [b"sub/b.txt"]
    with datasets.open("data@1", "sub/b.txt") as file:
        assert file.read() == b"text"
    for path in ("none", "", "sub"):
        with pytest.raises(NotFound):
            datasets.open("data@1", path)
    datasets.add(data / "a.csv", name="single")
    with datasets.open("single", "") as file:
        assert file.read() == (data / "a.csv").read_bytes()


def test_an_import_used_the_file_it_was_made_from(site: Site, datasets: LocalDatasets, data: Path) -> None:
    version = datasets.add(data / "a.csv", md5=True)
    (source,) = origins(site, version.occurrence)
    entry = datasets.entries("a")[0]
    assert (source.kind, source.path, source.digest, source.size) == ("source", b"data/a.csv", entry.digest, entry.size)
    assert next(iter(version.md5.values())) in source.detail


def test_a_named_source_is_kept_without_its_password(site: Site, datasets: LocalDatasets, data: Path) -> None:
    version = datasets.add(data, source="https://ada:hunter2secret@example.org/flights.zip")
    assert "hunter2" not in version.source
    (source,) = origins(site, version.occurrence)
    assert source.label == version.source
    assert "example.org" in source.label


def test_what_a_run_wrote_leads_on_to_the_dataset(site: Site, datasets: LocalDatasets, data: Path) -> None:
    digest = site.store.put_file(data / "a.csv").digest
    written = generate(site, "data/a.csv", digest)
    stale = generate(site, "data/sub/b.txt", "blake3:" + "0" * 64)
    single = datasets.add(data / "a.csv")
    assert [row.id for row in origins(site, single.occurrence)] == [written]
    whole = datasets.add(data, name="whole")
    assert [row.kind for row in origins(site, whole.occurrence)] == ["file", "source"]
    assert stale not in [row.id for row in origins(site, whole.occurrence)]


def test_a_folder_that_a_run_wrote_leads_on_to_the_dataset(site: Site, datasets: LocalDatasets, data: Path) -> None:
    digest = datasets.add(data, name="first").digest
    written = generate(site, "data", digest, kind="folder")
    version = datasets.add(data, name="second")
    assert [row.id for row in origins(site, version.occurrence)] == [written]


def test_every_version_is_an_event(site: Site, datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    with site.ledger.read() as connection:
        (found,) = list_events(connection, project_id=site.project_id)
    assert (found["action"], found["subject"], found["actor"]) == ("dataset.added", "data:data@1", "ada")


def test_rows_that_are_missing_are_made_anew_from_the_store(site: Site, datasets: LocalDatasets, data: Path) -> None:
    first = datasets.add(data)
    (data / "a.csv").write_text("x")
    second = datasets.add(data)
    with site.ledger.write() as connection:
        connection.execute(schema.dataset_versions.delete())
        connection.execute(schema.datasets.delete())
    made = projection.project_all(site)
    assert [(version.number, version.commit, version.path, version.files) for version in made] == [
        (1, first.commit, "data", 2),
        (2, second.commit, "data", 2),
    ]
    assert datasets.get("data@2").digest == second.digest
    assert projection.project_all(site) == ()


def test_a_writer_that_died_between_ref_and_row_is_made_up_for(site: Site, datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    (data / "a.csv").write_text("x")
    second = datasets.add(data)
    with site.ledger.write() as connection:
        connection.execute(schema.dataset_versions.delete().where(schema.dataset_versions.c.number == 2))
    assert datasets.add(data).commit == second.commit
    assert [version.number for version in datasets.versions("data")] == [2, 1]


def test_adding_what_was_deleted_makes_a_new_version(site: Site, datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    with site.ledger.write() as connection:
        connection.execute(schema.dataset_versions.update().values(deleted_at=1))
    assert datasets.list() == ()
    assert datasets.add(data).number == 2


def test_verifying_rereads_the_store_and_the_working_copy(datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data, md5=True)
    (report,) = datasets.verify("data")
    assert report.sound
    assert (report.objects, report.subject) == (2, "data:data@1")
    times = (data / "a.csv").stat()
    (data / "a.csv").write_text("id,late\n1,true\n2,false\n3,tRue\n")
    os.utime(data / "a.csv", ns=(times.st_atime_ns, times.st_mtime_ns))
    (report,) = datasets.verify()
    assert len(report.damaged) == 1
    assert "a.csv" in report.damaged[0]
    assert "MD5" in report.damaged[0]


def test_a_damaged_store_is_named_with_the_path(site: Site, datasets: LocalDatasets, data: Path, reopen: Callable[[], Site]) -> None:
    (data / "large.bin").write_bytes(os.urandom(600_000))
    datasets.add(data)
    pack = max((site.layout.store / "packs").rglob("*.pack"), key=lambda found: found.stat().st_size)
    damaged = bytearray(pack.read_bytes())
    damaged[300_000] ^= 1
    pack.write_bytes(damaged)
    again = LocalDatasets(reopen())
    (report,) = again.verify("data")
    assert len(report.damaged) == 1
    assert "large.bin" in report.damaged[0]
    with again.open("data", "large.bin") as file, pytest.raises(Integrity):
        file.read()
    with again.open("data", "sub/b.txt") as file:
        assert file.read() == b"text"


@pytest.mark.parametrize("name", ["a/b", "with space", "-dash", "", "a@1", "run:x", "x" * 101, "\n"])
def test_a_bad_name_is_refused(datasets: LocalDatasets, data: Path, name: str) -> None:
    if not name:
        data = data.rename(data.with_name("???"))
    with pytest.raises(InvalidInput) as caught:
        datasets.add(data, name=name)
    assert (caught.value.kind, caught.value.exit_code) == ("bad-name", 2)


def test_a_name_is_made_from_the_path(datasets: LocalDatasets, data: Path) -> None:
    assert datasets.add(data.rename(data.with_name("my data (2)"))).name == "my-data-2"
    (data.parent / "weather.2013.csv").write_text("a\n1\n")
    assert datasets.add(data.parent / "weather.2013.csv").name == "weather"


def test_the_same_folder_name_elsewhere_is_not_taken_for_a_version(datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    other = data / "sub" / "data"
    other.mkdir()
    (other / "x").write_text("x")
    with pytest.raises(Conflict, match="lies at data") as caught:
        datasets.add(other)
    assert caught.value.kind == "name-taken"
    assert datasets.add(other, name="data").number == 2


def test_what_is_not_there_or_cannot_be_data_is_refused(site: Site, datasets: LocalDatasets, data: Path) -> None:
    (data.parent / "loop").symlink_to("loop")
    for path, kind in ((data / "none", "unknown-path"), (site.layout.state, "bad-path"), (data.parent / "loop", "link-loop")):
        with pytest.raises(LinealError) as caught:
            datasets.add(path)
        assert caught.value.kind == kind


def test_a_version_is_written_neither_into_lineals_own_folder_nor_over_a_file(site: Site, datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    (data.parent / "file").write_text("mine")
    for target, kind in ((site.layout.state, "bad-path"), (site.layout.state / "x", "bad-path"), (data.parent / "file", "not-a-folder")):
        with pytest.raises(LinealError) as caught:
            datasets.checkout("data@1", target)
        assert caught.value.kind == kind
    assert (data.parent / "file").read_text() == "mine"
    assert not (site.layout.state / "x").exists()


@pytest.mark.parametrize("reference", ["nothing", "data@9", "data@~ffff", "data:none@1"])
def test_an_unknown_version_is_not_found(datasets: LocalDatasets, data: Path, reference: str) -> None:
    datasets.add(data)
    for call in (datasets.get, datasets.entries, datasets.checkout, datasets.verify):
        with pytest.raises(NotFound) as caught:
            call(reference)
        assert caught.value.exit_code == 3


def test_a_failed_add_leaves_no_version_and_no_name(datasets: LocalDatasets, data: Path, site: Site) -> None:
    os.mkfifo(data / "sub" / "pipe")
    with pytest.raises(InvalidInput):
        datasets.add(data)
    assert datasets.list() == ()
    assert site.store.refs() == {}
    (data / "sub" / "pipe").unlink()
    assert datasets.add(data).number == 1


def test_an_interrupted_add_leaves_no_version(datasets: LocalDatasets, data: Path, site: Site) -> None:
    for number in range(50):
        (data / f"{number}.bin").write_bytes(os.urandom(70_000))

    def interrupt(what: str, _done: int, _total: int) -> None:
        raise KeyboardInterrupt(what)

    data.joinpath("zz").write_text("last")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lineal.workspace.importing._PROGRESS_SECONDS", -1.0)
        with pytest.raises(KeyboardInterrupt):
            datasets.add(data, progress=interrupt)
    assert site.store.refs() == {}
    assert datasets.add(data).files == 53


ADD = """
import sys
from pathlib import Path
from lineal.workspace.site import Layout, Site
from lineal.workspace.versioning import LocalDatasets
root, number = Path(sys.argv[1]), sys.argv[2]
layout = Layout(root=root)
site = Site(layout=layout, project_id="f" * 32, project="p", ledger_url=f"sqlite:///{layout.ledger}", actor="w" + number, settings={})
folder = root / ("d" + number)
for round in range(5):
    (folder / "x").write_text(number * 3000 + str(round))
    print(LocalDatasets(site).add(folder, name="shared", message=number).reference)
site.close()
"""


def test_writers_that_add_to_one_dataset_at_once_each_get_their_number(site: Site, datasets: LocalDatasets) -> None:
    for number in "0123":
        (site.layout.root / f"d{number}").mkdir()
    writers = [subprocess.Popen([sys.executable, "-c", ADD, str(site.layout.root), number], stdout=subprocess.PIPE, text=True) for number in "0123"]
    printed = [line for writer in writers for line in writer.communicate()[0].split()]
    assert sorted(printed) == sorted(f"shared@{number}" for number in range(1, 21))
    versions = datasets.versions("shared")
    assert [version.number for version in versions] == list(range(20, 0, -1))
    assert all(child.parents == (parent.commit,) for child, parent in pairwise(versions))
    assert all(report.sound for report in datasets.verify())
    assert site.store.verify().sound


def test_names_that_are_no_text_survive_the_round(datasets: LocalDatasets, data: Path, tmp_path: Path) -> None:
    odd = [b"new\nline", b"\xff\xfe.csv", b"with space"]
    for name in odd:
        with open(os.path.join(os.fsencode(data), name), "wb") as file:
            file.write(b"a,b\n1,2\n")
    version = datasets.add(data, md5=True)
    assert datasets.status()[0].clean
    datasets.checkout("data", tmp_path / "copy")
    assert set(odd) <= set(os.listdir(os.fsencode(tmp_path / "copy")))
    assert all(report.sound for report in datasets.verify())
    assert Digest(version.digest)


def test_a_damaged_index_is_mended_by_a_rebuild(site: Site, datasets: LocalDatasets, data: Path, reopen: Callable[[], Site]) -> None:
    datasets.add(data)
    head = site.layout.store / "index" / "head"
    head.write_bytes(head.read_bytes().replace(b"packs", b"pacts"))
    broken = reopen()
    assert "head of the index" in LocalDatasets(broken).verify()[0].damaged[0]
    with pytest.raises(Integrity) as caught:
        LocalDatasets(broken).entries("data")
    assert (caught.value.kind, caught.value.exit_code) == ("damaged-index", 5)
    assert "lineal fsck --rebuild" in caught.value.hint
    LocalAudit(broken, LocalDatasets(broken)).rebuild()
    assert all(report.sound for report in LocalDatasets(broken).verify())


def test_adding_again_mends_what_a_damaged_store_has_lost(site: Site, datasets: LocalDatasets, data: Path, reopen: Callable[[], Site]) -> None:
    (data / "large.bin").write_bytes(os.urandom(600_000))
    first = datasets.add(data)
    for pack in (site.layout.store / "packs").rglob("*.pack"):
        pack.unlink()
    (site.layout.store / "index" / "head").unlink()
    again = LocalDatasets(reopen())
    (report,) = again.verify("data")
    assert not report.sound
    assert again.add(data, name="mended").digest == first.digest
    (report,) = again.verify("mended")
    assert report.sound


def test_status_starts_without_what_it_does_not_need(site: Site, datasets: LocalDatasets, data: Path) -> None:
    datasets.add(data)
    time.sleep(0.06)
    datasets.status()
    script = (
        "import sys; from pathlib import Path; from lineal.workspace.site import Layout, Site; from lineal.workspace.versioning import LocalDatasets; "
        "layout = Layout(root=Path(sys.argv[1])); "
        'site = Site(layout=layout, project_id="f" * 32, project="p", ledger_url=f"sqlite:///{layout.ledger}", actor="x", settings={}); '
        "print(LocalDatasets(site).status()[0].clean, [name for name in ('sqlalchemy', 'numpy', 'pathspec', 'obstore') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(site.layout.root)], capture_output=True, text=True, check=False)
    assert done.stdout == "True []\n", done.stderr
