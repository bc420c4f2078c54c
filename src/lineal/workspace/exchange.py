"""Push and pull: what one side's lines of versions have and the other's lack travels, then the lines move, each only from what was seen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from lineal.errors import Conflict, NotFound
from lineal.records.dataset import MAIN
from lineal.records.digest import Digest
from lineal.records.remote import AHEAD, CURRENT, DIVERGED, MOVED, NEW, PARTLY, LineMove, Remote, Transfer
from lineal.store.repository import Commit, Repository
from lineal.workspace import projection
from lineal.workspace.importing import throttled
from lineal.workspace.interface import Progress, silent
from lineal.workspace.lines import BRANCHES, MAIN_LINES, REMOTES, line_ref
from lineal.workspace.remotes import remote_book
from lineal.workspace.site import Site

Wanted = Callable[[bytes], bool]
Step = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of a dataset's versions, and where both sides are."""

    name: str
    branch: str
    here: Digest | None = None
    there: Digest | None = None

    @property
    def ref(self) -> str:
        """Its ref in a store."""
        return line_ref(self.name, self.branch)


@dataclass(slots=True)
class _Sum:
    """What travelled so far."""

    objects: int = 0
    packs: int = 0
    bytes: int = 0
    lines: list[LineMove] = field(default_factory=list)

    def report(self, remote: Remote, direction: str, requests: int) -> Transfer:
        """All of it."""
        return Transfer(
            remote=remote.name,
            direction=direction,
            lines=tuple(self.lines),
            objects=self.objects,
            packs=self.packs,
            bytes=self.bytes,
            requests=requests,
        )


