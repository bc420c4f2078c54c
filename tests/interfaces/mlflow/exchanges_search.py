"""Requests that search runs and experiments: MLflow's grammar, its orders and its pages."""

from __future__ import annotations

from typing import Any

from tests.interfaces.mlflow.exchanges import Exchange, briefly, get, post

AT = 1_700_000_000_000


def _run(number: int, **words: Any) -> tuple[Exchange, Exchange]:
    name = f"s{number}"
    return (
        post(
            f"run {name}",
            "/runs/create",
            experiment_id="$exp",
            run_name=name,
            user_id=f"u{number}",
            start_time=AT + number,
            keep={name: "run.info.run_id"},
        ),
        post(f"figures of {name}", "/runs/log-batch", run_id=f"${name}", **words),
    )


def _points(**values: Any) -> list[dict[str, Any]]:
    return [{"key": key, "value": value, "timestamp": AT, "step": 0} for key, value in values.items()]


def _pairs(**values: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


FILTERS = (
    "metrics.auc > 0.5", "metrics.auc >= 0.7", "metrics.auc = 0.7", "metrics.auc != 0.7", "metric.auc < 1", "metrics.auc <= 0.5 and metrics.loss > 0",
    "metrics.`auc` > 0.5", 'metrics."auc" > 0.5', "metrics.'auc' > 0.5", "metrics.auc > '0.5'", "metrics.auc > .5", "metrics.auc > 5e-1", "metrics.auc > -1",
    "metrics.auc == 0.7", "metrics.auc <> 0.7", "metrics.auc LIKE '0%'", "metrics.auc IN (0.7)", "metrics.nothing > 0", "metrics.nan > 0", "metrics.`a b` = 1",
    "params.depth = '4'", "params.depth = 4", 'params.depth = "4"', "param.depth != '4'", "parameters.depth = '4'", "params.depth > '4'", "params.depth LIKE '4%'",
    "params.kind = 'Tree'", "params.kind = 'tree'", "params.kind LIKE 'T%'", "params.kind LIKE 't%'", "params.kind ILIKE 't%'", "params.kind LIKE '_ree'",
    "params.kind ILIKE 'TREE'", "params.kind NOT LIKE 'T%'", "params.kind IN ('Tree', 'net')", "params.kind IS NULL", "params.kind IS NOT NULL", "params.kind like 'T%'",
    "tags.team = 'vision'", "tag.team = 'vision'", "tags.team LIKE '%sion'", "tags.team LIKE 'VIS%'", "tags.team ILIKE 'VIS%'", "tags.`a.b` = 'x'", 'tags."a.b" = \'x\'',
    "tags.a.b = 'x'", "tags.team != 'vision'", "tags.team IS NULL", "tags.mlflow.runName = 's1'", "tags.`mlflow.runName` LIKE 's%'", "tags.team > 'a'", "tags.team = vision",
    "attributes.status = 'RUNNING'", "attributes.status != 'RUNNING'", "attribute.status = 'running'", "status = 'RUNNING'", "attributes.status LIKE 'RUN%'", "attributes.status IN ('RUNNING')",
    "attributes.run_name = 's1'", "run_name = 's1'", "attributes.run_name ILIKE 'S%'", "attributes.`run name` = 's1'", "attributes.`Run name` = 's1'", "`Run name` = 's1'", "run.run_name = 's1'",
    "attr.run_name = 's1'", "attributes.user_id = 'u1'", "attributes.artifact_uri LIKE 'mlflow%'", "attributes.start_time > 1700000000001", "attributes.created > 1700000000001",
    "start_time >= 1700000000002", "attributes.start_time = '1700000000001'", "attributes.end_time > 0", "attributes.run_id = '$s1'", "attributes.run_id IN ('$s1', '$s2')", "attributes.run_id NOT IN ('$s1')",
    "attributes.run_id IN ()", "attributes.run_id IN '$s1'", "run_id = '$s1'", "attributes.run_id LIKE '$s1'", "attributes.experiment_id = '0'", "attributes.nothing = 'x'", "attributes.lifecycle_stage = 'active'",
    "attributes.duration > 1", "dataset.name = 'train'", "datasets.name = 'train'", "dataset.digest = 'd1'", "dataset.context = 'training'", "dataset.name LIKE 'tr%'", "dataset.name IN ('train')", "dataset.nothing = 'x'",
    "metrics.auc > 0.5 AND params.depth = '4'", "metrics.auc > 0.5 and tags.team = 'vision' and attributes.status = 'RUNNING'", "metrics.auc > 0.5 OR params.depth = '4'", "NOT metrics.auc > 0.5",
    "(metrics.auc > 0.5)", "metrics.auc > 0.5,", "metrics.auc > 0.5;", "metrics.auc >", "metrics.auc", "> 0.5", "auc > 0.5", "0.5 < metrics.auc", "metrics.auc > 0.5 params.depth = '4'", "metrics.auc > metrics.loss",
    "params.depth = 'it''s'", 'params.depth = "it\'s"', "params.depth = 'x", "params. = '4'", "nothing.depth = '4'", "m.auc > 1", "metrics.auc > true", "metrics.auc > abc", "metrics.auc between 0 and 1",
    "params.depth = '4' --", "1 = 1", "'a' = 'a'", "", "   ", "metrics.auc > 0.5 AND", "AND metrics.auc > 0.5", "model.name = 'x'", "params.depth IN ('4', 4)", "tags.team IN ('vision')", "PARAMS.depth = '4'", "Metrics.auc > 0.5",
    "params.größe = 'ä'", "params.pct LIKE '50\\%'", "params.pct LIKE '50%'", "prompt.name = 'x'",
)  # fmt: skip

ORDERS: tuple[Any, ...] = (
    ["metrics.auc"], ["metrics.auc DESC"], ["metrics.auc asc"], ["metrics.auc desc"], ["metric.auc"], ["metrics.`auc` DESC"], ["metrics.nan DESC"], ["metrics.nan"], ["metrics.nothing"], ["params.kind DESC"], ["params.kind"],
    ["tags.team DESC"], ["attributes.start_time"], ["attributes.start_time DESC"], ["start_time DESC"], ["attribute.run_name DESC"], ["run_name"], ["attributes.status", "attributes.start_time DESC"],
    ["created DESC"], ["attributes.`Run Name`"], ["attributes.nothing"], ["nothing"], ["metrics.auc sideways"], ["metrics.auc DESC, params.depth"], ["auc"], [""], ["metrics."], ["metrics.auc DESC", "metrics.auc"],
    ["DESC"], ["dataset.name"], ["attributes.end_time"], ["attributes.user_id DESC"], "metrics.auc", [5],
)  # fmt: skip

RUN_SEARCHES: tuple[Exchange, ...] = (
    post("experiment of searches", "/experiments/create", name="of searches", keep={"exp": "experiment_id"}),
    *_run(
        1, metrics=_points(auc=0.5, loss=1, nan="NaN"), params=_pairs(depth="4", kind="Tree", pct="50%"), tags=_pairs(team="vision", **{"a.b": "x"})
    ),
    *_run(2, metrics=_points(auc=0.7, loss=2, nan=2), params=_pairs(depth="5", kind="tree", pct="505"), tags=_pairs(team="sound")),
    *_run(3, metrics=_points(auc=0.9, nan=1, **{"a b": 1}), params=_pairs(depth="4", kind="net"), tags=_pairs(team="Vision")),
    *_run(4, tags=_pairs(other="1")),
    post(
        "data of s1",
        "/runs/log-inputs",
        run_id="$s1",
        datasets=[
            {
                "tags": [{"key": "mlflow.data.context", "value": "training"}],
                "dataset": {"name": "train", "digest": "d1", "source_type": "local", "source": "{}"},
            }
        ],
    ),
    *briefly(post(f"find {text!r}", "/runs/search", experiment_ids=["$exp"], filter=text, order_by=["attributes.start_time"]) for text in FILTERS),
    *briefly(post(f"order {orders!r}", "/runs/search", experiment_ids=["$exp"], order_by=orders) for orders in ORDERS),
    post("find all", "/runs/search", experiment_ids=["$exp"]),
    post("find in no experiment", "/runs/search", experiment_ids=[]),
    post("find without experiments", "/runs/search"),
    post("find in an experiment that is not there", "/runs/search", experiment_ids=["99999"]),
    post("find in an experiment whose id is no number", "/runs/search", experiment_ids=["abc"]),
    post("find in experiments that are no list", "/runs/search", experiment_ids="0"),
    post("find one", "/runs/search", experiment_ids=["$exp"], max_results=1, keep={"token": "next_page_token"}),
    post("find the next", "/runs/search", experiment_ids=["$exp"], max_results=1, page_token="$token"),
    post("find the last page", "/runs/search", experiment_ids=["$exp"], max_results=3, page_token="$token"),
    post("find at a page that is none", "/runs/search", experiment_ids=["$exp"], max_results=1, page_token="nonsense"),
    post("find at an empty page", "/runs/search", experiment_ids=["$exp"], max_results=4, page_token=""),
    post("find none at most", "/runs/search", experiment_ids=["$exp"], max_results=0),
    post("find fewer than none", "/runs/search", experiment_ids=["$exp"], max_results=-1),
    post("find 50,000", "/runs/search", experiment_ids=["$exp"], max_results=50_000, filter="metrics.auc > 2"),
    post("find 50,001", "/runs/search", experiment_ids=["$exp"], max_results=50_001),
    post("find as many as a text says", "/runs/search", experiment_ids=["$exp"], max_results="2", order_by=["start_time"]),
    post("find many as a word", "/runs/search", experiment_ids=["$exp"], max_results="many"),
    post("end s2", "/runs/update", run_id="$s2", status="FINISHED", end_time=AT + 10),
    post("forget s2", "/runs/delete", run_id="$s2"),
    post("find what is there", "/runs/search", experiment_ids=["$exp"], run_view_type="ACTIVE_ONLY", order_by=["start_time"]),
    post("find what is deleted", "/runs/search", experiment_ids=["$exp"], run_view_type="DELETED_ONLY"),
    post("find both", "/runs/search", experiment_ids=["$exp"], run_view_type="ALL", order_by=["start_time"]),
    post("find by a number of the view", "/runs/search", experiment_ids=["$exp"], run_view_type=2),
    post("find by a view that is none", "/runs/search", experiment_ids=["$exp"], run_view_type="SOME"),
    post("find without a point", "/runs/search", experiment_ids=["$exp"], filter=5),
)

EXPERIMENT_FILTERS = (
    "name = 'se one'", "name LIKE 'se %'", "name LIKE 'SE %'", "name ILIKE 'SE %'", "name != 'se one'", "attributes.name = 'se one'", "attribute.name LIKE 'se t%'", "tags.team = 'vision'", "tags.team LIKE 'vis%' and name LIKE 'se %'",
    "tags.`team` = 'vision'", "tags.team IS NULL", "creation_time > 0 and name LIKE 'se %'", "last_update_time < 0", "name > 'a'", "name = se", "name IN ('se one')", "nothing = 'x'", "metrics.auc > 1", "name = 'a' OR name = 'b'", "name", "name =", "experiment_id = '0'",
    "creation_time > 'x'", "creation_time LIKE '1'", "tags.none = 'x'", "tags.team != 'vision' and name LIKE 'se %'", "NOT name = 'x'", "",
)  # fmt: skip
EXPERIMENT_ORDERS: tuple[Any, ...] = (["name"], ["name DESC"], ["name asc"], ["attribute.name"], ["creation_time DESC"], ["experiment_id"], ["last_update_time"], ["nothing"], ["tags.team"], ["name sideways"], [""])  # fmt: skip

EXPERIMENT_SEARCHES: tuple[Exchange, ...] = (
    post("se one", "/experiments/create", name="se one", tags=[{"key": "team", "value": "vision"}], keep={"one": "experiment_id"}),
    post("se two", "/experiments/create", name="se two", tags=[{"key": "team", "value": "sound"}]),
    post("se three", "/experiments/create", name="se three"),
    *briefly(
        post(f"experiments {text!r}", "/experiments/search", max_results=50, filter=f"{text}", order_by=["name"])
        for text in EXPERIMENT_FILTERS
        if text
    ),
    *briefly(
        post(f"experiments by {order!r}", "/experiments/search", max_results=50, filter="name LIKE 'se %'", order_by=order)
        for order in EXPERIMENT_ORDERS
    ),
    post("experiments as they come", "/experiments/search", max_results=50, filter="name LIKE 'se %'"),
    get("experiments by a query", "/experiments/search", max_results="2", filter="name LIKE 'se %'", order_by="name ASC"),
    post("one experiment", "/experiments/search", max_results=1, filter="name LIKE 'se %'", keep={"token": "next_page_token"}),
    post("the next experiment", "/experiments/search", max_results=1, filter="name LIKE 'se %'", page_token="$token"),
    post("experiments at a page that is none", "/experiments/search", max_results=1, page_token="nonsense"),
    post("no experiments at most", "/experiments/search", max_results=0),
    post("experiments without a bound", "/experiments/search", filter="name LIKE 'se %'"),
    post("fewer than no experiments", "/experiments/search", max_results=-1),
    post("50,001 experiments", "/experiments/search", max_results=50_001),
    post("a word of experiments", "/experiments/search", max_results="many"),
    post("forget se one", "/experiments/delete", experiment_id="$one"),
    post("experiments that are there", "/experiments/search", max_results=50, filter="name LIKE 'se %'", view_type="ACTIVE_ONLY"),
    post("experiments that are deleted", "/experiments/search", max_results=50, filter="name LIKE 'se %'", view_type="DELETED_ONLY"),
    post("experiments of both kinds", "/experiments/search", max_results=50, filter="name LIKE 'se %'", view_type="ALL", order_by=["name"]),
    post("experiments by a view's number", "/experiments/search", max_results=50, filter="name LIKE 'se %'", view_type=2),
    get("experiments by a view in a query", "/experiments/search", max_results="50", filter="name LIKE 'se %'", view_type="DELETED_ONLY"),
)
