"""Where the story is told: a folder, a terminal, and the public commands."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from lineal.errors import InvalidState

LINES_SHOWN = 14


@dataclass(slots=True, kw_only=True)
class Stage:
    """Runs commands as a user would, shows them, and fails loudly where the story does not hold."""

    folder: Path
    console: Console
    started: float = field(default_factory=time.monotonic)

    def chapter(self, number: int, title: str, text: str) -> None:
        """Opens a chapter."""
        elapsed = time.monotonic() - self.started
        self.console.print()
        self.console.rule(f"[bold]{number}. {escape(title)}[/]  [dim]{elapsed:.0f} s[/]", align="left")
        self.console.print(escape(text))

    def tell(self, text: str) -> None:
        """A line or two of explanation."""
        self.console.print(f"[italic]{escape(text)}[/]")

    def lineal(self, *arguments: str, exits: int = 0, lines: int = LINES_SHOWN) -> str:
        """Runs ``lineal`` with these arguments, shows what it prints, and gives its standard output."""
        self.console.print(f"[bold cyan]$ lineal {escape(shlex.join(arguments))}[/]")
        done = self._run([sys.executable, "-P", "-m", "lineal.main", *arguments])
        shown = (done.stdout + done.stderr).strip("\n").splitlines()
        for line in shown[:lines]:
            self.console.print(f"  {escape(line)}", style="dim", highlight=False, overflow="ellipsis", no_wrap=True)
        if len(shown) > lines:
            self.console.print(f"  … {len(shown) - lines} more lines", style="dim")
        self._expect(arguments, done, exits)
        return done.stdout

    def ask(self, *arguments: str, exits: int = 0) -> Any:
        """What ``lineal … --json`` answers, without showing it."""
        done = self._run([sys.executable, "-P", "-m", "lineal.main", *arguments, "--json"])
        self._expect(arguments, done, exits)
        return json.loads(done.stdout)

    def shell(self, *command: str) -> None:
        """Runs and shows any other program; it must succeed."""
        self.console.print(f"[bold cyan]$ {escape(shlex.join(command))}[/]")
        done = self._run(list(command))
        self._expect(command, done, 0)

    def check(self, holds: bool, what: str) -> None:  # noqa: FBT001 - a claim and whether it holds
        """Says a claim of the story aloud, or ends it where the claim is false.

        Raises:
            InvalidState: kind ``demo-broken``.
        """
        if not holds:
            raise InvalidState(f"the story does not hold: {what}", kind="demo-broken", hint="Look into its folder with: lineal runs")
        self.console.print(f"[green]✓[/] {escape(what)}")

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False)

    def _expect(self, arguments: tuple[str, ...], done: subprocess.CompletedProcess[str], exits: int) -> None:
        if done.returncode != exits:
            raise InvalidState(
                f"{shlex.join(arguments)} ended with {done.returncode}, not {exits}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}",
                kind="demo-broken",
                hint="Look into its folder with: lineal runs",
            )
