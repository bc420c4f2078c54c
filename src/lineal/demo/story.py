"""Plays the main job: record, trace, ship, watch, guard. Every step is a public command, or a request that any client could send."""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from lineal.demo import flights, traffic
from lineal.demo.stage import Stage
from lineal.errors import Conflict

MARKER = ".lineal-demo"
SPRING = (4, 5, 6)
FLIPPED = 5000
LARGEST_DRIFT = 0.06
CANDIDATES = (
    ("--model=linear",),
    ("--model=linear", "--strength=0.01"),
    ("--model=tree", "--depth=4"),
    ("--model=tree", "--depth=6"),
    ("--model=tree", "--depth=8"),
    ("--model=tree", "--depth=10"),
)
LEAKING = ("--model=tree", "--depth=20", "--leaf=10", "--extra=arr_time")
BROKEN = ("--model=forrest",)


@dataclass(slots=True, kw_only=True)
class Cast:
    """What later chapters need of earlier ones."""

    source: flights.Source
    best: str = ""
    leaking: str = ""
    answered: list[traffic.Answered] = field(default_factory=list)


@click.command("demo", short_help="Play the whole story on real flights, in a folder of its own.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), default="lineal-demo")
@click.option("--no-ui", is_flag=True, help="Do not serve the pages at the end.")
def main(*, folder: Path, no_ui: bool) -> None:
    """Play the main job on the flights that left New York in 2013, in FOLDER (default: lineal-demo).

    An earlier demo in FOLDER is replaced; anything else there is left alone. Takes about two minutes.
    """
    stage = play(folder.absolute())
    if no_ui or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    os.chdir(stage.folder)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "lineal.main", "ui"])  # noqa: S606 - the terminal belongs to the pages now


def play(folder: Path, console: Console | None = None) -> Stage:
    """Plays the whole story in ``folder``, which is made anew if an earlier demo lies there.

    Raises:
        Conflict: kind ``not-a-demo``, if the folder holds anything else.
        InvalidState: kind ``demo-broken``, if a step does not do what the story says.
    """
    stage = Stage(folder=folder, console=console or Console())
    _clear(stage)
    stage.console.print("[bold]A year of flights from New York.[/] Will a flight arrive more than 15 minutes late? Asked when it is scheduled.")
    cast = Cast(source=flights.read_source())
    for chapter in (record, ship, watch, trace, guard, doubt):
        chapter(stage, cast)
    _summarise(stage, cast)
    return stage


