"""Freeing what a project does not need: what it deleted long ago goes, and what anything of it stands on stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import insert

from lineal.errors import InvalidState, NotFound
from lineal.ledger import schema
from lineal.ledger.database import Ledger
from lineal.ledger.foundations import contents_stood_on
from lineal.records.digest import Digest
from lineal.records.mount import Mount
from lineal.store.backends.address import parse_address
from lineal.store.repository import Repository
from lineal.workspace.disposal import collect, preview_collection
from lineal.workspace.interface import silent
from lineal.workspace.mounts import end_mount, note_mount
from lineal.workspace.retention import carry_out_deletion, preview_deletion, undo_deletion
from lineal.workspace.site import Layout, Site
from lineal.workspace.versioning import LocalDatasets

DAY = 86_400
MONTH = 31 * DAY * 1_000_000


class Project:
    """A project whose clock is turned by hand."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.now = 1_700_000_000_000_000
        site.clock = lambda: self.now
        site.settings = {"gc.keep_deleted": 30.0 * DAY, "gc.grace": 14.0 * DAY}
        self.data = site.layout.root / "data"
        self.data.mkdir()
        self.datasets = LocalDatasets(site)

    def add(self, **files: bytes) -> str:
        for path in self.data.iterdir():
            path.unlink()
        for name, content in files.items():
            (self.data / name).write_bytes(content)
        self.now += 1_000_000
        return self.datasets.add(self.data, name="d").reference

    def delete(self, reference: str) -> None:
        carry_out_deletion(self.site, reference, preview_deletion(self.site, reference).hash)

    def content(self, reference: str) -> dict[str, bytes]:
        return {os.fsdecode(entry.path): self.site.store.read(entry.digest) for entry in self.datasets.entries(reference)}


@pytest.fixture
def project(site: Site) -> Project:
    return Project(site)


def test_what_only_a_deleted_version_holds_goes_after_its_time_and_later_versions_stay(project: Project) -> None:
    old, both, new = os.urandom(300_000), os.urandom(300_000), os.urandom(300_000)
    first, second = project.add(old=old, both=both), project.add(both=both, new=new)
    project.delete(first)
    assert collect(project.site, grace=0.0, progress=silent).given_up == ()
    undo_deletion(project.site, first)
    assert project.content(first) == {"old": old, "both": both}
    project.delete(first)
    project.now += MONTH
    said = preview_collection(project.site, grace=0.0, progress=silent)
    done = collect(project.site, grace=0.0, progress=silent)
    assert said.given_up == done.given_up == (first,)
    assert done.freed_bytes > 300_000
    assert project.content(second) == {"both": both, "new": new}
    with pytest.raises(InvalidState, match="collected") as caught:
        undo_deletion(project.site, first)
    assert caught.value.kind == "given-up"
    with pytest.raises(NotFound):
        project.datasets.checkout(first)
    assert project.site.store.verify().sound
    assert project.add(both=both, new=new, third=b"3") == "d@3"
    assert collect(project.site, grace=0.0, progress=silent).given_up == ()


def test_what_is_mounted_stays_until_it_is_not(project: Project) -> None:
    held = os.urandom(300_000)
    first, _second = project.add(held=held), project.add(other=b"1")
    version = project.datasets.get(first)
    facts = {"id": "f" * 32, "reference": first, "commit": version.commit, "digest": version.digest, "folder": "/mnt/d", "started_at": 1}
    note_mount(project.site, mount := Mount(**facts))  # type: ignore[arg-type]
    project.delete(first)
    project.now += MONTH
    collect(project.site, grace=0.0, progress=silent)
    (entry,) = project.site.store.entries(version.digest)
    assert project.site.store.read(entry.digest) == held
    end_mount(project.site, mount, lost=False)
    collect(project.site, grace=0.0, progress=silent)
    assert not project.site.store.contains(entry.digest)


def test_what_a_run_wrote_stays_until_the_run_is_deleted(project: Project, facts: object) -> None:
    store, content = project.site.store, os.urandom(200_000)
    digest = store.put_bytes(content)
    run = facts.run("train")  # type: ignore[attr-defined]
    facts.file("model.bin", by=run, digest=digest)  # type: ignore[attr-defined]
    collect(project.site, grace=0.0, progress=silent)
    assert store.read(digest) == content
    project.delete(f"run:{run}")
    project.now += MONTH
    collect(project.site, grace=0.0, progress=silent)
    assert not store.contains(digest)
    with pytest.raises(InvalidState, match="collected"):
        undo_deletion(project.site, f"run:{run}")


