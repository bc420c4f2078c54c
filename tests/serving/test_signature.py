from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from lineal.errors import InvalidInput
from lineal.serving.signature import estimator_signature, example_columns, example_signature


def test_texts_behind_an_encoder_are_strings_with_their_categories(late: Pipeline) -> None:
    signature = estimator_signature(late)
    assert [(column.name, column.type, column.categories) for column in signature.inputs] == [
        ("carrier", "string", ("AA", "DL", "UA")),
        ("distance", "float", ()),
        ("hour", "float", ()),
    ]
    assert (signature.task, signature.classes, signature.origin) == ("classification", (0, 1), "estimator")
    assert [column.name for column in signature.outputs] == ["prediction", "score"]


def test_a_regression_gives_one_number(delay: Any) -> None:
    signature = estimator_signature(delay)
    assert signature.task == "regression"
    assert [column.name for column in signature.outputs] == ["prediction"]
    assert [column.name for column in signature.inputs] == ["distance", "hour"]


def test_an_array_model_has_numbered_features() -> None:
    model = LinearRegression().fit(np.ones((4, 2)), [1, 2, 3, 4])
    assert [column.name for column in estimator_signature(model).inputs] == ["x0", "x1"]


def test_a_column_that_is_imputed_may_be_missing(flights: pd.DataFrame) -> None:
    prepare = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OrdinalEncoder()), ["carrier"]), ("passthrough", ["hour"]), remainder="drop"
    )
    model = make_pipeline(prepare, LogisticRegression()).fit(flights, flights["hour"] > 12)
    found = {column.name: column for column in estimator_signature(model).inputs}
    assert (found["carrier"].type, found["carrier"].required) == ("string", False)
    assert found["hour"].required


def test_boosting_takes_missing_values(flights: pd.DataFrame) -> None:
    table = flights.assign(carrier=flights["carrier"].astype("category"))
    model = HistGradientBoostingClassifier(max_iter=2, categorical_features="from_dtype").fit(table, flights["hour"] > 12)
    found = {column.name: column for column in estimator_signature(model).inputs}
    assert found["carrier"].type == "string"
    assert not any(column.required for column in found.values())


def test_an_example_tells_types_and_what_may_be_missing(late: Pipeline, flights: pd.DataFrame) -> None:
    example = flights.assign(hour=flights["hour"].astype(int))
    example.loc[0, "distance"] = np.nan
    found = {column.name: column for column in example_signature(estimator_signature(late), example).inputs}
    assert found["hour"].type == "int"
    assert not found["distance"].required
    assert found["carrier"].categories == ("AA", "DL", "UA")


def test_an_example_of_something_else_is_refused(late: Pipeline) -> None:
    with pytest.raises(InvalidInput) as caught:
        example_signature(estimator_signature(late), pd.DataFrame({"petals": [1.0]}))
    assert caught.value.kind == "bad-example"


@pytest.mark.parametrize(
    "example",
    [
        pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
        {"a": [1, 2], "b": ["x", None]},
        [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    ],
)
def test_examples_come_in_many_shapes(example: Any) -> None:
    assert example_columns(example) == {"a": [1, 2], "b": ["x", None]}


def test_an_array_example_takes_the_model_s_names() -> None:
    assert example_columns(np.array([[1.0, np.nan]]), ["a", "b"]) == {"a": [1.0], "b": [None]}


def test_numbers_behind_an_encoder_stay_numbers() -> None:
    table = pd.DataFrame({"month": [1, 2, 3, 1]})
    model = make_pipeline(OneHotEncoder(), LinearRegression()).fit(table, [1.0, 2.0, 3.0, 1.0])
    assert estimator_signature(model).inputs[0].type == "float"
