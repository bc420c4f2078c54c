"""The one thing that interfaces know: a Workspace, and the few nouns on it.

There are two: the local one over the ledger and the store, and later a remote one over HTTP. One contract test runs over both.
References are texts such as ``run:3f2a``, ``data:flights@1``, ``model:delay@champion``, ``deployment:delay``, ``prediction:<uuid>`` or
``path:data/train.csv``; a bare one that fits two things is refused with the candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, TypeVar

if TYPE_CHECKING:
    from lineal.records.branching import Branch, MergeReport
    from lineal.records.comparison import Comparison
    from lineal.records.completion import Completion
    from lineal.records.dataset import Dataset, DatasetStatus, DatasetVersion, TreeEntry, VerifyReport, VersionDiff
    from lineal.records.deletion import DeletionPlan
    from lineal.records.deployment import Deployment, Prediction, TruthReceipt
    from lineal.records.difference import RunDifference
    from lineal.records.digest import Digest
    from lineal.records.experiment import Experiment
    from lineal.records.filter import Filter
    from lineal.records.garbage import Collection
    from lineal.records.graph import Graph, Node
    from lineal.records.library import LoggedModel, NamedModel, NamedVersion
    from lineal.records.model import Model, ModelVersion
    from lineal.records.monitor import MonitorReport
    from lineal.records.mount import Mount
    from lineal.records.remote import Remote, Transfer
    from lineal.records.requested import KeptFile, NamedData, Point, RequestedRun
    from lineal.records.run import Run, RunPage, RunStatus, Series
    from lineal.records.run_table import Pulse, RowPage, RunGroup
    from lineal.records.saved_view import SavedView
    from lineal.records.sending import Sent, Unsent
    from lineal.records.verdict import Reproduction
    from lineal.workspace.health import Finding

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is (0 where unknown), at most a few times a second."""


