"""Reading back a random share of versions' contents, so that scrubbing what is too large to read at once is spread over many days."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from lineal.errors import Integrity
from lineal.records.dataset import DatasetVersion, VerifyReport
from lineal.records.sampling import share_ruled_out
from lineal.workspace.importing import throttled
from lineal.workspace.interface import Progress
from lineal.workspace.site import Site


def verify_samples(site: Site, versions: Iterable[DatasetVersion], *, share: float, seed: int, progress: Progress) -> tuple[VerifyReport, ...]:
    """One report for each version, on contents that the seed chooses."""
    return tuple(_verified(site, version, share, seed, progress) for version in versions)


def _verified(site: Site, version: DatasetVersion, share: float, seed: int, progress: Progress) -> VerifyReport:
    step = throttled(f"verifying {version.reference}", progress)
    subject = f"data:{version.reference}"
    try:
        report = site.store.verify_sample(version.digest, share=share, seed=seed, progress=lambda _what, done, total: step(done, total))
        total = site.store.totals(version.digest)[0]
    except Integrity as error:
        return VerifyReport(subject=subject, objects=0, bytes=0, damaged=(error.message,), seed=seed)
    below = share_ruled_out(report.objects, total) if report.sound else None
    return replace(report, subject=subject, chosen_from=total, seed=seed, damaged_below=below)
