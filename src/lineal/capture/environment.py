"""What a run ran on: interpreter, packages, platform, machine, and environment variables by allow-list."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lineal.records.digest import blake3_digest
from lineal.records.run import Environment

_ALLOWED = (
    "CONDA_DEFAULT_ENV CUBLAS_WORKSPACE_CONFIG CUDA_DEVICE_ORDER CUDA_LAUNCH_BLOCKING CUDA_VISIBLE_DEVICES HIP_VISIBLE_DEVICES LANG LC_ALL "
    "JAX_NUM_PROCESSES JAX_PROCESS_ID LOCAL_RANK LOCAL_WORLD_SIZE MASTER_PORT MKL_NUM_THREADS NCCL_DEBUG NODE_RANK NUMEXPR_NUM_THREADS NUMEXPR_MAX_THREADS NVIDIA_VISIBLE_DEVICES "
    "OMP_NUM_THREADS OPENBLAS_NUM_THREADS PYTHONHASHSEED PYTHONOPTIMIZE PYTHONUTF8 RANK SLURM_JOB_ID SLURM_JOB_NAME SLURM_NNODES SLURM_NTASKS "
    "SLURM_PROCID TF_DETERMINISTIC_OPS TF_ENABLE_ONEDNN_OPTS TOKENIZERS_PARALLELISM TZ VECLIB_MAXIMUM_THREADS WORLD_SIZE XLA_FLAGS"
)
ALLOWED = frozenset(_ALLOWED.split())
"""Variables that change results or say where a job ran; no other is recorded unless the setting ``capture.variables`` names it."""

_NORMAL = re.compile(r"[-_.]+")


def describe_environment(
    *, interpreter: str, python: str, search: Sequence[str], variables: Mapping[str, str], extra: Iterable[str] = ()
) -> Environment:
    """The environment of a program that runs on this machine.

    Args:
        interpreter: the program's Python, or empty where it is none.
        python: its version.
        search: its ``sys.path``, where its packages are looked for.
        variables: its environment; only allowed names are taken from it.
        extra: further allowed names.
    """
    from lineal.capture import hardware

    found = Environment(
        interpreter=interpreter,
        python=python,
        packages=list_packages(search) if interpreter else {},
        platform=platform.platform(),
        machine=platform.machine(),
        cpu=hardware.processor(),
        cpu_count=hardware.processor_count(),
        memory_bytes=hardware.memory_bytes(),
        gpus=hardware.gpus(),
        variables={name: variables[name] for name in sorted({*ALLOWED, *extra}) if name in variables},
    )
    return named(found)


def named(environment: Environment) -> Environment:
    """The environment with its content id, which equal environments share."""
    import dataclasses

    from blake3 import blake3

    fields = {field.name: getattr(environment, field.name) for field in dataclasses.fields(environment) if field.name != "digest"}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"), default=dict)
    return dataclasses.replace(environment, digest=blake3_digest(blake3(text.encode()).digest()))


def list_packages(search: Sequence[str]) -> dict[str, str]:
    """Versions by normalised name of the distributions on a search path; the first of a name counts, as for imports.

    Names and versions are read from the folders' names, which is what installers write them from; nothing is opened.
    """
    found: dict[str, str] = {}
    for folder in search:
        for name, version in _distributions(folder):
            found.setdefault(_NORMAL.sub("-", name).lower(), version)
    return dict(sorted(found.items()))


def _distributions(folder: str) -> Iterable[tuple[str, str]]:
    try:
        entries = os.listdir(folder)
    except OSError:
        return
    for entry in entries:
        stem, dot, kind = entry.rpartition(".")
        if not dot or kind not in {"dist-info", "egg-info"}:
            continue
        name, _dash, rest = stem.partition("-")
        version = rest.partition("-")[0] if kind == "egg-info" else rest
        if name and version:
            yield name, version
        elif name:
            yield name, _version_inside(Path(folder, entry))


def _version_inside(path: Path) -> str:
    source = path if path.is_file() else path / "PKG-INFO"
    try:
        for line in source.read_text(errors="replace").splitlines():
            if line.startswith("Version:"):
                return line.partition(":")[2].strip()
    except OSError:
        return ""
    return ""


def process_variables() -> dict[str, str]:
    """The whole environment of this process, to start a child with or to choose from; never recorded as it is."""
    return dict(os.environ)


def own_interpreter() -> dict[str, object]:
    """This process's interpreter, its version and its search path, as a `BEGIN` entry has them."""
    return {"interpreter": sys.executable or "", "python": sys.version.split()[0], "search": [folder for folder in sys.path if folder]}