def silent(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is wanted of a new run.

    Attributes:
        params: overrides from the command line, already typed.
        inputs, outputs: declared paths, relative to ``folder``.
        resume: reference of a run to continue as its next attempt, or empty.
    """

    name: str = ""
    command: Sequence[str] = ()
    folder: Path | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[str] = ()
    outputs: Sequence[str] = ()
    experiment: str = ""
    resume: str = ""
    parent: str = ""


class Recorder(Protocol):
    """Writes one run's journal. Every method returns its argument or value, never blocks on the ledger, and is thread safe."""

    @property
    def run_id(self) -> str:
        """The run's id."""

    def param(self, key: str, default: T) -> T: ...
    def params(self, values: Mapping[str, Any]) -> Mapping[str, Any]: ...
    def log(self, values: Mapping[str, float], step: int | None) -> None: ...
    def summary(self, values: Mapping[str, float], on: str) -> None: ...
    def tag(self, key: str, value: str) -> str: ...
    def note(self, text: str) -> str: ...
    def input(self, path: str, role: str) -> str: ...
    def output(self, path: str, role: str) -> str: ...
    def model(self, name: str, estimator: Any, example: Any) -> Any: ...
    def query(self, name: str, statement: Any, connection: Any, *, params: Any = None, keep: bool | None = None, role: str = "") -> Any: ...
    def rows(self, role: str, table: Any, labels: Any = None, *, name: str = "") -> Any: ...
    def finish(self, exit_code: int) -> None: ...


class Runs(Protocol):
    """Executions, recorded."""

    def start(self, request: RunRequest) -> Recorder: ...
    def execute(self, request: RunRequest) -> Run:
        """Runs ``request.command`` as a child, streams its output through to stdout and stderr, and records everything."""

    def get(self, reference: str) -> Run: ...
    def search(self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0) -> RunPage: ...
    def series(
        self, reference: str, key: str, *, points: int | None = None, start: int | None = None, stop: int | None = None, rank: int | None = None
    ) -> tuple[Series, ...]:
        """One series per rank, or of one; decimated to about ``points`` where given, and cut to the steps from ``start`` to ``stop``."""

    def log(self, reference: str) -> Iterator[bytes]:
        """The run's output in pieces, as far as it is written; secrets are already taken out."""

    def follow(self, reference: str) -> Iterator[bytes]:
        """Like `log`, but goes on until the run ends."""

    def artifact(self, reference: str, path: str) -> BinaryIO: ...
    def diff(self, reference: str) -> str:
        """The uncommitted diff that was recorded with the code, redacted."""

    def stop(self, reference: str) -> Run: ...
    def compare(self, references: Sequence[str]) -> Comparison: ...
    def difference(self, before: str, after: str, *, log: bool = True) -> RunDifference:
        """All that differs between two runs, code and logs line by line; bounded, and what is left out is said."""

    def mark_mistake(self, reference: str, reason: str) -> Run:
        """Hides the run behind a label; an empty reason takes the mark off."""

    def annotate(self, reference: str, *, note: str | None = None, tags: Mapping[str, str] | None = None) -> Run: ...
    def reproduce(self, reference: str, *, data: Mapping[str, str] | None = None, progress: Progress = silent) -> Reproduction:
        """Reruns in a fresh checkout. ``data`` maps dataset names to versions that stand in for the recorded ones."""

    def ingest(self) -> int:
        """Brings every pending journal into the ledger, settles dead runs, and says how many runs changed. Cheap when there is nothing."""


class RunTable(Protocol):
    """Many runs at once, of each only what a table shows."""

    def rows(
        self, *, where: str = "", order: str = "", limit: int = 100, offset: int = 0, after: str = "", columns: Sequence[str] | None = None
    ) -> RowPage:
        """A page of rows, ``offset`` behind the beginning or behind the cursor ``after``; nothing is counted.

        ``columns`` are names such as ``metrics.auc``: only these parameters and metrics; every one where it is None.
        """

    def count(self, *, where: str = "") -> int: ...
    def groups(self, by: str, *, where: str = "", metrics: Sequence[str] = ()) -> Sequence[RunGroup]:
        """The runs that match by a parameter, tag, attribute or ``dataset``, the largest group first, with the spread of metrics in each."""

    def complete(self, text: str) -> Sequence[Completion]:
        """What could come next at the end of a filter: names, operators, values."""

    def keys(self) -> Mapping[str, Sequence[str]]:
        """Names of all metrics, parameters and tags of the project, by section."""

    def pulse(self, after: int | None = None) -> Pulse:
        """How far the runs are, and which of them people changed behind the event ``after``. Cheap."""


class Views(Protocol):
    """What the page of runs shows, kept under names. ``others`` lets somebody change what another saved."""

    def list(self) -> Sequence[SavedView]: ...
    def get(self, name: str) -> SavedView: ...
    def save(self, name: str, query: str, *, others: bool = False) -> SavedView: ...
    def rename(self, name: str, new: str, *, others: bool = False) -> SavedView: ...
    def delete(self, name: str, *, others: bool = False) -> SavedView: ...


class RangeReader(Protocol):
    """An open file that is read range by range. Not thread safe."""

    def read_at(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` up to ``stop`` or the end."""

    def close(self) -> None: ...


class VersionView(Protocol):
    """A version of a dataset, looked at like a file system that nobody can write to. Thread safe.

    Paths are bytes relative to the dataset's folder, ``b""`` is that folder. What is not read is not fetched.
    """

    @property
    def version(self) -> DatasetVersion: ...
    @property
    def single(self) -> TreeEntry | None:
        """The only file of a dataset that is one file; None of a folder's."""

    def address(self, path: bytes) -> str:
        """``lineal://NAME@NUMBER/path``."""

    def entry(self, path: bytes) -> TreeEntry | None:
        """What lies at a path, links not followed."""

    def follow(self, path: bytes) -> TreeEntry | None:
        """What a path leads to, through links as far as they stay inside the version."""

    def children(self, folder: bytes, *, after: bytes = b"") -> Iterator[TreeEntry]:
        """What lies directly in a folder; what its subfolders hold is not looked at."""

    def entries(self, folder: bytes) -> Iterator[TreeEntry]:
        """Everything below a folder in the order of the paths; folders only where they are empty."""

    def note(self, entry: TreeEntry) -> None:
        """Ties the run that this process is part of, if any, to the version: it reads that file."""

    def target(self, link: TreeEntry) -> bytes: ...
    def open(self, entry: TreeEntry) -> BinaryIO: ...
    def reader(self, entry: TreeEntry) -> RangeReader: ...
    def read(self, entry: TreeEntry, start: int, stop: int) -> bytes: ...
    def totals(self) -> tuple[int, int]:
        """How many entries there are, and how many bytes their contents have."""


class Datasets(Protocol):
    """Data, versioned."""

    def add(
        self,
        path: Path,
        *,
        name: str = "",
        branch: str = "",
        message: str = "",
        md5: bool = False,
        source: str = "",
        progress: Progress = silent,
    ) -> DatasetVersion: ...
    def track(
        self, source: str, *, name: str = "", branch: str = "", message: str = "", md5: bool = False, progress: Progress = silent
    ) -> DatasetVersion:
        """A fixed point of what lies at a URL or in a folder: what is known of every file, and none of their bytes."""

    def list(self) -> Sequence[Dataset]: ...
    def versions(self, name: str) -> Sequence[DatasetVersion]: ...
    def get(self, reference: str) -> DatasetVersion: ...
    def entries(self, reference: str, *, prefix: str = "", limit: int = 1000, after: str = "") -> Sequence[TreeEntry]: ...
    def open(self, reference: str, path: str) -> BinaryIO: ...
    def view(self, reference: str) -> VersionView:
        """A version to read where it lies; a name alone is its latest version as it is now."""

    def mount(self, reference: str, folder: Path) -> Mount:
        """Makes a version a read-only folder, until it is unmounted or the machine goes down."""

    def serve(self, reference: str, folder: Path) -> None:
        """The same for as long as this call lasts: it comes back when the folder was unmounted or Ctrl-C was pressed."""

    def unmount(self, folder: Path, *, force: bool = False) -> Mount | None: ...
    def mounts(self) -> Sequence[Mount]:
        """What is mounted, and once what was lost: its process died, and what it left was cleaned up."""

    def status(self, name: str = "") -> Sequence[DatasetStatus]: ...
    def diff(self, before: str, after: str) -> VersionDiff: ...
    def checkout(self, reference: str, target: Path | None = None, *, progress: Progress = silent) -> int: ...
    def verify(self, reference: str = "", *, progress: Progress = silent) -> Sequence[VerifyReport]: ...
    def verify_sample(self, reference: str = "", *, share: float, seed: int, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Rereads a share (0 to 1) of the contents that the seed chooses at random; the report says how sure that makes one."""

    def preview_collection(self, *, grace: float | None = None, progress: Progress = silent) -> Collection:
        """What `collect` would free and keep; changes nothing."""

    def collect(self, *, grace: float | None = None, progress: Progress = silent) -> Collection:
        """Frees what nobody needs any more, in two steps with ``grace`` seconds between them; the setting ``gc.grace`` where None."""


class Branches(Protocol):
    """Lines of a dataset's versions: made, merged, and taken back. No version is ever lost."""

    def list(self, name: str) -> Sequence[Branch]: ...
    def create(self, name: str, branch: str, *, at: str = "") -> Branch: ...
    def delete(self, name: str, branch: str, *, unmerged: bool = False) -> Sequence[DatasetVersion]:
        """Takes a branch away; returns the versions that are on no other one, which stay in the log."""

    def plan_merge(self, name: str, source: str, *, into: str = "", keep: str = "both") -> MergeReport: ...
    def merge(self, name: str, source: str, *, into: str = "", keep: str = "both", message: str = "", progress: Progress = silent) -> MergeReport: ...
    def plan_revert(self, reference: str, *, branch: str = "") -> MergeReport: ...
    def revert(self, reference: str, *, branch: str = "", message: str = "", progress: Progress = silent) -> MergeReport:
        """Makes a new version that is what an earlier one was."""

    def plan_undo(self, reference: str, *, branch: str = "", keep: str = "both") -> MergeReport: ...
    def undo(self, reference: str, *, branch: str = "", keep: str = "both", message: str = "", progress: Progress = silent) -> MergeReport:
        """Makes a new version without what one version changed."""


class Remotes(Protocol):
    """Stores elsewhere that datasets go to and come from."""

    def list(self) -> Sequence[Remote]: ...
    def add(self, name: str, url: str) -> Remote: ...
    def remove(self, name: str) -> Remote: ...
    def push(self, names: Sequence[str] = (), *, remote: str = "", only: Sequence[str] | None = None, progress: Progress = silent) -> Transfer:
        """Brings datasets there. ``only`` are prefixes of paths; where given, contents below them travel and nothing else changes there."""

    def pull(self, names: Sequence[str] = (), *, remote: str = "", only: Sequence[str] | None = None, progress: Progress = silent) -> Transfer:
        """Brings datasets here. ``only`` are prefixes of paths; contents that are not below them are read from there when they are wanted."""


class Lineage(Protocol):
    """Where things came from, what came of them, and what may go."""

    def graph(self, reference: str, *, down: bool = False, both: bool = False, depth: int | None = None, limit: int = 5000) -> Graph: ...
    def project(self, *, limit: int = 2000) -> Graph:
        """The newest part of the whole project's graph."""

    def trace(self, prediction: str) -> Sequence[Node]:
        """From a prediction back: deployment, model version, run, datasets, sources, in that order, each with its facts."""

    def plan_deletion(self, reference: str) -> DeletionPlan: ...
    def delete(self, reference: str, plan: str) -> DeletionPlan:
        """Carries a plan out. Raises PermissionDenied kind ``protected`` with the path, Conflict kind ``stale-plan`` if anything changed."""

    def undelete(self, reference: str) -> Sequence[Node]: ...


class Models(Protocol):
    """The model library."""

    def register(self, run: str, *, name: str, path: str = "", note: str = "") -> ModelVersion: ...
    def list(self) -> Sequence[Model]: ...
    def get(self, reference: str) -> ModelVersion: ...
    def set_alias(self, reference: str, alias: str) -> ModelVersion:
        """Points the alias at that version, wherever it pointed before."""

    def remove_alias(self, name: str, alias: str) -> None: ...
    def export(self, reference: str, folder: Path) -> Path:
        """Writes the model's bundle (manifest, model, reference profile) into ``folder``."""


class Deployments(Protocol):
    """Models in production."""

    def deploy(
        self,
        model: str,
        *,
        name: str = "",
        port: int = 0,
        trial: bool = False,
        skip_drift: Sequence[str] = (),
        progress: Progress = silent,
    ) -> Deployment:
        """Serves a model version (or, for a trial, a run's model). A running deployment of that name is replaced once the new one answers."""

    def list(self, *, stopped: bool = False) -> Sequence[Deployment]: ...
    def get(self, reference: str) -> Deployment: ...
    def undeploy(self, name: str) -> Deployment: ...
    def predictions(
        self, name: str, *, limit: int = 50, before: str = "", start: int | None = None, end: int | None = None, wrong: bool = False
    ) -> Sequence[Prediction]:
        """Captured predictions, newest first; ``wrong`` keeps those whose truth differs from the answer."""

    def prediction(self, identifier: str) -> Prediction: ...
    def log(self, name: str) -> str: ...


class Monitors(Protocol):
    """Watching what is deployed."""

    def report(self, name: str, *, every: str = "month", start: int | None = None, end: int | None = None) -> MonitorReport: ...
    def add_truth(self, name: str, table: Path) -> TruthReceipt: ...


class Audit(Protocol):
    """Who did what, and whether what is stored is sound."""

    def events(self, *, subject: str = "", limit: int = 200, before: int | None = None) -> Sequence[Mapping[str, Any]]: ...
    def check(self, *, progress: Progress = silent) -> Sequence[VerifyReport]:
        """Everything `lineal fsck` looks at: store, ledger, journals, captured predictions."""

    def rebuild(self, *, progress: Progress = silent) -> Sequence[str]:
        """Makes the ledger's projections of the store anew; says what was added."""

    def repair(self, *, progress: Progress = silent) -> Sequence[str]:
        """Mends what can be mended of the store; says what was done. Checking afterwards says what is still damaged."""


class Outbox(Protocol):
    """What a folder that works in a server's project has recorded and not sent."""

    def send(self, *, progress: Progress = silent) -> Sent: ...
    def unsent(self) -> Sequence[Unsent]: ...
    def examine(self) -> Sequence[Finding]: ...


class Intake(Protocol):
    """Journals that runs on other machines write, taken in piece by piece."""

    def sizes(self, run: str) -> Mapping[str, int]: ...
    def append(self, run: str, name: str, *, offset: int, data: bytes) -> int: ...


class Shelf(Protocol):
    """The files of a project's store, for whoever reaches them through a server."""

    def create(self, key: str, data: bytes) -> int: ...
    def read(self, key: str, offset: int, length: int | None) -> bytes: ...
    def facts(self, key: str) -> tuple[bool, int | None, float | None]: ...
    def list(self, prefix: str) -> Sequence[str]: ...
    def delete(self, keys: Sequence[str]) -> None: ...
    def fetch(self, key: str) -> bytes | None: ...
    def swap(self, key: str, new: bytes | None, *, expected: bytes | None) -> bool: ...
    def publish(self, packs: Mapping[str, bool]) -> bytes:
        """Makes packs that were created known, by name and whether each has commits and tree nodes only; returns the index's head."""


class Workspace(Protocol):
    """A project's records, wherever they live."""

    @property
    def project(self) -> str:
        """The project's name."""

    @property
    def project_id(self) -> str:
        """The project's id: 32 hex digits, the same wherever it is worked with."""

    @property
    def root(self) -> Path: ...
    @property
    def runs(self) -> Runs: ...
    @property
    def table(self) -> RunTable: ...
    @property
    def views(self) -> Views: ...
    @property
    def datasets(self) -> Datasets: ...
    @property
    def branches(self) -> Branches: ...
    @property
    def remotes(self) -> Remotes: ...
    @property
    def lineage(self) -> Lineage: ...
    @property
    def models(self) -> Models: ...
    @property
    def deployments(self) -> Deployments: ...
    @property
    def monitors(self) -> Monitors: ...
    @property
    def audit(self) -> Audit: ...
    def resolve(self, reference: str, *, kinds: Sequence[str] = ()) -> Node:
        """The one thing a reference names. Raises NotFound kind ``unknown-reference`` or Conflict kind ``ambiguous-reference`` with candidates."""

    def close(self) -> None: ...


class Experiments(Protocol):
    """Headings that runs stand under, as MLflow has them."""

    def list(self) -> Sequence[Experiment]: ...
    def get(self, identifier: int) -> Experiment: ...
    def named(self, name: str) -> Experiment | None: ...
    def create(self, name: str, *, tags: Mapping[str, str] | None = None) -> Experiment: ...
    def rename(self, identifier: int, name: str) -> Experiment: ...
    def delete(self, identifier: int) -> Experiment: ...
    def restore(self, identifier: int) -> Experiment: ...
    def set_tags(self, identifier: int, tags: Mapping[str, str | None]) -> Experiment: ...


class Requested(Protocol):
    """Runs that are recorded by requests: what is acknowledged is durable."""

    def begin(self, *, name: str, experiment: str, author: str, started_at: int, tags: Mapping[str, str], parent: str = "") -> RequestedRun: ...
    def get(self, identifier: str) -> RequestedRun: ...
    def load(self, identifier: str) -> Run: ...
    def search(self, *, where: Filter | None, order: str, limit: int, offset: int, life: str, experiments: Sequence[str]) -> RunPage: ...
    def now(self) -> int: ...
    def log(
        self,
        identifier: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        used: Sequence[NamedData] = (),
    ) -> None: ...
    def end(self, identifier: str, *, status: RunStatus, ended_at: int) -> RequestedRun: ...
    def stop(self, identifier: str) -> None: ...
    def go_on(self, identifier: str) -> RequestedRun: ...
    def rename(self, identifier: str, name: str) -> RequestedRun: ...
    def keep_file(self, identifier: str, path: str, source: Path) -> KeptFile: ...
    def files(self, identifier: str) -> Mapping[str, KeptFile]: ...
    def open_file(self, digest: Digest) -> BinaryIO: ...
    def scratch(self) -> Path:
        """A folder for what is being received."""


class Uploads(Protocol):
    """Files that arrive in parts. Whoever began an upload goes on with it, and nobody else knows of it."""

    def begin(self, run: str, path: str, parts: int, *, owner: str) -> str: ...
    def scratch(self, identifier: str, number: int, *, owner: str) -> Path:
        """A folder in which a part may be received."""

    def keep(self, identifier: str, number: int, received: Path, digest: str) -> None: ...
    def complete(self, identifier: str, digests: Mapping[int, str], *, owner: str) -> None: ...
    def abort(self, identifier: str, *, owner: str) -> None: ...


class Library(Protocol):
    """Models as MLflow's clients keep them: logged, and named."""

    def log(self, *, name: str, experiment: int, label: str, run: str, author: str, body: Mapping[str, Any]) -> LoggedModel: ...
    def logged(self, identifier: str) -> LoggedModel: ...
    def change_logged(
        self,
        identifier: str,
        *,
        status: str = "",
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str | None] | None = None,
        metrics: Sequence[Mapping[str, Any]] = (),
    ) -> LoggedModel: ...
    def delete_logged(self, identifier: str) -> None: ...
    def all_logged(self, experiments: Sequence[int]) -> Sequence[LoggedModel]: ...
    def models(self) -> Sequence[NamedModel]: ...
    def model(self, name: str) -> NamedModel: ...
    def create(self, name: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> NamedModel: ...
    def change(
        self, name: str, number: int = 0, *, description: str | None = None, tags: Mapping[str, str | None] | None = None, stage: str = ""
    ) -> None: ...
    def rename(self, name: str, new: str) -> NamedModel: ...
    def delete(self, name: str) -> None: ...
    def versions(self, name: str = "") -> Sequence[NamedVersion]: ...
    def version(self, name: str, number: int) -> NamedVersion: ...
    def register(
        self, name: str, *, source: str, run: str, model: str, description: str, tags: Mapping[str, str], author: str, run_link: str
    ) -> NamedVersion: ...
    def delete_version(self, name: str, number: int) -> None: ...
    def set_alias(self, name: str, alias: str, number: int) -> None: ...
    def remove_alias(self, name: str, alias: str) -> None: ...


class ServedWorkspace(Workspace, Protocol):
    """A workspace that a server has: with what only its doors need."""

    @property
    def library(self) -> Library: ...
    @property
    def experiments(self) -> Experiments: ...
    @property
    def requested(self) -> Requested: ...
    @property
    def uploads(self) -> Uploads: ...
    @property
    def intake(self) -> Intake: ...
    @property
    def shelf(self) -> Shelf: ...
