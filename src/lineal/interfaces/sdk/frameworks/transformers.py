"""Hugging Face's Trainer: a callback that records a training into a run, known to ``report_to`` as ``lineal`` once this module is imported."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.integrations import integration_utils

from lineal.interfaces.sdk.frameworks.training import TrainingRun, flat_params, harmless, numbers
from lineal.interfaces.sdk.recording import ActiveRun

_EMPTY: tuple[Any, ...] = ("", [], {}, None)
_FINAL = frozenset({"train_runtime", "train_samples_per_second", "train_steps_per_second", "train_loss", "total_flos"})
_ALWAYS = frozenset(
    [
        "learning_rate",
        "lr_scheduler_type",
        "max_steps",
        "num_train_epochs",
        "optim",
        "per_device_train_batch_size",
        "seed",
        "weight_decay",
        "gradient_accumulation_steps",
    ]
)
"""Arguments that are recorded also where they are the Trainer's defaults; of the hundred others only what was chosen."""
_NEVER = frozenset(["logging_dir", "output_dir", "run_name", "report_to", "disable_tqdm", "hub_token", "push_to_hub_token"])


class LinealCallback(TrainerCallback):
    """Records what the Trainer says, as ``Trainer(…, callbacks=[LinealCallback()])`` or ``TrainingArguments(report_to="lineal")``.

    Its arguments are parameters, its logs are series at their global step (``train/loss``, ``eval/loss``), its checkpoints are outputs. Only the
    process of rank zero records.

    Args:
        run: the run to record into; the open one, else that of `lineal run`, else one of its own.
    """

    def __init__(self, run: ActiveRun | None = None) -> None:
        self._given = run
        self._training: TrainingRun | None = None
        self._checkpoints: dict[Path, None] = {}

    @property
    def run(self) -> ActiveRun | None:
        """The run that is recorded into."""
        return self._of("").active()

    @harmless
    def finish(self) -> None:
        """Ends a run of its own; otherwise that ends with the next one or with the process."""
        self._declare()
        if self._training is not None:
            self._training.finish()

    @harmless
    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_others: Any) -> None:
        """Records the parameters."""
        del control
        if state.is_world_process_zero:
            self._of(_name(args)).params({**_chosen(args), **_described(model)})

    @harmless
    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_others: Any) -> None:
        """Records figures at the global step; those of the whole training as final ones."""
        del control
        if not state.is_world_process_zero:
            return
        found = numbers({key: value for key, value in (logs or {}).items() if key != "epoch"})
        final = {key: value for key, value in found.items() if key in _FINAL}
        training = self._of(_name(args))
        training.summary(final)
        training.log(integration_utils.rewrite_logs({key: value for key, value in found.items() if key not in final}), state.global_step)

    @harmless
    def on_save(self, args: Any, state: Any, control: Any, **_others: Any) -> None:
        """Remembers the checkpoint: which of them stay is known in the end."""
        del control
        if state.is_world_process_zero:
            self._checkpoints[Path(args.output_dir, f"checkpoint-{state.global_step}")] = None

    @harmless
    def on_train_end(self, args: Any, state: Any, control: Any, **_others: Any) -> None:
        """Declares the checkpoints that are there, and says which was best."""
        del args, control
        if state.is_world_process_zero:
            self._declare()
            if self._training is not None:
                self._training.summary({"best_metric": state.best_metric})

    def _of(self, name: str) -> TrainingRun:
        if self._training is None:
            self._training = TrainingRun(self._given, name=name)
        return self._training

    def _declare(self) -> None:
        for path in self._checkpoints:
            if path.exists() and self._training is not None:
                self._training.output(str(path), "checkpoint")
        self._checkpoints.clear()


def _name(args: Any) -> str:
    """The name that a user gave the training; the folder it writes to is none."""
    name = str(getattr(args, "run_name", "") or "")
    return "" if name == str(getattr(args, "output_dir", "")) else name


def _chosen(args: Any) -> dict[str, Any]:
    """The arguments that are no defaults, and those that everybody asks for."""
    values = args.to_dict()
    usual = {field.name: field.default for field in dataclasses.fields(args) if not field.init or field.default is not dataclasses.MISSING}
    chosen = {key: value for key, value in values.items() if key in _ALWAYS or (key in usual and value != usual[key] and value not in _EMPTY)}
    return {key: value for key, value in chosen.items() if key not in _NEVER}


def _described(model: Any) -> dict[str, Any]:
    """The model's configuration and size."""
    differing = getattr(getattr(model, "config", None), "to_diff_dict", dict)
    found = {f"model.{key}": value for key, value in flat_params(differing())}
    if hasattr(model, "num_parameters"):
        found["model.parameters"] = model.num_parameters()
    return found


integration_utils.INTEGRATION_TO_CALLBACK.setdefault("lineal", LinealCallback)
