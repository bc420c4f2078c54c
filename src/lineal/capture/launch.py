"""Which part of a distributed training this process is, and which run it goes into: what launchers say in the environment.

Source: torchrun's environment variables (pytorch.org, "Torch Distributed Elastic"), Slurm's (srun(1)), Open MPI's (mpirun(1)), JAX's (`jax.distributed`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lineal.capture.identity import boot_id, process_start
from lineal.records.journal import FOLDER_VARIABLE, RANKS_VARIABLE, RUN_VARIABLE

RANK_VARIABLES = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "JAX_PROCESS_ID")
LAUNCH_VARIABLES = frozenset({*RANK_VARIABLES, "LOCAL_RANK", "NODE_RANK", "LOCAL_WORLD_SIZE", "WORLD_SIZE", "SLURM_NTASKS", "JAX_NUM_PROCESSES"})
"""What makes a process one of several."""

_HERE = frozenset({"", "localhost", "::1", "0.0.0.0"})  # noqa: S104 - compared, not bound
_RUN_ID = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """A start of several processes that train together.

    Attributes:
        key: names it alike in all of them.
        attempt: which start of it this is, where the launcher counts.
    """

    key: str
    attempt: int = 1


def process_rank() -> int:
    """This process's rank in a distributed training, 0 outside one. One that only starts ranks on a further node counts as one, too."""
    found = os.environ
    for name in RANK_VARIABLES:
        if found.get(name, "").isdigit():
            return int(found[name])
    node, local = _number(found, "NODE_RANK"), _number(found, "LOCAL_RANK")
    return node * max(1, _number(found, "LOCAL_WORLD_SIZE")) + local


def launch() -> Launch | None:
    """The distributed training that this process is one of; None outside any.

    One Slurm job step is one launch, also where the job is queued again; otherwise, on several hosts, what has one rendezvous (its id and place);
    on one host what one process, such as ``torchrun``, started.
    """
    found = os.environ
    restarts = _number(found, "TORCHELASTIC_RESTART_COUNT")
    if found.get("SLURM_JOB_ID") and found.get("SLURM_PROCID") and _number(found, "SLURM_NTASKS") > 1:
        key = f"slurm:{found.get('SLURM_CLUSTER_NAME', '')}:{found['SLURM_JOB_ID']}:{found.get('SLURM_STEP_ID', '')}"
        return Launch(key=key, attempt=1 + restarts + _number(found, "SLURM_RESTART_COUNT"))
    if found.get("RANK", "").isdigit() and _number(found, "WORLD_SIZE") > 1:
        return Launch(key=_torch_key(found) or _sibling_key(), attempt=1 + restarts)
    if _number(found, "OMPI_COMM_WORLD_SIZE") > 1:
        return Launch(key=f"mpi:{found['PMIX_NAMESPACE']}" if found.get("PMIX_NAMESPACE") else _sibling_key())
    if _number(found, "PMI_SIZE") > 1:
        return Launch(key=_sibling_key())
    if _number(found, "JAX_NUM_PROCESSES") > 1:
        place = found.get("JAX_COORDINATOR_ADDRESS", "")
        return Launch(key=_sibling_key() if _is_here(place.rpartition(":")[0]) else f"jax:{place}")
    return None


def joined_run() -> tuple[str, Path] | None:
    """The run that this process was started in, with its folder of journals; None outside any."""
    run, folder = os.environ.get(RUN_VARIABLE, ""), os.environ.get(FOLDER_VARIABLE, "")
    return (run, Path(folder)) if run and folder and os.path.isdir(folder) else None


def wanted_run() -> str:
    """The run that a user or a scheduler said this process belongs to, by reference or id; empty where nobody did.

    A UUID is an id, too: schedulers have one for each job.
    """
    if os.environ.get(FOLDER_VARIABLE):
        return ""
    text = os.environ.get(RUN_VARIABLE, "").strip()
    return bare_id(text) or text


def bare_id(text: str) -> str:
    """A whole run's id as text, without a UUID's hyphens; empty where it is none.

    >>> bare_id("0F8FAD5B-D9CB-469F-A165-70867728950E"), bare_id("3f2a")
    ('0f8fad5bd9cb469fa16570867728950e', '')
    """
    bare = text.lower().replace("-", "")
    return bare if _RUN_ID.match(bare) else ""


def take_wanted_run() -> None:
    """Has no further run of this process, or of what it starts, go into the wanted one."""
    os.environ.pop(RUN_VARIABLE, None)


def offer_run(run: str) -> None:
    """Has ranks that this process starts, as Lightning does, join a run of its own."""
    os.environ[RANKS_VARIABLE] = run


def withdraw_run(run: str) -> None:
    """Has them join it no more."""
    if os.environ.get(RANKS_VARIABLE) == run:
        del os.environ[RANKS_VARIABLE]


def offered_run() -> str:
    """The run of the process that started this one as a further rank; empty outside one."""
    return os.environ.get(RANKS_VARIABLE, "") if process_rank() > 0 else ""


def _torch_key(found: Mapping[str, str]) -> str:
    """Of a launch on several hosts; empty for one on this host."""
    world, local = _number(found, "WORLD_SIZE"), _number(found, "LOCAL_WORLD_SIZE")
    if _is_here(found.get("MASTER_ADDR", "")) or local >= world:
        return ""
    return f"torch:{found.get('TORCHELASTIC_RUN_ID', '')}:{found['MASTER_ADDR']}:{found.get('MASTER_PORT', '')}"


def _sibling_key() -> str:
    parent = os.getppid()
    return f"parent:{boot_id()}:{parent}:{process_start(parent)}"


def _is_here(address: str) -> bool:
    return address in _HERE or address.startswith("127.")


def _number(found: Mapping[str, str], name: str) -> int:
    text = found.get(name, "")
    return int(text) if text.isdigit() else 0
