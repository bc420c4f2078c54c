"""Finding runs again, and getting at whatever a reference names; each with a table where one makes sense."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, TypeVar, overload

from lineal.errors import InvalidInput
from lineal.interfaces.sdk.session import open_workspace
from lineal.records.dataset import DatasetVersion
from lineal.records.deployment import Deployment
from lineal.records.model import ModelVersion
from lineal.records.run import Run

if TYPE_CHECKING:
    import pandas as pd

    from lineal.records.difference import RunDifference
    from lineal.workspace.interface import Workspace

Record = TypeVar("Record")


class Found(Generic[Record]):
    """A record with what can be done with it. The record's own fields are attributes."""

    def __init__(self, record: Record, workspace: Workspace) -> None:
        self.record = record
        self._workspace = workspace

    def __getattr__(self, name: str) -> Any:
        return getattr(self.record, name)

    def __repr__(self) -> str:
        return f"<{self._title()}>"

    def _title(self) -> str:
        """What it is, in a few words: a notebook shows this; every field is in ``record``."""
        return repr(self.record)


class FoundRun(Found[Run]):
    """A run. ``params`` maps names to values, ``metrics`` to last values; the details are in ``record``."""

    def _title(self) -> str:
        return f"run {self.record.id[:8]} {self.record.name}, {self.record.status.value}"

    @property
    def params(self) -> dict[str, Any]:
        """Values by name."""
        return {key: param.value for key, param in self.record.params.items()}

    @property
    def metrics(self) -> dict[str, float]:
        """Last values by name."""
        return {key: metric.last for key, metric in self.record.metrics.items()}

    def difference(self, other: FoundRun | str, *, log: bool = True) -> RunDifference:
        """All that differs between another run and this one: parameters, metrics, packages, inputs, code and log, line by line."""
        before = other if isinstance(other, str) else f"run:{other.record.id}"
        return self._workspace.runs.difference(before, f"run:{self.record.id}", log=log)

    def artifact(self, path: str) -> BinaryIO:
        """A file of the run, as it was then."""
        return self._workspace.runs.artifact(self.record.id, path)

    def log(self) -> str:
        """The run's output."""
        return b"".join(self._workspace.runs.log(self.record.id)).decode("utf-8", "replace")

    def to_pandas(self, *keys: str) -> pd.DataFrame:
        """Every point of the metrics named (all unless given): columns ``key rank step value time``."""
        import pandas as pd

        rows = [
            pd.DataFrame({"key": series.key, "rank": series.rank, "step": series.steps, "value": list(series.values), "time": series.times})
            for key in (keys or self.record.metrics)
            for series in self._workspace.runs.series(self.record.id, key)
        ]
        columns = ["key", "rank", "step", "value", "time"]
        table = pd.concat([row for row in rows if len(row)], ignore_index=True) if any(len(row) for row in rows) else pd.DataFrame(columns=columns)
        table["time"] = pd.to_datetime(table["time"], unit="us", utc=True)
        return table


class FoundDataset(Found[DatasetVersion]):
    """A version of a dataset."""

    def _title(self) -> str:
        return f"dataset {self.record.reference}, {self.record.files} file{'' if self.record.files == 1 else 's'}"

    def paths(self, prefix: str = "") -> list[str]:
        """The paths in it."""
        import os

        found: list[str] = []
        after = ""
        while entries := self._workspace.datasets.entries(self.record.reference, prefix=prefix, after=after):
            found.extend(os.fsdecode(entry.path) for entry in entries)
            after = found[-1]
        return found

    def open(self, path: str = "") -> BinaryIO:
        """One file of it, read without a checkout."""
        return self._workspace.datasets.open(self.record.reference, path or self._only_path())

    def to_pandas(self, path: str = "", **options: Any) -> pd.DataFrame:
        """A table in it (CSV, TSV, Parquet, JSON lines or Feather); ``path`` may be left out where there is one file only."""
        return _read_table(self, path or self._only_path(), options)

    def _only_path(self) -> str:
        if self.record.single_file:
            return ""
        paths = self.paths()
        if len(paths) != 1:
            raise InvalidInput(
                f"{self.record.reference} holds {len(paths)} files", kind="which-file", hint=f"Name one, such as {paths[0] if paths else 'a.csv'}."
            )
        return paths[0]


class FoundModel(Found[ModelVersion]):
    """A version of a model."""

    def _title(self) -> str:
        return f"model {self.record.reference}, {self.record.format}"

    def export(self, folder: str) -> str:
        """Writes the model with its manifest into a folder."""
        from pathlib import Path

        return str(self._workspace.models.export(self.record.reference, Path(folder)))


