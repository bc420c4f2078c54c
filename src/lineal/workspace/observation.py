"""Watching what is deployed: windows of event time with drift, quality against late truth, and what needs a look."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lineal.errors import InvalidInput, NotFound
from lineal.records.deployment import Deployment, TruthReceipt
from lineal.records.monitor import MonitorReport
from lineal.serving.predictions import PredictionLog
from lineal.workspace.registry import LocalModels
from lineal.workspace.shipping import LocalDeployments
from lineal.workspace.site import Site

if TYPE_CHECKING:
    from lineal.monitoring.outcomes import Row
    from lineal.monitoring.report import Bounds, Reference
    from lineal.monitoring.traffic import Traffic

History = Sequence[tuple[Deployment, PredictionLog]]

SKIPPED = "left out when it was deployed: its distribution moves by construction"
TRIAL = "This is a trial: it is no production, and protects nothing."


class LocalMonitors:
    """`Monitors` over the captured predictions, their truths and the reference profiles in the store.

    Deployments of one name are one monitor: what is deployed in its place goes on with its windows.
    """

    def __init__(self, site: Site, deployments: LocalDeployments, models: LocalModels) -> None:
        self._site = site
        self._deployments = deployments
        self._models = models

    def report(self, name: str, *, every: str = "month", start: int | None = None, end: int | None = None) -> MonitorReport:
        """What the monitor of a deployment says, oldest window first.

        Args:
            every: ``hour``, ``day``, ``week`` or ``month``, UTC.
            start, end: bounds of event time, microseconds UTC, half open.

        Raises:
            InvalidInput: kind ``unknown-window``, or ``empty-range`` if the end is not behind the start.
            NotFound: kind ``unknown-reference``, if no deployment has that name.
        """
        from lineal.monitoring.windows import check_every

        check_every(every)
        if start is not None and end is not None and end <= start:
            raise InvalidInput(f"the time from {start} to {end} holds nothing", kind="empty-range", hint="Give an end behind the start.")
        history = self._history(name)
        parts = [self._traffic(deployment, log, start, end) for deployment, log in history]
        damaged = [sentence for _traffic, sentences in parts for sentence in sentences]
        return self._reported(history, [traffic for traffic, _damaged in parts], every, damaged)

    def add_truth(self, name: str, table: Path) -> TruthReceipt:
        """Adds the true outcomes in a CSV file (``prediction_id,label``, and ``known_at`` if there) to a deployment's predictions.

        Adding a file again changes nothing; a later label replaces an earlier one, and within the file the last row of an id counts. Ids that no
        prediction has are counted, and the rest is kept.

        Raises:
            InvalidInput: kind ``bad-truth-file``: a column is missing, or a row cannot be read; nothing was taken then.
            NotFound: kind ``no-such-file`` or ``unknown-reference``.
            Unavailable: kind ``disk-full``.
        """
        from lineal.monitoring.outcomes import read_outcomes

        history = self._history(name)
        data = _read(table)
        receipt = self._take(history, read_outcomes(data, table.name), table.name)
        self._record(history[-1][0], table.name, data, receipt)
        return receipt

    def _history(self, name: str) -> History:
        return self._deployments.history(name)

    def _take(self, history: History, rows: Sequence[Row], name: str) -> TruthReceipt:
        from lineal.monitoring.outcomes import typed_truths
        from lineal.monitoring.truths import TruthLog

        last = {row.id.replace("-", ""): row for row in rows}
        left = dict(last)
        batches = []
        for deployment, log in history:
            known = {identifier.replace("-", "") for identifier in log.columns().ids}
            mine = sorted((left.pop(key) for key in known & left.keys()), key=lambda row: row.line)
            batches.append((deployment, typed_truths(mine, self._reference(deployment).signature, name)))
        # Every label was understood before anything is written.
        now = self._site.clock()
        added = [TruthLog(self._truths(deployment)).add(truths, now=now) for deployment, truths in batches if truths]
        return TruthReceipt(
            accepted=sum(one.new + one.replaced + one.same for one in added),
            replaced=sum(one.replaced for one in added),
            unchanged=sum(one.same for one in added),
            unknown=len(left),
            unknown_examples=tuple(row.id for row in sorted(left.values(), key=lambda row: row.line)[:5]),
            duplicates=len(rows) - len(last),
        )

    def _record(self, deployment: Deployment, name: str, data: bytes, receipt: TruthReceipt) -> None:
        counts = {"accepted": receipt.accepted, "replaced": receipt.replaced, "unknown": receipt.unknown}
        with self._site.ledger.write() as connection:
            payload = {"file": name, "sha256": hashlib.sha256(data).hexdigest(), **counts}
            self._site.record_event(connection, "truth.added", subject=f"deployment:{deployment.name}", payload=payload)

    def _reported(self, history: History, parts: Sequence[Traffic], every: str, damaged: Sequence[str]) -> MonitorReport:
        from lineal.monitoring.alerts import rejected_alerts
        from lineal.monitoring.report import WindowedTraffic, unjudged
        from lineal.monitoring.traffic import join_traffic
        from lineal.monitoring.windows import spans

        newest = history[-1][0]
        traffic = join_traffic(parts)
        references = {deployment.model: self._reference(deployment) for deployment, _log in history}
        asked = {name: SKIPPED for deployment, _log in history for name in deployment.skip_drift}
        windows, earlier = spans(traffic.event_at, every)
        rejected = _rejected(history)
        return MonitorReport(
            deployment=newest.name,
            model=newest.model,
            task=references[newest.model].signature.task,
            every=every,
            windows=WindowedTraffic(traffic, windows, references, asked, self._bounds()).windows(),
            reference_quality=references[newest.model].metrics,
            rejected=rejected,
            skipped={**asked, **unjudged(traffic, references[newest.model], tuple(asked))},
            total=len(traffic),
            note=_note(newest, traffic, earlier),
            alerts=(*rejected_alerts(rejected, len(traffic)), *damaged),
            models=dict(Counter(traffic.model.tolist())),
            trial=newest.trial,
        )

    def _bounds(self) -> Bounds:
        from lineal.monitoring.report import Bounds

        usual, settings = Bounds(), self._site.settings
        return Bounds(
            quality_tolerance=float(settings.get("monitoring.quality_tolerance", usual.quality_tolerance)),
            lowest_coverage=float(settings.get("monitoring.lowest_coverage", usual.lowest_coverage)),
        )

    def _traffic(self, deployment: Deployment, log: PredictionLog, start: int | None, end: int | None) -> tuple[Traffic, tuple[str, ...]]:
        """A deployment's rows with their truths, and what could not be read."""
        from lineal.monitoring.traffic import Traffic
        from lineal.monitoring.truths import TruthLog

        columns = log.columns(start, end)
        found = Traffic(
            event_at=columns.event_at,
            features=columns.features,
            output=columns.output,
            score=columns.score,
            model=columns.model,
            truth=TruthLog(self._truths(deployment)).columns(columns.ids),
        )
        return found, columns.damaged

    def _truths(self, deployment: Deployment) -> Path:
        return self._deployments.folder(deployment) / "truths"

    def _reference(self, deployment: Deployment) -> Reference:
        """What the deployment's traffic is held against: the registered version's, or for a trial what lies in its bundle."""
        from lineal.monitoring.profile import Profile
        from lineal.monitoring.report import Reference

        try:
            version = self._models.get(f"model:{deployment.model}")
        except NotFound:
            return self._bundled(deployment)
        profile = None if version.profile is None else Profile.decode(self._site.store.read(version.profile))
        return Reference(model=deployment.model, signature=version.signature, profile=profile, metrics=version.metrics)

    def _bundled(self, deployment: Deployment) -> Reference:
        from lineal.monitoring.profile import Profile
        from lineal.monitoring.report import Reference
        from lineal.serving.bundle import read_manifest

        bundle = self._deployments.folder(deployment) / "bundle"
        manifest = read_manifest(bundle)
        profile = Profile.decode((bundle / manifest.profile).read_bytes()) if manifest.profile else None
        return Reference(model=deployment.model, signature=manifest.signature, profile=profile, metrics=self._run_metrics(manifest.run))

    def _run_metrics(self, run: str) -> Mapping[str, float]:
        from lineal.ledger.runs import load_run

        try:
            with self._site.ledger.read() as connection:
                found = load_run(connection, self._site.project_id, run, self._site.store)
        except NotFound:
            return {}
        return {key: metric.last for key, metric in found.metrics.items()}


def _read(table: Path) -> bytes:
    from lineal.monitoring.outcomes import bad_file

    try:
        return table.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {table}", kind="no-such-file", hint="Name the CSV file of true outcomes.") from error
    except OSError as error:
        raise bad_file(f"{table} cannot be read: {error.strerror}", "Name a CSV file that you may read.") from error


def _rejected(history: History) -> dict[str, int]:
    found: Counter[str] = Counter()
    for _deployment, log in history:
        found.update(log.rejected())
    return dict(found)


def _note(newest: Deployment, traffic: Traffic, earlier: int) -> str:
    sentences = [TRIAL] if newest.trial else []
    if not len(traffic):
        sentences.append("No prediction was captured in this time.")
    elif not traffic.truth.known.any():
        sentences.append(f"No outcome is known yet; add them with: lineal truth {newest.name} FILE.csv")
    if earlier:
        sentences.append(f"{earlier} earlier windows are left out; ask for a shorter time or longer windows.")
    return " ".join(sentences)
