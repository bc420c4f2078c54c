"""``python -m benchmarks [NAME ...]``: every module here that has a ``measure`` function, then the table into docs/benchmarks.md."""

from __future__ import annotations

import datetime as dt
import importlib
import pkgutil
import sys
from pathlib import Path

import benchmarks
from benchmarks.table import Row, machine, markdown

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Lineal and the peer in turn on the same work, in one run on one machine; the ratio is the peer's figure over ours, so above 1 we are ahead
(for costs). Machines drift: read ratios rather than single figures. Written anew by `make bench`; peers live in virtual environments of
their own under `~/.cache/lineal-bench`.
"""


def main(wanted: list[str]) -> int:
    sections = [HEAD, f"Last full run: {dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}.\n"]
    for module in sorted(found.name for found in pkgutil.iter_modules(benchmarks.__path__)):
        if module in {"table", "__main__"} or (wanted and module not in wanted):
            continue
        loaded = importlib.import_module(f"benchmarks.{module}")
        print(f"== {module}: {(loaded.__doc__ or '').strip().splitlines()[0]}", flush=True)
        rows: list[Row] = loaded.measure()
        print(markdown(rows), flush=True)
        sections.append(f"## {(loaded.__doc__ or module).strip().splitlines()[0]}\n\n{markdown(rows)}\n")
    if not wanted:
        PAGE.write_text("\n".join(sections), encoding="utf-8")
        print(f"written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
