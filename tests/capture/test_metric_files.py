from __future__ import annotations

import os
from pathlib import Path

from lineal.capture.metric_files import read_metric_files


def test_numbers_are_read_with_their_nested_names(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    path.write_text('{"auc": 0.9, "test": {"loss": 2, "name": "x", "ok": true}, "by_class": [1, 2]}')
    assert read_metric_files([os.fsencode(path)]) == {"auc": 0.9, "test/loss": 2.0}


def test_other_files_and_broken_ones_give_nothing(tmp_path: Path) -> None:
    other, broken = tmp_path / "scores.json", tmp_path / "metrics.json"
    other.write_text('{"auc": 0.9}')
    broken.write_text('{"auc": ')
    assert read_metric_files([os.fsencode(other), os.fsencode(broken), b"/nowhere/metrics.json"]) == {}
