"""What launchers of distributed trainings say in the environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lineal.capture.launch import LAUNCH_VARIABLES, launch, process_rank, wanted_run
from lineal.capture.tracers.inject import lineal_hook

TORCH = {
    "RANK": "3",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "n1",
    "MASTER_PORT": "29400",
    "TORCHELASTIC_RUN_ID": "j7",
}
LOCAL = {**TORCH, "LOCAL_WORLD_SIZE": "4"}
SLURM = {"SLURM_JOB_ID": "12", "SLURM_STEP_ID": "0", "SLURM_PROCID": "2", "SLURM_NTASKS": "4"}
MPI = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "PMIX_NAMESPACE": "prterun-n1-77@1"}
JAX = {"JAX_PROCESS_ID": "1", "JAX_NUM_PROCESSES": "2", "JAX_COORDINATOR_ADDRESS": "10.0.0.1:1234"}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name in LAUNCH_VARIABLES or name.startswith(("SLURM_", "TORCHELASTIC_", "OMPI_", "PMI", "JAX_", "MASTER_", "LINEAL_")):
            monkeypatch.delenv(name)


def found(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> tuple[str, int, int]:
    with monkeypatch.context() as patched:
        for name, value in variables.items():
            patched.setenv(name, value)
        start = launch()
        assert process_rank() == lineal_hook._rank()
        return ("", 0, process_rank()) if start is None else (start.key, start.attempt, process_rank())


@pytest.mark.parametrize(
    ("variables", "key", "rank"),
    [
        (TORCH, "torch:j7:n1:29400", 3),
        (SLURM, "slurm::12:0", 2),
        ({**SLURM, **TORCH}, "slurm::12:0", 3),
        (MPI, "mpi:prterun-n1-77@1", 1),
        (JAX, "jax:10.0.0.1:1234", 1),
        ({"NODE_RANK": "1"}, "", 1),
        ({"NODE_RANK": "1", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, "", 3),
        ({"SLURM_JOB_ID": "12", "SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, "", 0),
        ({}, "", 0),
    ],
)
def test_the_launch_and_the_rank_are_what_the_launcher_says(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], key: str, rank: int) -> None:
    place = found(monkeypatch, variables)
    assert (place[0], place[2]) == (key, rank)


@pytest.mark.parametrize(
    "variables", [LOCAL, {"RANK": "1", "WORLD_SIZE": "2"}, {**JAX, "JAX_COORDINATOR_ADDRESS": "localhost:1"}, {"PMI_RANK": "1", "PMI_SIZE": "2"}]
)
def test_on_one_host_a_launch_is_what_one_process_started(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    ours = found(monkeypatch, variables)[0]
    assert ours.startswith("parent:")
    code = "from lineal.capture.launch import launch; print(launch().key)"
    theirs = [
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=True) for _one in "ab"
    ]
    assert theirs[0].stdout == theirs[1].stdout != ours


def test_a_launch_that_is_started_again_counts_where_its_launcher_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, {**TORCH, "TORCHELASTIC_RESTART_COUNT": "2"})[:2] == ("torch:j7:n1:29400", 3)
    assert found(monkeypatch, {**SLURM, "SLURM_RESTART_COUNT": "1"})[:2] == ("slurm::12:0", 2)


def test_a_scheduler_names_a_run_by_a_uuid_and_a_run_that_is_recorded_here_is_no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAL_RUN", "0F8FAD5B-D9CB-469F-A165-70867728950E")
    assert wanted_run() == "0f8fad5bd9cb469fa16570867728950e"
    monkeypatch.setenv("LINEAL_RUN", "train-7")
    assert wanted_run() == "train-7"
    monkeypatch.setenv("LINEAL_JOURNALS", "/nowhere")
    assert wanted_run() == ""
