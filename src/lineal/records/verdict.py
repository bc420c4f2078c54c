"""What a reproduction proves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """The answer to: did the same come out again?"""

    IDENTICAL = "identical"
    REORDERED = "identical up to order"
    DIFFERENT = "different"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputEvidence:
    """How one output compares.

    Attributes:
        state: ``identical`` (same bytes), ``same-content`` (same after the format's own noise is taken out, such as archive times),
            ``reordered`` (same rows in another order), ``different``, ``missing``, ``unexpected`` or ``uncompared`` (its bytes
            were not kept, or it lies where the rerun may not write).
        detail: what differs, one sentence.
    """

    path: str
    state: str
    before: str = ""
    after: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything a verdict is made of.

    Attributes:
        metrics: per summary metric, the recorded and the new value.
        missing_inputs: inputs that could not be restored.
        replaced_inputs: inputs that were given other content on purpose.
        notice_only: dataset versions that the run read at a source which keeps no versions.
        environment: what differs in the environment, one sentence each.
        isolated: how the originals were kept unreadable: ``namespace``, ``audit-hook`` or ``none``.
        exit_code: of the rerun, None where it did not run.
    """

    outputs: tuple[OutputEvidence, ...]
    metrics: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    missing_inputs: tuple[str, ...] = ()
    replaced_inputs: tuple[str, ...] = ()
    notice_only: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    isolated: str = "none"
    exit_code: int | None = None
    exit_code_before: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A rerun and its verdict.

    Attributes:
        run: id of the run that was reproduced; rerun: id of the run that did it, or empty.
        reasons: why the verdict is what it is, one sentence each, the weightiest first.
    """

    run: str
    rerun: str
    verdict: Verdict
    reasons: tuple[str, ...]
    evidence: Evidence


_SAME = frozenset({"identical", "same-content"})
_CHANGED = {
    "different": "{path} came out different",
    "missing": "{path} did not come out",
    "unexpected": "{path} came out, but the run had not written it",
}
_CLOSE = "the originals were not hidden from the rerun: it could have read them"


def verdict(evidence: Evidence) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict and why, one sentence each, the weightiest first.

    What hinders a comparison (no rerun, a missing input, an output that cannot be compared, nothing to compare) makes it
    inconclusive; a difference counts before a mere reordering. Differences of the environment never decide: they explain.

    >>> same = OutputEvidence(path="model.skops", state="identical")
    >>> verdict(Evidence(outputs=(same,), metrics={"auc": (0.61, 0.61)}, exit_code=0, exit_code_before=0, isolated="namespace"))
    (<Verdict.IDENTICAL: 'identical'>, ('1 output and 1 metric are the same',))
    """
    hindrances = tuple(_hindrances(evidence))
    differences = tuple(_differences(evidence))
    notes = _notes(evidence, differing=bool(differences))
    if hindrances:
        return Verdict.INCONCLUSIVE, (*hindrances, *differences, *notes)
    if differences:
        return Verdict.DIFFERENT, (*_replacements(evidence), *differences, *notes)
    reordered = tuple(f"{output.path} has the same rows in another order" for output in evidence.outputs if output.state == "reordered")
    same = (*_agreement(evidence), *_unmoved(evidence), *notes)
    return (Verdict.REORDERED, (*reordered, *same)) if reordered else (Verdict.IDENTICAL, same)


def _hindrances(evidence: Evidence) -> Iterator[str]:
    if evidence.exit_code is None:
        yield "the command did not run again"
    elif evidence.exit_code != 0 and evidence.exit_code_before == 0:
        yield f"the rerun failed with exit status {evidence.exit_code}, so its outputs cannot be compared"
    for path in evidence.missing_inputs:
        yield f"the input {path} could not be restored"
    for output in evidence.outputs:
        if output.state == "uncompared":
            yield f"{output.path} could not be compared: {output.detail or 'its bytes were not kept'}"
    if not evidence.outputs and not evidence.metrics:
        yield "the run recorded no outputs and no summary metrics that could be compared"


def _differences(evidence: Evidence) -> Iterator[str]:
    if evidence.exit_code == 0 and evidence.exit_code_before:
        yield f"the rerun succeeded where the run had failed with exit status {evidence.exit_code_before}"
    for output in evidence.outputs:
        if output.state in _CHANGED:
            sentence = _CHANGED[output.state].format(path=output.path)
            yield f"{sentence}: {output.detail}" if output.detail else sentence
    for key, (before, after) in evidence.metrics.items():
        if not _equal(before, after):
            yield f"{key} was {_shown(before)} and is {_shown(after)}"


def _replacements(evidence: Evidence) -> tuple[str, ...]:
    return tuple(f"{replaced} on purpose, so a difference is to be expected" for replaced in evidence.replaced_inputs)


def _unmoved(evidence: Evidence) -> tuple[str, ...]:
    return tuple(f"{replaced} on purpose, and nothing changed by it" for replaced in evidence.replaced_inputs)


def _notes(evidence: Evidence, *, differing: bool) -> tuple[str, ...]:
    told = tuple(f"a possible cause: {difference}" if differing else f"although {difference}" for difference in evidence.environment)
    told += tuple(
        f"{version} lies at a source that keeps no versions: what was read there is gone once it changes" for version in evidence.notice_only
    )
    return (*told, _CLOSE) if evidence.isolated == "none" and evidence.exit_code is not None else told


def _agreement(evidence: Evidence) -> tuple[str, ...]:
    outputs = sum(output.state in _SAME for output in evidence.outputs)
    parts = [_counted(count, noun) for count, noun in ((outputs, "output"), (len(evidence.metrics), "metric")) if count]
    if not parts:
        return ()
    alone = len(parts) == 1 and parts[0].startswith("1 ")
    return (f"{' and '.join(parts)} {'is' if alone else 'are'} the same",)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _equal(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is after
    return before == after or (math.isnan(before) and math.isnan(after))


def _shown(value: float | None) -> str:
    return "not recorded" if value is None else repr(value)
