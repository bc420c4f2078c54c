"""A run: one recorded execution, with everything that went in and came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lineal.records.digest import Digest


class RunStatus(StrEnum):
    """Where a run is in its life. ``crashed`` needs proof: its process is gone and nobody said goodbye."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    CRASHED = "crashed"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self is not RunStatus.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """A parameter: the value with its type, and how it became known.

    Attributes:
        origin: ``recorded`` (the code said so), ``override`` (``-p`` on the command line) or ``argument`` (read from argv).
    """

    value: Any
    origin: str = "recorded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What is known of a series without reading it. A summary is a series of one point with ``step`` None."""

    last: float
    minimum: float
    maximum: float
    points: int
    last_step: int | None = None
    best_step: int | None = None
    on: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUse:
    """A file or folder that a run read or wrote, as it was then.

    Attributes:
        path: for people, relative to the project where it lies in it.
        path_b64: the exact bytes in base64, only where they are not UTF-8.
        root: ``project``, ``home``, ``absolute``, ``url``, or ``run`` for what the run keeps of its own accord, such as recorded models.
        digest: content id, or None while it is being digested or where it could not be (``note`` says why).
        size: bytes.
        role: such as ``train``, ``test``, ``model``, or empty.
        role_origin: ``declared`` or ``guessed``.
        declared: whether the user named it, in code or with ``-i``/``-o``.
        restorable: whether its bytes can be had again from the store or a dataset.
        dataset: the dataset version it lies in, such as ``flights@1``, or empty.
        occurrence: the id of its node in the graph.
        through: the folder of the mounted version that it was read through, or empty.
        facts: what else is known of it: of a URL what its source said, of a query ``query``, of rows ``rows``.
    """

    path: str
    digest: Digest | None
    size: int
    root: str = "project"
    path_b64: str = ""
    role: str = ""
    role_origin: str = "declared"
    declared: bool = False
    restorable: bool = True
    dataset: str = ""
    occurrence: str = ""
    note: str = ""
    through: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The version of the code: git's commit and what differed from it.

    Attributes:
        commit: full hex id, or empty outside a git repository.
        branch: short name, or empty when detached.
        remote: URL of the remote, credentials removed.
        dirty: whether tracked files differed or untracked scripts were used.
        diff: content id of the redacted uncommitted diff in the store, or None.
        files: content ids of the code files that the run executed, by project path.
        path: the project's folder inside the repository.
    """

    commit: str = ""
    branch: str = ""
    remote: str = ""
    dirty: bool = False
    diff: Digest | None = None
    files: Mapping[str, Digest] = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What the run ran on. Its content id names it: equal environments are one.

    Attributes:
        packages: version by distribution name.
        variables: environment variables, by allow-list only.
        memory_bytes: physical memory.
        gpus: names with memory, as the driver gives them.
    """

    digest: Digest | None = None
    interpreter: str = ""
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    machine: str = ""
    cpu: str = ""
    cpu_count: int = 0
    memory_bytes: int = 0
    gpus: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """How complete the record is.

    Attributes:
        tracers: what watched, such as ``("python",)``.
        grade: ``complete`` (nothing known to be unseen), ``partial`` or ``declared-only``.
        unseen: what could not be seen, one sentence each.
        undeclared: outputs that were written although the run declared its outputs.
        changed: inputs that changed while the run was reading them.
        lost_points: metric points dropped because a buffer or disk was full.
        pending: files not digested yet.
    """

    tracers: tuple[str, ...] = ()
    grade: str = "declared-only"
    unseen: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    lost_points: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One recorded execution.

    Attributes:
        id: 32 lowercase hex digits.
        number: counts up within the project, for people.
        started_at, ended_at: microseconds UTC.
        exit_code: the command's own, 128+n for signal n, None while running or unknown.
        cpu_seconds: user and system time of the process and its children.
        peak_memory_bytes: largest resident set of any one process.
        mistake: why it was marked as a mistake, or empty.
        warnings: what the user should know of this run, one sentence each.
        attempt: 1, or more where a run was resumed.
    """

    id: str
    name: str
    status: RunStatus
    number: int = 0
    project: str = ""
    experiment: str = ""
    command: tuple[str, ...] = ()
    folder: str = ""
    author: str = ""
    host: str = ""
    started_at: int = 0
    ended_at: int | None = None
    exit_code: int | None = None
    params: Mapping[str, Param] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[FileUse, ...] = ()
    outputs: tuple[FileUse, ...] = ()
    code: Code = field(default_factory=Code)
    environment: Environment = field(default_factory=Environment)
    capture: Capture = field(default_factory=Capture)
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    mistake: str = ""
    note: str = ""
    warnings: tuple[str, ...] = ()
    log: Digest | None = None
    attempt: int = 1
    parent: str = ""
    deleted_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """A page of a search: the runs, and how many match in all."""

    runs: tuple[Run, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The points of one metric, in step order; decimated to minimum and maximum per bucket when ``decimated``.

    Attributes:
        steps, values, times: equal lengths; ``times`` are microseconds UTC.
        total: points stored, in the range of steps that was asked for.
        rank: of the process that logged them, in distributed training.
        ranks: how many ranks logged this metric.
    """

    key: str
    steps: tuple[int, ...]
    values: tuple[float, ...]
    times: tuple[int, ...]
    total: int
    decimated: bool = False
    rank: int = 0
    ranks: int = 1
