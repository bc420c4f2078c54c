"""What a reproduction proves."""

from __future__ import annotations

from collections.abc import Mapping
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
            ``reordered`` (same rows in another order), ``different``, ``missing`` or ``unexpected``.
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
        environment: what differs in the environment, one sentence each.
        isolated: how the originals were kept unreadable: ``namespace``, ``audit-hook`` or ``none``.
        exit_code: of the rerun, None where it did not run.
    """

    outputs: tuple[OutputEvidence, ...]
    metrics: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)
    missing_inputs: tuple[str, ...] = ()
    replaced_inputs: tuple[str, ...] = ()
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