def record(stage: Stage, cast: Cast) -> None:
    """Chapter 1: a project, a dataset, and runs that record themselves."""
    stage.chapter(1, "Record", "A git repository with two plain scripts; nothing in them knows Lineal. What they do is recorded from outside.")
    _write_project(stage.folder)
    flights.write_months(cast.source, stage.folder / "data" / "flights", 1, 2, 3)
    stage.shell("git", "init", "--quiet", "--initial-branch=main")
    stage.lineal("init")
    stage.shell("git", "add", "--all")
    stage.shell("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "--quiet", "--message=Predict late flights")
    stage.lineal("data", "add", "data/flights", "--name", "flights", "--md5", "--source", cast.source.name, "-m", "January to March 2013")
    stage.lineal("run", "--name", "prepare", "--", sys.executable, "prepare.py")
    stage.tell("Six models, trained on January and February and tested on March: a split by time, as production will be.")
    for options in CANDIDATES:
        stage.lineal("run", "--name", "train", "--", sys.executable, "train.py", *options, lines=2)
    stage.tell("One run has a typing mistake, one learns from a column that nobody can know in time.")
    stage.lineal("run", "--name", "train", "--", sys.executable, "train.py", *BROKEN, exits=1, lines=3)
    stage.lineal("run", "--name", "train", "--", sys.executable, "train.py", *LEAKING, lines=2)
    failed = stage.ask("runs", "--where", "status = 'failed'")
    stage.check(len(failed) == 1, "the failed run is recorded as failed, with its log")
    stage.lineal("logs", failed[0]["id"][:8], lines=30)
    cast.leaking = stage.ask("runs", "--where", "metrics.auc > 0.98")[0]["id"]
    stage.lineal("mark", cast.leaking[:8], "--mistake", "arr_time is known only after landing")


def ship(stage: Stage, cast: Cast) -> None:
    """Chapter 2: the best model becomes a service."""
    stage.chapter(2, "Ship", "The runs side by side; the best model gets a name and a number, and answers over HTTP.")
    stage.lineal("runs", "--where", "name = 'train' and status = 'finished'", "--order", "-auc")
    ranked = stage.ask("runs", "--where", "name = 'train' and status = 'finished'", "--order", "-auc")
    cast.best = ranked[0]["id"]
    stage.check(cast.leaking not in {run["id"] for run in ranked}, "the mistake does not stand in the way: it is hidden, not forgotten")
    stage.lineal("compare", *(run["id"][:8] for run in ranked[:3]), lines=24)
    stage.lineal("model", "register", cast.best[:8], "--name", "delay")
    stage.lineal("model", "alias", "delay@1", "champion")
    stage.tell("The leaking model is tried first. Requests carry only what is known when a flight is scheduled.")
    stage.lineal("deploy", cast.leaking[:8], "--name", "too-good", "--trial")
    flight = next(cast.source.months(4))
    said = traffic.refusal(_url(stage, "too-good"), flight)
    stage.check("arr_time" in said, f"refused by its own signature: {said}")
    stage.lineal("undeploy", "too-good")
    stage.lineal("deploy", "delay@champion", "--name", "delay", "--skip-drift", "month")
    stage.lineal("deployments")


def watch(stage: Stage, cast: Cast) -> None:
    """Chapter 3: a spring of production."""
    stage.chapter(3, "Watch", "April to June is replayed with the events' own times; outcomes arrive two weeks late, and some never do.")
    spring = list(cast.source.months(*SPRING))
    with Progress(console=stage.console, transient=True) as bar:
        task = bar.add_task("flights scheduled", total=len(spring))
        cast.answered = list(traffic.replay(_url(stage, "delay"), spring, lambda count: bar.advance(task, count)))
    stage.console.print(f"{len(cast.answered):,} predictions answered and captured")
    known, missing = traffic.write_truths(cast.answered, stage.folder / "truth.csv")
    stage.lineal("truth", "delay", "truth.csv")
    stage.lineal("monitor", "delay", lines=60)
    report = stage.ask("monitor", "delay")
    _check_monitor(stage, report, known, missing)


def trace(stage: Stage, cast: Cast) -> None:
    """Chapter 4: one wrong prediction, back to the bytes it came from."""
    stage.chapter(4, "Trace", "One wrong prediction, traced back: service, model, run, code, parameters, environment, data, source.")
    wrong = next(answer for answer in cast.answered if traffic.outcome(answer.flight) and not answer.late and answer.chance > 0.4)
    stage.tell(f"Flight {wrong.flight.row['carrier']} {wrong.flight.row['flight']} to {wrong.flight.row['dest']}: late chance {wrong.chance:.0%}.")
    stage.lineal("show", f"prediction:{wrong.prediction_id}", lines=60)
    shown = stage.ask("show", f"prediction:{wrong.prediction_id}")
    kinds = [node["kind"] for node in shown["trace"]]
    stage.check({"deployment", "model", "run", "dataset", "source"} <= set(kinds), f"the chain is whole: {' ← '.join(dict.fromkeys(kinds))}")
    stage.check(shown["prediction"]["key"] == f"flights.csv:{wrong.flight.line}", f"its own row: line {wrong.flight.line:,} of flights.csv")
    md5 = stage.ask("show", "data:flights@1")["md5"]
    stage.check(len(md5) == 3, f"trained on three files with an MD5 each; the source's is {cast.source.md5}")


def guard(stage: Stage, cast: Cast) -> None:
    """Chapter 5: what may go, and what may not."""
    stage.chapter(5, "Guard", "Deleting the mistake shows everything that falls with it. Deleting the training data is refused, with the reason.")
    stage.lineal("rm", f"run:{cast.leaking[:12]}", lines=30)
    plan = stage.ask("rm", f"run:{cast.leaking[:12]}")
    stage.lineal("rm", f"run:{cast.leaking[:12]}", "--plan", plan["hash"], lines=4)
    stage.lineal("rm", "data:flights@1", exits=4, lines=60)
    stage.check(not stage.ask("runs", "--where", "metrics.auc > 0.98"), "the mistake is gone, the training data is safe")


def doubt(stage: Stage, cast: Cast) -> None:
    """Chapter 6: somebody tampers with the labels."""
    stage.chapter(6, "Doubt", f"{FLIPPED:,} labels are flipped in the middle of February. Who notices?")
    flights.flip_labels(stage.folder / "data" / "flights" / "2013-02.csv", FLIPPED)
    stage.lineal("data", "status", "flights")
    stage.lineal("data", "add", "data/flights", "--name", "flights", "--md5", "-m", "February, as it is now")
    stage.lineal("data", "diff", "flights@1", "flights@2")
    changes = stage.ask("data", "diff", "flights@1", "flights@2")["changes"]
    stage.check(sum(change["rows"].get("changed", 0) for change in changes) == FLIPPED, f"the diff counts {FLIPPED:,} changed rows")
    stage.tell("The winning run again, in a fresh checkout with the originals out of reach: on the flipped labels, then on the recorded data.")
    flipped = stage.lineal("reproduce", cast.best[:8], "--data", "flights=flights@2", lines=24)
    stage.check(flipped.startswith("different"), "on the flipped labels another model comes out")
    true = stage.lineal("reproduce", cast.best[:8], lines=24)
    stage.check(true.startswith("identical"), "on the true data it is identical, although the files on disk were tampered with")
    stage.lineal("data", "checkout", "flights@1")


def _check_monitor(stage: Stage, report: dict[str, Any], known: int, missing: int) -> None:
    months = {window["label"]: window for window in report["windows"]}
    drifts = [drift["psi"] for window in report["windows"] for drift in window["drift"] if drift["level"] != "skipped"]
    stage.check(max(drifts) < LARGEST_DRIFT, f"inputs look fine: no feature moved by more than {max(drifts):.3f} PSI")
    rates = {label: window["quality"]["base_rate"] for label, window in months.items()}
    losses = {label: window["quality"]["metrics"]["log_loss"] for label, window in months.items()}
    stage.check(losses["2013-06"] == max(losses.values()), f"the late truth finds it: in June {rates['2013-06']:.0%} of the flights are late")
    stage.check(missing > 1000 and known + missing == report["total"], f"{missing:,} flights never get a truth, and the coverage says so")


def _url(stage: Stage, name: str) -> str:
    return next(str(found["url"]) for found in stage.ask("deployments") if found["name"] == name)


def _clear(stage: Stage) -> None:
    folder = stage.folder
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).exists():
            raise Conflict(f"{folder} holds something that no demo made", kind="not-a-demo", hint="Name another folder: lineal demo FOLDER")
        if (folder / ".lineal").exists():
            for deployment in stage.ask("deployments"):
                stage.lineal("undeploy", deployment["name"])
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).touch()


