from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from lineal.ledger.database import Ledger
from lineal.ledger.graph import FileFact, add_activity, add_occurrence, mark_deleted
from lineal.ledger.schema import edges, occurrences
from lineal.ledger.ties import Ties
from lineal.records.dataset import TreeEntry
from lineal.records.digest import Digest
from lineal.records.graph import closure
from lineal.store.repository import Repository

PROJECT = "p" * 32


def digest(text: str) -> Digest:
    return Digest("blake3:" + text.encode().hex().rjust(64, "0"))


def file(path: str, text: str, **more: Any) -> FileFact:
    return FileFact(root="project", path=path.encode(), digest=digest(text), **{"size": 5, **more})


class Story:
    """Runs that read and write, one after the other."""

    def __init__(self, ledger: Ledger, store: Repository) -> None:
        self.ledger, self.store = ledger, store
        self.ids = (f"{number:032x}" for number in itertools.count(1))
        self.at = 0

    def run(self, name: str, *, reads: list[FileFact] = [], writes: list[FileFact] = []) -> list[str]:  # noqa: B006 - never changed
        self.at += 1
        with self.ledger.write() as connection:
            add_activity(connection, id=name, project_id=PROJECT, kind="run", label=name, at=self.at)
            ties = Ties(connection=connection, project_id=PROJECT, activity=name, at=self.at, new_id=lambda: next(self.ids), trees=self.store)
            tied = ties.inputs(reads)
            ties.outputs(writes)
            return tied

    def dataset(self, path: str, texts: dict[str, str]) -> str:
        self.at += 1
        entries = [TreeEntry(path=name.encode(), mode="file", size=5, digest=digest(text)) for name, text in sorted(texts.items())]
        with self.store.batch():
            root = self.store.put_tree(entries)
        with self.ledger.write() as connection:
            return add_occurrence(
                connection, id=next(self.ids), project_id=PROJECT, kind="dataset", label=path, digest=root, at=self.at, path=path.encode()
            )

    def kind(self, identifier: str) -> str:
        with self.ledger.read() as connection:
            return str(connection.execute(select(occurrences.c.kind).where(occurrences.c.id == identifier)).scalar_one())

    def made_by(self, name: str) -> list[str]:
        with self.ledger.read() as connection:
            return list(connection.execute(select(edges.c.source).where(edges.c.target == name).order_by(edges.c.source)).scalars())


@pytest.fixture
def story(ledger: Ledger, tmp_path: Path) -> Iterator[Story]:
    store = Repository.open(tmp_path / "store", project_id=PROJECT)
    yield Story(ledger, store)
    store.close()


def test_an_input_that_a_run_wrote_ties_to_that_run(story: Story) -> None:
    story.run("prepare", writes=[file("clean.csv", "x")])
    assert story.run("train", reads=[file("clean.csv", "x")]) == story.made_by("prepare")


def test_of_two_runs_that_wrote_the_same_bytes_the_later_counts(story: Story) -> None:
    story.run("one", writes=[file("clean.csv", "x")])
    story.run("two", writes=[file("clean.csv", "x")])
    assert story.run("train", reads=[file("clean.csv", "x")]) == story.made_by("two")
    assert story.made_by("one") != story.made_by("two")


def test_other_bytes_at_the_same_path_are_a_new_source_and_known_ones_are_not(story: Story) -> None:
    story.run("prepare", writes=[file("clean.csv", "x")])
    (source,) = story.run("train", reads=[file("clean.csv", "edited")])
    assert story.kind(source) == "source"
    assert story.run("again", reads=[file("clean.csv", "edited")]) == [source]


def test_the_same_bytes_at_another_path_tie_with_the_path_on_the_edge(story: Story) -> None:
    story.run("prepare", writes=[file("clean.csv", "x")])
    assert story.run("train", reads=[file("copy.csv", "x")]) == story.made_by("prepare")
    with story.ledger.read() as connection:
        assert connection.execute(select(edges.c.path).where(edges.c.source == "train")).scalar_one() == b"copy.csv"


def test_an_empty_file_ties_nothing_together(story: Story) -> None:
    story.run("prepare", writes=[file("a/__init__.py", "", size=0)])
    (tied,) = story.run("train", reads=[file("b/__init__.py", "", size=0)])
    assert story.kind(tied) == "source"


def test_what_could_not_be_digested_ties_to_nothing_known(story: Story) -> None:
    unknown = FileFact(root="project", path=b"big", digest=None, note="too large")
    (tied,) = story.run("train", reads=[unknown])
    assert story.kind(tied) == "source"


