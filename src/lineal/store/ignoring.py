"""What is left out of a dataset: ``.linealignore`` in its folder and in those below, read as git reads ``.gitignore``.

Source: gitignore(5).
"""

from __future__ import annotations

import os
import stat
from functools import cached_property
from typing import TYPE_CHECKING

from lineal.store.files import readable

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILE = b".linealignore"
STAGING = b".lineal-checkout"
"""Name of the folder that a checkout writes into before anything is moved to its place."""

ALWAYS_IGNORED = frozenset({b".lineal", b".git", STAGING})


class Rules:
    """The rules that hold in a folder: those of its own file before those of the folders above.

    A folder can take back what one above it says of its files, but nothing takes back an ignored folder: what is in it is never looked at.
    """

    def __init__(self, prefix: bytes = b"", file: bytes = b"", above: Rules | None = None) -> None:
        self._prefix = prefix
        self._file = file
        self._above = above

    def within(self, prefix: bytes, file: bytes) -> Rules:
        """The rules in a folder below that has an ignore file of its own; it is read when it is first asked.

        Args:
            prefix: the folder's path with a slash behind it, or an empty one; file: the ignore file's absolute path.
        """
        return Rules(prefix, file, self)

    def ignore(self, path: bytes, name: bytes, mode: str) -> bool:
        """Whether something is left out.

        Args:
            path: from the dataset's folder on; name: its last part; mode: as in a tree.
        """
        return name in ALWAYS_IGNORED or (self._above is not None and self._decided(path + b"/" if mode == "folder" else path))

    def _decided(self, path: bytes) -> bool:
        rules: Rules | None = self
        while rules is not None and rules._above is not None:  # noqa: SLF001 - rules of the folders above, which are of this class
            verdict = rules._spec.check_file(os.fsdecode(path[len(rules._prefix) :])).include  # noqa: SLF001 - as above
            if verdict is not None:
                return bool(verdict)
            rules = rules._above  # noqa: SLF001 - as above
        return False

    @cached_property
    def _spec(self) -> GitIgnoreSpec:
        from pathspec import GitIgnoreSpec  # most folders have no rules, and need not pay for this

        return GitIgnoreSpec.from_lines(_read(self._file).splitlines())


NO_RULES = Rules()


def _read(path: bytes) -> str:
    """The text of an ignore file; of a link, as in git, nothing."""
    with readable(path):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return ""
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
