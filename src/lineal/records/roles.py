"""What a file is for, guessed from its name where nobody said it."""

from __future__ import annotations

import re

_WORD = re.compile(r"[a-z]+")
_ROLE_OF_WORD = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "test": "test",
    "testing": "test",
    "holdout": "test",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "eval": "test",
}
_MODEL_ENDINGS = (".skops", ".onnx", ".joblib", ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".safetensors", ".h5", ".keras", ".ubj", ".cbm", ".gguf")


def guess_role(path: str) -> str:
    """The role that a path suggests: ``train``, ``test``, ``validation``, ``model`` or an empty string. The file's name weighs more than its folders.

    >>> [guess_role(path) for path in ("data/train.csv", "X_test.npy", "val/images.zip", "out/model.joblib", "data/contest.csv")]
    ['train', 'test', 'validation', 'model', '']
    """
    lowered = path.lower()
    if lowered.endswith(_MODEL_ENDINGS):
        return "model"
    for part in reversed(lowered.split("/")):
        roles = {_ROLE_OF_WORD[word] for word in _WORD.findall(part.replace("_", " ")) if word in _ROLE_OF_WORD}
        if len(roles) == 1:
            return roles.pop()
    return ""
