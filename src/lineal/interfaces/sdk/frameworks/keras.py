"""Keras: a callback that records a training into a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import keras

from lineal.interfaces.sdk.frameworks.training import TrainingRun, harmless
from lineal.interfaces.sdk.recording import ActiveRun


class LinealCallback(keras.callbacks.Callback):
    """Records what `fit` and `evaluate` say, as ``model.fit(x, y, callbacks=[LinealCallback()])``.

    Metrics keep Keras' names, one point for each epoch; those of batches are called ``batch/…``, and those of `evaluate` are final figures.

    Args:
        run: the run to record into; the open one, else that of `lineal run`, else one of its own.
        model: where the trained model is saved when `fit` ends, such as ``model.keras``; it is an output of the run. Not saved unless given.
        every: batches from one point of the batch metrics to the next; 0 for none.
    """

    async_safe = True  # what it does is thread safe, so that Keras need not wait for it after each batch

    def __init__(self, run: ActiveRun | None = None, *, model: str | os.PathLike[str] = "", every: int = 1) -> None:
        super().__init__()
        self._training = TrainingRun(run)
        self._path = os.fspath(model)
        self._every = every
        self._batches = 0
        self._fitting = False

    @property
    def run(self) -> ActiveRun | None:
        """The run that is recorded into."""
        return self._training.active()

    def finish(self) -> None:
        """Ends a run of its own; otherwise that ends with the next one or with the process."""
        self._training.finish()

    @harmless
    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Records the parameters."""
        del logs
        self._fitting = True
        self._training.params(_described(self.model, self.params or {}))

    @harmless
    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Records the metrics of a batch."""
        del batch
        number = self._batches
        self._batches += 1
        if self._every and number % self._every == 0:
            self._training.log({f"batch/{key}": value for key, value in (logs or {}).items()}, number)

    @harmless
    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Records the metrics of an epoch, and the learning rate it ended with."""
        rate = getattr(getattr(self.model, "optimizer", None), "learning_rate", None)
        self._training.log({"learning_rate": rate, **(logs or {})}, epoch)

    @harmless
    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Records the figures of `evaluate`; what is validated within `fit` comes with its epoch."""
        if not self._fitting:
            self._training.summary({f"test/{key}": value for key, value in (logs or {}).items()})

    @harmless
    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Saves the model, where that is wanted."""
        del logs
        self._fitting = False
        if self._path:
            self.model.save(self._path)
            self._training.output(self._path, "model")


def _described(model: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a training when it begins."""
    found = {"epochs": given.get("epochs"), "steps_per_epoch": given.get("steps"), "backend": keras.backend.backend()}
    found["model"] = {"name": model.name, "parameters": model.count_params() if model.built else None}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None:
        found["optimizer"] = optimizer.get_config()
    loss = getattr(model, "loss", None)
    return {**found, "loss": loss if isinstance(loss, str) else getattr(loss, "name", None)}
