"""What falls, what may not fall, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from lineal.errors import Conflict, InvalidState, NotFound, PermissionDenied
from lineal.ledger import schema
from lineal.ledger.events import list_events
from lineal.ledger.nodes import load_nodes
from lineal.workspace.references import resolve
from lineal.workspace.retention import carry_out_deletion, preview_deletion, undo_deletion
from lineal.workspace.site import Site


def story(facts: Any, *, trial: bool = False, stopped: bool = False) -> dict[str, str]:
    """flights@1 → prepare → train.parquet → train → model.skops → delay@1 → deployment."""
    made = {"data": facts.dataset("flights", path="data/flights")}
    made["prepare"] = facts.run("prepare", uses=(made["data"],))
    made["table"] = facts.file("train.parquet", by=made["prepare"])
    made["train"] = facts.run("train", uses=(made["table"],))
    made["file"] = facts.file("model.skops", by=made["train"])
    made["model"] = facts.model("delay", of=made["file"], run=made["train"], alias="champion")
    made["deployment"] = facts.deployment("live", of=made["model"], trial=trial, stopped=stopped)
    return made


def delete(site: Site, reference: str) -> Any:
    return carry_out_deletion(site, reference, preview_deletion(site, reference).hash)


def rows(site: Site) -> list[list[tuple[Any, ...]]]:
    """Everything the ledger says, but for deletions and events."""
    with site.ledger.read() as connection:
        tables = [table for table in schema.metadata.sorted_tables if table.name not in {"deletions", "events"}]
        return [sorted(tuple(row) for row in connection.execute(select(table))) for table in tables]


def test_everything_derived_falls_and_what_it_came_from_stays(site: Site, facts: Any) -> None:
    story(facts, trial=True, stopped=True)
    plan = preview_deletion(site, "train")
    assert [node.label for node in plan.falls] == ["train #2", "model.skops", "register delay", "delay@1", "live (trial)"]
    assert not plan.refused
    assert delete(site, "train").hash == plan.hash
    for gone in ("train", "delay@1", "deployment:live", "model.skops"):
        with pytest.raises(NotFound):
            resolve(site, gone)
    assert resolve(site, "flights@1")
    assert resolve(site, "prepare")


def test_what_production_stands_on_is_refused_with_the_path(site: Site, facts: Any) -> None:
    story(facts)
    before = rows(site)
    plan = preview_deletion(site, "flights@1")
    assert plan.refused
    way = ["flights@1", "prepare #1", "train.parquet", "train #2", "model.skops", "register delay", "delay@1", "live"]
    assert [node.label for node in plan.path] == way
    with pytest.raises(PermissionDenied) as refused:
        carry_out_deletion(site, "flights@1", plan.hash)
    assert refused.value.kind == "protected"
    assert " → ".join(way) in refused.value.message
    assert rows(site) == before


def test_the_guard_holds_after_undeploy_restart_rename_and_alias_move(site: Site, facts: Any, reopen: Callable[[], Site]) -> None:
    made = story(facts, stopped=True)
    facts.model("delay", 2, of=facts.file("other.skops", by=facts.run("other")))
    with site.ledger.write() as connection:
        connection.execute(update(schema.model_aliases).values(number=2))
        connection.execute(update(schema.deployments).values(name="renamed"))
        connection.execute(update(schema.model_versions).where(schema.model_versions.c.number == 1).values(name="delay-old"))
        connection.execute(update(schema.activities).where(schema.activities.c.id == made["deployment"]).values(label="renamed"))
    again = reopen()
    for reference in ("flights@1", "prepare", "train.parquet", "train", "delay-old@1", "deployment:renamed"):
        with pytest.raises(PermissionDenied):
            delete(again, reference)


def test_a_trial_protects_nothing_but_must_be_stopped_first(site: Site, facts: Any) -> None:
    made = story(facts, trial=True)
    with pytest.raises(InvalidState) as running:
        delete(site, "train")
    assert running.value.kind == "still-running"
    assert running.value.hint == "Stop it first with: lineal undeploy live"
    with site.ledger.write() as connection:
        connection.execute(update(schema.deployments).where(schema.deployments.c.id == made["deployment"]).values(stopped_at=1))
    delete(site, "train")


def test_a_running_run_is_refused(site: Site, facts: Any) -> None:
    run = facts.run(status="running")
    with pytest.raises(InvalidState) as running:
        delete(site, "train")
    assert running.value.hint == f"Stop it first with: lineal stop run:{run[:12]}"


def test_a_plan_is_carried_out_only_if_nothing_changed_since(site: Site, facts: Any) -> None:
    table = facts.file("train.parquet", by=facts.run("prepare"))
    plan = preview_deletion(site, "prepare")
    facts.run("train", uses=(table,))
    with pytest.raises(Conflict) as stale:
        carry_out_deletion(site, "prepare", plan.hash)
    assert stale.value.kind == "stale-plan"
    assert preview_deletion(site, "prepare").hash in stale.value.hint
    assert resolve(site, "prepare")


def test_a_deployment_between_plan_and_deed_stops_the_deed(site: Site, facts: Any) -> None:
    run = facts.run("train")
    model = facts.model("delay", of=facts.file("model.skops", by=run), run=run)
    plan = preview_deletion(site, "train")
    facts.deployment("live", of=model)
    with pytest.raises(PermissionDenied):
        carry_out_deletion(site, "train", plan.hash)


def test_undelete_is_the_inverse_of_delete(site: Site, facts: Any) -> None:
    story(facts, trial=True, stopped=True)
    before = rows(site)
    delete(site, "prepare")
    assert rows(site) != before
    back = undo_deletion(site, "delay@1")
    assert rows(site) == before
    assert {node.label for node in back} >= {"prepare #1", "train #2", "delay@1"}


def test_undelete_refuses_where_what_it_stands_on_is_deleted(site: Site, facts: Any) -> None:
    story(facts, trial=True, stopped=True)
    delete(site, "delay@1")
    delete(site, "train")
    with pytest.raises(Conflict) as refused:
        undo_deletion(site, "delay@1")
    assert refused.value.kind == "stands-on-deleted"
    assert "path:model.skops#" in refused.value.hint
    undo_deletion(site, "train")
    assert [node.label for node in undo_deletion(site, "delay@1")] == ["delay@1", "register delay", "live (trial)"]


def test_what_is_deleted_twice_in_two_groups_comes_back_with_its_own(site: Site, facts: Any) -> None:
    first = facts.run("a")
    facts.run("b", uses=(facts.file("a.csv", by=first),))
    delete(site, "b")
    undo_deletion(site, "b")
    delete(site, "a")
    undo_deletion(site, "b")
    assert resolve(site, "a").id == first


def test_a_dataset_version_takes_the_import_with_it_that_made_nothing_else(site: Site, facts: Any) -> None:
    facts.dataset("flights", 1)
    facts.dataset("flights", 2)
    assert [node.kind for node in preview_deletion(site, "flights").falls] == ["dataset", "import"]
    delete(site, "flights")
    assert resolve(site, "flights").detail["number"] == 1


def test_every_fall_and_return_is_an_event(site: Site, facts: Any) -> None:
    run = facts.run()
    facts.file("a.csv", by=run)
    delete(site, "train")
    undo_deletion(site, "train")
    with site.ledger.read() as connection:
        told = [(event["action"], event["actor"]) for event in list_events(connection, project_id=site.project_id)]
        about_run = list_events(connection, project_id=site.project_id, subject=f"run:{run}")
    assert told == [("file.undeleted", "ada"), ("run.undeleted", "ada"), ("file.deleted", "ada"), ("run.deleted", "ada")]
    assert len(about_run) == 2


def test_bytes_of_what_is_deleted_stay(site: Site, facts: Any, tmp_path: Path) -> None:
    digest = site.store.put_bytes(b"x")
    facts.file("a.csv", by=facts.run(), digest=digest)
    delete(site, "a.csv")
    assert site.store.read(digest) == b"x"
    assert tmp_path.exists()


def test_marks_say_what_is_guarded_and_what_happened(site: Site, facts: Any) -> None:
    made = story(facts)
    mistake = facts.run("leak", uses=(made["table"],), status="failed", mistake="uses arr_time")
    with site.ledger.read() as connection:
        found = load_nodes(connection, site.project_id, [*made.values(), mistake])
    assert {key for key, node in made.items() if "protected" in found[node].marks} == set(made)
    assert found[made["model"]].marks == {"deployed", "protected"}
    assert found[made["deployment"]].marks == {"deployed", "running", "protected"}
    assert found[mistake].marks == {"mistake", "failed"}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_deleted_from_any_graph_comes_back_as_it_was(site: Site, facts: Any, data: st.DataObject) -> None:
    files: list[str] = []
    runs: list[str] = []
    for place in range(data.draw(st.integers(1, 6))):
        uses = data.draw(st.sets(st.sampled_from(files), max_size=2)) if files else set()
        runs.append(facts.run(f"run{place}", uses=tuple(sorted(uses))))
        files += [facts.file(f"{name}.csv", by=runs[-1]) for name in data.draw(st.lists(st.sampled_from("abc"), max_size=2))]
    chosen = f"id:{data.draw(st.sampled_from([*runs, *files]))}"
    before = rows(site)
    fallen = {node.id for node in delete(site, chosen).falls}
    with site.ledger.read() as connection:
        marked = {node.id for node in load_nodes(connection, site.project_id, [*runs, *files]).values() if "deleted" in node.marks}
    assert marked == fallen
    assert {node.id for node in undo_deletion(site, chosen)} == fallen
    assert rows(site) == before
