"""Runs that a Python program begins itself: recorded from inside, completed beside the program."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lineal.capture.code import GitState, read_git_state
from lineal.capture.environment import own_interpreter
from lineal.capture.launch import offer_run, withdraw_run
from lineal.capture.process import Outcome
from lineal.capture.tracers.inject import lineal_hook
from lineal.records import journal
from lineal.records.run import RunStatus
from lineal.workspace.recording import (
    DIFF,
    FORWARD_SECONDS,
    HURRIED_SECONDS,
    add_context,
    begin_rank,
    begin_run,
    end_run,
    interpreter_arguments,
    join_run,
    make_recorder,
    process_redactor,
    watch_event_files,
    watch_resources,
)

if TYPE_CHECKING:
    from lineal.capture.recorder import JournalRecorder
    from lineal.workspace.continuing import Place
    from lineal.workspace.interface import RunRequest
    from lineal.workspace.recording import Begun
    from lineal.workspace.site import Site

_STOPPED = frozenset({130, 143})
EXIT_SECONDS = 30.0


def start_run(site: Site, request: RunRequest, *, place: Place | None = None) -> JournalRecorder:
    """A recorder for a new run of this process, or for the run that this process was started in, unless it is begun inside another.

    Args:
        place: in a run that is continued, or that other ranks share.
    """
    if not request.resume and not request.parent and not request.command:
        recorder = join_run(site)
        if recorder is not None:
            return _noted(recorder, request)
    if place is not None and not place.is_main:
        return _noted(_rank_recorder(site, place), request)
    arguments = sys.argv if _is_own_script(site) else ()
    begun = begin_run(site, _described(request), place=place, tracer="python", program=own_interpreter(), arguments=arguments)
    offer_run(begun.id)
    if site.forward is not None:
        _end_on_sigterm()
    noting = _code.note(begun, site.layout.root)
    watcher = lineal_hook.watch(folder=str(begun.folder), run=begun.id, project=site.project_id, root=str(site.layout.root))
    watcher.note_modules()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    resources, events = watch_resources(site, begun), watch_event_files(begun)

    def finish(exit_code: int) -> None:
        withdraw_run(begun.id)
        lineal_hook.stop(watcher)
        resources.stop()
        events.finish()
        after = resource.getrusage(resource.RUSAGE_SELF)
        outcome = Outcome(
            exit_code=exit_code,
            cpu_seconds=after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime,
            peak_memory_bytes=after.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        )
        end_run(site, begun, _status(outcome), outcome)
        _completion.enqueue(site, begun, noting)

    return make_recorder(site, begun, finish=finish)


def _rank_recorder(site: Site, place: Place) -> JournalRecorder:
    """A recorder of a further rank: what it recorded travels when it ends, and everything else of the run is the main one's."""
    begun = begin_rank(site, place)
    if site.forward is not None:
        _end_on_sigterm()

    def finish(exit_code: int) -> None:
        if exit_code and exit_code not in _STOPPED:
            begun.writer.append(journal.WARNING, text=f"{begun.name} ended with status {exit_code}")
        _completion.enqueue(site, begun, None)

    return make_recorder(site, begun, finish=finish)


def _end_on_sigterm() -> None:
    """A node or pod that is taken away is told by SIGTERM: the program then ends as by `sys.exit`, so that its runs end and travel in time.

    A handler of the program's own stays, and a program that has threads only gets none.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whoever asks twice does not want to wait
    _completion.hurry()
    raise SystemExit(128 + number)


def _noted(recorder: JournalRecorder, request: RunRequest) -> JournalRecorder:
    """What a joining block says of the run is added to it."""
    for key, value in request.tags.items():
        recorder.tag(key, value)
    for path in request.inputs:
        recorder.input(path, "")
    for path in request.outputs:
        recorder.output(path, "")
    return recorder


def _described(request: RunRequest) -> RunRequest:
    return request if request.command else dataclasses.replace(request, command=interpreter_arguments())


def _is_own_script(site: Site) -> bool:
    """Whether the program is a script of the project: the arguments of a notebook's kernel or a test runner are nobody's parameters."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    return bool(path) and os.path.realpath(str(path)).startswith(os.path.realpath(site.layout.root) + os.sep)


def _status(outcome: Outcome) -> RunStatus:
    return RunStatus.STOPPED if outcome.exit_code in _STOPPED else RunStatus.FAILED if outcome.exit_code else RunStatus.FINISHED


