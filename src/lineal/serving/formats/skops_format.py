"""scikit-learn models in skops files: a zip of JSON and arrays, loaded under a fixed policy of our own."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from lineal.errors import Integrity, InvalidInput, PermissionDenied, Unavailable
from lineal.records.digest import Digest, blake3_digest
from lineal.records.model import Signature
from lineal.serving.formats.estimators import EstimatorPredictor

TRUSTED_PREFIXES = ("sklearn.", "numpy.", "scipy.")
TRUSTED_NAMES = frozenset({"builtins.slice", "collections.OrderedDict", "collections.defaultdict"})
REFUSED_PARTS = frozenset({"testing", "tests", "conftest", "f2py", "distutils", "__main__", "externals", "memmap", "DataSource", "NpzFile"})
"""Parts of a dotted name below a trusted prefix that stand for programs, tests or files rather than for models."""

_MOST_UNPACKED = 256 << 20
_MOST_TIMES = 100
"""A file may unpack to so many times its size, or to so many bytes."""


class SkopsFormat:
    """`Format` of ``.skops`` files.

    The policy is fixed here and never read from the file: classes of scikit-learn, NumPy and SciPy are trusted, functions and everything
    else are not. Source: GHSA-w582-9x45-8mpx (a list of trusted types that comes with the file protects from nothing).
    """

    name = "skops"
    suffix = ".skops"

    def detect(self, path: Path) -> bool:
        """Whether it is a zip with skops' ``schema.json``."""
        if not zipfile.is_zipfile(path):
            return False
        try:
            with zipfile.ZipFile(path) as archive:
                return "schema.json" in archive.namelist()
        except (zipfile.BadZipFile, OSError):
            return False

    def load(self, path: Path, signature: Signature | None = None) -> EstimatorPredictor:
        """The estimator, if every type in the file is inside the policy."""
        _check_unpacked(path, path.stat().st_size)
        skops_io = _skops()
        named = _read(path, lambda: skops_io.get_untrusted_types(file=str(path)))
        refused = [name for name in named if not is_trusted(name)]
        if refused:
            raise _untrusted(path, refused)
        estimator = _read(path, lambda: skops_io.load(str(path), trusted=list(named)))
        return EstimatorPredictor(estimator, signature)

    def takes(self, estimator: Any) -> bool:
        """Whether it is a scikit-learn estimator."""
        base = sys.modules.get("sklearn.base")
        return base is not None and isinstance(estimator, base.BaseEstimator)

    def save(self, estimator: Any, path: Path) -> None:
        """Writes the estimator, after checking that the policy would load it again."""
        skops_io = _skops()
        try:
            data: bytes = skops_io.dumps(estimator)
        except Exception as error:  # skops raises whatever the object's own state raises
            raise InvalidInput(f"{type(estimator).__name__} cannot be saved as skops: {error}", kind="unsupported-model") from error
        refused = [name for name in skops_io.get_untrusted_types(data=data) if not is_trusted(name)]
        if refused:
            raise _untrusted(path, refused)
        path.write_bytes(data)

    def canonical_digest(self, data: bytes) -> Digest:
        """Over schema and arrays, with objects numbered by first appearance instead of by memory address."""
        _check_unpacked(io.BytesIO(data), len(data))
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                members = {name: archive.read(name) for name in archive.namelist()}
            schema = json.loads(members.pop("schema.json"))
        except (zipfile.BadZipFile, KeyError, ValueError) as error:
            raise Integrity(f"this is no whole skops file: {error}", kind="damaged-model") from error
        numbers: dict[Any, int] = {}
        files: list[str] = []
        canonical = _renumber(schema, numbers, files)
        hasher = blake3(json.dumps(canonical, sort_keys=True).encode())
        for name in files:
            hasher.update(hashlib.sha256(_canonical_member(name, members.get(name, b""))).digest())
        return blake3_digest(hasher.digest())


def is_trusted(name: str) -> bool:
    """Whether the policy lets a dotted name be loaded: a class of a trusted library, no function, no program.

    >>> is_trusted("os.system"), is_trusted("numpy.testing._private.utils.runstring"), is_trusted("sklearn.tree._tree.Tree")
    (False, False, True)
    """
    if name in TRUSTED_NAMES:
        return True
    parts = name.split(".")
    if not name.startswith(TRUSTED_PREFIXES) or REFUSED_PARTS.intersection(parts) or any(part.startswith("__") for part in parts):
        return False
    module, _dot, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except ImportError:
        return False
    return isinstance(found, type)


def _untrusted(path: Path, names: Sequence[str]) -> PermissionDenied:
    return PermissionDenied(
        f"the model file {path.name} holds types that are not trusted: {', '.join(names)}",
        kind="untrusted-model",
        hint="Only classes of scikit-learn, NumPy and SciPy are loaded. Replace the foreign part, or export the model to ONNX.",
    )


def _read(path: Path, reading: Callable[[], Any]) -> Any:
    try:
        return reading()
    except Exception as error:  # skops lets every error of a damaged file through
        raise Integrity(
            f"the model file {path.name} cannot be loaded: {type(error).__name__}: {error}",
            kind="damaged-model",
            hint="Save it again with the scikit-learn version that is installed here, or install the one it was saved with.",
        ) from error


def _skops() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise Unavailable("skops is not installed", kind="missing-extra", hint="Install it with: pip install 'lineal[sklearn]'") from error
    return skops.io


def _renumber(node: Any, numbers: dict[Any, int], files: list[str]) -> Any:
    """The schema with ``__id__`` and member names replaced by their order of appearance; fills ``files`` in that order."""
    if isinstance(node, list):
        return [_renumber(item, numbers, files) for item in node]
    if not isinstance(node, dict):
        return node
    found: dict[str, Any] = {}
    for key in sorted(node):
        value = node[key]
        if key == "__id__":
            found[key] = numbers.setdefault(value, len(numbers))
        elif key == "file" and isinstance(value, str):
            if value not in files:
                files.append(value)
            found[key] = files.index(value)
        else:
            found[key] = _renumber(value, numbers, files)
    return found


def _check_unpacked(file: Path | io.BytesIO, size: int) -> None:
    """Refuses a file that unpacks to so much more than it is that nobody wrote it to be a model. Raises Integrity kind ``damaged-model``."""
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())  # what is said there bounds what zipfile reads
    except (zipfile.BadZipFile, OSError):
        return  # whoever reads it says what is wrong with it
    if unpacked > max(_MOST_UNPACKED, _MOST_TIMES * size):
        raise Integrity(f"this skops file of {size} bytes would unpack to {unpacked}", kind="damaged-model", hint="Save the model again.")


def _canonical_member(name: str, data: bytes) -> bytes:
    """An array's bytes without what does not count: padding of records (never initialised), time stamps of an inner zip."""
    if name.endswith(".npz"):
        _check_unpacked(io.BytesIO(data), len(data))
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return b"".join(member.encode() + b"\0" + archive.read(member) for member in sorted(archive.namelist()))
    if not name.endswith(".npy"):
        return data
    import numpy as np

    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    fields = [field.encode() + np.ascontiguousarray(array[field]).tobytes() for field in array.dtype.names]
    return repr((array.dtype.descr, array.shape)).encode() + b"".join(fields)
