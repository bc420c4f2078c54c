"""Ranks on several machines, machines that are taken away, and runs that are gone on with elsewhere."""

from __future__ import annotations

import pytest
from tests.hosts import Cluster, terminate

RANK = """
    import os, sys, time, lineal
    rank = int(os.environ["RANK"])
    with lineal.run("together", params={"of": rank}) as run:
        for step in range(20):
            run.log(loss=float(rank), step=step)
        time.sleep(1)
        print("logged", flush=True)
        if os.environ.get("STAYS"):
            time.sleep(60)
        run.log(loss=float(rank), step=20)
"""
TRAIN = """
    import os, sys, time, lineal
    with lineal.run() as run:
        first = int(os.environ.get("FIRST", "0"))
        for step in range(first, first + 10):
            run.log(loss=float(first), step=step)
        time.sleep(1)
        print("logged", flush=True)
        if os.environ.get("STAYS"):
            time.sleep(60)
"""
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def torch_of(rank: int, world: int = 4) -> dict[str, str]:
    """What `torchrun` says to a rank of a launch on two hosts."""
    elastic = {"TORCHELASTIC_RUN_ID": "job7", "MASTER_ADDR": "node-a", "MASTER_PORT": "29400"}
    return {**elastic, "RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank % 2), "LOCAL_WORLD_SIZE": str(world // 2)}


def test_ranks_on_two_hosts_are_one_run_and_one_that_is_killed_hides_no_other(cluster: Cluster) -> None:
    first, second = cluster.host("node-a"), cluster.host("node-b")
    ranks = [(first, second)[rank // 2].python(RANK, **torch_of(rank), **({"STAYS": "1"} if rank == 3 else {})) for rank in range(4)]
    assert ranks[3].stdout is not None
    assert ranks[3].stdout.readline() == "logged\n"
    cluster.await_run(lambda _run: len(cluster.series("loss")) == 4)
    ranks[3].kill()
    assert [process.wait(timeout=30) for process in ranks[:3]] == [0, 0, 0]
    run = cluster.await_run(
        lambda run: bool(run["status"] == "finished" and [len(steps) for steps, _values in cluster.series("loss")][:3] == [21] * 3)
    )
    assert (run["name"], run["host"], run["params"], run["attempt"]) == ("together", "node-a", {"of": 0}, 1)
    assert [values[0] for _steps, values in cluster.series("loss")] == [0.0, 1.0, 2.0, 3.0]
    assert len(cluster.series("loss")[3][0]) == 20


def test_a_run_whose_main_rank_is_killed_has_crashed_although_another_lives(cluster: Cluster) -> None:
    first, second = cluster.host("node-a"), cluster.host("node-b")
    main, other = (host.python(RANK, STAYS="1", **torch_of(rank, 2)) for rank, host in enumerate((first, second)))
    cluster.await_run(lambda _run: len(cluster.series("loss")) == 2)
    main.kill()
    cluster.await_run(lambda run: bool(run["status"] == "crashed"))
    assert other.poll() is None


def test_one_lineal_run_for_each_rank_of_a_job_step_is_one_run(cluster: Cluster) -> None:
    hosts = [cluster.host("node-a"), cluster.host("node-b")]
    slurm = {"SLURM_JOB_ID": "77", "SLURM_STEP_ID": "0", "SLURM_NTASKS": "2"}
    code = "import lineal\nwith lineal.run() as run:\n    run.log(loss=1.0, step=1)\n"
    ranks = [host.lineal(code, SLURM_PROCID=str(rank), **slurm) for rank, host in enumerate(hosts)]
    assert [process.wait(timeout=60) for process in ranks] == [0, 0]
    run = cluster.await_run(lambda run: bool(run["status"] == "finished" and len(cluster.series("loss")) == 2))
    assert (run["name"], run["host"]) == ("train", "node-a")


@pytest.mark.parametrize("wrapped", [True, False], ids=["lineal run", "a program by itself"])
def test_a_machine_that_is_taken_away_sends_all_first_and_another_goes_on_with_the_run(cluster: Cluster, wrapped: bool) -> None:  # noqa: FBT001
    first, second = cluster.host("node-a"), cluster.host("node-b")
    begin = first.lineal if wrapped else first.python
    process = begin(TRAIN, STAYS="1")
    assert process.stdout is not None
    assert process.stdout.readline() == "logged\n"
    terminate(process)
    assert process.wait(timeout=10) == 143
    first.folder.rename(first.folder.with_name("gone"))
    stopped = cluster.await_run(lambda run: bool(run["status"] == "stopped"))
    assert stopped["host"] == "node-a"
    assert cluster.series("loss") == [(list(range(10)), [0.0] * 10)]
    again = second.lineal(TRAIN, "--resume", stopped["id"][:8], FIRST="6")
    assert again.wait(timeout=60) == 0
    run = cluster.await_run(lambda run: bool(run["status"] == "finished"))
    assert (run["id"], run["attempt"], run["host"]) == (stopped["id"], 2, "node-b")
    assert cluster.series("loss") == [(list(range(16)), [0.0] * 6 + [6.0] * 10)]


def test_one_launcher_on_each_node_is_one_run_where_both_are_told_which(cluster: Cluster) -> None:
    hosts = [cluster.host("node-a"), cluster.host("node-b")]
    launcher = """
        import os, subprocess, sys
        code = "import lineal, os\\nwith lineal.run() as run: run.log(loss=float(os.environ['RANK']), step=1)"
        ranks = [2 * int(os.environ["NODE_RANK"]) + local for local in range(2)]
        started = [subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "4"}) for rank in ranks]
        sys.exit(max(process.wait() for process in started))
    """
    nodes = [host.lineal(launcher, LINEAL_RUN=UUID, NODE_RANK=str(node)) for node, host in enumerate(hosts)]
    assert [process.wait(timeout=60) for process in nodes] == [0, 0]
    run = cluster.await_run(lambda run: bool(run["status"] == "finished" and len(cluster.series("loss")) == 4))
    assert (run["id"], run["host"], run["attempt"]) == (UUID.replace("-", ""), "node-a", 1)
    assert [values for _steps, values in cluster.series("loss")] == [[0.0], [1.0], [2.0], [3.0]]


def test_a_job_that_is_killed_and_started_elsewhere_goes_on_at_once_with_the_run_that_its_scheduler_names(cluster: Cluster) -> None:
    first, second = cluster.host("node-a"), cluster.host("node-b")
    process = first.lineal(TRAIN, STAYS="1", LINEAL_RUN=UUID)
    cluster.await_run(lambda run: run["metrics"].get("loss") is not None)
    process.kill()
    again = second.lineal(TRAIN, FIRST="6", LINEAL_RUN=UUID)
    assert again.wait(timeout=60) == 0
    run = cluster.await_run(lambda run: bool(run["status"] == "finished"))
    assert (run["id"], run["attempt"], run["host"]) == (UUID.replace("-", ""), 2, "node-b")
    assert cluster.series("loss") == [(list(range(16)), [0.0] * 6 + [6.0] * 10)]


def test_what_was_killed_with_everything_around_it_is_crashed_by_the_servers_clock(cluster: Cluster) -> None:
    host = cluster.host("node-a")
    process = host.lineal(TRAIN, STAYS="1")
    cluster.await_run(lambda run: run["metrics"].get("loss") is not None)
    process.kill()
    run = cluster.await_run(lambda run: bool(run["status"] == "crashed"))
    assert run["exit_code"] is None
    assert cluster.series("loss")[0][0][0] == 0
