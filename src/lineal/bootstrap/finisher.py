"""``python -m lineal.bootstrap.finisher ROOT``: completes the records of ended runs in a process of its own, after the command that ran them."""

from __future__ import annotations

import sys
from pathlib import Path


def main(root: str) -> None:
    """Brings everything that runs of the project at ``root`` left into the ledger."""
    from lineal.bootstrap.compose import open_workspace

    workspace = open_workspace(Path(root))
    try:
        workspace.runs.ingest()
    finally:
        workspace.close()


if __name__ == "__main__":
    main(sys.argv[1])
