"""Watches the files and children of this Python process through audit events, and writes them to a journal of its own.

It stands alone: it runs inside other people's programs and interpreters (Python 3.8 and newer), so it imports nothing of Lineal and nothing that
start-up has not already loaded. Each new file costs one small write; a file seen again costs a set look-up. Nothing here raises.
"""

from __future__ import annotations

import _thread
import os
import stat
import sys
import time

if __package__:
    from .lineal_frames import frame, identity, pack
else:
    from lineal_frames import frame, identity, pack  # type: ignore[import-not-found,no-redef]

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing itself costs more to import than all of this
    from collections.abc import Callable, Sequence
    from typing import Any

    Path = str | bytes | os.PathLike[str]

RUN = "LINEAL_RUN"
FOLDER = "LINEAL_JOURNALS"
PROJECT = "LINEAL_RUN_PROJECT"
ROOT = "LINEAL_RUN_ROOT"
NATIVE = "lineal.native"
UNSEEN = "lineal.unseen"
READ = "lineal.read"

_HARMLESS = "uname lscpu ldconfig nvidia-smi hostname getconf sysctl lsb_release which ps id tput stty locale arch nproc gcc cc ld objdump true false"
HARMLESS = frozenset(_HARMLESS.split())
"""Programs that libraries ask about the machine; they are not told of unless they are given a file that is there."""

_SYSTEM = (
    b"/proc/",
    b"/sys/",
    b"/dev/",
    b"/run/",
    b"/etc/",
    b"/usr/",
    b"/lib/",
    b"/lib64/",
    b"/bin/",
    b"/sbin/",
    b"/opt/homebrew/",
    b"/System/",
    b"/Library/",
)
_PRIVATE_PARTS = (b"/.lineal/", b"/lineal.toml", b"/.git/", b"/site-packages/", b"/dist-packages/", b"/.ipynb_checkpoints/")
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR
exempt: set[int] = set()
"""Threads whose doings are Lineal's own."""

_hooked: list[bool] = []
_active: list[Watcher] = []
_SEPARATORS = dict.fromkeys(map(ord, "\"';|&<>()`=,"), " ")


