"""ONNX models: protocol buffers that only describe a computation, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from lineal.errors import Integrity, InvalidInput, Unavailable
from lineal.records.digest import Digest, blake3_digest
from lineal.records.model import Column, Signature
from lineal.serving.formats.interface import Answers
from lineal.serving.signature import outputs

_TYPES = {"tensor(string)": "string", "tensor(bool)": "bool", "tensor(int64)": "int", "tensor(int32)": "int"}
_LARGEST_HEAD = 1024
_GRAPH_FIELD = 7
_NAME_FIELD = 2


class OnnxFormat:
    """`Format` of ``.onnx`` files."""

    name = "onnx"
    suffix = ".onnx"

    def detect(self, path: Path) -> bool:
        """Whether it reads as a ModelProto: an ``ir_version`` first, then known fields, a graph among them."""
        if path.suffix != self.suffix:
            return False
        with path.open("rb") as stream:
            head = stream.read(_LARGEST_HEAD)
        return len(head) > 2 and head[0] == 0x08 and 1 <= head[1] <= 32

    def load(self, path: Path, signature: Signature | None = None) -> OnnxPredictor:
        """The model in a session with one thread, so that a request costs no more than its own work."""
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a dozen of its own
            raise Integrity(f"the model file {path.name} cannot be loaded: {error}", kind="damaged-model", hint="Export it again.") from error
        return OnnxPredictor(session, signature)

    def takes(self, estimator: Any) -> bool:
        """Whether it is a ModelProto, such as skl2onnx and torch.onnx make."""
        return type(estimator).__name__ == "ModelProto" and hasattr(estimator, "SerializeToString")

    def save(self, estimator: Any, path: Path) -> None:
        """Writes the protocol buffer."""
        path.write_bytes(estimator.SerializeToString())

    def canonical_digest(self, data: bytes) -> Digest:
        """Over the bytes without the graph's name, which converters make up at random."""
        hasher = blake3()
        for number, payload in _fields(memoryview(data)):
            parts = [(number, payload)]
            if number == _GRAPH_FIELD:
                parts = [(field, part) for field, part in _fields(payload) if field != _NAME_FIELD]
            for field, part in parts:
                hasher.update(f"{number}.{field}.{len(part)}:".encode())
                hasher.update(bytes(part))
        return blake3_digest(hasher.digest())


class OnnxPredictor:
    """`Predictor` over a session. Takes one tensor of all features, or one input per feature."""

    def __init__(self, session: Any, signature: Signature | None = None) -> None:
        self._session = session
        self._inputs = session.get_inputs()
        self._wide = len(self._inputs) == 1 and _width(self._inputs[0]) not in {None, 1}
        self._names = [column.name for column in signature.inputs] if signature else self._feature_names()
        self._signature = signature or self._read_signature()

    @property
    def signature(self) -> Signature:
        """What the file says: names and types of inputs, and the classes where the converter wrote them down."""
        return self._signature

    def predict(self, columns: Mapping[str, Sequence[Any]]) -> Answers:
        """Labels and, for two classes, the probability of the second; numbers for a regression."""
        try:
            return self._answer(self._session.run(None, self._feed(columns)))
        except Exception as error:  # onnxruntime has a dozen of its own
            raise InvalidInput(f"the model cannot take these values: {error}", kind="model-refused") from error

    def _feed(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        import numpy as np

        if self._wide:
            only = self._inputs[0]
            return {only.name: np.array([columns[name] for name in self._names], dtype=_dtype(only.type)).T}
        return {
            item.name: np.array(columns[name], dtype=_dtype(item.type)).reshape(-1, 1) for item, name in zip(self._inputs, self._names, strict=True)
        }

    def _answer(self, found: Sequence[Any]) -> Answers:
        output = found[0].reshape(len(found[0]), -1)[:, 0].tolist()
        if self._signature.task != "classification" or len(found) < 2:
            return Answers(output=output)
        chances = found[1]
        if isinstance(chances, list):  # a ZipMap: one mapping of label to probability per row
            keys = list(chances[0]) if chances else []
            return Answers(output=output, score=[row[keys[1]] for row in chances] if len(keys) == 2 else None)
        return Answers(output=output, score=chances[:, 1].tolist() if chances.shape[1] == 2 else None)

    def _feature_names(self) -> list[str]:
        if not self._wide:
            return [item.name for item in self._inputs]
        listed = self._session.get_modelmeta().custom_metadata_map.get("feature_names", "")
        width = _width(self._inputs[0]) or 0
        names = listed.split(",") if listed else []
        return names if len(names) == width else [f"x{place}" for place in range(width)]

    def _read_signature(self) -> Signature:
        kinds = [self._inputs[0].type] * len(self._names) if self._wide else [item.type for item in self._inputs]
        inputs = tuple(Column(name=name, type=_TYPES.get(kind, "float")) for name, kind in zip(self._names, kinds, strict=True))
        given = self._session.get_outputs()
        classifies = len(given) == 2 and given[0].type in {"tensor(int64)", "tensor(string)"}
        task = "classification" if classifies else "regression" if len(given) == 1 else "other"
        labels = _class_labels(given) if classifies else ()
        return Signature(inputs=inputs, outputs=outputs(task, labels), task=task, classes=labels, origin="estimator")


def _class_labels(given: Sequence[Any]) -> tuple[Any, ...]:
    """Labels 0, 1, … of a dense probability output of known width; a ZipMap's are only known from its answers."""
    width = _width(given[1])
    return tuple(range(width)) if given[0].type == "tensor(int64)" and width else ()


def _width(item: Any) -> int | None:
    shape = item.shape
    return shape[1] if isinstance(shape, list) and len(shape) == 2 and isinstance(shape[1], int) else None


def _dtype(kind: str) -> Any:
    import numpy as np

    known = {"tensor(string)": np.object_, "tensor(bool)": np.bool_, "tensor(int64)": np.int64, "tensor(int32)": np.int32}
    return known.get(kind, np.float64 if kind == "tensor(double)" else np.float32)


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise Unavailable("onnxruntime is not installed", kind="missing-extra", hint="Install it with: pip install 'lineal[onnx]'") from error
    return onnxruntime


def _fields(data: memoryview) -> list[tuple[int, memoryview]]:
    """The fields of one protocol buffer message, in order: number and raw value.

    Source: protobuf.dev, "Encoding" (wire types 0, 1, 2 and 5).
    """
    found: list[tuple[int, memoryview]] = []
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        start = place
        match key & 7:
            case 0:
                _value, place = _varint(data, place)
            case 1:
                place += 8
            case 2:
                length, start = _varint(data, place)
                place = start + length
            case 5:
                place += 4
            case _:
                place = len(data) + 1
        if place > len(data):
            raise Integrity("this is no whole ONNX file", kind="damaged-model")
        found.append((key >> 3, data[start:place]))
    return found


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while place < len(data):
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
    raise Integrity("this is no whole ONNX file", kind="damaged-model")
