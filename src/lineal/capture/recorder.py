"""What a program holds of its run: every method notes something in this process's journal and gives its argument back."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from lineal.capture.journal import JournalWriter
from lineal.errors import InvalidInput, InvalidState, Unavailable
from lineal.records import journal
from lineal.records.location import Location, is_url, local_path
from lineal.records.model import Signature
from lineal.records.redaction import Redactor, public_url
from lineal.records.values import plain

if TYPE_CHECKING:
    from lineal.capture.queries import Answer

T = TypeVar("T")

_STEP_BITS = 63
_OF_THE_FIRST_RANK = frozenset({journal.PARAMS, journal.SUMMARY, journal.TAGS, journal.NOTE})
"""What a run has once: further ranks, which run the same program, do not say it again."""


class SavedFiles(Protocol):
    """What saving a model gives: `lineal.records.model.SavedModel`."""

    @property
    def path(self) -> Path:
        """The model file."""

    @property
    def format(self) -> str:
        """The serving format's name."""

    @property
    def signature(self) -> Signature:
        """What the model takes and gives."""

    @property
    def example(self) -> Path | None:
        """File with the example rows, or None."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that was written."""


class JournalRecorder:
    """`lineal.workspace.interface.Recorder` over a journal. Thread safe; a forked child goes on recording into the same run.

    Args:
        writer: this process's journal.
        folder: what relative paths are relative to.
        overrides: parameters given with ``lineal run -p``, by name.
        models: folder that recorded models are written below.
        save_model: writes an estimator into a folder.
        locate: the location of an absolute path, for models.
        redactor: takes secrets out of parameters, tags and notes.
        query_keep_bytes: results of queries up to this size are kept.
        finish: called once with the exit code when the run ends in the process that began it; it writes what closes the run.
    """

    def __init__(
        self,
        writer: JournalWriter,
        *,
        folder: Path,
        overrides: Mapping[str, Any],
        models: Path,
        save_model: Callable[[Any, Any, Path], SavedFiles],
        locate: Callable[[bytes], Location],
        finish: Callable[[int], None],
        redactor: Redactor | None = None,
        query_keep_bytes: int = 10_000_000,
    ) -> None:
        self._writer = writer
        self._point = writer.point
        self._folder = folder
        self._overrides = dict(overrides)
        self._unused = set(self._overrides)
        self._models = models
        self._save_model = save_model
        self._locate = locate
        self._finish = finish
        self._redactor = redactor or Redactor()
        self._query_keep_bytes = query_keep_bytes
        self._pid = os.getpid()
        self._ended = False

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._writer.run

    @property
    def journal(self) -> JournalWriter:
        """This process's journal."""
        return self._writer

    @property
    def unused_overrides(self) -> tuple[str, ...]:
        """Names given with ``-p`` that nobody asked for so far."""
        return tuple(sorted(self._unused))

    def param(self, key: str, default: T) -> T:
        """The parameter's value: the override where there is one, as the default's type where that loses nothing; else the default."""
        overridden = key in self._overrides
        value = as_type_of(default, self._overrides[key]) if overridden else default
        self._unused.discard(key)
        self._append(journal.PARAMS, values={key: self._redactor.value(key, value)}, origin="override" if overridden else "recorded")
        return cast("T", value)

    def params(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Records parameters as they are."""
        self._append(journal.PARAMS, values=self._redactor.value("", values), origin="recorded")
        return values

    def log(self, values: Mapping[str, float], step: int | None) -> None:
        """Records one point on each series.

        Raises:
            InvalidInput: kind ``not-a-number``, for a value or step that is none.
            InvalidState: kind ``run-ended``.
        """
        if self._ended:
            raise self._over()
        if step is not None and (type(step) is not int or step.bit_length() > _STEP_BITS):
            step = _whole(step)
        numbers = {}
        try:
            for key, value in values.items():  # a plain loop: a comprehension costs a frame, and this is called for every step of a training
                numbers[key] = value if type(value) is float else float(value)
        except (TypeError, ValueError) as error:
            raise _not_a_number(values) from error
        self._point(numbers, step)

    def summary(self, values: Mapping[str, float], on: str) -> None:
        """Records final figures; ``on`` names the data they are of, such as ``test``. Raises like `log`."""
        try:
            numbers = {key: float(value) for key, value in values.items()}
        except (TypeError, ValueError) as error:
            raise _not_a_number(values) from error
        self._append(journal.SUMMARY, values=numbers, on=on, time=self._writer.now())

    def tag(self, key: str, value: str) -> str:
        """Records a tag."""
        self._append(journal.TAGS, values={str(key): str(self._redactor.value(str(key), str(value)))})
        return value

    def note(self, text: str) -> str:
        """Records a note; the last one stands."""
        self._append(journal.NOTE, text=self._redactor.text(str(text)))
        return text

    def input(self, path: str, role: str) -> str:
        """Declares a file, a folder or a URL that the run reads."""
        self._declare(path, "input", role)
        return path

    def output(self, path: str, role: str) -> str:
        """Declares a file, a folder or a URL that the run writes."""
        self._declare(path, "output", role)
        return path

    def model(self, name: str, estimator: Any, example: Any) -> Any:
        """Writes the estimator in a safe format with its signature, and declares the files as outputs.

        Raises:
            InvalidInput: kind ``bad-name``, if the name cannot name a folder; and what saving raises.
        """
        _check_name(name, "model")
        target = self._models / name
        target.mkdir(parents=True, exist_ok=True)
        saved = self._save_model(estimator, example, target)
        for path in saved.files:
            self._declare(os.fspath(path), "output", "model" if path == saved.path else "example")
        self._append(journal.MODEL, name=name, format=saved.format, signature=dataclasses.asdict(saved.signature), **self._places(saved))
        return estimator

    def query(self, name: str, statement: Any, connection: Any, *, params: Any = None, keep: bool | None = None, role: str = "") -> Any:
        """Asks a database and gives the rows as a pandas data frame; the statement, its parameters and the result's digest are recorded.

        Args:
            keep: whether the result itself is kept; if it is small, unless told.

        Raises:
            InvalidInput: kind ``bad-name``, ``not-a-connection``, ``query-failed`` or ``no-rows``.
            Unavailable: kind ``database-unavailable`` or ``missing-extra``.
        """
        from lineal.capture import queries
        from lineal.records.result_text import column_types

        _check_name(name, "query")
        _pandas()  # before anything is asked
        asked = self._writer.now()
        answer = queries.ask(statement, connection, params)
        path = queries.free_path(self._models.parent / "queries", name)
        largest = {None: self._query_keep_bytes, True: sys.maxsize, False: -1}[keep]
        written = queries.write_result(answer, path, largest=largest)
        if written.kept:
            self._declare(os.fspath(path), "input", role)
        where = self._locate(os.fsencode(path))
        self._append(
            journal.QUERY,
            name=name,
            text=self._redactor.text(answer.text),
            params=plain(self._redactor.value("", _listed(params))),
            source=self._redactor.text(answer.source),
            brand=answer.kind,
            asked=asked,
            took=answer.took,
            rows=len(answer.rows),
            columns=[list(column) for column in column_types(answer.columns, answer.rows)],
            digest=written.digest,
            size=written.size,
            kept=written.kept,
            root=where.root,
            path=where.path,
            role=role,
        )
        return _frame(answer)

    def rows(self, role: str, table: Any, labels: Any = None, *, name: str = "") -> Any:
        """Records which rows a table in memory has, by their hashes, and what they are for; the table itself is not stored.

        Raises:
            InvalidInput: kind ``no-table`` or ``bad-name``.
        """
        from lineal.capture.queries import free_path
        from lineal.capture.row_hashes import row_set
        from lineal.store.digesting import bytes_digest

        _check_name(name or role, "set of rows")
        found = row_set(table, labels)
        data = found.encode()
        path = free_path(self._models.parent / "rows", name or role, ".rows")
        path.write_bytes(data)
        self._declare(os.fspath(path), "input", role)
        where = self._locate(os.fsencode(path))
        self._append(
            journal.ROWS,
            name=name or role,
            role=role,
            rows=found.rows,
            unique=len(found.hashes),
            columns=list(found.columns),
            digest=bytes_digest(data),
            size=len(data),
            labels=found.labels,
            root=where.root,
            path=where.path,
        )
        return table

    def finish(self, exit_code: int) -> None:
        """Ends the run; in a forked child it only ends the child's part. May be called again."""
        if self._ended:
            return
        self._ended = True
        if os.getpid() == self._pid:
            self._finish(exit_code)
        self._writer.close()

    def _places(self, saved: SavedFiles) -> dict[str, Any]:
        where = self._locate(os.fsencode(saved.path))
        example = None if saved.example is None else self._locate(os.fsencode(saved.example))
        return {"root": where.root, "path": where.path, "profile": None, "example": None if example is None else example.path}

    def _declare(self, path: str, direction: str, role: str) -> None:
        kind, fields = declaration(os.fspath(path), direction, role, folder=self._folder, redactor=self._redactor)
        self._append(kind, **fields, **({"time": self._writer.now()} if kind == journal.READ else {}))

    def _append(self, kind: str, **fields: Any) -> None:
        if self._ended:
            raise self._over()
        if self._writer.rank and kind in _OF_THE_FIRST_RANK:
            return
        self._writer.append(kind, **fields)

    def _over(self) -> InvalidState:
        return InvalidState(
            f"run {self.run_id[:8]} has ended; nothing more can be recorded into it",
            kind="run-ended",
            hint="Record before finish(), or continue it with: lineal run --resume",
        )


def _check_name(name: str, what: str) -> None:
    if name in {"", ".", ".."} or name != Path(name).name or "\0" in name:
        raise InvalidInput(f"{name!r} cannot name a {what}", kind="bad-name", hint="Use a name without slashes, such as delay.")


def _listed(params: Any) -> Any:
    return dict(params) if isinstance(params, Mapping) else list(params or ())


def _pandas() -> Any:
    try:
        import pandas as pd
    except ImportError as error:
        raise Unavailable(
            "data frames need pandas, which is not installed", kind="missing-extra", hint="Install it with: pip install pandas"
        ) from error
    return pd


def _frame(answer: Answer) -> Any:
    pd = _pandas()
    rows: list[Any] = answer.rows
    return pd.DataFrame.from_records(rows, columns=list(answer.columns), coerce_float=True)


def declaration(path: str, direction: str, role: str, *, folder: Path, redactor: Redactor) -> tuple[str, dict[str, Any]]:
    """The kind and fields of the entry that declares a path (relative to ``folder``) or a URL; a ``file://`` URL is a path."""
    if is_url(path):
        url = redactor.text(public_url(path))
        return journal.READ, {"direction": direction, "url": url, "role": role, "declared": True, "facts": {}}
    absolute = os.path.normpath(os.path.join(os.fsencode(folder), os.fsencode(local_path(path))))
    return journal.DECLARED, {"path": absolute, "direction": direction, "role": role}


def as_type_of(default: object, value: Any) -> Any:
    """An override as the default's type, where that loses nothing; else as it is.

    >>> as_type_of(0.1, 1), as_type_of(4, 1000.0), as_type_of(True, 0), as_type_of("a", 3), as_type_of(4, 0.5)
    (1.0, 1000, False, '3', 0.5)
    """
    match default:
        case bool():
            return bool(value) if isinstance(value, int | float) and value in {0, 1} else value
        case float():
            return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        case int():
            return int(value) if isinstance(value, float) and value.is_integer() else value
        case str():
            return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
        case tuple():
            return tuple(value) if isinstance(value, list) else value
    return value


def _whole(step: Any) -> int:
    try:
        whole = int(step)
    except (TypeError, ValueError, OverflowError):
        whole = 1 << _STEP_BITS
    if whole != step or whole.bit_length() > _STEP_BITS:
        raise InvalidInput(f"step {step!r} is not a whole number", kind="not-a-number", hint="Steps are whole numbers of up to 63 bits.")
    return whole


def _not_a_number(values: Mapping[str, object]) -> InvalidInput:
    found = ""
    for key, value in values.items():
        try:
            float(cast("float", value))
        except (TypeError, ValueError):
            found = f"metric {key} is {value!r:.80}, not a number"
            break
    return InvalidInput(found, kind="not-a-number", hint="Log numbers; use tag or note for text.")
