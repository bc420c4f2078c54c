"""Libraries that open files outside Python's sight: their functions are wrapped when they are imported, to tell which paths they are given.

Like the hook it stands alone and never raises into the program. A library that is not imported costs nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Tell = Callable[[bytes, str], None]

MARK = "_watched_by_" + __name__.replace(".", "_")
"""On what is wrapped already. Each copy of this module has its own: a block of its own under ``lineal run`` is told of the same calls."""

BY_ARGUMENT = "mode"
"""In place of ``r`` or ``w``: the call's own argument ``mode`` says it; reading where it is left out."""

WRAPPED: dict[str, tuple[tuple[str, str, int, str], ...]] = {
    "pyarrow": (
        ("OSFile", "path", 0, BY_ARGUMENT),
        ("memory_map", "path", 0, BY_ARGUMENT),
        ("create_memory_map", "path", 0, "w"),
        ("input_stream", "source", 0, "r"),
        ("output_stream", "source", 0, "w"),
    ),
    "pyarrow.parquet.core": (
        ("ParquetDataset.__init__", "path_or_paths", 1, "r"),
        ("ParquetFile.__init__", "source", 1, "r"),
        ("ParquetWriter.__init__", "where", 1, "w"),
        ("read_metadata", "where", 0, "r"),
        ("read_schema", "where", 0, "r"),
    ),
    "pyarrow.dataset": (("dataset", "source", 0, "r"), ("write_dataset", "base_dir", 1, "w")),
    "pyarrow.csv": (("read_csv", "input_file", 0, "r"), ("open_csv", "input_file", 0, "r"), ("write_csv", "output_file", 1, "w")),
    "pyarrow.json": (("read_json", "input_file", 0, "r"),),
    "pyarrow.feather": (("read_table", "source", 0, "r"), ("write_feather", "dest", 1, "w")),
    "pyarrow.orc": (("ORCFile.__init__", "source", 1, "r"), ("ORCWriter.__init__", "where", 1, "w")),
    "polars": (
        *((f"read_{kind}", "source", 0, "r") for kind in ("csv", "parquet", "ipc", "ndjson", "json", "avro", "excel", "ods", "delta")),
        *((f"scan_{kind}", "source", 0, "r") for kind in ("csv", "parquet", "ipc", "ndjson", "delta")),
        *((f"DataFrame.write_{kind}", "file", 1, "w") for kind in ("csv", "parquet", "ipc", "ndjson", "json", "avro")),
        *((f"LazyFrame.sink_{kind}", "path", 1, "w") for kind in ("csv", "parquet", "ipc", "ndjson")),
    ),
    "duckdb": (
        ("connect", "database", 0, "rw"),
        *((name, "file_glob", 0, "r") for name in ("read_parquet", "from_parquet")),
        *((name, "path_or_buffer", 0, "r") for name in ("read_csv", "from_csv_auto", "read_json")),
    ),
    "h5py._hl.files": (("File.__init__", "name", 1, BY_ARGUMENT),),
    "torch.serialization": (("_open_zipfile_writer_file.__init__", "name", 1, "w"),),
    "safetensors": (("safe_open", "filename", 0, "r"),),
    "safetensors.numpy": (("save_file", "filename", 1, "w"), ("load_file", "filename", 0, "r")),
    "safetensors.torch": (("save_file", "filename", 1, "w"), ("load_file", "filename", 0, "r")),
    "xgboost.core": (("Booster.save_model", "fname", 1, "w"), ("Booster.load_model", "fname", 1, "r"), ("DMatrix.__init__", "data", 1, "r")),
    "lightgbm.basic": (
        ("Booster.save_model", "filename", 1, "w"),
        ("Booster.__init__", "model_file", 3, "r"),
        ("Dataset.__init__", "data", 1, "r"),
    ),
    "catboost.core": (("CatBoost.save_model", "fname", 1, "w"), ("CatBoost.load_model", "fname", 1, "r")),
    "cv2": (("imread", "filename", 0, "r"), ("imwrite", "filename", 0, "w")),
    "onnxruntime.capi.onnxruntime_inference_collection": (("InferenceSession.__init__", "path_or_bytes", 1, "r"),),
}
"""By module: a function or method, the name and position of its path argument (``self`` counts), and what it does to the path."""

UNSEEN = {
    "duckdb": "files that are only named in the text of a query",
    "tensorflow": "files that its own readers and writers open",
    "netCDF4": "every file it opens",
    "rasterio": "every file it opens",
    "pyspark": "every file that its Java processes open",
}
"""Libraries of which something stays unseen all the same, by module."""


