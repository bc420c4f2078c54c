"""What people see, made from records."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from lineal.errors import InvalidState, PermissionDenied
from lineal.interfaces.cli.compare import show_comparison
from lineal.interfaces.cli.dataset_view import show_diff
from lineal.interfaces.cli.deletion import refusal, show_plan
from lineal.interfaces.cli.lineage import draw
from lineal.interfaces.cli.model_view import _judged
from lineal.interfaces.cli.monitor import show_report
from lineal.interfaces.cli.output import show
from lineal.interfaces.cli.run_view import show_run
from lineal.interfaces.cli.runs import run_table
from lineal.records.comparison import compare_runs
from lineal.records.dataset import PathChange, VersionDiff
from lineal.records.deletion import plan_deletion
from lineal.records.deployment import Prediction
from lineal.records.digest import Digest
from lineal.records.graph import GENERATED, USED, Edge, Graph, Node
from lineal.records.monitor import Distribution, Drift, MonitorReport, Quality, Window
from lineal.records.run import Capture, Code, FileUse, Metric, Param, Run, RunStatus
from lineal.workspace.interface import Workspace

NOWHERE = cast("Workspace", None)
DIGEST = Digest("blake3:" + "ab" * 32)


@pytest.mark.parametrize(
    ("output", "truth", "said"),
    [("late", "late", "right"), (1, 0, "wrong"), (True, False, "wrong"), (150.5, 140, "off by 10.5"), ("late", None, "wrong")],
)
def test_an_answer_is_judged_by_what_it_is(output: Any, truth: Any, said: str) -> None:
    known: dict[str, Any] = {"id": "p", "deployment": "d", "model": "m@1", "event_at": 0, "recorded_at": 0, "inputs": {}}
    assert _judged(Prediction(**known, output=output, truth=truth)) == said


def a_run(identifier: str = "3f2a" * 8, **fields: Any) -> Run:
    known: dict[str, Any] = {
        "id": identifier,
        "name": "train",
        "status": RunStatus.FINISHED,
        "command": ("python", "train.py", "--lr", "0.3"),
        "started_at": 1_700_000_000_000_000,
        "ended_at": 1_700_000_061_000_000,
        "exit_code": 0,
        "params": {"lr": Param(value=0.3, origin="argument")},
        "metrics": {"auc": Metric(last=0.91342, minimum=0.5, maximum=0.95, points=3, last_step=2)},
        "code": Code(commit="c" * 40, branch="main", dirty=True),
        "inputs": (FileUse(path="data/a\nb.csv", digest=DIGEST, size=1500, dataset="flights@1", role="train", role_origin="guessed"),),
        "outputs": (FileUse(path="model.skops", digest=None, size=10, role="model"),),
        "capture": Capture(tracers=("python",), grade="partial", unseen=("what a child wrote",)),
        "warnings": ("-p depth was never asked for",),
    }
    return Run(**(known | fields))


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_a_run_shows_what_came_in_and_out_and_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    show_run(NOWHERE, a_run())
    text = shown(capsys)
    for part in (
        "train  run 3f2a3f2a",
        "python train.py --lr 0.3",
        "1 min 1 s",
        "cccccccccccc on main, with uncommitted changes",
        "! -p depth was never asked for",
        "0.9134",
        "train (guessed)",
        "flights@1",
        "what a child wrote",
        "pending",
        "lineal model register 3f2a3f2a --name NAME",
    ):
        assert part in text
    assert "data/a\\nb.csv" in text
    assert not any(line != line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize(
    ("fields", "following"), [({"status": RunStatus.RUNNING, "exit_code": None}, "lineal stop"), ({"exit_code": 1}, "lineal logs")]
)
def test_the_next_step_fits_the_state(fields: dict[str, Any], following: str, capsys: pytest.CaptureFixture[str]) -> None:
    show_run(NOWHERE, a_run(**fields))
    assert f"{following} 3f2a3f2a" in shown(capsys)


def test_the_list_shows_parameters_only_where_they_differ(capsys: pytest.CaptureFixture[str]) -> None:
    params = {"same": Param(value=1), "lr": Param(value=0.1)}
    show(run_table([a_run("a" * 32, params=params), a_run("b" * 32, params={**params, "lr": Param(value=0.2)}, metrics={}, mistake="leaks")]))
    head, *rows = shown(capsys).splitlines()
    assert "lr" in head.split()
    assert "same" not in head
    assert "0.9134" in rows[0]
    assert "finished, mistake" in rows[1]
    assert "–" in rows[1]


def test_a_comparison_shows_only_what_differs_and_counts_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    other = a_run("b" * 32, params={"lr": Param(value=0.9)}, metrics={})
    show_comparison(compare_runs((a_run(), other)))
    text = shown(capsys)
    assert "ratio" in text
    assert text.index("Metrics that differ") < text.index("Parameters that differ")
    assert "Inputs that differ" not in text
    assert "The same: 1 thing in inputs" in text


def test_a_difference_of_data_counts_rows(capsys: pytest.CaptureFixture[str]) -> None:
    changed = PathChange(
        path="2013-02.csv", change="modified", before=DIGEST, after=DIGEST, size_before=1000, size_after=1000, rows={"changed": 5000}
    )
    show_diff(VersionDiff(before="flights@1", after="flights@2", changes=(changed,), added=0, removed=0, modified=1))
    text = shown(capsys)
    assert "flights@1 → flights@2  1 modified" in text
    assert "5,000 changed" in text


def node(identifier: str, kind: str, *marks: str) -> Node:
    return Node(id=identifier, kind=kind, label=f"the {identifier}", reference=f"{kind}:{identifier}", marks=frozenset(marks))


def chain(*marks: str) -> Graph:
    nodes = (node("d", "dataset"), node("r", "run"), node("m", "model"), node("g", "registration"), node("p", "deployment", *marks))
    edges = (
        Edge(source="r", target="d", relation=USED),
        Edge(source="m", target="r", relation=GENERATED),
        Edge(source="p", target="m", relation=USED),
    )
    return Graph(nodes=nodes, edges=edges, focus="d")


def test_a_refused_deletion_draws_the_path_to_production(capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_deletion(chain(), ("d",))
    show_plan(plan, "data:d", "")
    lines = shown(capsys).partition("What stands on it")[2].split("\n")[1:]
    assert [line.strip().split()[-1].partition(":")[2] for line in lines if line.strip()] == ["d", "r", "m", "p"]
    assert [len(line) - len(line.lstrip()) for line in lines if line.strip()] == [2, 2, 5, 8]
    refused = refusal(plan)
    assert isinstance(refused, PermissionDenied)
    assert refused.kind == "protected"


def test_a_possible_deletion_shows_its_hash(capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_deletion(chain("trial"), ("d",))
    show_plan(plan, "data:d", "")
    text = shown(capsys)
    assert "Would fall  4 things" in text
    assert f"lineal rm data:d --plan {plan.hash}" in text
    assert refusal(plan) is None


def test_what_still_runs_is_not_deleted() -> None:
    refused = refusal(plan_deletion(Graph(nodes=(node("r", "run", "running"),), edges=()), ("r",)))
    assert isinstance(refused, InvalidState)
    assert refused.kind == "still-running"


def test_lineage_is_a_tree_in_which_a_shared_node_is_drawn_once(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = tuple(node(name, "run") for name in "abcd")
    edges = tuple(Edge(source=source, target=target, relation=USED) for source, target in ("ab", "ac", "bd", "cd"))
    graph = Graph(nodes=nodes, edges=edges, focus="a")
    show(draw(graph, graph.causes()))
    text = shown(capsys)
    assert text.count("the d") == 2
    assert text.count("drawn elsewhere") == 1
    assert text.startswith("run the a")


def test_a_node_with_many_children_names_a_few_and_counts_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    nodes = (node("a", "run"), *(node(f"f{number}", "file") for number in range(20)))
    graph = Graph(nodes=nodes, edges=tuple(Edge(source="a", target=f"f{number}", relation=USED) for number in range(20)), focus="a")
    show(draw(graph, graph.causes()))
    assert "and 8 more" in shown(capsys)


def distribution(*counts: int) -> Distribution:
    return Distribution(feature="dep_hour", kind="numeric", labels=tuple(map(str, counts)), counts=counts)


def drift(level: str, psi: float) -> Drift:
    return Drift(feature="dep_hour", psi=psi, noise=0.001, level=level, observed=distribution(1, 4, 8), reference=distribution(8, 4, 1))


def window(label: str, drifts: Sequence[Drift], quality: Quality | None, *alerts: str) -> Window:
    return Window(label=label, start=0, end=1, predictions=27000, drift=tuple(drifts), prediction_drift=None, quality=quality, alerts=alerts)


def test_a_monitor_shows_quality_drift_and_alerts(capsys: pytest.CaptureFixture[str]) -> None:
    quality = Quality(metrics={"auc": 0.61}, intervals={"auc": (0.6, 0.62)}, known=900, coverage=0.9, base_rate=0.31, delay_us=14 * 86_400_000_000)
    windows = (window("2013-05", [drift("none", 0.01)], None), window("2013-06", [drift("large", 0.31)], quality, "auc fell"))
    show_report(MonitorReport(deployment="delay", model="delay@1", task="classification", every="month", windows=windows, total=54000))
    text = shown(capsys)
    for part in ("0.61 [0.6, 0.62]", "900 (90%)", "14 d 0 h", "0.310 large", "█▄▁", "▁▄█", "! 2013-06: auc fell"):
        assert part in text


def test_a_monitor_without_answers_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_report(MonitorReport(deployment="delay", model="delay@1", task="other", every="month", windows=()))
    assert "It has answered nothing yet." in shown(capsys)
