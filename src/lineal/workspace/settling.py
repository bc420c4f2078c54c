"""What is done once when a run has ended: its files become occurrences and edges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, update

from lineal.capture.journal import SUFFIX
from lineal.ledger.graph import FileFact
from lineal.ledger.reads import tie_reads
from lineal.ledger.run_writes import add_warnings
from lineal.ledger.schema import journals, runs
from lineal.ledger.ties import Ties
from lineal.records import journal
from lineal.records.tracked import facts_of
from lineal.workspace.journal_batch import file_entries
from lineal.workspace.made_inputs import is_made, made_inputs
from lineal.workspace.row_overlap import row_overlaps
from lineal.workspace.seen_urls import url_outputs, url_reads

if TYPE_CHECKING:
    from lineal.workspace.site import Site


def settle_files(connection: Connection, site: Site, run_id: str, folder: Path) -> bool:
    """Ties the files that the run's journals name and that are not tied yet; whether there were any. Once, by the journals' second offset."""
    query = select(journals.c.id, journals.c.files_offset, journals.c.offset).where(
        journals.c.run_id == run_id, journals.c.files_offset < journals.c.offset
    )
    entries: list[dict[str, Any]] = []
    for identifier, start, end in connection.execute(query.order_by(journals.c.id)).all():
        entries.extend(file_entries(folder / f"{identifier}{SUFFIX}", start, end))
        connection.execute(update(journals).where(journals.c.id == identifier).values(files_offset=end))
    if not entries:
        return False
    at = connection.execute(select(runs.c.ended_at).where(runs.c.id == run_id)).scalar() or site.clock()
    ties = Ties(
        connection=connection,
        project_id=site.project_id,
        activity=run_id,
        at=at,
        new_id=lambda: site.entropy(16).hex(),
        trees=site.store,
    )
    with site.store.batch():
        ties.inputs([*_facts(entries, "input"), *made_inputs(entries)])
        warnings = tie_reads(ties, url_reads(entries))
        ties.outputs([*_facts(entries, "output"), *url_outputs(entries)])
    add_warnings(connection, run_id, [*warnings, *row_overlaps(connection, site.store, run_id)])
    return True


def _facts(entries: Iterable[Mapping[str, Any]], direction: str) -> Sequence[FileFact]:
    """One fact per place and direction; the last word on it counts, and a model's entry says what its file is."""
    found: dict[tuple[str, bytes], FileFact] = {}
    models: dict[tuple[str, bytes], Mapping[str, Any]] = {}
    for entry in entries:
        if entry["k"] not in {journal.FILE, journal.MODEL}:
            continue
        place = (str(entry["root"]), bytes(entry["path"]))
        if entry["k"] == journal.MODEL:
            models[place] = entry
        elif entry["direction"] == direction and not is_made(entry):
            found[place] = _fact(entry)
    if direction == "output":
        for place, entry in models.items():
            found[place] = _model_fact(found.get(place), entry)
    return list(found.values())


def _fact(entry: Mapping[str, Any]) -> FileFact:
    return FileFact(
        root=str(entry["root"]),
        path=bytes(entry["path"]),
        digest=entry.get("digest"),
        size=int(entry.get("size") or 0),
        kind=entry.get("kind") or "file",
        role=entry.get("role") or "",
        role_origin=entry.get("role_origin") or "guessed",
        declared=bool(entry.get("declared")),
        restorable=bool(entry.get("restorable", True)),
        note=entry.get("note") or "",
        facts=facts_of(entry["facts"]) if entry.get("facts") else None,
    )


def _model_fact(file: FileFact | None, entry: Mapping[str, Any]) -> FileFact:
    known = file or FileFact(root=str(entry["root"]), path=bytes(entry["path"]), digest=entry.get("digest"), restorable=False)
    detail = {key: value for key, value in entry.items() if key not in {"k", "root", "path"}}
    if isinstance(detail.get("example"), bytes):
        detail["example"] = detail["example"].decode("utf-8", "surrogateescape")
    return FileFact(
        root=known.root,
        path=known.path,
        digest=known.digest,
        size=known.size,
        kind="model",
        role=known.role or "model",
        role_origin="declared",
        declared=True,
        restorable=known.restorable,
        note=known.note,
        detail={**detail, "kind": known.kind},
    )