def _write_project(folder: Path) -> None:
    project = resources.files("lineal.demo") / "project"
    for name in ("prepare.py", "train.py"):
        (folder / name).write_text((project / name).read_text(encoding="utf-8"), encoding="utf-8")
    ignored = (project / "gitignore").read_text(encoding="utf-8")
    (folder / ".gitignore").write_text(f"{ignored}{MARKER}\ntruth.csv\n", encoding="utf-8")


def _summarise(stage: Stage, cast: Cast) -> None:
    stage.chapter(7, "Summary", "One graph ties it all together: data, runs, models, the service, and what it said.")
    size = sum(path.stat().st_size for path in (stage.folder / ".lineal").rglob("*") if path.is_file())
    lines = (
        ("recorded", f"{len(stage.ask('runs', '--limit', '100'))} runs and 2 versions of 1 dataset, in {size / 1e6:.0f} MB"),
        ("shipped", f"delay@1, learned by run {cast.best[:8]}, answers at {_url(stage, 'delay')}"),
        ("watched", f"{len(cast.answered):,} predictions; inputs quiet, quality worst in June"),
        ("traced", "one wrong prediction back to its commit, its data and its row"),
        ("guarded", "the mistake is gone, what production stands on is kept"),
        ("doubted", f"{FLIPPED:,} flipped labels were found; the winning run is reproduced to the bit of its content"),
    )
    for what, text in lines:
        stage.console.print(f"[bold]{what:<9}[/] {escape(text)}", highlight=False)
    stage.console.print(f"The pages: [bold]cd {escape(str(stage.folder))} && {_command()} ui[/]", soft_wrap=True)


def _command() -> str:
    found = shutil.which("lineal")
    return "lineal" if found else re.sub(r"python[\d.]*$", "lineal", sys.executable)