class Watcher:
    """Writes what it sees to a journal in ``folder``. One per process; a forked child goes on in a journal of its own.

    Args:
        folder: the run's folder of journals.
        root: the project's folder, whose files count even below a temporary one.
        home: the home folder, whose hidden files do not count.
        interpreter: the Python that runs what is watched; empty where the watcher stands outside.
    """

    def __init__(self, *, folder: str, run: str, project: str, root: str, home: str = "", interpreter: str = "") -> None:
        self._folder = os.fsencode(folder)
        self._run = run
        self._project = project
        self._root = os.fsencode(root).rstrip(b"/") + b"/"
        self._hidden = os.fsencode(home).rstrip(b"/") + b"/." if home else b"\0"
        self._ignored = _ignored_folders(self._folder)
        self._mounted = _mounted_versions()
        self._read: set[bytes] = set()
        self._written: set[bytes] = set()
        self._spawned: set[str] = set()
        self._urls: set[tuple[str, ...]] = set()
        self._interpreter = interpreter
        self._forked_from = ""
        self._fresh()
        self._handlers: dict[str, Callable[..., None]] = {
            "open": self._open,
            "os.rename": self._rename,
            "os.link": self._rename,
            "os.truncate": self._truncate,
            "sqlite3.connect": self._sqlite,
            "subprocess.Popen": self._popen,
            "os.posix_spawn": self._spawn,
            "os.exec": self._spawn,
            "os.system": self._system,
            "http.client.connect": self._connect,
            NATIVE: self._native,
            UNSEEN: self._unseen,
            READ: self.noted,
        }

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """The audit hook."""
        handler = self._handlers.get(event)
        if handler is None:
            return
        try:
            handler(*args)
        except Exception:  # noqa: BLE001 - a watcher that fails must not be noticed by what it watches
            return

    def begin(self) -> None:
        """Writes the first entry, so that the process is known even if it opens nothing."""
        self._write({"k": "spawned", "program": sys.executable or "python", "traced": True, "pid": self._pid, "at": _now()})

    @property
    def state(self) -> str:
        """The project's ``.lineal``."""
        return os.fsdecode(os.path.dirname(os.path.dirname(self._folder)))

    def note_modules(self) -> None:
        """Notes the source files of what is loaded already: the program itself and its own modules."""
        for module in list(sys.modules.values()):
            path = getattr(module, "__dict__", {}).get("__file__")
            if isinstance(path, str) and path.endswith(".py"):
                self._note(_absolute(path), "r")

    def named(self, words: Sequence[str], folder: str) -> bool:
        """Notes the files that are named in the arguments of a program that cannot be watched. Says whether one is there."""
        there: bool = False
        for word in words:
            path = os.path.abspath(os.path.join(folder, word))
            exists = os.path.isfile(path)
            if exists or (_looks_like_file(word) and os.path.isdir(os.path.dirname(path))):
                self._note(os.fsencode(path), "named")
                there = there or exists
        return there

    def unwatched(self, program: str, words: Sequence[str], folder: str) -> None:
        """Notes a child that cannot be watched, and the files named in its arguments."""
        name = os.path.basename(program)
        there = self.named(words, folder)
        if (there or name not in HARMLESS) and name not in self._spawned:
            self._spawned.add(name)
            self._write({"k": "spawned", "program": name, "traced": False, "pid": 0, "at": _now()})

    # Events

    def _open(self, path: Any, mode: str | None, flags: int) -> None:
        if path.__class__ is int or path is None:
            return
        if isinstance(mode, str):
            writes = not mode.startswith("r") or "+" in mode
            keeps = mode.startswith(("r", "a"))
        else:
            writes = bool(flags & _WRITE_FLAGS)
            keeps = not flags & os.O_TRUNC
        self._note(_absolute(path), ("rw" if keeps else "w") if writes else "r")

    def _rename(self, source: Path, target: Path, *_descriptors: int) -> None:
        before = _absolute(source)
        if before not in self._written:
            self._note(before, "r")
        self._note(_absolute(target), "w")

    def _truncate(self, path: Any, _length: int) -> None:
        if path.__class__ is not int:
            self._note(_absolute(path), "rw")

    def _sqlite(self, path: Path) -> None:
        text = os.fsdecode(path)
        if text.startswith("file:"):
            text = text[5:].partition("?")[0]
        if text and not text.startswith(":"):
            self._note(_absolute(text), "rw")

    def _popen(self, executable: Path | None, args: Any, cwd: Path | None, env: Any) -> None:
        words = [args] if isinstance(args, (str, bytes)) else list(args)
        self._child(executable, [os.fsdecode(word) for word in words], cwd, env)

    def _spawn(self, path: Path, args: Sequence[Path], env: Any) -> None:
        self._child(path, [os.fsdecode(word) for word in args], None, env)

    def _system(self, command: Path) -> None:
        self._child("sh", ["sh", "-c", os.fsdecode(command)], None, None)

    def _connect(self, _connection: Any, host: Any, _port: int) -> None:
        """What comes over the network is not kept, so the host is told of; this machine's own services are no data."""
        name = str(host).strip("[]").lower()
        if name in {"localhost", "::1", "0.0.0.0"} or name.startswith("127.") or name in self._spawned:  # noqa: S104 - compared, not bound
            return
        self._spawned.add(name)
        reason = f"what the run read over the network from {name} was not kept"
        self._write({"k": "spawned", "program": name, "traced": False, "reason": reason, "pid": 0, "at": _now()})

    def _child(self, executable: Path | None, words: list[str], cwd: Path | None, env: Any) -> None:
        program = os.fsdecode(executable or (words[0] if words else ""))
        if is_python(program) and not _isolated(words) and _passes_on(env):
            return
        folder = os.fsdecode(cwd) if cwd is not None else os.getcwd()
        self.unwatched(program, split_words(words), folder)

    def noted(self, url: str, facts: dict[str, Any], direction: str = "input", role: str = "", host: str = "") -> None:
        """Notes something with a URL, once for each state of it; the URL holds no secrets by now. ``host`` is where it came from."""
        key = (direction, url, role, *(str(facts.get(name, "")) for name in ("commit", "version", "etag", "md5")))
        if key not in self._urls:
            self._urls.add(key)
            entry = {"k": "read", "direction": direction, "url": url, "role": role, "declared": bool(role), "facts": facts, "time": _now()}
            self._write(dict(entry, host=host) if host else entry)

    def traced(self, path: bytes, mode: str) -> None:
        """Notes a file that was seen from outside, when it is too late to look at what it was before."""
        seen = self._read if mode == "r" else self._written
        if path not in seen and self.counts(path) and not os.path.isdir(path):
            seen.add(path)
            self._write({"k": "opened", "path": path, "mode": mode, "time": _now()})

    def _native(self, path: bytes, mode: str) -> None:
        """Notes a file or folder that a library opens by itself."""
        path = os.path.abspath(path)
        if os.path.isdir(path) and mode == "r":
            if path not in self._read and self.counts(path + b"/"):
                self._read.add(path)
                self._write({"k": "opened", "path": path, "mode": "r", "time": _now()})
            return
        self._note(path, mode)

    def _unseen(self, library: str, what: str) -> None:
        if library not in self._spawned:
            self._spawned.add(library)
            self._write({"k": "spawned", "program": library, "traced": False, "reason": f"{library}: {what} are not seen", "pid": 0, "at": _now()})

    # The journal

    def _note(self, path: bytes, mode: str) -> None:
        """Notes the first use of each kind of a file, with its stat before the use: the event comes before the file is opened."""
        seen = self._read if mode == "r" else self._written
        if path in seen or (mode == "r" and path in self._written) or not self.counts(path):
            return
        try:
            found = os.stat(path)
        except OSError:
            found = None
        if mode == "r" and (found is None or not stat.S_ISREG(found.st_mode)):
            return
        if found is not None and not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
            return
        if mode == "rw" and (found is None or not found.st_size):
            mode = "w"
        entry = {"k": "opened", "path": path, "mode": mode, "time": _now()}
        if found is not None:
            entry["stat"] = [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode]
        seen.add(path)
        self._write(entry)

    def counts(self, path: bytes) -> bool:
        """Whether a file may matter: not the interpreter's or the system's own, not ours, not a temporary one."""
        if self._mounted and path.startswith(self._mounted):
            return True
        if path.startswith(self._root):
            inside = path[len(self._root) - 1 :]
            return not path.startswith(self._ignored[0]) and not any(part in inside for part in _PRIVATE_PARTS)
        if path.startswith(self._hidden):
            return b"/.cache/huggingface/" in path or b"/.cache/torch/" in path or b"/.keras/datasets/" in path
        return not path.startswith(self._ignored[1]) and not any(part in path for part in _PRIVATE_PARTS)

    def _write(self, entry: dict[str, Any]) -> None:
        if self._pid != os.getpid():
            self._fresh()
        if self._descriptor < 0:
            self._create()
        os.write(self._descriptor, frame(pack(entry)))

    def _create(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        begin = {
            "k": "begin",
            "run": self._run,
            "project": self._project,
            "journal": self._id,
            "role": "worker",
            "rank": _rank(),
            "started": _now(),
            "parent": "",
            "forked_from": self._forked_from,
            "parent_pid": os.getppid(),
        }
        if self._interpreter:
            search = [folder for folder in sys.path if isinstance(folder, str) and folder]
            begin.update({"interpreter": self._interpreter, "python": sys.version.split()[0], "search": search})
        begin.update(identity())
        os.write(self._descriptor, b"LNLF\x01\x01\x00\x00" + frame(pack(begin)))

    def _fresh(self) -> None:
        """A journal for this very process, begun with its first entry."""
        self._pid = os.getpid()
        self._id = f"{self._pid}-{os.urandom(8).hex()}"
        self._path = self._folder + b"/" + self._id.encode() + b".journal"
        self._descriptor = -1

    def close(self) -> None:
        """Closes the journal; a later entry would begin another."""
        if self._descriptor >= 0 and self._pid == os.getpid():
            self._write({"k": "closed", "time": _now()})
            os.close(self._descriptor)
        self._fresh()

    def after_fork(self) -> None:
        """In the child of a fork: a journal of its own."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._forked_from = self._id
        self._fresh()


def start_from_environment() -> None:
    """Starts watching if this process is part of a recorded run."""
    folder = os.environ.get(FOLDER, "")
    if not folder or not os.path.isdir(folder):
        return
    try:
        watch(
            folder=folder,
            run=os.environ.get(RUN, ""),
            project=os.environ.get(PROJECT, ""),
            root=os.environ.get(ROOT, os.sep),
        ).begin()
    except Exception:  # noqa: BLE001 - the program must run, watched or not
        return


def watch(*, folder: str, run: str, project: str, root: str) -> Watcher:
    """Watches this process from now on, until `stop`."""
    watcher = Watcher(folder=folder, run=run, project=project, root=root, home=os.path.expanduser("~"), interpreter=sys.executable or "python")
    if not _hooked:
        _hooked.append(True)  # an audit hook cannot be taken back, so there is one for all watchers
        sys.addaudithook(_dispatch)
        os.register_at_fork(after_in_child=_after_fork)
        _wrap_native()
    _active.append(watcher)
    return watcher


def note(url: str, facts: dict[str, Any], direction: str = "input", role: str = "") -> bool:
    """Notes something with a URL for every run that this process is part of; whether there is one."""
    _dispatch(READ, (url, facts, direction, role))
    return bool(_active)


def _note_remote(url: str, facts: dict[str, Any], direction: str = "input", host: str = "") -> None:
    _dispatch(READ, (url, facts, direction, "", host))


def stop(watcher: Watcher) -> None:
    """Watches no more, and closes the watcher's journal."""
    if watcher in _active:
        _active.remove(watcher)
    watcher.close()


def _wrap_native() -> None:
    """Libraries that audit events do not show tell us by themselves."""
    if __package__:
        from . import lineal_native, lineal_remote
    else:
        import lineal_native  # type: ignore[import-not-found,no-redef]
        import lineal_remote  # type: ignore[import-not-found,no-redef]
    wrapper = lineal_native.Wrapper(
        lambda path, mode: _dispatch(NATIVE, (path, mode)),
        lambda library, what: _dispatch(UNSEEN, (library, what)),
        lineal_remote.Remote(_note_remote, lambda: [watcher.state for watcher in _active]),
    )
    wrapper.install()


def _dispatch(event: str, args: tuple[Any, ...]) -> None:
    if exempt and _thread.get_ident() in exempt:
        return
    for watcher in _active:
        watcher(event, args)


def _after_fork() -> None:
    for watcher in _active:
        watcher.after_fork()


def is_python(program: str) -> bool:
    """Whether a program is a Python interpreter, or a script that names one in its first line."""
    name = os.path.basename(program)
    if name.startswith(("python", "pypy")):
        return True
    path = program if os.sep in program else _on_path(program)
    try:
        with open(path, "rb") as file:
            line = file.read(256).split(b"\n", 1)[0]
    except OSError:
        return False
    return line.startswith(b"#!") and b"python" in line


def split_words(words: Sequence[str]) -> list[str]:
    """The words of a command; those handed to a shell as one text are taken apart."""
    found = []
    for word in words[1:]:
        found.extend(word.translate(_SEPARATORS).split() if any(mark in word for mark in " =;|&<>") else [word])
    return found[:256]


def _on_path(program: str) -> str:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = os.path.join(folder, program)
        if os.path.isfile(path):
            return path
    return program


def _isolated(words: Sequence[str]) -> bool:
    """Whether options of the interpreter keep our hook out: ``-I``, ``-E`` and ``-S``."""
    for word in words[1:]:
        if not word.startswith("-") or word.startswith("--") or word[:2] in {"-c", "-m"}:
            return False
        if word[:2] not in {"-X", "-W"} and any(letter in word for letter in "IES"):
            return True
    return False


def _passes_on(environment: Any) -> bool:
    """Whether a child with that environment is watched too."""
    if environment is None:
        return FOLDER in os.environ and os.path.dirname(__file__) in os.environ.get("PYTHONPATH", "")
    names = {os.fsdecode(key): os.fsdecode(value) for key, value in dict(environment).items()}
    return FOLDER in names and os.path.dirname(__file__) in names.get("PYTHONPATH", "")


def _looks_like_file(word: str) -> bool:
    """Whether a word has a file's ending; a secret is no such word."""
    ending = os.path.splitext(word)[1]
    return 2 <= len(ending) <= 9 and ending[1:].isalnum() and len(word) <= 512


def _ignored_folders(journals: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Folders that never count inside the project, and those that do not count outside."""
    own = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, os.path.dirname(os.__file__)}
    package = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 3))
    inside = [os.fsencode(folder).rstrip(b"/") + b"/" for folder in (*own, package) if folder not in {"/", "/usr"}]
    inside.append(os.path.dirname(os.path.dirname(journals)).rstrip(b"/") + b"/")
    temporary = {os.environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")} | {"/tmp", "/var/tmp", "/private/tmp", "/private/var/folders"}  # noqa: S108
    outside = [os.fsencode(folder).rstrip(b"/") + b"/" for folder in temporary if folder]
    return tuple(inside), (*inside, *outside, *_SYSTEM)


def _mounted_versions() -> tuple[bytes, ...]:
    """Where dataset versions are mounted: their files count wherever that is, also among temporary ones."""
    try:
        with open("/proc/self/mounts", "rb") as mounts:
            lines = [line.split(b" ") for line in mounts]
    except OSError:
        return ()
    return tuple(line[1].replace(b"\\040", b" ") + b"/" for line in lines if len(line) > 2 and line[2] == b"fuse.lineal")


def _rank() -> int:
    """As `lineal.capture.launch.process_rank`, which cannot be imported here."""
    for name in ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "JAX_PROCESS_ID"):
        text = os.environ.get(name, "")
        if text.isdigit():
            return int(text)
    node, local, size = (os.environ.get(name, "") for name in ("NODE_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"))
    return int(node if node.isdigit() else 0) * max(1, int(size if size.isdigit() else 1)) + int(local if local.isdigit() else 0)


def _absolute(path: Path) -> bytes:
    return os.path.abspath(os.fsencode(path))


def _now() -> int:
    return time.time_ns() // 1000
