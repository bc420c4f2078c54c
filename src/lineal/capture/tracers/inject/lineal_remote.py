"""Libraries that read from object stores and web servers: their calls are wrapped when they are imported, to tell which URL in which state was read.

What is told comes from answers that the program got anyway; nothing is asked for it, but the size and time of what pyarrow opens by itself. Web
addresses are told of only where they are tracked. Like the hook it stands alone and never raises into the program.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Note = Callable[..., None]

MARK = "_watched_by_" + __name__.replace(".", "_")
"""On what is wrapped already, by this very copy of the module."""

MOST_FILES = 100
"""Of a folder that is opened as one dataset, how many files are looked at one by one."""

_BUCKETS = ("s3://", "s3a://", "gs://", "gcs://", "az://", "abfs://", "abfss://")
_WRITES = ("PutObject", "CompleteMultipartUpload", "CopyObject")


class Remote:
    """Makes the patches.

    Args:
        note: called with URL, facts, direction and host.
        states: gives the ``.lineal`` folders of the runs that are recorded in this process.
    """

    def __init__(self, note: Note, states: Callable[[], list[str]]) -> None:
        self._note = note
        self._states = states
        self._tracked: dict[str, tuple[float, tuple[str, ...]]] = {}

    def patches(self) -> dict[str, Callable[[Any], None]]:
        """What to do to which module once it is loaded."""
        return {
            "botocore.client": lambda module: _after(module.BaseClient, "_make_api_call", self._api_called),
            "aiobotocore.client": lambda module: _after_awaited(module.AioBaseClient, "_make_api_call", self._api_called),
            "obstore": self._patch_obstore,
            "pyarrow.fs": self._patch_pyarrow_fs,
            "pyarrow.dataset": lambda module: _after(module, "dataset", lambda _arguments, _keywords, found: self.opened_as_dataset(found)),
            "urllib.request": lambda module: _after(module.OpenerDirector, "open", self._urllib_opened),
            "requests.sessions": lambda module: _after(module.Session, "send", self._sent),
            "httpx._client": self._patch_httpx,
            "aiohttp.client": lambda module: _after_awaited(module.ClientSession, "_request", self._aiohttp_requested),
        }

    def given(self, argument: Any, filesystem: Any = None) -> None:
        """Notes the URLs that a library which reads by itself was given, by themselves or as paths of a file system."""
        if isinstance(argument, (list, tuple)):
            for item in argument[:1000]:
                self.given(item, filesystem)
            return
        url = _url_of(argument, filesystem) if self._states() else ""
        if url.startswith(("http://", "https://")):
            tracked = self._tracked_as(url)
            if tracked:
                self._note(tracked, {})
        elif url.startswith(_BUCKETS):
            self._note(_plain_scheme(url), _looked(filesystem, url))

    def opened_as_dataset(self, found: Any) -> None:
        """Notes the files of a pyarrow dataset on an object store."""
        scheme = _scheme_of(getattr(found, "filesystem", None)) if self._states() else ""
        files = list(getattr(found, "files", ()) or ()) if scheme else []
        for path in files[:MOST_FILES]:
            url = "{}://{}".format(scheme, path.lstrip("/"))
            self._note(url, _looked(found.filesystem, url))
        for path in files[MOST_FILES:]:
            self._note("{}://{}".format(scheme, path.lstrip("/")), {})

    def _api_called(self, arguments: tuple[Any, ...], keywords: dict[str, Any], answer: Any) -> None:
        client = arguments[0]
        operation = keywords["operation_name"] if "operation_name" in keywords else arguments[1]
        if operation != "GetObject" and operation not in _WRITES:
            return
        given = keywords["api_params"] if "api_params" in keywords else arguments[2]
        facts = _answer_facts(answer.get("CopyObjectResult") or answer)
        facts["version"] = str(answer.get("VersionId") or "")
        host = str(client.meta.endpoint_url or "").partition("://")[2].partition("/")[0].partition(":")[0]
        url = "s3://{}/{}".format(given["Bucket"], given["Key"])
        self._note(url, facts, "output" if operation in _WRITES else "input", host)

    def _patch_obstore(self, module: Any) -> None:
        for name in ("get", "open_reader"):
            _after(module, name, self._obstore_answered)
            _after_awaited(module, name + "_async", self._obstore_answered)
        for name in ("get_range", "get_ranges"):
            _after(module, name, self._obstore_ranged)
            _after_awaited(module, name + "_async", self._obstore_ranged)

    def _obstore_answered(self, arguments: tuple[Any, ...], keywords: dict[str, Any], answer: Any) -> None:
        self._obstore(arguments, keywords, _meta_facts(answer.meta))

    def _obstore_ranged(self, arguments: tuple[Any, ...], keywords: dict[str, Any], _answer: Any) -> None:
        self._obstore(arguments, keywords, {})

    def _obstore(self, arguments: tuple[Any, ...], keywords: dict[str, Any], facts: dict[str, Any]) -> None:
        if _called_by_lineal():
            return
        store = keywords["store"] if "store" in keywords else arguments[0]
        path = keywords["path"] if "path" in keywords else arguments[1]
        place = _obstore_place(store)
        if place:
            self._note("/".join(part.strip("/") if number else part for number, part in enumerate((place, str(path))) if part), facts)

    def _patch_pyarrow_fs(self, module: Any) -> None:
        for scheme, name in (("s3", "S3FileSystem"), ("gs", "GcsFileSystem")):
            original = getattr(module, name, None)
            if isinstance(original, type) and not getattr(original, MARK, False):
                setattr(module, name, _watched_filesystem(original, scheme, self._opened))

    def _opened(self, filesystem: Any, url: str) -> None:
        if self._states():  # once no run goes on, nothing is asked for any more
            self._note(url, _looked(filesystem, url))

    def _patch_httpx(self, module: Any) -> None:
        _after(module.Client, "send", self._sent)
        _after_awaited(module.AsyncClient, "send", self._sent)

    def _sent(self, arguments: tuple[Any, ...], keywords: dict[str, Any], answer: Any) -> None:
        request = keywords["request"] if "request" in keywords else arguments[1]
        self._answered(request.method, str(request.url), answer.status_code, answer.headers)

    def _urllib_opened(self, arguments: tuple[Any, ...], keywords: dict[str, Any], answer: Any) -> None:
        asked = keywords["fullurl"] if "fullurl" in keywords else arguments[1]
        url = asked if isinstance(asked, str) else asked.full_url
        method = "GET" if isinstance(asked, str) else asked.get_method()
        self._answered(method, url, getattr(answer, "status", None) or 0, answer.headers)

    def _aiohttp_requested(self, arguments: tuple[Any, ...], keywords: dict[str, Any], answer: Any) -> None:
        method = keywords["method"] if "method" in keywords else arguments[1]
        url = keywords["str_or_url"] if "str_or_url" in keywords else arguments[2]
        self._answered(method, str(url), answer.status, answer.headers)

    def _answered(self, method: str, url: str, status: int, headers: Any) -> None:
        if method.upper() != "GET" or status not in (200, 206) or not url.startswith(("http://", "https://")):
            return
        tracked = self._tracked_as(url)
        if tracked and not _called_by_lineal():
            self._note(tracked, _header_facts(headers))

    def _tracked_as(self, url: str) -> str:
        """The tracked URL that this is, whatever secrets it holds besides; empty where it is none."""
        asked, parts = _taken_apart(url)
        for state in self._states():
            for tracked in self._tracked_in(state):
                bare, wanted = _taken_apart(tracked)
                if bare == asked and wanted <= parts:
                    return tracked
        return ""

    def _tracked_in(self, state: str) -> tuple[str, ...]:
        path = os.path.join(state, "tracked.json")
        try:
            changed = os.stat(path).st_mtime
        except OSError:
            return ()
        known = self._tracked.get(path)
        if known is None or known[0] != changed:
            import json

            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                places = json.load(file)["places"].values()
            known = self._tracked[path] = (changed, tuple(place["url"] for place in places if place["kind"] == "web"))
        return known[1]


def _after(owner: Any, name: str, tell: Callable[[tuple[Any, ...], dict[str, Any], Any], None]) -> None:
    """Wraps a function or method: ``tell`` sees its arguments and its result."""
    original = getattr(owner, name, None)
    if original is None or getattr(original, MARK, False):
        return
    import functools

    def watched(*args: Any, **kwargs: Any) -> Any:
        answer = original(*args, **kwargs)
        _quietly(tell, args, kwargs, answer)
        return answer

    _replace(owner, name, functools.update_wrapper(watched, original))


def _after_awaited(owner: Any, name: str, tell: Callable[[tuple[Any, ...], dict[str, Any], Any], None]) -> None:
    """The same for a coroutine function."""
    original = getattr(owner, name, None)
    if original is None or getattr(original, MARK, False):
        return
    import functools

    async def watched(*args: Any, **kwargs: Any) -> Any:
        answer = await original(*args, **kwargs)
        _quietly(tell, args, kwargs, answer)
        return answer

    _replace(owner, name, functools.update_wrapper(watched, original))


def _replace(owner: Any, name: str, watched: Any) -> None:
    setattr(watched, MARK, True)
    setattr(owner, name, watched)


def _quietly(tell: Callable[..., None], *given: Any) -> None:
    try:
        tell(*given)
    except Exception:  # noqa: BLE001 - the program has its answer, and must get it
        return


def _watched_filesystem(original: type, scheme: str, opened_at: Callable[[Any, str], None]) -> type:
    """A class of the same name that tells of the files that it opens to be read; pyarrow's own readers go past it, and are seen by what they open."""

    def tell(filesystem: Any, path: Any) -> None:
        opened_at(filesystem, "{}://{}".format(scheme, str(path).lstrip("/")))

    class Kind(type(original)):  # type: ignore[misc]
        def __instancecheck__(cls, instance: Any) -> bool:
            """What pyarrow makes by itself, as from a URI, is one too."""
            return isinstance(instance, original) if cls is Watched else super().__instancecheck__(instance)

    class Watched(original, metaclass=Kind):  # type: ignore[misc]
        def open_input_file(self, path: Any, *args: Any, **kwargs: Any) -> Any:
            opened = original.open_input_file(self, path, *args, **kwargs)  # type: ignore[attr-defined]
            _quietly(tell, self, path)
            return opened

        def open_input_stream(self, path: Any, *args: Any, **kwargs: Any) -> Any:
            opened = original.open_input_stream(self, path, *args, **kwargs)  # type: ignore[attr-defined]
            _quietly(tell, self, path)
            return opened

    setattr(Watched, MARK, True)
    Watched.__name__, Watched.__qualname__, Watched.__module__ = original.__name__, original.__qualname__, original.__module__
    return Watched


