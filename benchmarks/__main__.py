"""``python -m benchmarks [--update] [NAME ...]``: every module here that has a ``measure`` function, or the named ones.

Without names all are measured and docs/benchmarks.md is written; with names the tables are only shown, unless ``--update`` puts their sections into the
page. The page is written behind every module, so that what a long run has measured is kept when it ends early.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import pkgutil
import re
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import benchmarks
from benchmarks.table import Row, machine, markdown
from benchmarks.workloads import SCALE

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Lineal and its peers in turn on the same work, in one run on one machine; behind a peer's figure stands the ratio to ours, so above 1× we are ahead
(for costs). Machines drift: read ratios rather than single figures. Written by `make bench`; `python -m benchmarks --update NAME` measures one section
anew. Peers live in virtual environments of their own under `~/.cache/lineal-bench`.
"""
_SECTION = re.compile(r"^\(bench-(\w+)\)=\n(.*?)(?=^\(bench-\w+\)=\n|\Z)", re.MULTILINE | re.DOTALL)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="a module of this folder")
    parser.add_argument("--update", action="store_true", help="put the sections of the named modules into docs/benchmarks.md")
    asked = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers and folders that were made do not outlive this
    failed = []
    for name, module in _modules(asked.names):
        try:
            section = _measured(name, module)
        except Exception:  # noqa: BLE001 - a long run goes on with the next; the page keeps what it said of this one
            traceback.print_exc()
            failed.append(name)
            continue
        if asked.update or not asked.names:
            _write(name, section)
    if failed:
        print(f"not measured: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


def _modules(wanted: list[str]) -> Iterator[tuple[str, ModuleType]]:
    names = sorted(found.name for found in pkgutil.iter_modules(benchmarks.__path__) if found.name != "__main__")
    if unknown := set(wanted) - set(names):
        raise SystemExit(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    for name in wanted or names:
        module = importlib.import_module(f"benchmarks.{name}")
        if hasattr(module, "measure"):
            yield name, module


def _measured(name: str, module: ModuleType) -> str:
    """The section of the page, which is also shown."""
    title, _line, about = (module.__doc__ or name).strip().partition("\n")
    print(f"== {name}: {title}", flush=True)
    started = time.perf_counter()
    rows: list[Row] = module.measure()
    took = time.perf_counter() - started
    scale = "" if SCALE == 1 else f" **At {SCALE:g} of the full size.**"
    when = f"Measured {dt.datetime.now(dt.UTC):%Y-%m-%d} in {took:,.0f} s: {machine()}.{scale}"
    table = markdown(rows)
    print(f"{table}\n{when}\n", flush=True)
    return "\n\n".join(part for part in (f"## {title.rstrip('.')}", about.strip(), when, table) if part) + "\n\n"


def _write(name: str, section: str) -> None:
    """Puts a section into the page in the place of what it said before; sections stand in the order of their names."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    sections = {found[1]: found[2] for found in _SECTION.finditer(text)}
    sections[name] = section
    body = "".join(f"(bench-{key})=\n{sections[key]}" for key in sorted(sections))
    PAGE.write_text(f"{HEAD}\n{body.rstrip()}\n", encoding="utf-8")
    print(f"written: {PAGE}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
