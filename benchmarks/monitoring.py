"""Drift: a report on 100,000 rows × 30 columns against a reference of as many.

CPU seconds after imports. Lineal holds traffic against a profile that was stored with the model; Evidently is given both tables, so the work
of making the profile is shown as a row of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Row, cpu_of, peer_environment
from lineal.monitoring.drift import measure_drift
from lineal.monitoring.profile import Profile, build_profile
from lineal.records.monitor import Drift

ROWS, NUMERIC, CATEGORICAL = 100_000, 24, 6
PEER = "Evidently 0.7.21"
REQUIREMENTS = ("evidently==0.7.21", "pandas<3")  # it imports a private function that pandas 3 no longer has

PEER_PROGRAM = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
os.environ["DO_NOT_TRACK"] = "1"
import numpy as np
import pandas as pd
from evidently import Dataset, DataDefinition, Report
from evidently.presets import DataDriftPreset

def table(path):
    loaded = np.load(path, allow_pickle=False)
    return pd.DataFrame({name: loaded[name] for name in loaded.files})

before, after = table(sys.argv[1]), table(sys.argv[2])
texts = [name for name in before if before[name].dtype.kind not in "if"]
definition = DataDefinition(numerical_columns=[name for name in before if name not in texts], categorical_columns=texts)
times = os.times()
first, second = (Dataset.from_pandas(frame, data_definition=definition) for frame in (before, after))
result = Report([DataDriftPreset(method="psi")]).run(reference_data=first, current_data=second)
found = len(result.dict()["metrics"])
done = os.times()
print(json.dumps({"cpu": done.user + done.system - times.user - times.system, "metrics": found}))
"""


def measure() -> list[Row]:
    before, after = columns(1), columns(2)
    building, _wall = cpu_of(lambda: build_profile(before, task="other"))
    profile = Profile.decode(build_profile(before, task="other").encode())
    ours = min(cpu_of(lambda: report(profile, after))[0] for _ in range(3))
    peer, note = peer_cpu(before, after)
    beside = {} if peer is None else {PEER: peer}
    work = f"drift of {ROWS:,} rows × {NUMERIC + CATEGORICAL} columns"
    return [
        Row(work=work, unit="CPU s", ours=ours, peers=beside, note=note),
        Row(work=f"{work}, making the profile too", unit="CPU s", ours=ours + building, peers=beside),
    ]


def report(profile: Profile, after: dict[str, Any]) -> list[Drift]:
    observed = profile.observe(after)
    return [measure_drift(profile.features[name], distribution) for name, distribution in observed.items()]


def columns(seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    numbers = {f"n{place}": random.normal(place, 1 + seed / 20, ROWS) for place in range(NUMERIC)}
    names = np.array([f"category-{place}" for place in range(15)])
    return {**numbers, **{f"c{place}": random.choice(names, ROWS) for place in range(CATEGORICAL)}}


def peer_cpu(before: dict[str, Any], after: dict[str, Any]) -> tuple[float | None, str]:
    """The peer's CPU seconds, or None and the reason."""
    try:
        python = peer_environment("evidently", *REQUIREMENTS)
    except subprocess.CalledProcessError as error:
        return None, f"{PEER} does not install here (exit {error.returncode})"
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / name for name in ("before.npz", "after.npz")]
        for path, table in zip(paths, (before, after), strict=True):
            np.savez(path, **table)
        program = Path(folder) / "peer.py"
        program.write_text(PEER_PROGRAM, encoding="utf-8")
        done = subprocess.run([str(python), str(program), *map(str, paths)], capture_output=True, text=True, check=False)
    if done.returncode:
        return None, f"{PEER} failed: {done.stderr.strip().splitlines()[-1].partition(' (')[0][:120]}"
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["cpu"]), f"{found['metrics']} metrics by the peer"


if __name__ == "__main__":
    from benchmarks.table import markdown

    sys.stdout.write(markdown(measure()) + "\n")