class Wrapper:
    """Finds the modules of `WRAPPED` like the finders behind it, and wraps their functions once they are loaded.

    Args:
        tell: called with each path and mode.
        tell_unseen: called with the name of a library and what of it stays unseen.
        remote: patches further libraries, and is told of URLs: `lineal_remote.Remote`.
    """

    def __init__(self, tell: Tell, tell_unseen: Callable[[str, str], None], remote: Any = None) -> None:
        self._tell = tell
        self._tell_unseen = tell_unseen
        self._remote = remote
        self._patches = {} if remote is None else remote.patches()

    def install(self) -> None:
        """Wraps what is loaded, also where other modules took it over by its name, and what will be."""
        sys.meta_path.insert(0, self)
        replaced: dict[int, tuple[Any, Any]] = {}
        for name in {*WRAPPED, *UNSEEN, *self._patches}:
            module = sys.modules.get(name)
            if module is not None:
                before = dict(module.__dict__)
                self._loaded(name, module)
                after = module.__dict__
                replaced.update({id(value): (value, after[key]) for key, value in before.items() if after.get(key, value) is not value})
        if replaced:
            _hand_over(replaced)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec that the other finders give, with a loader that tells us when the module is loaded."""
        if name not in WRAPPED and name not in UNSEEN and name not in self._patches:
            return None
        finders = list(sys.meta_path)
        for finder in finders[finders.index(self) + 1 if self in finders else 0 :]:  # one of our kind before us asks us: asking it would never end
            find = getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                self._follow(name, spec.loader)
                return spec
        return None

    def _follow(self, name: str, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            self._loaded(name, module)

        try:
            loader.exec_module = exec_module
        except AttributeError:
            return

    def _loaded(self, name: str, module: Any) -> None:
        try:
            if name in UNSEEN:
                self._tell_unseen(name, UNSEEN[name])
            if name in self._patches:
                self._patches[name](module)
            for attribute, argument, position, mode in WRAPPED.get(name, ()):
                self._wrap(module, attribute, argument, position=position, mode=mode)
        except Exception:  # noqa: BLE001 - a library of another version is left as it is
            return

    def _wrap(self, module: Any, attribute: str, argument: str, *, position: int, mode: str) -> None:
        owner_name, _dot, method = attribute.rpartition(".")
        owner = getattr(module, owner_name, None) if owner_name else module
        original = getattr(owner, method, None)
        if original is None or getattr(original, MARK, False):
            return

        def watch(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            try:
                how = _mode(str(_argument(args, kwargs, "mode", position + 1) or "r")) if mode == BY_ARGUMENT else mode
                given = _argument(args, kwargs, argument, position)
                for path in paths_in(given):
                    self._tell(path, how)
                if how == "r" and self._remote is not None:
                    self._remote.given(given, kwargs.get("filesystem"))
            except Exception:  # noqa: BLE001 - the call itself must go on
                return

        setattr(owner, method, _watched_class(original, watch) if isinstance(original, type) else _watched(original, watch))


def _hand_over(replaced: dict[int, tuple[Any, Any]]) -> None:
    """Gives modules that took a function or class over by its name before it was watched the watched one; the libraries' own keep theirs."""
    own = {name.partition(".")[0] for name in WRAPPED}
    for name, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if type(names) is not dict or name.partition(".")[0] in own:
            continue
        for key, value in list(names.items()):
            original, watched = replaced.get(id(value), (None, None))
            if original is value and watched is not None:
                names[key] = watched


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], name: str, position: int) -> Any:
    return kwargs[name] if name in kwargs else args[position] if len(args) > position else None


def paths_in(value: Any) -> Iterator[bytes]:
    """The local paths that an argument names: one, a list, or a pattern; open files and addresses name none."""
    if isinstance(value, (list, tuple)):
        for item in value[:1000]:
            yield from paths_in(item)
        return
    if not isinstance(value, (str, bytes, os.PathLike)):
        return
    path = os.path.expanduser(os.fsencode(value))
    if not path or b"://" in path or path.startswith(b":") or len(path) > 4096 or b"\n" in path:
        return
    if b"*" in path and not os.path.exists(path):
        import glob

        yield from glob.iglob(path, recursive=True)
    else:
        yield path


def _mode(text: str) -> str:
    """What an ``open``-like mode does: ``r``, ``w`` or ``rw``."""
    if text in {"r", "rb", "R"}:
        return "r"
    return "w" if text.startswith(("w", "x")) else "rw"


def _watched(function: Any, watch: Callable[[tuple[Any, ...], dict[str, Any]], None]) -> Any:
    import functools

    def watched(*args: Any, **kwargs: Any) -> Any:
        watch(args, kwargs)
        return function(*args, **kwargs)

    try:
        functools.update_wrapper(watched, function)
    except (AttributeError, TypeError):
        return function
    setattr(watched, MARK, True)
    return watched


def _watched_class(original: type, watch: Callable[[tuple[Any, ...], dict[str, Any]], None]) -> type:
    """A class of the same name that tells of its first argument when an instance is made."""

    class Watched(original):  # type: ignore[misc]
        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            watch(args, kwargs)
            return original.__new__(cls, *args, **kwargs)

    setattr(Watched, MARK, True)
    Watched.__name__, Watched.__qualname__, Watched.__module__ = original.__name__, original.__qualname__, original.__module__
    return Watched
