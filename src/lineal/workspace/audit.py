"""Who did what, and whether everything that is stored is sound."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lineal.errors import LinealError
from lineal.ledger import soundness
from lineal.ledger.events import list_events
from lineal.ledger.lookup import all_deployments
from lineal.records.dataset import VerifyReport
from lineal.records.digest import Digest
from lineal.store.copyindex import forget_indexes
from lineal.workspace.disposal import expiry
from lineal.workspace.interface import Datasets, Progress, silent
from lineal.workspace.mending import names_of_commits
from lineal.workspace.site import Site


class LocalAudit:
    """`Audit` over the ledger, the store, and the append-only files beside them."""

    def __init__(self, site: Site, datasets: Datasets) -> None:
        self._site = site
        self._datasets = datasets

    def events(self, *, subject: str = "", limit: int = 200, before: int | None = None) -> Sequence[Mapping[str, Any]]:
        """Events, newest first: ``sequence at actor action subject payload digest``.

        Args:
            subject: a reference such as ``run:`` with the whole id; all subjects where empty.
            before: the sequence to page from.
        """
        with self._site.ledger.read() as connection:
            rows = list_events(connection, project_id=self._site.project_id, subject=subject, limit=limit, before=before)
        return [{**row, "payload": json.loads(row["payload"])} for row in rows]

    def check(self, *, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Reads everything back: one report each on store, ledger, datasets, journals, predictions and truths.

        A part that cannot even be opened is a damaged one, and never hides what the others say.
        """
        parts: tuple[tuple[str, Callable[[], VerifyReport]], ...] = (
            ("store", lambda: self._site.store.verify(progress, names=names_of_commits(self._site))),
            ("ledger", self._check_ledger),
            ("datasets", self._check_datasets),
            ("journals", self._check_journals),
            ("predictions", self._check_predictions),
            ("truths", self._check_truths),
        )
        reports = []
        for place, (name, look) in enumerate(parts):
            progress(name, place, len(parts))
            reports.append(_attempted(name, look))
        progress("done", len(parts), len(parts))
        if not reports[0].sound:
            forget_indexes(self._site.layout.copies)  # what is stored again must be read again
        return reports

    def rebuild(self, *, progress: Progress = silent) -> Sequence[str]:
        """Makes the store's index anew, adds the rows of dataset versions that its refs lead to and the ledger does not know; says which."""
        from lineal.store.repository import Repository
        from lineal.workspace.projection import project_all

        self._site.give_up_lost_ledger()
        progress("index", 0, 0)
        Repository.mend_index(self._site.store_address)
        progress("datasets", 0, 0)
        return tuple(f"data:{version.reference}" for version in project_all(self._site))

    def repair(self, *, progress: Progress = silent) -> Sequence[str]:
        """Mends what can be mended of the store, from remotes, working copies and the ledger; says what was done."""
        from lineal.workspace.mending import repair

        return repair(self._site, progress)

    def _check_ledger(self) -> VerifyReport:
        project_id, store = self._site.project_id, self._site.store
        with self._site.ledger.read() as connection:
            damaged = list(soundness.database_damage(connection))
            if not damaged:
                damaged.extend(soundness.dangling_edges(connection, project_id))
                damaged.extend(soundness.orphaned_versions(connection, project_id))
                damaged.extend(soundness.absent_contents(connection, project_id, store.contains, expired_before=expiry(self._site)))
            rows = 0 if damaged else soundness.count_rows(connection, project_id)
        return VerifyReport(subject="ledger", objects=rows, bytes=0, damaged=tuple(damaged))

    def _check_datasets(self) -> VerifyReport:
        absent = tuple(
            f"the version {commit[:17]}… of {name} is in the store but not in the ledger; add it with: lineal fsck --rebuild"
            for name, commit in self._unknown_commits()
        )
        return VerifyReport(subject="datasets", objects=len(self._datasets.list()), bytes=0, damaged=absent)

    def _unknown_commits(self) -> Iterator[tuple[str, Digest]]:
        """Dataset versions that refs lead to and that have no row."""
        from lineal.ledger.datasets import known_commits
        from lineal.workspace.lines import all_tips, dataset_names
        from lineal.workspace.projection import missing_commits

        for name in dataset_names(self._site):
            with self._site.ledger.read() as connection:
                known = known_commits(connection, project_id=self._site.project_id, name=name)
            for commit, _body in missing_commits(self._site.store, all_tips(self._site, name), known):
                yield name, commit

    def _check_journals(self) -> VerifyReport:
        from lineal.workspace.ingest import journal_problems

        files = list(self._site.layout.journals.glob("*/*.journal"))
        size = sum(path.stat().st_size for path in files if path.exists())
        return VerifyReport(subject="journals", objects=len(files), bytes=size, damaged=tuple(journal_problems(self._site)))

    def _check_predictions(self) -> VerifyReport:
        from lineal.serving.predictions import PredictionLog

        return self._check_folders("predictions", lambda folder: PredictionLog(folder).damage())

    def _check_truths(self) -> VerifyReport:
        return self._check_folders("truths", _truth_damage)

    def _check_folders(self, name: str, damage: Callable[[Path], Iterable[str]]) -> VerifyReport:
        """One report on a folder that every deployment has."""
        with self._site.ledger.read() as connection:
            rows = all_deployments(connection, self._site.project_id)
        folders = [(row.name, self._site.layout.deployments / row.id / name) for row in rows]
        there = [(label, folder) for label, folder in folders if folder.is_dir()]
        damaged = tuple(f"{label}: {text}" for label, folder in there for text in damage(folder))
        files = [path for _label, folder in there for path in folder.iterdir() if path.is_file()]
        return VerifyReport(subject=name, objects=len(files), bytes=sum(path.stat().st_size for path in files), damaged=damaged)


def _truth_damage(folder: Path) -> Iterator[str]:
    from lineal.monitoring.truths import TruthLog

    try:
        TruthLog(folder).count()
    except LinealError as error:
        yield error.message


def _attempted(name: str, look: Callable[[], VerifyReport]) -> VerifyReport:
    try:
        return look()
    except LinealError as error:
        return VerifyReport(subject=name, objects=0, bytes=0, damaged=(error.message,))