class FoundDeployment(Found[Deployment]):
    """A deployment."""

    def _title(self) -> str:
        return f"deployment {self.record.name} of {self.record.model}, {self.record.status.value}"

    def to_pandas(self, *, limit: int = 1000) -> pd.DataFrame:
        """The newest captured predictions, one row each: ``id model event_at recorded_at output score truth`` and the features."""
        import pandas as pd

        rows = [
            {
                "id": prediction.id,
                "model": prediction.model,
                "event_at": prediction.event_at,
                "recorded_at": prediction.recorded_at,
                **{f"input.{key}": value for key, value in prediction.inputs.items()},
                "output": prediction.output,
                "score": prediction.score,
                "truth": prediction.truth,
            }
            for prediction in self._workspace.deployments.predictions(self.record.name, limit=limit)
        ]
        table = pd.DataFrame(rows)
        for column in ("event_at", "recorded_at"):
            if column in table:
                table[column] = pd.to_datetime(table[column], unit="us", utc=True)
        return table


class RunList(Sequence[FoundRun]):
    """Runs that were found, in the order asked for; ``total`` says how many match in all."""

    def __init__(self, found: Sequence[FoundRun], *, total: int) -> None:
        self._runs = list(found)
        self.total = total

    @overload
    def __getitem__(self, place: int) -> FoundRun: ...
    @overload
    def __getitem__(self, place: slice) -> RunList: ...
    def __getitem__(self, place: int | slice) -> FoundRun | RunList:
        if isinstance(place, slice):
            return RunList(self._runs[place], total=self.total)
        return self._runs[place]

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[FoundRun]:
        return iter(self._runs)

    def __repr__(self) -> str:
        return f"<{len(self)} of {self.total} runs>"

    def to_pandas(self) -> pd.DataFrame:
        """One row per run: its facts, then ``params.…``, ``metrics.…`` and ``tags.…``."""
        import pandas as pd

        table = pd.DataFrame([_row(run) for run in self._runs])
        for column in ("started_at", "ended_at"):
            if column in table:
                table[column] = pd.to_datetime(table[column], unit="us", utc=True)
        return table


def runs(*, where: str = "", order: str = "", limit: int = 1000) -> RunList:
    """The runs that match a filter such as ``metrics.auc > 0.6 and params.depth = 4``, newest first unless ``order`` says otherwise."""
    workspace = open_workspace()
    workspace.runs.ingest()
    page = workspace.runs.search(where=where, order=order, limit=limit)
    return RunList([FoundRun(run, workspace) for run in page.runs], total=page.total)


def get(reference: str) -> FoundRun | FoundDataset | FoundModel | FoundDeployment:
    """What a reference names: a run, a version of a dataset or model, or a deployment.

    Raises:
        NotFound: kind ``unknown-reference``.
        Conflict: kind ``ambiguous-reference``, with the candidates.
        InvalidInput: kind ``wrong-kind``, for a reference to anything else.
    """
    workspace = open_workspace()
    workspace.runs.ingest()
    node = workspace.resolve(reference)
    match node.kind:
        case "run":
            return FoundRun(workspace.runs.get(f"run:{node.id}"), workspace)
        case "dataset":
            return FoundDataset(workspace.datasets.get(node.reference or reference), workspace)
        case "model" if node.detail.get("number") or node.reference.startswith("model:"):
            return FoundModel(workspace.models.get(node.reference or reference), workspace)
        case "deployment":
            return FoundDeployment(workspace.deployments.get(node.reference or reference), workspace)
    raise InvalidInput(f"{reference} is a {node.kind}", kind="wrong-kind", hint="Name a run, a dataset, a model or a deployment.")


def _row(run: FoundRun) -> dict[str, Any]:
    record = run.record
    facts = {key: getattr(record, key) for key in ("id", "name", "number", "status", "started_at", "ended_at", "exit_code", "mistake")}
    facts["status"] = str(record.status)
    for section, values in (("params", run.params), ("metrics", run.metrics), ("tags", record.tags)):
        facts.update({f"{section}.{key}": value for key, value in values.items()})
    return facts


def _read_table(version: FoundDataset, path: str, options: dict[str, Any]) -> pd.DataFrame:
    import pandas as pd

    name = (path or version.record.path).lower()
    with version.open(path) as content:
        if name.endswith((".parquet", ".pq")):
            return pd.read_parquet(content, **options)
        if name.endswith((".feather", ".arrow")):
            return pd.read_feather(content, **options)
        if name.endswith((".jsonl", ".ndjson")):
            lines: pd.DataFrame = pd.read_json(content, lines=True, **options)
            return lines
        if name.endswith((".csv", ".tsv", ".csv.gz", ".tsv.gz")):
            defaults = {"sep": "\t"} if ".tsv" in name else {}
            if name.endswith(".gz"):
                defaults["compression"] = "gzip"
            table: pd.DataFrame = pd.read_csv(content, **{**defaults, **options})
            return table
    raise InvalidInput(f"{name} is no table that can be read", kind="not-a-table", hint="Read its bytes with open(), or name a CSV or Parquet file.")
