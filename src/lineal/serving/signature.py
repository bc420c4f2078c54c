"""What a model takes and gives: read from example data or from the fitted estimator."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lineal.errors import InvalidInput
from lineal.records.model import Column, Signature

MOST_CATEGORIES = 1000
"""A column with more distinct texts than this has no closed set of categories."""

_IMPUTERS = frozenset({"SimpleImputer", "KNNImputer", "IterativeImputer"})
_TAKES_MISSING = frozenset(
    {"HistGradientBoostingClassifier", "HistGradientBoostingRegressor", "XGBClassifier", "XGBRegressor", "LGBMClassifier", "LGBMRegressor"}
)
_ENCODERS = frozenset({"OneHotEncoder", "OrdinalEncoder", "TargetEncoder"})


def estimator_signature(estimator: Any) -> Signature:
    """What a fitted estimator says of itself: feature names, closed categories, task and classes.

    Columns behind an encoder of texts are strings; all others are floats. A model that was fitted without names has ``x0``, ``x1``, ….
    """
    names = feature_names(estimator)
    found = {name: Column(name=name, type="float") for name in names}
    _read_encoders(estimator, names, found, tolerant=type(final_estimator(estimator)).__name__ in _TAKES_MISSING)
    classes = tuple(_plain(item) for item in _classes(estimator))
    task = "classification" if classes else "regression" if _is_regressor(estimator) else "other"
    return Signature(inputs=tuple(found[name] for name in names), outputs=outputs(task, classes), task=task, classes=classes, origin="estimator")


def example_signature(known: Signature, example: Any) -> Signature:
    """``known`` with types, and whether values may be missing, taken from example rows.

    Raises:
        InvalidInput: kind ``bad-example``, if the example has none of the model's features.
    """
    names = [column.name for column in known.inputs]
    seen = example_columns(example, names)
    if names and not set(names) & set(seen):
        raise InvalidInput(f"the example has columns {', '.join(seen)}, but the model was fitted on {', '.join(names)}", kind="bad-example")
    by_name = {column.name: column for column in known.inputs}
    inputs = tuple(_merge(by_name.get(name), name, seen.get(name)) for name in names or list(seen))
    return dataclasses.replace(known, inputs=inputs, origin="example")


def outputs(task: str, classes: Sequence[Any]) -> tuple[Column, ...]:
    """The output columns of a task: the prediction, and for two classes the score."""
    if task != "classification":
        return (Column(name="prediction", type="float"),)
    label = "string" if all(isinstance(item, str) for item in classes) else "bool" if all(isinstance(item, bool) for item in classes) else "int"
    score = (Column(name="score", type="float"),) if len(classes) == 2 else ()
    return (Column(name="prediction", type=label), *score)


def feature_names(estimator: Any) -> list[str]:
    """The names an estimator was fitted with, or ``x0``, ``x1``, … where it was fitted on an array."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None and hasattr(estimator, "steps"):
        names = next((found for _name, step in estimator.steps if (found := getattr(step, "feature_names_in_", None)) is not None), None)
    if names is not None:
        return [str(name) for name in names]
    return [f"x{place}" for place in range(int(getattr(estimator, "n_features_in_", 0)))]


def final_estimator(estimator: Any) -> Any:
    """The last step of a pipeline, or the estimator itself."""
    steps = getattr(estimator, "steps", None)
    return final_estimator(steps[-1][1]) if steps else estimator


def example_columns(example: Any, names: Sequence[str] = ()) -> dict[str, list[Any]]:
    """Example rows as columns of Python values, None for missing: from a data frame, an array, a mapping of columns or a list of mappings."""
    if hasattr(example, "columns") and hasattr(example, "to_dict"):
        return {str(name): _values(example[name].tolist()) for name in example.columns}
    if isinstance(example, Mapping):
        return {str(name): _values(list(values)) for name, values in example.items()}
    rows = example.tolist() if hasattr(example, "tolist") else list(example)
    if rows and isinstance(rows[0], Mapping):
        return {str(name): _values([row.get(name) for row in rows]) for name in rows[0]}
    rows = rows if not rows or isinstance(rows[0], Sequence) else [rows]
    width = len(rows[0]) if rows else 0
    known = list(names) if len(names) == width else [f"x{place}" for place in range(width)]
    return {name: _values([row[place] for row in rows]) for place, name in enumerate(known)}


