"""What a workspace promises, whichever it is: one of a folder alone, or one of a server's project."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from tests.workspace.contract.loop import FEATURES, Loop

from lineal.errors import Conflict, InvalidInput, InvalidState, NotFound, PermissionDenied
from lineal.interfaces.exports import as_csv, runs_table, series_table
from lineal.records.run import Run, RunStatus
from lineal.records.verdict import Verdict


def first(loop: Loop) -> Run:
    return loop.workspace.runs.get(f"run:{loop.trained[0].id}")


class TestRuns:
    def test_a_run_is_recorded_with_all_that_went_in_and_came_out(self, loop: Loop) -> None:
        run = first(loop)
        assert (run.status, run.exit_code, run.project) == (RunStatus.FINISHED, 0, loop.workspace.project_id)
        assert run.params["strength"].value == 1.0
        assert (run.metrics["loss"].points, run.metrics["loss"].minimum, run.metrics["accuracy"].on) == (20, 0.05, "")
        assert {"train.csv"} <= {use.path for use in run.inputs}
        assert any(use.path.endswith(".skops") for use in run.outputs)
        assert run.environment.packages
        assert run.capture.grade == "complete"

    def test_what_it_read_is_tied_to_the_version_that_it_lies_in(self, loop: Loop) -> None:
        assert loop.prepared is not None
        run = loop.workspace.runs.get(loop.prepared.id)
        assert [use.dataset for use in run.inputs if use.path == "data/cells.csv"] == ["cells@1"]

    def test_a_failure_is_recorded_as_one(self, loop: Loop) -> None:
        assert loop.failed is not None
        assert (loop.failed.status, loop.failed.exit_code) == (RunStatus.FAILED, 3)

    def test_runs_are_found_by_what_is_known_of_them(self, loop: Loop) -> None:
        page = loop.workspace.runs.search(where="params.strength = 0.5 and metrics.accuracy > 0", order="-metrics.accuracy")
        assert ([run.id for run in page.runs], page.total) == ([loop.trained[1].id], 1)
        assert len(loop.workspace.runs.search(limit=2).runs) == 2
        with pytest.raises(InvalidInput) as caught:
            loop.workspace.runs.search(where="params.strength =")
        assert caught.value.kind == "bad-filter"

    def test_many_runs_are_rows_that_go_on_page_by_page(self, loop: Loop) -> None:
        table = loop.workspace.table
        everything = [run.id for run in loop.workspace.runs.search(order="-metrics.accuracy").runs]
        page = table.rows(order="-metrics.accuracy", limit=2, columns=["params.strength"])
        assert all(set(row.params) <= {"strength"} and not row.metrics for row in page.rows)
        rest = table.rows(order="-metrics.accuracy", after=page.after)
        assert [row.id for row in (*page.rows, *rest.rows)] == everything
        assert [row.id for row in table.rows(order="-metrics.accuracy", offset=1, limit=1).rows] == everything[1:2]
        (row,) = table.rows(where=f"id = '{loop.trained[0].id}'").rows
        whole = first(loop)
        assert (row.number, row.name, row.status, row.ended_at) == (whole.number, whole.name, whole.status, whole.ended_at)
        assert row.params == {key: param.value for key, param in whole.params.items()}
        assert row.metrics == {key: metric.last for key, metric in whole.metrics.items()}
        assert table.count(where="params.strength = 0.5") == 1
        assert table.count() == len(everything)
        for where, order, after, kind in (
            ("params.strength =", "", "", "bad-filter"),
            ("", "a b", "", "bad-order"),
            ("", "", page.after, "bad-cursor"),
        ):
            with pytest.raises(InvalidInput) as caught:
                table.rows(where=where, order=order, after=after)
            assert caught.value.kind == kind

    def test_runs_are_grouped_and_their_names_known(self, loop: Loop) -> None:
        table = loop.workspace.table
        groups = {group.value: group for group in table.groups("params.strength", metrics=["accuracy", "nothing"])}
        assert groups[0.5].count == 1
        assert groups[0.5].metrics["accuracy"].mean == loop.workspace.runs.get(loop.trained[1].id).metrics["accuracy"].last
        assert set(groups[0.5].metrics) == {"accuracy"}
        for by in ("params.strength", "status", "dataset", "commit", "experiment", "tags.reproduces"):
            found = table.groups(by)
            assert [table.count(where=group.where) for group in found] == [group.count for group in found]
        assert {"strength"} <= set(table.keys()["params"])
        assert {"accuracy", "loss"} <= set(table.keys()["metrics"])
        with pytest.raises(InvalidInput) as caught:
            table.groups("sprocket")
        assert caught.value.kind == "bad-group"

    def test_what_the_page_shows_is_kept_under_a_name(self, loop: Loop) -> None:
        views = loop.workspace.views
        made = views.save(" best runs ", "/runs?where=metrics.accuracy > 0.5&order=-metrics.accuracy&offset=100&selected=a")
        assert (made.name, made.query) == ("best runs", "where=metrics.accuracy+%3E+0.5&order=-metrics.accuracy")
        assert views.get("best runs") == made
        again = views.save("best runs", "group=status")
        assert (again.created_at, again.query, len(views.list())) == (made.created_at, "group=status", 1)
        views.save("other", "")
        with pytest.raises(Conflict) as taken:
            views.rename("other", "best runs")
        assert taken.value.kind == "name-taken"
        assert views.rename("best runs", "by state").query == "group=status"
        for name in ("by state", "other"):
            views.delete(name)
        assert views.list() == ()
        for call in (views.get, views.delete):
            with pytest.raises(NotFound) as gone:
                call("by state")
            assert gone.value.kind == "unknown-view"
        with pytest.raises(InvalidInput) as bad:
            views.save("a/b", "")
        assert bad.value.kind == "bad-view"
        actions = [event["action"] for event in loop.workspace.audit.events(limit=6)]
        assert actions == ["view.deleted", "view.deleted", "view.renamed", "view.saved", "view.saved", "view.saved"]

    def test_every_point_of_a_metric_is_there(self, loop: Loop) -> None:
        (series,) = loop.workspace.runs.series(loop.trained[0].id, "loss")
        assert (series.steps, series.values) == (tuple(range(20)), tuple(1 / (step + 1) for step in range(20)))
        (part,) = loop.workspace.runs.series(loop.trained[0].id, "loss", start=5, stop=7, rank=0)
        assert (part.steps, part.total, part.rank, part.ranks) == ((5, 6, 7), 3, 0, 1)
        with pytest.raises(NotFound) as caught:
            loop.workspace.runs.series(loop.trained[0].id, "loss?")
        assert caught.value.kind == "unknown-metric"

    def test_runs_and_points_leave_as_tables(self, loop: Loop) -> None:
        runs = list(csv.DictReader(io.StringIO(b"".join(as_csv(runs_table(loop.workspace, where="params.strength = 0.5"))).decode())))
        assert [row["id"] for row in runs] == [loop.trained[1].id]
        points = b"".join(as_csv(series_table(loop.workspace, loop.trained[0].id, ["loss"]))).decode().splitlines()
        assert points[0] == "key,rank,step,value,time"
        assert [line.split(",")[:4] for line in points[1:3]] == [["loss", "0", "0", "1.0"], ["loss", "0", "1", "0.5"]]
        assert len(points) == 21

    def test_all_that_differs_between_two_runs_is_found(self, loop: Loop) -> None:
        found = loop.workspace.runs.difference(f"run:{loop.trained[0].id}", f"run:{loop.trained[1].id}")
        assert [(change.key, change.before, change.after) for change in found.params] == [("strength", 1.0, 0.5)]
        assert found.log is not None
        assert found.log.hunks[0].lines == ("-trained with 1.0", "+trained with 0.5")
        assert (found.code, found.packages, found.inputs) == ((), (), ())
        assert loop.prepared is not None
        apart = loop.workspace.runs.difference(f"run:{loop.prepared.id}", f"run:{loop.trained[0].id}", log=False)
        assert [(diff.path, diff.change) for diff in apart.code] == [("prepare.py", "removed"), ("train.py", "added")]
        assert next((change.path, change.before_dataset) for change in apart.inputs) == ("data/cells.csv", "cells@1")
        assert apart.log is None

    def test_the_output_and_the_files_can_be_had_again(self, loop: Loop) -> None:
        run = first(loop)
        assert b"".join(loop.workspace.runs.log(run.id)) == b"trained with 1.0\n"
        assert b"".join(loop.workspace.runs.follow(run.id)) == b"trained with 1.0\n"
        with loop.workspace.runs.artifact(run.id, "train.csv") as content:
            assert content.read() == (loop.root / "train.csv").read_bytes()
        with pytest.raises(NotFound) as caught:
            loop.workspace.runs.artifact(run.id, "none.csv")
        assert caught.value.kind == "unknown-path"
        assert loop.workspace.runs.diff(run.id) == ""

    def test_runs_are_compared(self, loop: Loop) -> None:
        found = loop.workspace.runs.compare([run.id for run in loop.trained])
        assert found.params["strength"] == (1.0, 0.5)
        assert "strength" in found.differing["params"]
        with pytest.raises(InvalidInput):
            loop.workspace.runs.compare([loop.trained[0].id])

    def test_a_mistake_is_marked_and_a_note_is_kept(self, loop: Loop) -> None:
        assert loop.failed is not None
        runs = loop.workspace.runs
        assert runs.mark_mistake(loop.failed.id, "no such thing").mistake == "no such thing"
        assert runs.mark_mistake(loop.failed.id, "").mistake == ""
        noted = runs.annotate(loop.failed.id, note="look again", tags={"seen": "yes", "gone": ""})
        assert (noted.note, dict(noted.tags)) == ("look again", {"seen": "yes"})

    def test_what_has_ended_cannot_be_stopped(self, loop: Loop) -> None:
        with pytest.raises(InvalidState) as caught:
            loop.workspace.runs.stop(loop.trained[0].id)
        assert caught.value.kind == "not-running"

    def test_a_run_is_reproduced_to_the_bit_of_its_content(self, loop: Loop) -> None:
        assert loop.reproduced is not None
        assert (loop.reproduced.verdict, loop.reproduced.run) == (Verdict.IDENTICAL, loop.trained[0].id)
        assert loop.workspace.runs.get(loop.reproduced.rerun).tags["reproduces"] == loop.trained[0].id


class TestDatasets:
    def test_versions_count_up(self, loop: Loop) -> None:
        (dataset,) = loop.workspace.datasets.list()
        assert (dataset.name, dataset.latest, dataset.path) == ("cells", "cells@2", "data")
        assert [version.reference for version in loop.workspace.datasets.versions("cells")] == ["cells@2", "cells@1"]
        assert loop.workspace.datasets.get("cells").message == "one more"
        with pytest.raises(NotFound):
            loop.workspace.datasets.get("cells@9")

    def test_what_differs_is_told_row_by_row(self, loop: Loop) -> None:
        diff = loop.workspace.datasets.diff("cells@1", "cells@2")
        (change,) = diff.changes
        assert (diff.modified, change.path, change.rows["added"]) == (1, "cells.csv", 1)

    def test_files_are_read_where_they_lie(self, loop: Loop) -> None:
        (entry,) = loop.workspace.datasets.entries("cells@1")
        assert entry.path == b"cells.csv"
        with loop.workspace.datasets.open("cells@1", "cells.csv") as content:
            assert content.readline().count(b",") == FEATURES
        view = loop.workspace.datasets.view("cells@2")
        found = view.entry(b"cells.csv")
        assert found is not None
        assert view.read(found, 0, 4) == b"mean"

    def test_a_version_is_checked_out_elsewhere(self, loop: Loop, tmp_path: Path) -> None:
        assert loop.workspace.datasets.checkout("cells@2", tmp_path / "copy") == 1
        assert (tmp_path / "copy" / "cells.csv").read_bytes() == (loop.root / "data" / "cells.csv").read_bytes()

    def test_the_working_copy_is_compared_with_its_latest_version(self, loop: Loop) -> None:
        (status,) = loop.workspace.datasets.status("cells")
        assert (status.clean, status.latest) == (True, "cells@2")
        (loop.root / "data" / "new.csv").write_text("a\n")
        assert [change.path for change in loop.workspace.datasets.status()[0].changes] == ["new.csv"]
        (loop.root / "data" / "new.csv").unlink()

    def test_everything_is_sound(self, loop: Loop) -> None:
        assert all(report.sound for report in loop.workspace.datasets.verify())
        assert all(report.sound for report in loop.workspace.datasets.verify_sample("cells@1", share=0.5, seed=3))
        assert {report.subject for report in loop.workspace.audit.check()} >= {"store", "ledger", "datasets", "journals"}
        assert all(report.sound for report in loop.workspace.audit.check())
        assert loop.workspace.datasets.preview_collection().needed_objects > 0
        assert loop.workspace.audit.rebuild() == ()

    def test_a_branch_is_made_merged_and_taken_away(self, loop: Loop) -> None:
        branches = loop.workspace.branches
        made = branches.create("cells", "cleaning", at="1")
        assert (made.version, [branch.name for branch in branches.list("cells")]) == ("cells@1", ["main", "cleaning"])
        assert branches.plan_merge("cells", "main", into="cleaning").outcome == "fast-forward"
        assert branches.merge("cells", "main", into="cleaning").version == "cells@2"
        assert loop.workspace.datasets.get("cells@cleaning").reference == "cells@2"
        assert branches.delete("cells", "cleaning") == ()
        assert [branch.name for branch in branches.list("cells")] == ["main"]


class TestModels:
    def test_a_model_is_in_the_library_with_what_is_known_of_it(self, loop: Loop) -> None:
        (model,) = loop.workspace.models.list()
        version = loop.workspace.models.get("benign@champion")
        assert (model.name, version.reference, version.run, version.aliases) == ("benign", "benign@1", loop.trained[0].id, ("champion",))
        assert (len(version.signature.inputs), version.signature.task, version.ever_deployed) == (FEATURES, "classification", True)

    def test_an_alias_moves_and_goes(self, loop: Loop) -> None:
        assert "candidate" in loop.workspace.models.set_alias("benign@1", "candidate").aliases
        loop.workspace.models.remove_alias("benign", "candidate")
        with pytest.raises(NotFound):
            loop.workspace.models.get("benign@candidate")

    def test_its_bundle_is_written(self, loop: Loop, tmp_path: Path) -> None:
        folder = loop.workspace.models.export("benign@1", tmp_path / "bundle")
        assert {"bundle.json", "model.skops"} <= {path.name for path in folder.iterdir()}
        with pytest.raises(Conflict) as caught:
            loop.workspace.models.export("benign@1", folder)
        assert caught.value.kind == "folder-not-empty"


class TestDeployments:
    def test_what_is_deployed_answers_and_is_captured(self, loop: Loop) -> None:
        deployments = loop.workspace.deployments
        assert [(found.name, found.model, found.status) for found in deployments.list()] == [("live", "benign@1", "serving")]
        assert deployments.get("live").predictions == len(loop.answers)
        found = deployments.predictions("live", limit=3)
        assert len(found) == 3
        assert deployments.predictions("live", limit=100)[-1].id == loop.answers[0]
        assert deployments.prediction(loop.answers[0]).truth is not None
        assert isinstance(deployments.log("live"), str)

    def test_the_monitor_tells_how_right_it_was(self, loop: Loop) -> None:
        assert loop.receipt is not None
        assert loop.receipt.accepted == len(loop.answers)
        report = loop.workspace.monitors.report("live", every="month")
        (window,) = [window for window in report.windows if window.predictions]
        assert (report.deployment, window.label, window.predictions) == ("live", "2024-03", len(loop.answers))
        assert window.quality is not None
        assert window.quality.known == len(loop.answers)


class TestLineage:
    def test_a_prediction_is_traced_back_to_its_data(self, loop: Loop) -> None:
        kinds = [node.kind for node in loop.workspace.lineage.trace(loop.answers[0])]
        assert {"deployment", "model", "run", "dataset"} <= set(kinds)

    def test_the_graph_ties_it_together(self, loop: Loop) -> None:
        graph = loop.workspace.lineage.graph("model:benign@1")
        assert {"cells@1"} <= {node.label for node in graph.nodes if node.kind == "dataset"}
        assert loop.workspace.lineage.graph("data:cells@1", down=True, depth=1).nodes
        assert len(loop.workspace.lineage.project().nodes) > 5

    def test_what_was_in_production_does_not_go(self, loop: Loop) -> None:
        plan = loop.workspace.lineage.plan_deletion("data:cells@1")
        assert (plan.refused, plan.path[-1].label) == (True, "live")
        with pytest.raises(PermissionDenied) as caught:
            loop.workspace.lineage.delete("data:cells@1", plan.hash)
        assert caught.value.kind == "protected"

    def test_what_nothing_stands_on_goes_and_comes_back(self, loop: Loop) -> None:
        assert loop.failed is not None
        reference = f"run:{loop.failed.id}"
        lineage = loop.workspace.lineage
        with pytest.raises(Conflict) as caught:
            lineage.delete(reference, "0" * 16)
        assert caught.value.kind == "stale-plan"
        assert not lineage.delete(reference, lineage.plan_deletion(reference).hash).refused
        with pytest.raises(NotFound) as gone:
            loop.workspace.resolve(reference)
        assert gone.value.kind == "deleted"
        assert [node.id for node in lineage.undelete(reference)] == [loop.failed.id]
        assert loop.workspace.resolve(reference).kind == "run"


class TestReferences:
    def test_a_reference_names_one_thing(self, loop: Loop) -> None:
        assert loop.workspace.resolve("cells@1").kind == "dataset"
        assert loop.workspace.resolve(f"path:{loop.root / 'train.csv'}").label == "train.csv"
        assert loop.workspace.resolve("benign", kinds=("model",)).kind == "model"
        with pytest.raises(InvalidInput) as caught:
            loop.workspace.resolve("data:cells", kinds=("run",))
        assert caught.value.kind == "wrong-kind"

    def test_one_that_names_nothing_says_what_there_is(self, loop: Loop) -> None:
        with pytest.raises(NotFound) as caught:
            loop.workspace.resolve("data:cell")
        assert (caught.value.kind, caught.value.hint) == ("unknown-reference", "Did you mean data:cells?")

    def test_who_did_what_is_kept(self, loop: Loop) -> None:
        actions = {event["action"] for event in loop.workspace.audit.events(limit=500)}
        assert {"run.started", "run.ended", "dataset.added", "model.registered", "deployment.started"} <= actions
        assert len(loop.workspace.audit.events(subject="data:cells@1")) == 1
