"""Who did what, and what fsck finds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from lineal.errors import Integrity
from lineal.ledger import schema
from lineal.records.dataset import VerifyReport
from lineal.records.frames import JOURNAL, TRUTHS, frame, head
from lineal.workspace.audit import LocalAudit
from lineal.workspace.retention import carry_out_deletion, preview_deletion
from lineal.workspace.site import Site
from lineal.workspace.versioning import LocalDatasets


def audit_of(site: Site) -> LocalAudit:
    return LocalAudit(site, LocalDatasets(site))


def damage(reports: Sequence[VerifyReport]) -> dict[str, tuple[str, ...]]:
    return {report.subject: report.damaged for report in reports if not report.sound}


def with_dataset(site: Site) -> LocalDatasets:
    folder = site.layout.root / "data"
    folder.mkdir()
    (folder / "a.csv").write_text("id\n1\n")
    datasets = LocalDatasets(site)
    datasets.add(folder, name="numbers")
    return datasets


def test_a_sound_project_has_one_sound_report_for_each_part(site: Site) -> None:
    with_dataset(site)
    found = audit_of(site).check()
    assert [report.subject for report in found] == ["store", "ledger", "datasets", "journals", "predictions", "truths"]
    assert damage(found) == {}
    assert found[1].objects > 0


def test_events_come_newest_first_with_their_payload(site: Site, facts: Any) -> None:
    run = facts.run()
    carry_out_deletion(site, "#1", preview_deletion(site, "#1").hash)
    (event,) = audit_of(site).events(subject=f"run:{run}")
    assert (event["action"], event["actor"], event["payload"]["label"]) == ("run.deleted", "ada", "train #1")
    assert audit_of(site).events(before=event["sequence"]) == []


def test_edges_that_lead_nowhere_are_found(site: Site, facts: Any) -> None:
    facts.edge(facts.run(), "nowhere", "used")
    (text,) = damage(audit_of(site).check())["ledger"]
    assert "used nowhere leads to nothing" in text


def test_rows_whose_bytes_are_gone_are_found(site: Site, facts: Any) -> None:
    facts.file("out.csv", by=facts.run(), digest=f"blake3:{'ab' * 32}")
    (text,) = damage(audit_of(site).check())["ledger"]
    assert text.startswith("out.csv should be in the store and is not: blake3:abab")


def test_versions_without_a_node_and_runs_outside_the_graph_are_found(site: Site, facts: Any) -> None:
    with_dataset(site)
    run = facts.run()
    with site.ledger.write() as connection:
        connection.execute(delete(schema.activities).where(schema.activities.c.id == run))
        connection.execute(update(schema.dataset_versions).values(occurrence="gone"))
    found = damage(audit_of(site).check())["ledger"]
    assert found == ("numbers@1 has no node in the graph", f"run {run} has no node in the graph")


def test_a_version_that_only_the_store_knows_is_found_and_rebuilt(site: Site) -> None:
    with_dataset(site)
    with site.ledger.write() as connection:
        connection.execute(delete(schema.dataset_versions))
    audit = audit_of(site)
    (text,) = damage(audit.check())["datasets"]
    assert "lineal fsck --rebuild" in text
    assert audit.rebuild() == ("data:numbers@1",)
    assert damage(audit.check()) == {}
    assert audit.rebuild() == ()


def test_a_damaged_pack_is_found_and_named(site: Site) -> None:
    with_dataset(site)
    site.store.close()
    pack = max(site.layout.store.rglob("*.pack"), key=lambda path: path.stat().st_size)
    pack.chmod(0o644)
    data = bytearray(pack.read_bytes())
    data[len(data) // 3] ^= 0xFF
    pack.write_bytes(data)
    assert "store" in damage(audit_of(site).check())


def test_a_damaged_ledger_hides_nothing_of_the_rest(site: Site) -> None:
    with_dataset(site)
    site.close()
    site.layout.ledger.write_bytes(b"this is no database at all, but it is long enough to be taken for one" * 50)
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (site.layout.state / name).unlink(missing_ok=True)
    reports = audit_of(site).check()
    found = damage(reports)
    assert "damaged" in found["ledger"][0]
    assert "store" not in found
    assert len(reports) == 6


def test_a_damaged_journal_is_found(site: Site) -> None:
    folder = site.layout.journals / ("ab" * 16)
    folder.mkdir(parents=True)
    (folder / "1-ab.journal").write_bytes(head(JOURNAL) + b"\x05\x00\x00\x00zzzzhello" + frame(b"later"))
    assert "journals" in damage(audit_of(site).check())


def test_damaged_truths_are_found_beside_their_deployment(site: Site, facts: Any) -> None:
    deployment = facts.deployment("live", of=facts.file("model.skops", digest="md5:" + "0" * 32))
    folder: Path = site.layout.deployments / deployment / "truths"
    folder.mkdir(parents=True)
    (folder / "truths.log").write_bytes(head(TRUTHS) + b"\x05\x00\x00\x00zzzzhello" + frame(b"later"))
    (text,) = damage(audit_of(site).check())["truths"]
    assert text.startswith("live: ")


@pytest.mark.parametrize("lose", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")], ids=["missing", "empty"])
def test_a_lost_ledger_is_not_taken_for_a_new_project(site: Site, lose: Callable[[Path], object]) -> None:
    with_dataset(site)
    assert site.layout.ledger_made.exists()
    site.close()
    for beside in site.layout.state.glob("ledger.db-*"):
        beside.unlink()
    lose(site.layout.ledger)
    with pytest.raises(Integrity) as caught:
        _ = site.ledger
    assert caught.value.kind == "lost-ledger"
    assert audit_of(site).rebuild() == ("data:numbers@1",)
    assert damage(audit_of(site).check()) == {}
