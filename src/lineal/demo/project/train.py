"""Learns from January and February whether a flight will be late, and tests the model on March."""

import argparse
import json
from pathlib import Path

import pandas as pd
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["month", "weekday", "departure", "arrival", "distance"]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="tree")
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--leaf", type=int, default=50, help="fewest flights in a leaf of the tree")
    parser.add_argument("--strength", type=float, default=1.0, help="inverse regularisation of the linear model")
    parser.add_argument("--extra", default="", help="one more column to learn from")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args()


def make_model(arguments: argparse.Namespace, numbers: list[str]) -> Pipeline:
    kinds = {
        "tree": lambda: DecisionTreeClassifier(max_depth=arguments.depth, min_samples_leaf=arguments.leaf, random_state=arguments.seed),
        "linear": lambda: LogisticRegression(C=arguments.strength, max_iter=500),
    }
    if arguments.model not in kinds:
        raise ValueError(f"no model is called {arguments.model!r}; there are: {', '.join(kinds)}")
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, sparse_output=False), CATEGORIES),
        (StandardScaler(), numbers),
    )
    return make_pipeline(columns, kinds[arguments.model]())


if __name__ == "__main__":
    arguments = parse_arguments()
    numbers = [*NUMBERS, arguments.extra] if arguments.extra else NUMBERS
    model = make_model(arguments, numbers)
    train, test = pd.read_csv("data/train.csv"), pd.read_csv("data/test.csv")

    model.fit(train[CATEGORIES + numbers], train["late"])
    chance = model.predict_proba(test[CATEGORIES + numbers])[:, 1]
    scores = {
        "auc": round(roc_auc_score(test["late"], chance), 6),
        "log_loss": round(log_loss(test["late"], chance), 6),
        "accuracy": round(float(((chance > 0.5) == test["late"]).mean()), 6),
    }

    Path("out").mkdir(exist_ok=True)
    skops.io.dump(model, "out/model.skops")
    Path("out/metrics.json").write_text(json.dumps(scores))
    print(f"tested on {len(test):,} flights of March:", scores)
