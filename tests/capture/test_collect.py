from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lineal.capture.collect import Collected, Place, collect_files, plan_items
from lineal.capture.sightings import Sighting, Sightings, key_of, look
from lineal.records.redaction import Redactor
from lineal.store.repository import Repository
from lineal.store.sources.places import TrackedFolders
from lineal.store.statindex import StatIndex


class Desk:
    """A project's files, and what a run is said to have done to them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen = Sightings()
        self.store = Repository.open(root / ".lineal/store", project_id="p" * 32)
        self.known = StatIndex.open(root / ".lineal/stat.db")
        self.entries: dict[tuple[str, str], dict[str, Any]] = {}

    def file(self, name: str, text: str = "x") -> bytes:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return os.fsencode(path)

    def sight(self, path: bytes, **facts: Any) -> None:
        self.seen.files[path] = Sighting(path=path, **facts)

    def collect(self, *, largest: int = 10_000, deadline: float = float("inf"), reachable: bool = True) -> Collected:
        place = Place(
            project=os.fsencode(self.root),
            home=b"/nowhere",
            state=os.fsencode(self.root / ".lineal"),
            artifacts=os.fsencode(self.root / ".lineal/artifacts/r"),
            largest=largest,
            reachable=reachable,
        )
        self.entries.clear()

        def write(fields: Any) -> None:
            self.entries[fields["direction"], os.fsdecode(fields["path"])] = dict(fields)

        items = plan_items(self.seen, place)
        return collect_files(
            items,
            place=place,
            store=self.store,
            known=self.known,
            tracked=TrackedFolders(store=self.store, folders={}),
            redactor=Redactor(["literal-secret"]),
            write=write,
            deadline=deadline,
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.known.close()
    made.store.close()


def test_what_was_read_is_an_input_and_what_was_written_an_output(desk: Desk) -> None:
    read, written = desk.file("in.csv"), desk.file("out.csv", "y")
    desk.sight(read, read_at=1, first_at=1, before=look(read))
    desk.sight(written, written_at=2, first_at=2)
    desk.collect()
    assert sorted(desk.entries) == [("input", "in.csv"), ("output", "out.csv")]
    entry = desk.entries["output", "out.csv"]
    assert desk.store.read(entry["digest"]) == b"y"
    assert (entry["root"], entry["size"], entry["restorable"], entry["declared"]) == ("project", 1, True, False)


def test_what_the_run_wrote_before_it_read_it_is_no_input(desk: Desk) -> None:
    path = desk.file("own.csv")
    desk.sight(path, written_at=1, read_at=2, first_at=1)
    desk.collect()
    assert list(desk.entries) == [("output", "own.csv")]


def test_what_is_gone_again_is_no_output(desk: Desk) -> None:
    desk.sight(os.fsencode(desk.root / "gone.tmp"), written_at=1, first_at=1)
    desk.collect()
    assert desk.entries == {}


def test_a_file_opened_for_writing_but_left_alone_is_only_read(desk: Desk) -> None:
    path = desk.file("base.db")
    desk.sight(path, read_at=1, written_at=1, first_at=1, before=look(path))
    desk.collect()
    assert list(desk.entries) == [("input", "base.db")]


def test_an_old_content_that_was_known_is_not_lost_when_the_run_rewrites_it(desk: Desk) -> None:
    path = desk.file("state.json", "old")
    before = os.stat(path)
    digest = desk.store.put_file(path).digest
    desk.known.remember(path, before, digest)
    past = before.st_mtime_ns - 10_000_000_000
    os.utime(path, ns=(past, past))
    before = os.stat(path)
    desk.known.remember(path, before, digest)
    desk.file("state.json", "newer")
    desk.sight(path, read_at=1, written_at=2, first_at=1, before=key_of(before))
    found = desk.collect()
    assert desk.entries["input", "state.json"]["digest"] in {digest, None}
    assert desk.entries["output", "state.json"]["digest"] != digest
    assert found.changed == []


def test_a_declared_folder_is_every_file_in_it_and_loops_of_links_end(desk: Desk) -> None:
    desk.file("data/a.csv")
    desk.file("data/deep/b.csv")
    (desk.root / "data/deep/loop").symlink_to(desk.root / "data")
    (desk.root / "data/dangling").symlink_to("nowhere")
    desk.sight(os.fsencode(desk.root / "data"), declared={"input": "train"})
    desk.collect()
    assert sorted(desk.entries) == [("input", "data/a.csv"), ("input", "data/deep/b.csv")]
    assert {entry["role"] for entry in desk.entries.values()} == {"train"}


def test_code_is_neither_input_nor_output(desk: Desk) -> None:
    path = desk.file("lib/net.py", "print(1)")
    desk.sight(path, read_at=1, first_at=1, before=look(path))
    found = desk.collect()
    assert desk.entries == {}
    assert desk.store.read(found.code["lib/net.py"]) == b"print(1)"


def test_code_with_a_secret_is_named_but_not_kept(desk: Desk) -> None:
    path = desk.file("net.py", "KEY = 'literal-secret'")
    desk.sight(path, read_at=1, first_at=1, before=look(path))
    found = desk.collect()
    assert found.secret_code == ["net.py"]
    assert not desk.store.contains(found.code["net.py"])


def test_the_bound_holds_for_what_was_not_declared(desk: Desk) -> None:
    seen, declared = desk.file("seen.bin", "x" * 100), desk.file("declared.bin", "y" * 100)
    desk.sight(seen, written_at=1, first_at=1)
    desk.sight(declared, written_at=1, first_at=1, declared={"output": ""})
    desk.collect(largest=50)
    assert [desk.entries["output", name]["restorable"] for name in ("seen.bin", "declared.bin")] == [False, True]
    assert desk.entries["output", "seen.bin"]["digest"] is not None


def test_an_unreadable_file_is_told_of_and_stops_nothing(desk: Desk) -> None:
    loop = desk.root / "loop.csv"
    loop.symlink_to("loop.csv")
    fine = desk.file("fine.csv")
    desk.sight(os.fsencode(loop), declared={"input": ""})
    desk.sight(fine, read_at=1, first_at=1, before=look(fine))
    desk.collect()
    assert desk.entries["input", "fine.csv"]["digest"]
    assert desk.entries["input", "loop.csv"]["digest"] is None
    assert desk.entries["input", "loop.csv"]["note"]


def test_past_the_deadline_everything_is_pending_and_nothing_is_lost(desk: Desk) -> None:
    path = desk.file("out.csv")
    desk.sight(path, written_at=1, first_at=1)
    found = desk.collect(deadline=0.0)
    assert (found.pending, desk.entries) == (1, {})
    assert desk.collect().pending == 0
    assert list(desk.entries) == [("output", "out.csv")]


def test_files_of_a_place_that_is_gone_are_not_taken_for_others(desk: Desk) -> None:
    path = desk.file("out.csv")
    desk.sight(path, written_at=1, first_at=1)
    desk.collect(reachable=False)
    assert desk.entries["output", "out.csv"]["digest"] is None


def test_what_lies_behind_a_link_into_the_project_is_the_projects(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = desk.file("in.csv")
    link = tmp_path_factory.mktemp("links") / "project"
    link.symlink_to(desk.root)
    desk.sight(os.fsencode(link / "in.csv"), read_at=1, first_at=1, before=look(path))
    desk.collect()
    assert list(desk.entries) == [("input", "in.csv")]


def test_recorded_models_are_relative_to_their_run(desk: Desk) -> None:
    path = desk.file(".lineal/artifacts/r/models/delay/model.skops")
    desk.sight(path, declared={"output": "model"})
    desk.collect()
    entry = desk.entries["output", "models/delay/model.skops"]
    assert (entry["root"], entry["role"]) == ("run", "model")
