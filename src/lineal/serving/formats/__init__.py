"""Model formats that are safe to load: one file per brand, and a line here."""

from __future__ import annotations

import pickletools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from lineal.errors import InvalidInput, PermissionDenied
from lineal.records.digest import Digest, blake3_digest
from lineal.records.model import SavedModel, Signature
from lineal.serving.formats.interface import Format, Predictor
from lineal.serving.formats.onnx_format import OnnxFormat
from lineal.serving.formats.skops_format import SkopsFormat

FORMATS: Sequence[Format] = (SkopsFormat(), OnnxFormat())
PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle", ".pt", ".pth"})
SAVE_HINT = (
    "Save it in a safe format: skops.io.dump(estimator, 'model.skops'), run.model(name, estimator), "
    "or skl2onnx.to_onnx(...) written to a file ending in .onnx"
)


def detect_format(path: Path) -> Format | None:
    """The safe format of the file's content, or None."""
    return next((brand for brand in FORMATS if brand.detect(path)), None)


def format_named(name: str) -> Format:
    """The format of that name.

    Raises:
        InvalidInput: kind ``unknown-model-format``.
    """
    for brand in FORMATS:
        if brand.name == name:
            return brand
    known = ", ".join(brand.name for brand in FORMATS)
    raise InvalidInput(f"{name!r} is no model format that is known here; these are: {known}", kind="unknown-model-format")


def looks_like_model(path: str) -> bool:
    """Whether a path ends in a suffix of a model file, safe or not."""
    suffix = Path(path).suffix.lower()
    return suffix in PICKLE_SUFFIXES or any(suffix == brand.suffix for brand in FORMATS)


def require_format(path: Path, shown: str = "") -> Format:
    """The safe format of a file.

    Raises:
        PermissionDenied: kind ``unsafe-model``, if it is a pickle: loading one runs whatever code it holds.
        InvalidInput: kind ``unsupported-model``, if it is nothing that is known.
    """
    found = detect_format(path)
    if found is not None:
        return found
    name = shown or path.name
    if is_pickle(path) or Path(name).suffix.lower() in PICKLE_SUFFIXES:
        raise PermissionDenied(f"{name} is a pickle, which runs code when it is loaded, and is refused", kind="unsafe-model", hint=SAVE_HINT)
    raise InvalidInput(f"{name} is no model in a format that is known here (skops, onnx)", kind="unsupported-model", hint=SAVE_HINT)


def load_model(path: Path, format_name: str, signature: Signature | None = None) -> Predictor:
    """The model in the file, loaded by the named format; ``signature`` where more is known than the file says."""
    return format_named(format_name).load(path, signature)


def canonical_digest(path: Path) -> Digest:
    """A digest that two saves of equal models share; the plain content id for a file that is in no model format."""
    found = detect_format(path)
    data = path.read_bytes()
    return found.canonical_digest(data) if found else blake3_digest(blake3(data).digest())


def save_model(estimator: Any, example: Any, folder: Path, name: str = "model") -> SavedModel:
    """Writes ``estimator`` into ``folder`` in a safe format, with its signature and (a sample of) the example rows.

    Raises:
        InvalidInput: kind ``unsupported-model``, if no safe format takes it.
        PermissionDenied: kind ``untrusted-model``, if it holds parts that would not be loaded again.
        Unavailable: kind ``missing-extra``, if the format's library is not installed.
    """
    from lineal.serving.examples import write_example
    from lineal.serving.signature import estimator_signature, example_signature

    brand = next((brand for brand in FORMATS if brand.takes(estimator)), None)
    if brand is None:
        raise InvalidInput(
            f"no safe format is known for {type(estimator).__module__}.{type(estimator).__name__}",
            kind="unsupported-model",
            hint="Taken are fitted scikit-learn estimators (as skops) and ONNX models (ModelProto).",
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{_file_name(name)}{brand.suffix}"
    brand.save(estimator, path)
    known = estimator_signature(estimator) if hasattr(estimator, "predict") else brand.load(path).signature
    if example is None:
        return SavedModel(path=path, format=brand.name, signature=known)
    signature = example_signature(known, example)
    return SavedModel(path=path, format=brand.name, signature=signature, example=write_example(path, example, signature))


def is_pickle(path: Path) -> bool:
    """Whether the file's first bytes are pickle opcodes; nothing is loaded."""
    with path.open("rb") as stream:
        head = stream.read(2)
        if head[:1] == b"\x80" and head[1:] <= b"\x05":
            return True
        stream.seek(0)
        try:
            opcode, _argument, _place = next(pickletools.genops(stream))
        except (ValueError, StopIteration, IndexError):
            return False
    return opcode.name in {"PROTO", "MARK", "GLOBAL", "EMPTY_DICT", "EMPTY_LIST"}


def _file_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-") or "model"