def _merge(known: Column | None, name: str, values: Sequence[Any] | None) -> Column:
    if values is None:
        return known or Column(name=name, type="float")
    present = [value for value in values if value is not None]
    type_name = _type_of(present) if present else (known.type if known else "float")
    if known and known.type == "string":
        type_name = "string"
    required = (known.required if known else True) and len(present) == len(values)
    categories = known.categories if known and known.categories else ()
    if type_name == "string" and not categories:
        distinct = sorted(set(map(str, present)))
        categories = tuple(distinct) if len(distinct) <= MOST_CATEGORIES else ()
    return Column(name=name, type=type_name, required=required, categories=categories)


def _type_of(values: Sequence[Any]) -> str:
    if all(isinstance(value, bool) for value in values):
        return "bool"
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return "int" if all(isinstance(value, int) for value in values) else "float"
    return "string"


def _values(items: list[Any]) -> list[Any]:
    """Python's own types; None for everything that stands for a missing value (NaN, NaT, pandas' NA)."""
    return [None if _is_missing(item) else _plain(item) for item in items]


def _is_missing(item: Any) -> bool:
    if item is None:
        return True
    if isinstance(item, str | bool | int):
        return False
    if isinstance(item, float):
        return item != item  # noqa: PLR0124 - NaN is what differs from itself
    return type(item).__name__ in {"NAType", "NaTType"}


def _plain(item: Any) -> Any:
    return item.item() if hasattr(item, "item") and getattr(item, "ndim", None) == 0 else item


def _classes(estimator: Any) -> Sequence[Any]:
    classes = getattr(estimator, "classes_", None)
    if classes is None or (len(classes) and not hasattr(classes[0], "strip") and getattr(classes[0], "ndim", 0) > 0):
        return ()
    return list(classes)


def _is_regressor(estimator: Any) -> bool:
    last = final_estimator(estimator)
    kind = getattr(last, "_estimator_type", None)
    if kind is None and hasattr(last, "__sklearn_tags__"):
        kind = last.__sklearn_tags__().estimator_type
    return kind == "regressor"


def _read_encoders(part: Any, names: Sequence[str], found: dict[str, Column], *, tolerant: bool) -> None:
    """Replaces the columns of ``found`` by what the preprocessing steps in ``part`` tell of them."""
    if tolerant:
        for name in names:
            found[name] = dataclasses.replace(found[name], required=False)
    for step, columns in _first_steps(part, names):
        _read_step(step, columns, found)


def _first_steps(part: Any, names: Sequence[str]) -> Iterator[tuple[Any, Sequence[str]]]:
    """Each preprocessing step that still sees input columns by themselves, with those columns."""
    inner = getattr(part, "_preprocessor", None)  # of histogram gradient boosting with categories
    if hasattr(part, "transformers_"):
        known = feature_names(part) or names
        for _name, transformer, chosen in part.transformers_:
            if not isinstance(transformer, str):
                yield from _first_steps(transformer, _chosen(chosen, known))
    elif hasattr(part, "steps"):
        yield from _steps_of_pipeline(part.steps, names)
    elif inner is not None:
        yield from _first_steps(inner, names)
    else:
        yield part, names


def _steps_of_pipeline(steps: Sequence[tuple[str, Any]], names: Sequence[str]) -> Iterator[tuple[Any, Sequence[str]]]:
    for _name, step in steps:
        if step is None or isinstance(step, str):
            continue
        yield from _first_steps(step, names)
        if type(step).__name__ not in _IMPUTERS:
            return  # behind it the columns are no longer the input's


def _chosen(chosen: Any, names: Sequence[str]) -> list[str]:
    if isinstance(chosen, slice):
        return [str(name) for name in names[chosen]] if isinstance(chosen.start, int | None) else []
    items = [chosen] if isinstance(chosen, str) else chosen.tolist() if hasattr(chosen, "tolist") else list(chosen)
    if items and all(isinstance(item, bool) for item in items):
        return [name for name, wanted in zip(names, items, strict=False) if wanted]
    return [names[item] if isinstance(item, int) else str(item) for item in items]


def _read_step(step: Any, columns: Sequence[str], found: dict[str, Column]) -> None:
    kind = type(step).__name__
    if kind in _IMPUTERS:
        for name in columns:
            if name in found:
                found[name] = dataclasses.replace(found[name], required=False)
    categories = getattr(step, "categories_", None)
    if kind not in _ENCODERS or categories is None:
        return
    for name, values in zip(columns, categories, strict=False):
        known = [item for item in (_plain(value) for value in values) if not _is_missing(item)]
        if name not in found or not known or not all(isinstance(item, str) for item in known):
            continue
        kept = tuple(known) if len(known) <= MOST_CATEGORIES else ()
        found[name] = dataclasses.replace(found[name], type="string", categories=kept)
