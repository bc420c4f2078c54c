"""Recording a run from inside the program that it is."""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

from lineal.interfaces.sdk.session import open_workspace

if TYPE_CHECKING:
    from pandas import DataFrame

    from lineal.workspace.interface import Recorder

T = TypeVar("T")
PathLike = TypeVar("PathLike", str, bytes, "os.PathLike[str]")

_open: list[ActiveRun] = []
_of_callbacks: weakref.WeakSet[ActiveRun] = weakref.WeakSet()
"""Runs that a training framework's callback began: nobody else records into them, as nobody knows when they are over."""


class ActiveRun:
    """A run that is being recorded. Every method is safe to call from any thread and gives its argument back.

    Use it in a ``with`` statement: leaving the block ends the run, as failed where an exception leaves it.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._log = recorder.log
        self._pid = os.getpid()
        self._finished = False
        if not _open:
            atexit.unregister(_finish_open)
            atexit.register(_finish_open)  # last come, first served: before the journals are closed
        _open.append(self)

    @property
    def id(self) -> str:
        """The run's id: 32 hex digits, of which any unique beginning names it."""
        return self._recorder.run_id

    @property
    def finished(self) -> bool:
        """Whether nothing more can be recorded into it from here."""
        return self._finished

    def param(self, key: str, default: T) -> T:
        """Records a parameter and gives its value: ``default``, unless ``lineal run -p key=value`` says otherwise."""
        return self._recorder.param(key, default)

    def params(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Records parameters as they are."""
        return self._recorder.params(values)

    @overload
    def log(self, values: Mapping[str, float], /, *, step: int | None = None) -> Mapping[str, float]: ...
    @overload
    def log(self, /, *, step: int | None = None, **values: float) -> Mapping[str, float]: ...
    def log(self, values: Mapping[str, float] | None = None, /, *, step: int | None = None, **named: float) -> Mapping[str, float]:
        """Records one point on each series, as ``run.log(loss=0.3, step=7)`` or ``run.log({"val/loss": 0.3}, step=7)``."""
        found = named if values is None else {**values, **named} if named else values
        self._log(found, step)
        return found

    def summary(self, values: Mapping[str, float] | None = None, /, *, on: str = "", **named: float) -> Mapping[str, float]:
        """Records final figures; ``on`` names the data they are of."""
        found = {**(values or {}), **named}
        self._recorder.summary(found, on)
        return found

    def input(self, path: PathLike, *, role: str = "") -> PathLike:
        """Declares a file or folder that the run reads."""
        self._recorder.input(os.fsdecode(path), role)
        return path

    def output(self, path: PathLike, *, role: str = "") -> PathLike:
        """Declares a file or folder that the run writes; it is kept as it is when the run ends."""
        self._recorder.output(os.fsdecode(path), role)
        return path

    def model(self, name: str, estimator: T, *, example: Any = None) -> T:
        """Keeps a fitted model in a safe format, with the signature that ``example`` (rows of its input) gives."""
        self._recorder.model(name, estimator, example)
        return estimator

    def query(
        self,
        name: str,
        sql: Any,
        connection: Any,
        *,
        params: Sequence[Any] | Mapping[str, Any] | None = None,
        keep: bool | None = None,
        role: str = "",
    ) -> DataFrame:
        """Asks a database, and gives the rows as a pandas data frame.

        The statement, the parameters, the time, the number of rows and the result's digest are recorded as an input of that name. The result
        itself is kept if it is small, or if ``keep`` says so.

        Args:
            connection: of DB-API 2 (sqlite3, psycopg, duckdb, …), a connection or engine of SQLAlchemy, or a database URL.
        """
        found: DataFrame = self._recorder.query(name, sql, connection, params=params, keep=keep, role=role)
        return found

    def rows(self, role: str, table: T, labels: Any = None, *, name: str = "") -> T:
        """Records which rows a table in memory has and what they are for, such as ``train`` or ``test``; the table itself is not stored.

        The run is warned of rows for a test that are among the rows a model was trained on, in this run or in one that it stands on.

        Args:
            table: a data frame, a table of pyarrow, an array, or a list of rows.
            labels: one for each row; recorded by their digest.
            name: what the rows are called; as the role unless given.
        """
        self._recorder.rows(role, table, labels, name=name)
        return table

    def tag(self, key: str, value: object) -> object:
        """Records a tag."""
        self._recorder.tag(key, str(value))
        return value

    def note(self, text: str) -> str:
        """Records a note for people; the last one stands."""
        return self._recorder.note(text)

    def finish(self, exit_code: int = 0) -> None:
        """Ends the run; anything but 0 is a failure. May be called again."""
        if self._finished or os.getpid() != self._pid:
            return
        self._finished = True
        if self in _open:
            _open.remove(self)
        self._recorder.finish(exit_code)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        self.finish(_exit_code(error) if kind is not None else 0)

    def __repr__(self) -> str:
        return f"<run {self.id[:8]}{' (finished)' if self._finished else ''}>"


def run(
    name: str = "",
    *,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, str] | None = None,
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    experiment: str = "",
) -> ActiveRun:
    """Begins to record a run, for a ``with`` statement. Inside ``lineal run`` it joins that run; inside another block it is a run of its own below it.

    Raises:
        NotFound: kind ``no-project``, if the current folder is in no project.
    """
    from lineal.workspace.interface import RunRequest

    outer = innermost()
    request = RunRequest(
        name=name,
        tags=dict(tags or {}),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        experiment=experiment,
        parent="" if outer is None else outer.id,
    )
    active = ActiveRun(open_workspace().runs.start(request))
    if params:
        active.params(params)
    return active


def start(name: str = "", **options: Any) -> ActiveRun:
    """Begins to record a run that ends with ``finish()``, for notebooks; one left open ends with the process."""
    return run(name, **options)


def innermost() -> ActiveRun | None:
    """The run of the innermost block that is open in this process."""
    mine = os.getpid()
    return next((active for active in reversed(_open) if active._pid == mine and active not in _of_callbacks), None)  # noqa: SLF001 - its own class


def begin_for_callback(name: str) -> ActiveRun:
    """Begins a run for a callback of a training framework, which ends the one that another such callback left open. Raises like `run`."""
    for before in [active for active in _open if active in _of_callbacks]:
        before.finish()
    active = run(name)
    _of_callbacks.add(active)
    return active


def _finish_open() -> None:
    """Ends what is still open when the process does; an exception that ended it is known from what the interpreter printed."""
    failed = getattr(sys, "last_value", None) is not None and not hasattr(sys, "ps1")
    for active in reversed(list(_open)):
        active.finish(1 if failed else 0)


def _exit_code(error: BaseException | None) -> int:
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    return 1
