"""Lightning: a logger that records a training into a run; also for the package `pytorch_lightning`, where that is what a program uses."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lineal.interfaces.sdk.frameworks.training import TrainingRun, harmless
from lineal.interfaces.sdk.recording import ActiveRun

if "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules:
    from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
    from pytorch_lightning.utilities import rank_zero_only
else:
    from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
    from lightning.pytorch.utilities import rank_zero_only


class LinealLogger(Logger):
    """Records what is logged in a training, as ``Trainer(logger=LinealLogger())``. Only the process of rank zero records.

    Args:
        run: the run to record into; the open one, else that of `lineal run`, else one of its own.
        name: of a run of its own.
        save_dir: the folder that checkpoints go below; the trainer's ``default_root_dir`` unless given.
    """

    def __init__(self, run: ActiveRun | None = None, *, name: str = "", save_dir: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self._training = TrainingRun(run, name=name)
        self._save_dir = None if save_dir is None else os.fspath(save_dir)
        self._checkpoints: dict[str, None] = {}

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run; in another process than that of rank zero, something that does nothing."""
        return self._training.active()

    @property
    def name(self) -> str:
        """The folder that checkpoints of all runs are below."""
        return "lightning_logs"

    @property
    def version(self) -> str:
        """The folder in it with this run's: the beginning of its id."""
        run = self._training.active() if rank_zero_only.rank == 0 else None
        return "" if run is None else run.id[:8]

    @property
    def save_dir(self) -> str | None:
        """The folder that checkpoints go below."""
        return self._save_dir

    @rank_zero_only
    @harmless
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Records one point on each series."""
        self._training.log({key: value for key, value in metrics.items() if key != "epoch"}, step)

    @rank_zero_only
    @harmless
    def log_hyperparams(self, params: Mapping[str, Any] | Namespace, *_args: Any, **_options: Any) -> None:
        """Records parameters."""
        self._training.params(vars(params) if isinstance(params, Namespace) else params)

    @rank_zero_only
    @harmless
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Remembers what was written: which of it stays is known in the end."""
        best = getattr(checkpoint_callback, "best_k_models", {}) or {}
        for path in (*best, getattr(checkpoint_callback, "best_model_path", ""), getattr(checkpoint_callback, "last_model_path", "")):
            if path:
                self._checkpoints[str(path)] = None

    @rank_zero_only
    @harmless
    def finalize(self, status: str) -> None:
        """Declares the checkpoints that are there. A run of its own ends here only where the training failed: a test may follow."""
        for path in self._checkpoints:
            if Path(path).exists():
                self._training.output(path, "checkpoint")
        self._checkpoints.clear()
        if status == "failed":
            self._training.finish(1)

    @rank_zero_only
    @harmless
    def finish(self) -> None:
        """Ends a run of its own; otherwise that ends with the next one or with the process."""
        self._training.finish()