class _CodeState:
    """Git's state when this process first recorded something: the modules it runs were loaded by then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state: GitState | None = None

    def after_fork(self) -> None:
        """Forgets a thread that only the parent has: it may have held the lock."""
        self._lock = threading.Lock()

    def note(self, begun: Begun, root: Path) -> threading.Thread | None:
        """Notes the state beside the run's journals: at once where it is known, else in the thread it gives."""
        if self._state is not None:
            self._write(begun, self._state)
            return None
        thread = threading.Thread(target=self._note, args=(begun, root), name="lineal-code", daemon=True)
        thread.start()
        return thread

    def _note(self, begun: Begun, root: Path) -> None:
        with _exempt(), self._lock:
            if self._state is None:
                self._state = read_git_state(root, redactor=process_redactor())
            with contextlib.suppress(OSError):
                self._write(begun, self._state)

    @staticmethod
    def _write(begun: Begun, state: GitState) -> None:
        if state.diff:
            (begun.folder / DIFF).write_bytes(state.diff)
        add_context(begun.folder, {"git": {**dataclasses.asdict(state), "diff": ""}})


class _Completion:
    """Completes ended runs in one thread of this process, so that the program does not wait; at exit it is waited for, within bounds."""

    def __init__(self) -> None:
        self.after_fork()

    def after_fork(self) -> None:
        """Begins anew; what was handed over before is the parent's, which has the thread for it."""
        self._queue: queue.SimpleQueue[tuple[Site, Begun, threading.Thread | None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._deadline = float("inf")
        self._hurried = False
        self._left: list[tuple[Site, Path]] = []

    def enqueue(self, site: Site, begun: Begun, noting: threading.Thread | None) -> None:
        """Hands over a run that has ended, with the thread that may still note its code."""
        if not threading.main_thread().is_alive():  # the program is at its end: no thread can start others any more
            if begun.is_main:
                self._left.append((site, begun.folder))
            return
        if self._thread is None or not self._thread.is_alive():
            _before_threads_end(self.drain)
            self._thread = threading.Thread(target=self._work, name="lineal-completion", daemon=True)
            self._thread.start()
        self._queue.put((site, begun, noting))

    def hurry(self) -> None:
        """Does from now on what can be done before the machine goes: what was recorded travels first, files are digested while there is time."""
        self._hurried = True
        self._deadline = min(self._deadline, time.monotonic() + HURRIED_SECONDS)

    def drain(self) -> None:
        """Waits until everything that was handed over is done, or time is up."""
        if self._thread is not None:
            self._deadline = min(self._deadline, time.monotonic() + EXIT_SECONDS)
            self._queue.put(None)
            self._thread.join(EXIT_SECONDS)

    def hand_over(self) -> None:
        """Leaves what is not done to a process of its own."""
        if not self._left:
            return
        from lineal.workspace.collection import finish_in_background

        for site, folder in self._left:
            finish_in_background(site, folder)

    def _work(self) -> None:
        with _exempt():
            while (task := self._queue.get()) is not None:
                site, begun, noting = task
                if noting is not None:
                    noting.join()
                if self._hurried or not begun.is_main:
                    begun.writer.flush() if begun.is_main else begun.writer.close()
                    self._forward(site, begun)
                if begun.is_main and not (self._complete(site, begun) and self._forward(site, begun)):
                    self._left.append((site, begun.folder))

    def _forward(self, site: Site, begun: Begun) -> bool:
        try:
            return site.forward is None or site.forward(begun.id, self._deadline + FORWARD_SECONDS)
        except Exception:  # noqa: BLE001 - what does not travel now does later, and no program fails for it
            return False

    def _complete(self, site: Site, begun: Begun) -> bool:
        from lineal.errors import LinealError
        from lineal.workspace.collection import collect_run

        begun.writer.close()
        try:
            return collect_run(site, begun.folder, deadline=self._deadline)
        except (LinealError, OSError, RuntimeError):  # a full disk; an interpreter that is ending
            return False  # the next reader tries again, and tells


@contextlib.contextmanager
def _exempt() -> Iterator[None]:
    """What this thread does is Lineal's own. Only while it lives: the next thread of the program may get the same number."""
    lineal_hook.exempt.add(threading.get_ident())
    try:
        yield
    finally:
        lineal_hook.exempt.discard(threading.get_ident())


def _before_threads_end(callback: Callable[[], None]) -> None:
    """Calls back at exit while threads can still start others; plain exit handlers run later than that.

    ``threading`` runs these in the reverse order; the thread pools' own must come after ours, so it is registered first.
    """
    import concurrent.futures.thread  # noqa: F401 - registers its handler

    register = getattr(threading, "_register_atexit", atexit.register)
    register(callback)


_code = _CodeState()
_completion = _Completion()
atexit.register(_completion.hand_over)
os.register_at_fork(after_in_child=_code.after_fork)
os.register_at_fork(after_in_child=_completion.after_fork)