class Exchange:
    """What goes to and fro between a project and one of its remotes."""

    def __init__(self, site: Site, remote: Remote, far: Repository) -> None:
        self._site = site
        self._remote = remote
        self._far = far
        self._sum = _Sum()

    def push(self, names: Sequence[str], *, only: Sequence[str] | None = None, progress: Progress = silent) -> Transfer:
        """Brings the lines of datasets (of all, if none is named) to the remote.

        Args:
            only: prefixes of paths; where given, only contents below them travel, and lines stay where they are: a remote's line never leads
                to what is not there.

        Raises:
            Conflict: kind ``remote-moved``, if the remote has versions that are not here, or another writer was first; nothing is moved then.
            NotFound: kind ``unknown-reference``.
        """
        near = self._site.store
        lines = [replace(line, there=self._far.ref(line.ref)) for line in self._lines(near, names, here=True)]
        seen = near.ancestors([line.there for line in lines if line.there is not None] + list(self._begun_from(lines)))
        outcomes = [self._outgoing(line, seen) for line in lines]
        with self._far.session():
            tips = [line.here for line, outcome in zip(lines, outcomes, strict=True) if outcome in {NEW, MOVED} and line.here is not None]
            self._carry(near, self._far, near.commits_since(tips, seen.__contains__), wanted=_below(only), step=throttled("sending", progress))
            for line, outcome in zip(lines, outcomes, strict=True):
                self._sum.lines.append(self._advance(line, outcome) if only is None else _partly(line, outcome))
        if any(outcome == NEW for outcome in outcomes) and only is None:
            self._far.introduce(self._site.project)
        return self._sum.report(self._remote, "push", self._far.requests)

    def pull(self, names: Sequence[str], *, only: Sequence[str] | None = None, progress: Progress = silent) -> Transfer:
        """Brings the remote's lines of datasets (of all, if none is named) here; a line that both sides moved on comes in as a branch.

        Args:
            only: prefixes of paths; where given, only contents below them travel, and the others are fetched when they are wanted.

        Raises:
            NotFound: kind ``unknown-reference``.
        """
        near = self._site.store
        lines = [replace(line, here=near.ref(line.ref)) for line in self._lines(self._far, names, here=False)]
        if only is not None:
            remote_book(self._site).lend(self._remote.name)
        known = near.ancestors([tip for ref, tip in near.refs().items() if not ref.startswith(REMOTES)])
        with near.session():
            tips = [line.there for line in lines if line.there is not None]
            commits = self._far.commits_since(tips, known.__contains__)
            self._carry(self._far, near, commits, wanted=_below(only), step=throttled("fetching", progress))
            for line in lines:
                self._sum.lines.append(self._receive(replace(line, here=near.ref(line.ref))))  # one kept aside may have moved it
                self._track(line, line.there)
        for name in dict.fromkeys(line.name for line in lines):
            projection.project(self._site, name)
        return self._sum.report(self._remote, "pull", self._far.requests)

    def fill(self, root: Digest, *, only: Sequence[str] | None = None, progress: Progress = silent) -> Transfer:
        """Fetches contents of a tree that a partial pull left at the remote."""
        near = self._site.store
        step = throttled("fetching", progress)
        with near.session():
            carried = self._far.send_contents(root, near, wanted=_below(only), step=step)
        self._sum.objects, self._sum.packs, self._sum.bytes = carried.objects, carried.packs, carried.bytes
        return self._sum.report(self._remote, "pull", self._far.requests)

    def _lines(self, store: Repository, names: Sequence[str], *, here: bool) -> list[Line]:
        """The lines that are meant, with where one side's are."""
        found = [line for name in names for line in self._named(store, name, here=here)] if names else list(_all_lines(store, here=here))
        found = [line for line in found if not here or f"{line.name}@{line.branch}" in names or not self._was_kept_aside(line)]
        if not found:
            where = "this project" if here else f"the remote {self._remote.name}"
            raise NotFound(f"{where} has no dataset", kind="unknown-reference", hint="Add one with: lineal data add PATH")
        return found

    def _named(self, store: Repository, text: str, *, here: bool) -> Iterator[Line]:
        name, _at, branch = text.removeprefix("data:").partition("@")
        if branch:
            ref = line_ref(name, branch)
            lines = [_line(ref, tip, here=here)] if (tip := store.ref(ref)) is not None else []
        else:
            main = store.ref(MAIN_LINES + name)
            tips = ({MAIN_LINES + name: main} if main is not None else {}) | (store.refs(f"{BRANCHES}{name}/") if here or main is not None else {})
            lines = [_line(ref, tip, here=here) for ref, tip in tips.items()]
        if not lines:
            where = "here" if here else f"at the remote {self._remote.name}"
            raise NotFound(f"there is no dataset {text!r} {where}", kind="unknown-reference", hint="See what there is with: lineal data log")
        yield from lines

    def _was_kept_aside(self, line: Line) -> bool:
        """Whether a pull made a branch for a remote's side; pushed, it would come to everybody, who may have one of that name."""
        return line.branch != MAIN and any(f"{line.branch}-".startswith(f"from-{remote.name}-") for remote in remote_book(self._site).all())

    def _begun_from(self, lines: Sequence[Line]) -> Iterator[Digest]:
        """Where the remote's main lines are of datasets of which only new branches go: most of what those hold is there."""
        going = {line.ref for line in lines}
        for name in dict.fromkeys(line.name for line in lines if line.there is None):
            ref = MAIN_LINES + name
            if ref not in going and (tip := self._far.ref(ref)) is not None:
                yield tip

    def _outgoing(self, line: Line, seen: set[Digest]) -> str:
        """What a push does to a line, by what the remote has."""
        if line.there is None:
            return NEW
        if line.there == line.here:
            return CURRENT
        mine = self._site.store.ancestors([line.here] if line.here is not None else [])
        if line.there in mine:
            return MOVED
        if line.here in seen or line.here == self._site.store.ref(self._tracking(line)):
            return AHEAD
        raise Conflict(
            f"{self._remote.name} has versions of {_shown(line)} that are not here",
            kind="remote-moved",
            hint=f"Get them with: lineal pull {line.name}; then merge (lineal data merge {line.name} …) and push again.",
        )

    def _advance(self, line: Line, outcome: str) -> LineMove:
        """Moves the remote's line, if it is still where it was seen."""
        if outcome in {NEW, MOVED}:
            try:
                self._far.move_ref(line.ref, line.here, expected=line.there)
            except Conflict as error:
                raise Conflict(
                    f"{self._remote.name} got another version of {_shown(line)} meanwhile",
                    kind="remote-moved",
                    hint=f"Get it with: lineal pull {line.name}",
                ) from error
        after = line.there if outcome == AHEAD else line.here
        self._track(line, after)
        return LineMove(name=line.name, branch=line.branch, outcome=outcome, before=line.there or "", after=after or "")

    def _receive(self, line: Line) -> LineMove:
        """Moves a line here on to where the remote's is, or keeps that as a branch where both moved."""
        store = self._site.store
        move = LineMove(name=line.name, branch=line.branch, outcome=CURRENT, before=line.here or "", after=line.there or "")
        if line.here == line.there or line.there is None:
            return move
        if line.here is None:
            store.move_ref(line.ref, line.there, expected=None)
            return replace(move, outcome=NEW)
        if line.here in store.ancestors([line.there]):
            store.move_ref(line.ref, line.there, expected=line.here)
            return replace(move, outcome=MOVED)
        if line.there in store.ancestors([line.here]):
            return replace(move, outcome=AHEAD, after=line.here)
        return replace(move, outcome=DIVERGED, after=line.here, kept_as=self._keep_aside(line, line.there))

    def _keep_aside(self, line: Line, tip: Digest) -> str:
        """A branch for the remote's side; one of an earlier pull is moved on, anything else in its place is left alone."""
        store = self._site.store
        base = f"from-{self._remote.name}" + (f"-{line.branch}" if line.branch != MAIN else "")
        for number in range(1, 1000):
            branch = base if number == 1 else f"{base}-{number}"
            ref = line_ref(line.name, branch)
            there = store.ref(ref)
            if there == tip:
                return branch
            if there is None or there in store.ancestors([tip]):
                store.move_ref(ref, tip, expected=there)
                return branch
        raise Conflict(f"{line.name} has too many branches called {base}", kind="name-taken", hint=f"Delete some: lineal data branch {line.name}")

    def _track(self, line: Line, tip: Digest | None) -> None:
        """Notes where the remote's line is now; it is only a note, so whoever writes last is right."""
        ref = self._tracking(line)
        for _attempt in range(8):
            known = self._site.store.ref(ref)
            try:
                if known != tip:
                    self._site.store.move_ref(ref, tip, expected=known)
            except Conflict:
                continue
            return

    def _tracking(self, line: Line) -> str:
        """The ref that says where the remote's line was seen last."""
        return f"{REMOTES}{self._remote.name}/{line.ref}"

    def _carry(self, source: Repository, target: Repository, commits: Sequence[tuple[Digest, Commit]], *, wanted: Wanted, step: Step) -> None:
        if commits:
            carried = source.send(commits, target, wanted=wanted, step=step)
            self._sum.objects, self._sum.packs, self._sum.bytes = carried.objects, carried.packs, carried.bytes


