"""Trainings of real frameworks, recorded by Lineal's callbacks."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lineal.bootstrap.compose import create_workspace
from lineal.interfaces.sdk.frameworks.training import TrainingRun, flat_params, harmless, numbers
from lineal.records.run import Run, RunStatus
from lineal.workspace.interface import Workspace

LIGHTNING = """
import lightning, logging, torch, warnings
warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
from lineal.lightning import LinealLogger

class Net(lightning.LightningModule):
    def __init__(self, lr=0.1, fail=False):
        super().__init__()
        self.save_hyperparameters(ignore="fail")
        self.layer, self.fail = torch.nn.Linear(4, 1), fail
    def training_step(self, batch, index):
        if self.fail and self.global_step == 3:
            raise RuntimeError("out of memory")
        loss = self.layer(batch[0]).pow(2).mean()
        self.log("loss", loss)
        return loss
    def test_step(self, batch, index):
        self.log("test_loss", self.layer(batch[0]).pow(2).mean())
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(32, 4)), batch_size=4)
def trainer(name):
    return lightning.Trainer(
        max_epochs=2, logger=LinealLogger(name=name), log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu"
    )
"""
KERAS = """
import os
os.environ["KERAS_BACKEND"] = "torch"
import keras, numpy as np
from lineal.keras import LinealCallback
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="mse", metrics=["mae"])
x, y = np.ones((32, 4)), np.zeros((32, 1))
"""
TRANSFORMERS = """
import lineal.transformers
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments
sizes = dict(vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
data = [{"input_ids": [1, 2, 3], "labels": number % 2} for number in range(16)]
given = TrainingArguments(
    "out", max_steps=6, logging_steps=2, save_steps=2, save_total_limit=1, eval_strategy="steps", eval_steps=3, per_device_train_batch_size=4,
    report_to=["tensorboard", "lineal"], use_cpu=True, disable_tqdm=True, hub_token="hf_" + "a" * 34,
)
trainer = Trainer(BertForSequenceClassification(BertConfig(**sizes)), given, train_dataset=data, eval_dataset=data)
trainer.train()
trainer.evaluate()
"""


class Gym:
    """A project, and trainings in it by a Python that has the frameworks."""

    def __init__(self, workspace: Workspace, python: Path) -> None:
        self.workspace = workspace
        self.python = python
        self.errors = ""

    def train(self, code: str, *before: str, status: int = 0, folder: Path | None = None) -> list[Run]:
        """Runs a program (behind a command) and gives the project's runs, oldest first."""
        where = folder or self.workspace.root
        (where / "train.py").write_text(textwrap.dedent(code))
        environment = {**os.environ, "PYTHONPATH": str(Path("src").absolute()), "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            [*before, str(self.python), "train.py"], cwd=where, capture_output=True, text=True, check=False, env=environment, timeout=240
        )
        assert done.returncode == status, done.stderr[-3000:]
        self.errors = done.stderr
        self.workspace.runs.ingest()
        return sorted((self.workspace.runs.get(run.id) for run in self.workspace.runs.search().runs), key=lambda run: run.started_at)


@pytest.fixture
def gym(tmp_path: Path, training_python: Path) -> Iterator[Gym]:
    folder = tmp_path / "gym"
    folder.mkdir()
    workspace = create_workspace(folder, name="gym")
    yield Gym(workspace, training_python)
    workspace.close()


def values(run: Run) -> dict[str, object]:
    return {key: param.value for key, param in run.params.items()}


def test_lightning_logs_into_a_run_of_its_own_each_and_a_failed_training_is_a_failed_run(gym: Gym) -> None:
    fits = """
first = trainer("sound")
first.fit(Net(), data)
first.test(first.model, data, verbose=False)
try:
    trainer("ill").fit(Net(fail=True), data)
except RuntimeError:
    pass
"""
    sound, ill = gym.train(LIGHTNING + fits)
    assert (sound.name, sound.status, ill.name, ill.status) == ("sound", RunStatus.FINISHED, "ill", RunStatus.FAILED)
    assert values(sound) == {"lr": 0.1}
    assert {key: metric.points for key, metric in sound.metrics.items()} == {"loss": 16, "test_loss": 1}
    (series,) = gym.workspace.runs.series(sound.id, "loss")
    assert series.steps == tuple(range(16))
    (checkpoint,) = sound.outputs
    assert (checkpoint.path, checkpoint.role) == (f"lightning_logs/{sound.id[:8]}/checkpoints/epoch=1-step=16.ckpt", "checkpoint")


def test_keras_records_epochs_batches_and_the_model_into_the_open_run(gym: Gym) -> None:
    fit = """
import lineal
with lineal.run("outer") as run:
    callback = LinealCallback(model="model.keras")
    model.fit(x, y, epochs=3, batch_size=8, verbose=0, validation_split=0.25, callbacks=[callback])
    model.evaluate(x, y, verbose=0, callbacks=[callback])
    callback.finish()
    run.tag("after", "the callback")
"""
    (run,) = gym.train(KERAS + fit)
    assert (run.name, run.tags) == ("outer", {"after": "the callback"})
    points = {key: metric.points for key, metric in run.metrics.items()}
    assert points == {
        **dict.fromkeys(("loss", "mae", "val_loss", "val_mae", "learning_rate"), 3),
        **dict.fromkeys(("batch/loss", "batch/mae"), 9),
        **dict.fromkeys(("test/loss", "test/mae"), 1),
    }
    given = values(run)
    assert (given["epochs"], given["optimizer.name"], given["loss"], given["model.parameters"]) == (3, "adam", "mse", 5)
    assert [(use.path, use.role) for use in run.outputs] == [("model.keras", "model")]


def test_the_trainer_reports_to_the_run_that_lineal_run_records_and_a_second_logger_doubles_nothing(gym: Gym) -> None:
    (run,) = gym.train(TRANSFORMERS, str(gym.python), "-m", "lineal.main", "run", "--")
    assert (run.name, run.status) == ("train", RunStatus.FINISHED)
    (losses,) = gym.workspace.runs.series(run.id, "train/loss")
    assert losses.steps == (2, 4, 6)
    (evaluated,) = gym.workspace.runs.series(run.id, "eval/loss")
    assert evaluated.steps == (3, 6, 6)
    assert "train_runtime" in run.metrics
    given = values(run)
    assert (given["max_steps"], given["learning_rate"], given["model.hidden_size"]) == (6, 5e-05, 8)
    assert "hub_token" not in given
    assert {use.path.split("/")[1] for use in run.outputs if use.role == "checkpoint"} == {"checkpoint-6"}


def test_the_processes_that_lightning_starts_itself_join_the_run_of_the_first(gym: Gym) -> None:
    fit = """
import lineal, os
if __name__ == "__main__":
    with lineal.run("both") as run:
        both = lightning.Trainer(
            max_epochs=1, logger=LinealLogger(), log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
            strategy="ddp", devices=2,
        )
        both.fit(Net(), data)
        run.log({"seen": both.global_rank}, step=1)
"""
    (run,) = gym.train(LIGHTNING + fit)
    assert (run.name, run.status, values(run)) == ("both", RunStatus.FINISHED, {"lr": 0.1})
    assert [series.values for series in gym.workspace.runs.series(run.id, "seen")] == [(0.0,), (1.0,)]
    assert [series.total for series in gym.workspace.runs.series(run.id, "loss")] == [4]


def test_what_torchrun_starts_is_one_run_and_what_it_starts_again_its_next_attempt(gym: Gym) -> None:
    rank = """
import lineal, os, sys
with lineal.run("elastic") as run:
    first = 2 * int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    for step in range(first, first + 4):
        run.log(loss=float(os.environ["RANK"]) + first, step=step)
    if not first:
        sys.exit(3)
"""
    (gym.workspace.root / "rank.py").write_text(rank)
    torchrun = "import runpy, sys\nsys.argv[1:] = ['--nproc-per-node', '2', '--max-restarts', '1', 'rank.py']\nrunpy.run_module('torch.distributed.run', run_name='__main__')"
    (run,) = gym.train(torchrun)
    assert (run.name, run.status, run.attempt) == ("elastic", RunStatus.FINISHED, 2)
    found = [(series.steps, series.values) for series in gym.workspace.runs.series(run.id, "loss")]
    assert found == [(tuple(range(6)), (0.0, 0.0, 2.0, 2.0, 2.0, 2.0)), (tuple(range(6)), (1.0, 1.0, 3.0, 3.0, 3.0, 3.0))]


def test_what_real_writers_write_for_tensorboard_becomes_series(gym: Gym) -> None:
    writes = """
import tensorboardX
from torch.utils.tensorboard import SummaryWriter
with SummaryWriter("runs/first") as writer:
    for step in range(5):
        writer.add_scalar("loss", step / 4, step)
        writer.add_scalar("acc", step / 8, step, new_style=True)
    writer.add_scalars("both", {"a": 1.0, "b": 2.0}, 3)
    writer.add_hparams({"lr": 0.1}, {"best": 0.5})
other = tensorboardX.SummaryWriter("runs/second")
other.add_scalar("loss", 7.0, 1)
other.close()
"""
    (run,) = gym.train(writes, str(gym.python), "-m", "lineal.main", "run", "--")
    found = {key: (metric.points, metric.last) for key, metric in run.metrics.items()}
    assert found == {"loss": (5, 1.0), "acc": (5, 0.5), "both_a/both": (1, 1.0), "both_b/both": (1, 2.0), "best": (1, 0.5), "second/loss": (1, 7.0)}


def test_a_training_outside_any_project_goes_on_and_is_told_once(gym: Gym, tmp_path: Path) -> None:
    fit = "model.fit(x, y, epochs=2, batch_size=8, verbose=0, callbacks=[LinealCallback()])\n"
    assert gym.train(KERAS + fit, folder=tmp_path) == []
    assert gym.errors.count("the training goes on") == 1
    assert "lineal init" in gym.errors or "no project" in gym.errors


def test_only_numbers_are_logged_and_plain_values_are_parameters() -> None:
    class Tensor:
        def __float__(self) -> float:
            return 0.25

    assert numbers({"loss": Tensor(), "name": "a", "none": None, "list": [1, 2], "ok": True}) == {"loss": 0.25, "ok": 1.0}
    nested = {"lr": 0.1, "optimizer": {"name": "adam", "betas": (0.9, 0.999)}, "seed": None, "limit": float("inf"), "path": Path("a")}
    assert dict(flat_params(nested)) == {"lr": 0.1, "optimizer.name": "adam", "optimizer.betas": [0.9, 0.999], "limit": "inf", "path": "a"}


def test_a_failure_of_recording_is_told_once_and_reaches_nobody(caplog: pytest.LogCaptureFixture) -> None:
    @harmless
    def fails() -> None:
        raise ValueError("this very disk is full")

    with caplog.at_level(logging.WARNING):
        assert [fails(), fails()] == [None, None]
    assert caplog.text.count("this very disk is full") == 1


def test_a_callback_that_is_copied_to_another_process_finds_its_run_anew() -> None:
    training = TrainingRun(name="mine")
    training._run = training._given = object()  # type: ignore[assignment]
    for other in (copy.deepcopy(training), pickle.loads(pickle.dumps(training))):
        assert (other._run, other._given, other._name) == (None, None, "mine")
