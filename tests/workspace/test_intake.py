from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lineal.capture.journal import JournalWriter
from lineal.errors import Conflict, InvalidInput, PermissionDenied
from lineal.ledger.runs import load_run
from lineal.records import journal
from lineal.workspace.ingest import ingest
from lineal.workspace.intake import LARGEST_PIECE, LocalIntake
from lineal.workspace.site import Site

RUN = "a" * 32


@pytest.fixture
def written(site: Site, tmp_path: Path) -> bytes:
    """A whole journal, as another machine wrote it."""
    begin = {"name": "train", "command": [], "folder": "", "author": "ann", "attempt": 1, "parent": "", "experiment": "", "started": 5}
    writer = JournalWriter(tmp_path / "far", run=RUN, project="other", clock=lambda: 7, entropy=site.entropy, role="owner", begin=begin)
    for step in range(100):
        writer.point({"loss": 1.0 / (step + 1)}, step)
    writer.append(journal.END, status="finished", exit_code=0, ended=9)
    writer.close()
    return writer.path.read_bytes()


NAME = "17-" + "0" * 16


def test_a_journal_comes_in_pieces_and_becomes_a_run(site: Site, written: bytes) -> None:
    intake = LocalIntake(site)
    middle = len(written) // 2
    assert intake.append(RUN, NAME, offset=0, data=written[:middle]) == middle
    assert intake.sizes(RUN) == {NAME: middle}
    assert intake.append(RUN, NAME, offset=middle, data=written[middle:]) == len(written)
    ingest(site)
    with site.ledger.read() as connection:
        run = load_run(connection, site.project_id, RUN, site.store)
    assert (run.name, run.author, run.metrics["loss"].points) == ("train", "ann", 100)


def test_what_comes_twice_counts_once(site: Site, written: bytes) -> None:
    intake = LocalIntake(site)
    for _time in range(3):
        assert intake.append(RUN, NAME, offset=0, data=written) == len(written)
    assert intake.append(RUN, NAME, offset=10, data=written[10:]) == len(written)
    ingest(site)
    assert intake.append(RUN, NAME, offset=0, data=written) == len(written)
    ingest(site)
    with site.ledger.read() as connection:
        assert load_run(connection, site.project_id, RUN, site.store).metrics["loss"].points == 100


def test_a_gap_is_refused_with_where_to_go_on(site: Site, written: bytes) -> None:
    intake = LocalIntake(site)
    intake.append(RUN, NAME, offset=0, data=written[:-10])
    with pytest.raises(Conflict, match=f"{len(written) - 10} bytes") as caught:
        intake.append(RUN, NAME, offset=len(written) - 9, data=b"x")
    assert caught.value.kind == "journal-gap"


@pytest.mark.parametrize("run", ["", "..", "a" * 31, "A" * 32, "../" + "a" * 29, "a" * 32 + "\n"])
def test_only_runs_have_journals(run: str, site: Site) -> None:
    with pytest.raises(InvalidInput) as caught:
        LocalIntake(site).append(run, NAME, offset=0, data=b"x")
    assert caught.value.kind == "bad-journal"


@pytest.mark.parametrize("name", ["", "..", "../../x", "context.json", "uncollected", "1-" + "0" * 16 + "\n", "output.log/x", "a-" + "0" * 16])
def test_only_journals_are_written(name: str, site: Site, written: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        LocalIntake(site).append(RUN, name, offset=0, data=written)
    assert caught.value.kind == "bad-journal"
    assert not (site.layout.journals / RUN).exists()


@pytest.mark.parametrize("data", [b"x" * 100, b"\0" * 64])
def test_what_is_no_journal_leaves_nothing(data: bytes, site: Site) -> None:
    with pytest.raises(InvalidInput) as caught:
        LocalIntake(site).append(RUN, NAME, offset=0, data=data)
    assert caught.value.kind == "bad-journal"
    assert not (site.layout.journals / RUN).exists()


def test_a_journal_of_another_run_is_refused(site: Site, written: bytes) -> None:
    with pytest.raises(InvalidInput):
        LocalIntake(site).append("b" * 32, NAME, offset=0, data=written)


def test_a_run_of_another_project_is_not_touched(site: Site, written: bytes) -> None:
    LocalIntake(site).append(RUN, NAME, offset=0, data=written)
    ingest(site)
    other = Site(
        layout=site.layout, project_id="e" * 32, project="other", ledger_url=site.ledger_url, actor="eve", settings=site.settings, ledger=site.ledger
    )
    for touch in (lambda: LocalIntake(other).append(RUN, NAME, offset=0, data=b"x"), lambda: LocalIntake(other).sizes(RUN)):
        with pytest.raises(PermissionDenied) as caught:
            touch()
        assert caught.value.kind == "foreign-run"


def test_a_piece_is_bounded(site: Site) -> None:
    with pytest.raises(InvalidInput):
        LocalIntake(site).append(RUN, NAME, offset=0, data=bytes(LARGEST_PIECE + 1))


def test_what_a_dead_writer_tore_is_written_over(site: Site, written: bytes) -> None:
    intake = LocalIntake(site)
    intake.append(RUN, NAME, offset=0, data=written[:-10])
    path = next((site.layout.journals / RUN).iterdir())
    with path.open("r+b") as file:
        file.truncate(len(written) - 50)  # the machine went down before the rest was on the disk, and so before it was acknowledged
    assert intake.sizes(RUN) == {NAME: len(written) - 50}
    assert intake.append(RUN, NAME, offset=len(written) - 60, data=written[-60:]) == len(written)
    assert path.read_bytes() == written


def test_a_journal_that_was_cleared_away_for_its_silence_comes_again_from_its_beginning(site: Site, written: bytes) -> None:
    intake = LocalIntake(site)
    middle = len(written) // 2
    intake.append(RUN, NAME, offset=0, data=written[:middle])
    ingest(site)
    shutil.rmtree(site.layout.journals / RUN)
    assert intake.sizes(RUN) == {}
    with pytest.raises(Conflict) as caught:
        intake.append(RUN, NAME, offset=middle, data=written[middle:])
    assert caught.value.kind == "journal-gap"
    assert intake.append(RUN, NAME, offset=0, data=written[: middle - 9]) == middle - 9
    ingest(site)
    assert intake.append(RUN, NAME, offset=middle - 9, data=written[middle - 9 :]) == len(written)
    ingest(site)
    with site.ledger.read() as connection:
        run = load_run(connection, site.project_id, RUN, site.store)
    assert (run.status, run.metrics["loss"].points, run.warnings) == ("finished", 100, ())
    assert intake.sizes(RUN) == {NAME: len(written)}


def test_nothing_is_written_behind_a_hole(site: Site, written: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = LocalIntake(site)
    intake.append(RUN, NAME, offset=0, data=written[:-50])
    sizes = intake.sizes(RUN)
    monkeypatch.setattr(LocalIntake, "sizes", lambda _self, _run: sizes)  # asked just before the ingester cleared it away
    shutil.rmtree(site.layout.journals / RUN)
    with pytest.raises(Conflict) as caught:
        intake.append(RUN, NAME, offset=len(written) - 50, data=written[-50:])
    assert caught.value.kind == "journal-gap"
    assert not (site.layout.journals / RUN).exists()
