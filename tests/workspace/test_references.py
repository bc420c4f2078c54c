"""What a name, a number, a prefix, a path and a digest mean, and when Lineal refuses to guess."""

from __future__ import annotations

from typing import Any

import pytest

from lineal.errors import Conflict, InvalidInput, NotFound
from lineal.workspace.references import resolve, resolve_deleted
from lineal.workspace.retention import carry_out_deletion, preview_deletion
from lineal.workspace.site import Site


def test_a_run_is_named_by_id_prefix_number_or_name(site: Site, facts: Any) -> None:
    run = facts.run("train", identifier="3f2a" + "0" * 28)
    facts.run("prepare")
    for text in (run, "3f2a", "run:3f2a00", "#1", "run:#1", "train", "run:train"):
        node = resolve(site, text)
        assert (node.id, node.kind) == (run, "run")
    assert resolve(site, "#1").detail["number"] == 1


def test_fewer_than_four_digits_name_no_run(site: Site, facts: Any) -> None:
    facts.run(identifier="3f2a" + "0" * 28)
    with pytest.raises(NotFound, match="nothing here is called '3f2'"):
        resolve(site, "3f2")


def test_a_prefix_or_a_name_that_runs_share_is_refused_with_the_candidates(site: Site, facts: Any) -> None:
    one = facts.run(identifier="3f2a1" + "0" * 27)
    two = facts.run(identifier="3f2a2" + "0" * 27)
    for text in ("3f2a", "train"):
        with pytest.raises(Conflict) as refused:
            resolve(site, text)
        assert refused.value.kind == "ambiguous-reference"
        assert f"run:{one[:12]}" in refused.value.hint
        assert f"run:{two[:12]}" in refused.value.hint


def test_a_dataset_is_named_by_number_commit_or_its_latest(site: Site, facts: Any) -> None:
    first = facts.dataset("flights", 1)
    second = facts.dataset("flights", 2)
    commit = resolve(site, "flights@1").detail["commit"].removeprefix("blake3:")
    assert resolve(site, "flights@1").id == resolve(site, f"flights@~{commit[:4]}").id == first
    assert resolve(site, "flights").id == resolve(site, "data:flights").id == resolve(site, "data:flights@latest").id == second
    assert resolve(site, "flights").reference == "data:flights@2"


def test_a_model_is_named_by_number_alias_or_its_latest(site: Site, facts: Any) -> None:
    file = facts.file("model.skops", by=facts.run())
    first = facts.model("delay", 1, of=file, alias="champion")
    second = facts.model("delay", 2, of=file)
    assert resolve(site, "delay@1").id == resolve(site, "model:delay@champion").id == first
    assert resolve(site, "delay").id == second
    with pytest.raises(NotFound):
        resolve(site, "delay@contender")


def test_a_bare_name_that_fits_two_things_is_refused_and_a_prefix_decides(site: Site, facts: Any) -> None:
    model = facts.model("delay", of=facts.file("model.skops", by=facts.run()))
    deployment = facts.deployment("delay", of=model)
    with pytest.raises(Conflict) as refused:
        resolve(site, "delay")
    assert refused.value.hint == f"Say which: model:delay@1, deployment:{deployment}"
    assert resolve(site, "deployment:delay").id == deployment
    assert resolve(site, "delay", kinds=("model",)).id == model


def test_a_deployment_name_means_the_one_that_serves_else_the_latest(site: Site, facts: Any) -> None:
    model = facts.model("delay", of=facts.file("model.skops", by=facts.run()))
    serving = facts.deployment("live", of=model)
    later = facts.deployment("live", of=model, stopped=True)
    assert resolve(site, "live").id == serving
    assert resolve(site, f"deployment:{later}").id == later


def test_a_path_means_its_latest_occurrence_and_may_name_an_earlier_one(site: Site, facts: Any) -> None:
    first = facts.file("data/train.csv", by=facts.run("a"))
    second = facts.file("data/train.csv", by=facts.run("b"))
    assert resolve(site, "data/train.csv").id == resolve(site, "path:./data/train.csv").id == second
    assert resolve(site, str(site.layout.root / "data/train.csv")).id == second
    for identifier in (first, second):
        assert resolve(site, resolve(site, f"id:{identifier}").reference).id == identifier


@pytest.mark.parametrize("path", [b"my data/a b.csv", b"new\nline.csv", b"caf\xe9.csv", b"a#b.csv"])
def test_every_path_has_a_reference_that_leads_back(site: Site, facts: Any, path: bytes) -> None:
    identifier = facts.file(path)
    reference = resolve(site, f"id:{identifier}").reference
    assert resolve(site, reference).id == identifier
    reference.encode()


def test_a_digest_means_its_latest_occurrence(site: Site, facts: Any) -> None:
    digest = f"blake3:{'ab' * 32}"
    facts.file("a.csv", digest=digest)
    later = facts.file("b.csv", digest=digest)
    assert resolve(site, digest).id == resolve(site, f"path:{digest}").id == later


def test_a_file_inside_a_dataset_means_the_dataset_through_the_run_that_read_it(site: Site, facts: Any) -> None:
    dataset = facts.dataset("flights", path="data/flights")
    run = facts.run()
    facts.edge(run, dataset, "used", path=b"data/flights/jan.csv")
    assert resolve(site, "path:data/flights/jan.csv").id == dataset


def test_an_unknown_name_comes_with_close_ones(site: Site, facts: Any) -> None:
    facts.dataset("flights")
    with pytest.raises(NotFound) as missing:
        resolve(site, "data:flihgts@1")
    assert (missing.value.kind, missing.value.hint) == ("unknown-reference", "Did you mean data:flights?")
    with pytest.raises(NotFound) as unversioned:
        resolve(site, "flights@99")
    assert unversioned.value.hint == "flights is there; see its versions with: lineal data log flights"
    for text in ("flights@" + "9" * 30, "#" + "9" * 30, "delay@" + "9" * 30):
        with pytest.raises(NotFound):
            resolve(site, text)


def test_a_prefix_that_does_not_fit_the_place_is_refused(site: Site) -> None:
    with pytest.raises(InvalidInput, match="names a run, but a model or deployment is wanted here"):
        resolve(site, "run:3f2a", kinds=("model", "deployment"))
    for text in ("", "  ", "run:"):
        with pytest.raises(InvalidInput, match="a reference is empty"):
            resolve(site, text)


def test_a_deleted_thing_says_how_it_comes_back(site: Site, facts: Any) -> None:
    run = facts.run()
    carry_out_deletion(site, "#1", preview_deletion(site, "#1").hash)
    with pytest.raises(NotFound) as gone:
        resolve(site, "#1")
    assert (gone.value.kind, gone.value.hint) == ("deleted", f"Bring it back with: lineal undelete run:{run[:12]}")
    assert resolve_deleted(site, "#1").id == run
    facts.run("prepare")
    with pytest.raises(NotFound) as there:
        resolve_deleted(site, "prepare")
    assert there.value.kind == "not-deleted"


def test_a_living_thing_hides_a_deleted_one_of_the_same_name(site: Site, facts: Any) -> None:
    facts.run("train")
    carry_out_deletion(site, "train", preview_deletion(site, "train").hash)
    again = facts.run("train")
    assert resolve(site, "train").id == again