def test_inputs_in_a_dataset_tie_to_it_with_their_paths(story: Story) -> None:
    version = story.dataset("data", {"a.csv": "a", "sub/b.csv": "b"})
    assert story.run("train", reads=[file("data/a.csv", "a"), file("data/sub/b.csv", "b")]) == [version, version]
    (other,) = story.run("edited", reads=[file("data/a.csv", "changed")])
    assert story.kind(other) == "source"


def test_of_two_versions_with_the_same_file_the_newest_counts_and_an_old_one_where_it_alone_has_it(story: Story) -> None:
    old = story.dataset("data", {"a.csv": "a", "b.csv": "b"})
    new = story.dataset("data", {"a.csv": "a", "b.csv": "b2"})
    assert story.run("train", reads=[file("data/a.csv", "a"), file("data/b.csv", "b")]) == [new, old]


def test_a_dataset_of_one_file_holds_that_file(story: Story) -> None:
    version = story.dataset("data/train.csv", {"train.csv": "a"})
    assert story.run("train", reads=[file("data/train.csv", "a")]) == [version]


def test_a_dataset_made_after_the_run_that_wrote_its_file_is_what_is_read(story: Story) -> None:
    story.run("prepare", writes=[file("data/a.csv", "a")])
    version = story.dataset("data", {"a.csv": "a"})
    assert story.run("train", reads=[file("data/a.csv", "a")]) == [version]
    story.run("prepare again", writes=[file("data/a.csv", "a")])
    assert story.run("train again", reads=[file("data/a.csv", "a")]) == story.made_by("prepare again")


def test_a_deleted_occurrence_is_not_tied_to(story: Story) -> None:
    story.run("prepare", writes=[file("clean.csv", "x")])
    with story.ledger.write() as connection:
        mark_deleted(connection, story.made_by("prepare"), 9)
    (tied,) = story.run("train", reads=[file("clean.csv", "x")])
    assert story.kind(tied) == "source"
    with story.ledger.write() as connection:
        mark_deleted(connection, story.made_by("prepare"), None)
    assert story.run("later", reads=[file("other.csv", "x")]) == [tied]


def test_many_files_of_a_dataset_are_one_edge(story: Story) -> None:
    texts = {f"{number}.jpg": f"{number}" for number in range(200)}
    version = story.dataset("images", texts)
    tied = story.run("train", reads=[file(f"images/{name}", text) for name, text in texts.items()])
    assert set(tied) == {version}
    with story.ledger.read() as connection:
        (row,) = connection.execute(select(edges).where(edges.c.source == "train")).mappings()
        whole = connection.execute(select(occurrences.c.digest).where(occurrences.c.id == version)).scalar_one()
    assert (row["path"], row["digest"], row["size"]) == (b"images", whole, 1000)


def test_part_of_a_folded_folder_ties_to_it(story: Story) -> None:
    story.run("prepare", writes=[file(f"images/{number}.jpg", f"{number}") for number in range(100)])
    (folder,) = story.made_by("prepare")
    assert story.kind(folder) == "folder"
    assert story.run("look", reads=[file("images/7.jpg", "7")]) == [folder]
    tied = story.run("most", reads=[file(f"images/{number}.jpg", f"{number}") for number in range(90)])
    assert set(tied) == {folder}
    assert set(story.run("moved", reads=[file(f"other/{number}.jpg", f"{number}") for number in range(100)])) == {folder}


def test_a_run_never_ties_to_what_came_of_it(story: Story) -> None:
    story.run("first", writes=[file("a", "x")])
    story.run("second", reads=[file("a", "x")], writes=[file("b", "y")])
    (tied,) = story.run("first", reads=[file("b", "y")])
    assert story.kind(tied) == "source"


PATHS = st.sampled_from(["a", "b", "d/a", "d/b"])
FILES = st.lists(st.tuples(PATHS, st.sampled_from("xy")), max_size=3, unique_by=lambda item: item[0])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=st.lists(st.tuples(st.integers(0, 3), FILES, FILES), max_size=8))
def test_whatever_runs_read_and_write_the_graph_has_no_cycle(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("story")
    ledger, store = Ledger.open(f"sqlite:///{folder / 'ledger.db'}"), Repository.open(folder / "store", project_id=PROJECT)
    story = Story(ledger, store)
    for number, reads, writes in steps:
        story.run(f"run{number}", reads=[file(*item) for item in reads], writes=[file(*item) for item in writes])
    with ledger.read() as connection:
        pairs = connection.execute(select(edges.c.source, edges.c.target)).all()
        used = connection.execute(select(func.count()).select_from(edges).where(edges.c.relation == "used")).scalar_one()
    adjacent: dict[str, list[str]] = {}
    for source, target in pairs:
        adjacent.setdefault(source, []).append(target)
    assert all(start not in closure(adjacent, adjacent[start]) for start in adjacent)
    assert used <= sum(len(reads) for _number, reads, _writes in steps)
    ledger.close()
    store.close()