def _all_lines(store: Repository, *, here: bool) -> Iterator[Line]:
    for ref, tip in (store.refs(MAIN_LINES) | store.refs(BRANCHES)).items():
        yield _line(ref, tip, here=here)


def _line(ref: str, tip: Digest, *, here: bool) -> Line:
    kind, _slash, rest = ref.partition("/")
    name, _slash, branch = rest.partition("/")
    line = Line(name=name, branch=branch if kind + "/" == BRANCHES else MAIN)
    return replace(line, here=tip) if here else replace(line, there=tip)


def _shown(line: Line) -> str:
    return line.name if line.branch == MAIN else f"{line.name}@{line.branch}"


def _partly(line: Line, outcome: str) -> LineMove:
    return LineMove(
        name=line.name,
        branch=line.branch,
        outcome=PARTLY if outcome in {NEW, MOVED} else outcome,
        before=line.there or "",
        after=line.there or "",
    )


def _below(only: Sequence[str] | None) -> Wanted:
    """Whether a path is below any of the prefixes: it is one, or in the folder of that name, or begins with it where it ends with ``/`` or ``*``."""
    if only is None:
        return lambda _path: True
    starts = tuple(os.fsencode(text.removesuffix("*")) for text in only if text.endswith(("/", "*")))
    names = [os.fsencode(text) for text in only if not text.endswith(("/", "*"))]
    folders = tuple(name + b"/" for name in names)
    return lambda path: path in names or path.startswith(starts + folders)
