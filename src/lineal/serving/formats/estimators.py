"""Answers of a fitted scikit-learn estimator, with as little work per batch as its own checks allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lineal.errors import InvalidInput, Unavailable
from lineal.records.model import Column, Signature
from lineal.serving.formats.interface import Answers
from lineal.serving.signature import estimator_signature, feature_names

_LIKELIEST_CLASS = frozenset(
    {
        "DecisionTreeClassifier",
        "ExtraTreesClassifier",
        "HistGradientBoostingClassifier",
        "LogisticRegression",
        "RandomForestClassifier",
    }
)
"""Classifiers whose `predict` is the class of the largest probability, so that one pass gives both."""

_NAMELESS = frozenset(
    {
        *_LIKELIEST_CLASS,
        "ElasticNet",
        "HistGradientBoostingRegressor",
        "Lasso",
        "LinearRegression",
        "MinMaxScaler",
        "PCA",
        "RandomForestRegressor",
        "Ridge",
        "RobustScaler",
        "SimpleImputer",
        "StandardScaler",
    }
)
"""Steps that look at numbers by position only, so that a plain array serves as well as a data frame and is ten times faster."""


class EstimatorPredictor:
    """`Predictor` of a fitted estimator or pipeline."""

    def __init__(self, estimator: Any, signature: Signature | None = None) -> None:
        self._signature = signature or estimator_signature(estimator)
        self._head, self._last = _split(estimator)
        self._classes = list(self._signature.classes)
        self._names = feature_names(estimator)
        self._framed = _needs_frame(estimator, self._signature)
        self._categorical = self._framed and hasattr(self._last, "is_categorical_") and self._head is None
        if not self._framed:
            _forget_names(estimator)

    @property
    def signature(self) -> Signature:
        """What the estimator says of itself."""
        return self._signature

    def predict(self, columns: Mapping[str, Sequence[Any]]) -> Answers:
        """Labels and, for two classes, the probability of the second; numbers for a regression."""
        try:
            table = self._frame(columns) if self._framed else self._array(columns)
            if self._head is not None:
                table = self._head.transform(table)
            return self._answer(table)
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidInput(f"the model cannot take these values: {error}", kind="model-refused") from error

    def _answer(self, table: Any) -> Answers:
        if not self._classes or not hasattr(self._last, "predict_proba"):
            return Answers(output=_listed(self._last.predict(table)))
        chances = self._last.predict_proba(table)
        score = chances[:, 1].tolist() if chances.shape[1] == 2 else None
        if type(self._last).__name__ in _LIKELIEST_CLASS:
            return Answers(output=[self._classes[place] for place in chances.argmax(axis=1).tolist()], score=score)
        return Answers(output=_listed(self._last.predict(table)), score=score)

    def _array(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        import numpy as np

        return np.array([columns[name] for name in self._names], dtype=np.float64).T

    def _frame(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        try:
            import pandas as pd
        except ImportError as error:
            raise Unavailable(
                "this model takes its features by name, for which pandas is needed", kind="missing-extra", hint="pip install 'lineal[sklearn]'"
            ) from error
        found = {column.name: _series(column, columns[column.name]) for column in self._signature.inputs}
        if self._categorical:
            for column in self._signature.inputs:
                if column.categories:
                    found[column.name] = pd.Categorical(columns[column.name], categories=list(column.categories))
        return pd.DataFrame(found, columns=self._names)


def _series(column: Column, values: Sequence[Any]) -> Any:
    import numpy as np

    if column.type == "string":
        return list(values)
    if column.type == "bool" and None not in values:
        return np.array(values, dtype=np.bool_)
    return np.array(values, dtype=np.float64)


def _split(estimator: Any) -> tuple[Any, Any]:
    """A pipeline's steps before the last as one transformer, and the last; (None, estimator) for anything else."""
    steps = getattr(estimator, "steps", None)
    if not steps or type(estimator).__name__ != "Pipeline":
        return None, estimator
    if len(steps) == 1:
        return _split(steps[0][1])
    return estimator[:-1], steps[-1][1]


def _needs_frame(estimator: Any, signature: Signature) -> bool:
    if getattr(estimator, "feature_names_in_", None) is None:
        return False
    steps = [step for _name, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    numeric = all(column.type in {"float", "int"} for column in signature.inputs)
    return not (numeric and all(type(step).__name__ in _NAMELESS for step in steps))


def _forget_names(estimator: Any) -> None:
    """Takes the names off the steps, so that arrays in the order of the signature pass without a warning per call."""
    steps = [step for _name, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    for step in steps:
        vars(step).pop("feature_names_in_", None)


def _listed(values: Any) -> list[Any]:
    listed: list[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    return listed