def _looked(filesystem: Any, url: str) -> dict[str, Any]:
    """Size and time of one file by the file system that the program itself uses; empty where that cannot be asked."""
    if filesystem is None or not hasattr(filesystem, "get_file_info"):
        return {}
    try:
        found = filesystem.get_file_info(url.partition("://")[2])
        modified = found.mtime_ns
    except Exception:  # noqa: BLE001 - what it is stays unknown
        return {}
    facts = {} if found.size is None else {"size": int(found.size)}
    return facts if modified is None else dict(facts, modified=int(modified) // 1000)


def _scheme_of(filesystem: Any) -> str:
    return {"s3": "s3", "gcs": "gs", "abfs": "az"}.get(str(getattr(filesystem, "type_name", "")), "")


def _url_of(argument: Any, filesystem: Any) -> str:
    """The URL that an argument names, by itself or as a path of pyarrow's file system of an object store; empty where it names none."""
    if not isinstance(argument, (str, os.PathLike)):
        return ""
    text = os.fsdecode(argument)
    if "://" in text[:16]:
        return text if len(text) < 4096 else ""
    scheme = _scheme_of(filesystem)
    return "{}://{}".format(scheme, text.lstrip("/")) if scheme else ""


def _plain_scheme(url: str) -> str:
    scheme, _mark, rest = url.partition("://")
    return {"s3a": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}.get(scheme, scheme) + "://" + rest


def _obstore_place(store: Any) -> str:
    config = getattr(store, "config", None) or {}
    scheme = {"S3Store": "s3", "GCSStore": "gs", "AzureStore": "az"}.get(type(store).__name__, "")
    bucket = config.get("bucket") or config.get("container_name") or config.get("container") or ""
    if not scheme or not bucket:
        return ""
    prefix = getattr(store, "prefix", None) or ""
    return "{}://{}{}".format(scheme, bucket, "/" + str(prefix).strip("/") if prefix else "")


def _called_by_lineal() -> bool:
    """Whether Lineal itself makes this call, for its own store or a source that it was asked to track."""
    frame: Any = sys._getframe(1)  # noqa: SLF001 - how else to know the caller
    for _ in range(9):
        name = "" if frame is None else str(frame.f_globals.get("__name__", ""))
        if name.startswith("lineal.") and "tracers.inject" not in name:
            return True
        frame = None if frame is None else frame.f_back
    return False


def _answer_facts(answer: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"etag": str(answer.get("ETag") or "")}
    whole = str(answer.get("ContentRange") or "").rpartition("/")[2]
    size = int(whole) if whole.isdigit() else answer.get("ContentLength")
    if size is not None:
        facts["size"] = int(size)
    if answer.get("LastModified") is not None:
        facts["modified"] = int(answer["LastModified"].timestamp() * 1000000)
    return facts


def _meta_facts(meta: Any) -> dict[str, Any]:
    facts = {"etag": str(meta["e_tag"] or ""), "version": str(meta["version"] or ""), "size": int(meta["size"])}
    if meta["last_modified"] is not None:
        facts["modified"] = int(meta["last_modified"].timestamp() * 1000000)
    return facts


def _header_facts(headers: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {"etag": str(headers.get("ETag") or "")}
    whole = str(headers.get("Content-Range") or "").rpartition("/")[2] or str(headers.get("Content-Length") or "")
    if whole.isdigit() and not headers.get("Content-Encoding"):
        facts["size"] = int(whole)
    if headers.get("Last-Modified"):
        from email.utils import parsedate_to_datetime

        facts["modified"] = int(parsedate_to_datetime(headers["Last-Modified"]).timestamp()) * 1000000
    return facts


def _taken_apart(url: str) -> tuple[str, frozenset[str]]:
    """A URL without user, query and fragment, and the parts of its query."""
    scheme, _mark, rest = url.partition("://")
    rest, _mark, query = rest.partition("#")[0].partition("?")
    host, slash, path = rest.partition("/")
    return scheme + "://" + host.rpartition("@")[2] + slash + path, frozenset(part for part in query.split("&") if part)