def test_what_a_journal_names_that_is_not_ingested_yet_stays(project: Project) -> None:
    store = project.site.store
    digest = store.put_bytes(os.urandom(100_000))
    folder = project.site.layout.journals / ("a" * 32)
    folder.mkdir(parents=True)
    (folder / "1.journal").write_bytes(bytes((1 << 20) - 20) + digest.encode() + bytes(99))
    collect(project.site, grace=0.0, progress=silent)
    assert store.contains(digest)


def test_every_digest_in_any_text_of_the_ledger_is_stood_on(project: Project, facts: object) -> None:
    digests = [Digest(f"blake3:{number:064x}") for number in (901, 902, 903)]
    run = facts.run("train", log=digests[0], code=f'{{"files": {{"train.py": "{digests[1]}"}}}}')  # type: ignore[attr-defined]
    facts.file("x", by=run, digest=digests[2])  # type: ignore[attr-defined]
    ledger: Ledger = project.site.ledger
    with ledger.read() as connection:
        assert set(digests) <= set(contents_stood_on(connection, expired_before=0))


def test_a_collection_is_an_event(project: Project) -> None:
    from lineal.workspace.audit import LocalAudit

    project.add(x=b"1")
    collect(project.site, grace=0.0, progress=silent)
    event = LocalAudit(project.site, project.datasets).events(limit=1)[0]
    assert (event["action"], event["payload"]["given_up"]) == ("store.collected", [])


def test_a_scratch_folder_is_left_clean(project: Project) -> None:
    project.add(x=b"1")
    collect(project.site, grace=0.0, progress=silent)
    assert not list(Path(project.site.layout.temporary).iterdir())


def test_a_folder_whose_version_was_collected_is_stored_again_as_a_whole(project: Project) -> None:
    files = {"a": os.urandom(300_000), "b": os.urandom(2_000)}
    first, second = project.add(**files), project.add(c=b"other")
    for name, content in files.items():
        (project.data / name).write_bytes(content)
    (project.data / "c").unlink()
    project.datasets.status()
    project.delete(first)
    project.now += MONTH
    assert collect(project.site, grace=0.0, progress=silent).freed_bytes > 300_000
    third = project.datasets.add(project.data, name="d").reference
    assert project.content(third) == files
    assert project.content(second) == {"c": b"other"}
    assert project.site.store.verify().sound


def test_the_same_folder_added_again_after_its_only_version_was_collected_is_whole(project: Project) -> None:
    first = project.add(a=b"x" * 5000, b=b"y" * 70_000)
    project.delete(first)
    project.now += MONTH
    collect(project.site, grace=0.0, progress=silent)
    assert project.content(project.datasets.add(project.data, name="d").reference) == {"a": b"x" * 5000, "b": b"y" * 70_000}
    assert project.site.store.verify().sound


def test_what_was_given_up_neither_travels_nor_is_missed_where_the_rest_goes(project: Project, tmp_path: Path) -> None:
    from lineal.workspace.remoting import LocalRemotes

    first, second = project.add(a=os.urandom(90_000)), project.add(a=b"2")
    project.delete(first)
    project.now += MONTH
    collect(project.site, grace=0.0, progress=silent)
    remotes = LocalRemotes(project.site, project.datasets)
    remotes.add("far", str(tmp_path / "far"))
    remotes.push(remote="far")
    third = project.add(a=b"3")
    remotes.push(remote="far")
    far = Repository.at(parse_address(str(tmp_path / "far"), base=tmp_path), project_id=project.site.project_id)
    assert far.given_up() == project.site.store.given_up()
    assert far.verify().sound
    assert project.content(second) == {"a": b"2"}
    assert project.content(third) == {"a": b"3"}
    far.close()


def test_a_project_with_its_bytes_in_a_shared_store_loses_none_of_its_runs_outputs_to_another(tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    sites = []
    for number in (1, 2):
        layout = Layout(root=tmp_path / f"p{number}")
        layout.state.mkdir(parents=True)
        settings = {"store.url": shared}
        sites.append(
            Site(
                layout=layout,
                project_id=f"{number}" * 32,
                project=f"p{number}",
                ledger_url=f"sqlite:///{layout.ledger}",
                actor="a",
                settings=settings,
            )
        )
    output = sites[0].store.put_bytes(os.urandom(50_000))
    with sites[0].ledger.write() as connection:
        sites[0].record_event(connection, "noted", subject="x", payload={})
        connection.execute(insert(schema.environments).values(digest="e", body=f"made {output}"))
    with pytest.raises(InvalidState, match="p1") as caught:
        collect(sites[1], grace=0.0, progress=silent)
    assert caught.value.kind == "shared-store"
    collect(sites[0], grace=0.0, progress=silent)
    collect(sites[1], grace=0.0, progress=silent)
    assert sites[0].store.contains(output)
    for site in sites:
        site.close()
