"""What strangers, and people with less of a role than they would like, try on a server."""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.lineal_server import RunningServer
from tests.test_server import House

from lineal.bootstrap.compose import create_workspace
from lineal.capture.identity import process_identity
from lineal.capture.journal import JournalWriter
from lineal.errors import InvalidInput
from lineal.interfaces.http.bodies import MOST_JSON
from lineal.ledger.runs import load_run
from lineal.records import journal
from lineal.records.location import ABSOLUTE
from lineal.store.backends import open_backend
from lineal.store.index import shards_named
from lineal.store.repository import Repository
from lineal.workspace import projection
from lineal.workspace.hosting import Hosting
from lineal.workspace.local import LocalWorkspace
from lineal.workspace.sources import is_allowed

API = "/projects/default/api/v1"
RUN = "b" * 32
NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'"
OUTSIDE = (
    "../../../../etc/passwd",
    "/etc/passwd",
    "..\\..\\etc\\passwd",
    "packs/../../../server.json",
    "packs/aa/../../../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "%252e%252e%252fetc%252fpasswd",
    "data.csv\0/../../etc/passwd",
    "refs/../format",
    "a" * 5000,
)
REFUSED = {400, 403, 404, 409, 422}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("house") / "server")
    (made.hosting.folder.parent / "data.csv").write_text("a\n1\n")
    made.hosting.workspace("default").datasets.add(made.hosting.folder.parent / "data.csv", name="table")
    _send_run(made, RUN, folder=tmp_path_factory.mktemp("far"), name=NASTY, note=NASTY)
    yield made
    made.hosting.close()


def _send_run(house: House, run: str, *, folder: Path, name: str, note: str = "", **begin: Any) -> None:
    """A run that somebody's machine recorded, sent as that machine sends it."""
    head = {"name": name, "command": [NASTY], "folder": "", "author": NASTY, "attempt": 1, "parent": "", "experiment": "", "started": 5, **begin}
    writer = JournalWriter(folder / run, run=run, project="far", clock=lambda: 7, entropy=os.urandom, role="owner", begin=head)
    writer.append(journal.PARAMS, values={"key": NASTY}, origin="param")
    writer.close()
    data, name = writer.path.read_bytes(), writer.path.stem
    headers = {"content-type": "application/octet-stream"}
    answer = house.ask("POST", f"{API}/journals/{run}/{name}?offset=0", by="contributor", content=data, headers=headers)
    assert answer.status_code == 200, answer.text
    log = house.ask("POST", f"{API}/journals/{run}/{journal.OUTPUT_LOG}?offset=0", by="contributor", content=NASTY.encode(), headers=headers)
    assert log.status_code == 200
    house.hosting.workspace("default").runs.ingest()
    if note:
        assert house.ask("POST", f"{API}/runs/{run}/annotate", by="contributor", json={"note": note, "tags": {NASTY: NASTY}}).status_code == 200


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_path_leads_out_of_a_project(path: str, house: House) -> None:
    text = quote(path, safe="")
    octets = {"content-type": "application/octet-stream"}
    asked = [
        house.ask("GET", f"{API}/store/file?path={text}", by="contributor"),
        house.ask("GET", f"{API}/store/value?path={text}", by="contributor"),
        house.ask("GET", f"{API}/store/facts?path={text}", by="contributor"),
        house.ask("POST", f"{API}/store/file?path={text}", by="contributor", content=b"x", headers=octets),
        house.ask("POST", f"{API}/store/value", by="contributor", json={"path": path, "new": "eA==", "expected": None}),
        house.ask("POST", f"{API}/store/delete", by="contributor", json={"paths": [path]}),
        house.ask("GET", f"{API}/datasets/table@1/file?path={text}", by="contributor"),
        house.ask("GET", f"{API}/runs/{RUN}/artifact?path={text}", by="contributor"),
        house.ask("POST", f"{API}/journals/{text}/17-{'0' * 16}?offset=0", by="contributor", content=b"x", headers=octets),
        house.ask("POST", f"{API}/journals/{RUN}/{text}?offset=0", by="contributor", content=b"x", headers=octets),
        house.ask("GET", f"/projects/default/data/table?path={text}", by="contributor"),
    ]
    assert [answer.status_code for answer in asked[:-1] if answer.status_code not in REFUSED] == []
    assert asked[-1].status_code in REFUSED | {200}
    assert not any("root:" in answer.text for answer in asked)
    listed = house.ask("GET", f"{API}/store/list?prefix={text}", by="contributor")
    assert listed.status_code in REFUSED or listed.json()["keys"] == []


def _track(hosting: Hosting, laptop: LocalWorkspace, name: str, **meta: Any) -> None:
    """Brings a version that was made elsewhere to the server, as a push would, with whatever its sender likes to say of it."""
    site = hosting.workspace("default").site  # type: ignore[attr-defined]
    theirs, ours = laptop.site.store, site.store
    head = theirs.ref(f"datasets/{name}")
    assert head is not None
    read = theirs.read_commit(head)
    entries = [replace(entry, digest=ours.put_bytes(theirs.read(entry.digest))) for entry in theirs.entries(read.root)]
    _move(ours, name, ours.commit(ours.put_tree(entries), parents=[], meta={**read.meta, **meta}))
    projection.project(site, name)


def _move(store: Repository, name: str, commit: Any) -> None:
    store.move_ref(f"datasets/{name}", commit, expected=store.ref(f"datasets/{name}"))


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[LocalWorkspace]:
    made = create_workspace(tmp_path / "laptop")
    yield made
    made.close()


def test_a_server_reads_no_folder_of_its_own_for_anybody(house: House, laptop: LocalWorkspace, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("of the server alone")
    laptop.datasets.track(str(tmp_path / "secret"), name="secret")
    with laptop.datasets.open("secret@1", "key") as file:
        assert file.read() == b"of the server alone"
    _track(house.hosting, laptop, "secret")
    answer = house.ask("GET", f"{API}/datasets/secret@1/file?path=key", by="contributor")
    assert (answer.status_code, answer.json()["kind"]) == (403, "foreign-source")
    report = house.ask("GET", f"{API}/verify?ref=secret@1", by="contributor").json()["reports"][0]
    assert "not asked" in report["label"]
    assert not house.ask("GET", "/projects/default/data/secret", by="contributor").is_server_error


def test_nobody_takes_a_store_apart_by_its_small_values(house: House) -> None:
    def swap(who: str, path: str, new: bytes | None, expected: bytes | None) -> httpx.Response:
        words = {"new": new and base64.b64encode(new).decode(), "expected": expected and base64.b64encode(expected).decode()}
        return house.ask("POST", f"{API}/store/value", by=who, json={"path": path, **words})

    site = house.hosting.workspace("default").site  # type: ignore[attr-defined]
    backend = open_backend(site.store_address)
    head, form = backend.fetch("index/head"), backend.fetch("format")
    ref = f"refs/{site.project_id}/datasets/table"
    assert swap("contributor", "index/head", b"nonsense", head).json()["kind"] == "bad-file"
    assert swap("maintainer", "index/head", None, head).json()["kind"] == "store-denied"
    assert swap("contributor", "format", b"nonsense", form).json()["kind"] == "store-denied"
    assert swap("contributor", ref, None, backend.fetch(ref)).json()["kind"] == "forbidden"
    assert swap("contributor", f"refs/{'0' * 32}/datasets/table", b"x", None).json()["kind"] == "store-denied"
    assert (backend.fetch("index/head"), backend.fetch("format")) == (head, form)
    for key in sorted(shards_named(head)):
        assert house.ask("POST", f"{API}/store/delete", by="maintainer", json={"paths": [key]}).json()["kind"] == "store-denied"
    assert house.ask("GET", f"{API}/datasets/table@1/file?path=data.csv", by="reader").status_code == 200


class _Listener:
    """Hears whether anybody asks it anything."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self.port = self._socket.getsockname()[1]

    def was_asked(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener() -> Iterator[_Listener]:
    made = _Listener()
    yield made
    made.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/latest/meta-data", "s3://bucket/a?endpoint=http://127.0.0.1:{port}&region=x"])
def test_a_server_asks_no_address_that_a_client_named(url: str, house: House, laptop: LocalWorkspace, listener: _Listener, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "key").write_text("x")
    laptop.datasets.track(str(tmp_path / "kept"), name="inner")
    place, _question, query = url.format(port=listener.port).partition("?")
    options = dict(pair.split("=", 1) for pair in query.split("&")) if query else {}
    tracked = {**laptop.datasets.get("inner@1").tracked, "url": place, "kind": "bucket" if query else "web", "options": options}
    _track(house.hosting, laptop, "inner", tracked=tracked)
    answer = house.ask("GET", f"{API}/datasets/inner/file?path=key", by="contributor")
    assert (answer.status_code, answer.json()["kind"]) == (403, "foreign-source")
    house.ask("GET", f"{API}/verify?ref=inner", by="contributor")
    assert not listener.was_asked()


def test_what_is_allowed_is_named_whole() -> None:
    allowed = ("https://data.example/open", "s3://lake/raw")
    assert is_allowed("https://data.example/open/a.csv", allowed)
    for text in (
        "https://data.example@evil.example/open/a",
        "https://data.example/open/../private",
        "https://data.example/open/%2e%2e/private",
        "https://data.example/open/%252e%252e/private",
        "https://data.example:8080/open/a",
        "https://data.example/opened",
        "s3://lake/raw/a?endpoint=http://169.254.169.254",
        "/etc/passwd",
        "file:///etc/passwd",
    ):
        assert not is_allowed(text, allowed)


def test_a_merge_on_a_server_writes_no_file_that_a_version_names(house: House, laptop: LocalWorkspace, tmp_path: Path) -> None:
    victim = tmp_path / "profile"
    victim.write_text("honest")
    (laptop.root / "profile").write_text("honest")
    laptop.datasets.add(laptop.root / "profile", name="profile")
    place = base64.b64encode(os.fsencode(victim)).decode()
    _track(house.hosting, laptop, "profile", root=ABSOLUTE, path=str(victim), path_b64=place)
    datasets, branches = house.hosting.workspace("default").datasets, house.hosting.workspace("default").branches
    assert datasets.working_copy_is(datasets.get("profile@1")) is None  # type: ignore[attr-defined]
    with pytest.raises(InvalidInput) as caught:
        datasets.checkout("profile@1")
    assert caught.value.kind == "bad-path"
    branches.create("profile", "evil")
    _change(house.hosting, "profile", "evil", b"of somebody else")
    merged = house.ask("POST", f"{API}/datasets/profile/merge", by="contributor", json={"source": "evil", "into": "main"})
    assert merged.status_code == 200, merged.text
    with datasets.open("profile", "") as file:
        assert file.read() == b"of somebody else"
    assert victim.read_text() == "honest"


def _change(hosting: Hosting, name: str, branch: str, content: bytes) -> None:
    """A further version of a dataset of one file, on a branch."""
    site = hosting.workspace("default").site  # type: ignore[attr-defined]
    ref = f"branches/{name}/{branch}"
    head = site.store.ref(ref)
    read = site.store.read_commit(head)
    entries = [replace(entry, size=len(content), digest=site.store.put_bytes(content)) for entry in site.store.entries(read.root)]
    meta = {**read.meta, "at": read.meta["at"] + 1, "size": len(content), "branch": branch}
    site.store.move_ref(ref, site.store.commit(site.store.put_tree(entries), parents=[head], meta=meta), expected=head)
    projection.project(site, name)


def test_a_journal_chooses_no_process_of_the_server_to_end(house: House, tmp_path: Path) -> None:
    _send_run(house, "c" * 32, folder=tmp_path, name="mine", **process_identity())
    answer = house.ask("POST", f"{API}/runs/{'c' * 32}/stop", by="contributor", json={})
    assert answer.json()["kind"] in {"runs-elsewhere", "not-running"}


def test_what_people_write_is_text_on_every_page(house: House) -> None:
    pages = ("/runs", f"/runs/{RUN}", "/graph", "/audit", "/search?q=alert", f"/compare?runs={RUN},{RUN}", "/data", f"/delete?ref=run:{RUN}")
    for path in pages:
        answer = house.ask("GET", f"/projects/default{path}", by="maintainer")
        assert answer.status_code < 500
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe-inline" not in policy.partition("style-src")[0]
    for path in (f"/projects/default/{quote(NASTY, safe='')}", f"/{quote(NASTY, safe='')}", f"/sign-in?code={quote(NASTY)}&next={quote(NASTY)}"):
        assert "<script>alert" not in house.ask("GET", path, by="reader").text


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "program.js", "sheet.xml"])
def test_a_file_is_downloaded_and_never_shown_as_a_page(name: str, house: House, tmp_path: Path) -> None:
    (tmp_path / name).write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    house.hosting.workspace("default").datasets.add(tmp_path / name, name=name.partition(".")[0])
    answer = house.ask("GET", f"{API}/datasets/{name.partition('.')[0]}@1/file?path={name}", by="reader")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_log_is_plain_text(house: House) -> None:
    answer = house.ask("GET", f"{API}/runs/{RUN}/log", by="reader")
    assert "<script>" in answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_body_is_bounded_whatever_it_says_of_itself(house: House) -> None:
    path, big = f"{API}/runs/{RUN}/annotate", b'{"note":"' + b"x" * MOST_JSON + b'"}'

    async def unsaid() -> Any:
        for start in range(0, len(big), 1 << 16):
            yield big[start : start + (1 << 16)]

    headers = {"content-type": "application/json"}
    for content in (big, unsaid()):
        answer = house.ask("POST", path, by="contributor", content=content, headers=headers)
        assert (answer.status_code, answer.json()["kind"]) == (413, "body-too-large")


def test_a_part_of_a_file_is_no_longer_than_the_file(house: House) -> None:
    def part(words: str) -> httpx.Response:
        return house.ask("GET", f"{API}/store/file?path=index/head{words}", by="reader")

    whole = part("").content
    assert part(f"&offset=5&length={1 << 62}").content == part("&offset=5").content == whole[5:]
    assert part(f"&offset={1 << 62}&length={1 << 62}").content == part(f"&offset={1 << 62}&length=4").content == b""
    assert part(f"&offset={1 << 64}").status_code == 422
    missing = house.ask("GET", f"{API}/store/file?path=packs/aa/aa{'0' * 62}.pack", by="reader")
    assert (missing.status_code, missing.json()["kind"]) == (404, "missing-file")


@pytest.mark.parametrize("offset", ["1e999", '"1"' * 3, "[" * 5000, "-5", str(1 << 80), '{"offset": 1}'])
def test_a_page_token_that_somebody_made_up_is_no_failure(offset: str, house: House) -> None:
    token = base64.b64encode(f'{{"offset": {offset}}}'.encode()).decode()
    answer = house.ask("POST", f"{MLFLOW}/runs/search", by="reader", json={"experiment_ids": ["0"], "page_token": token})
    assert answer.status_code in {200, 400}


def test_a_compressed_body_is_not_blown_up(house: House) -> None:
    bomb = gzip.compress(b'{"note":"' + b"x" * (64 << 20) + b'"}')
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = house.ask("POST", f"{API}/runs/{RUN}/annotate", by="contributor", content=bomb, headers=headers)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 50_000, b'{"note": 1e999}', b"{'note': 1}", b"\xff\xfe", b'{"note": {"$ne": null}}', b"null"]
)
def test_broken_bodies_are_told(body: bytes, house: House) -> None:
    answer = house.ask("POST", f"{API}/runs/{RUN}/annotate", by="contributor", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize("text", ["'; DROP TABLE runs; --", "name = 'a' OR 1=1; --", "params.x') OR ('1'='1", 'metrics."a\'b" > 1', "name ~ '%'"])
def test_a_search_is_never_sql(text: str, house: House) -> None:
    for query in (f"where={quote(text)}", f"order={quote(text)}"):
        assert house.ask("GET", f"{API}/runs?{query}", by="reader").status_code in {200, 422}
    assert house.ask("GET", f"{API}/runs", by="reader").json()["total"] >= 1


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "169.254.169.254", "", "localhost:80@evil.example"])
def test_only_known_names_are_answered_to(host: str, house: House) -> None:
    answer = house.ask("GET", "/projects/default/runs", by="reader", headers={"host": host})
    assert (answer.status_code, answer.json()["kind"]) == (403, "foreign-request")


def test_a_proxy_on_this_machine_says_who_asks_and_nobody_else_does(house: House) -> None:
    def wrong(client: str, said: str) -> int:
        headers = {"authorization": "Bearer ln_wrong", "x-forwarded-for": said}
        return house.ask("GET", f"{API}/runs", client=client, headers=headers).status_code

    assert [wrong("127.0.0.1", "1.2.3.4, 10.7.0.1") for _attempt in range(12)][-1] == 429
    assert wrong("127.0.0.1", "10.7.0.2") == 401
    assert [wrong("10.7.0.3", f"10.8.0.{number}") for number in range(12)][-1] == 429


def test_one_who_fails_shuts_nobody_out_who_shares_the_address(house: House) -> None:
    for _attempt in range(12):
        failed = house.ask("GET", f"{API}/runs", client="10.7.1.1", headers={"authorization": "Bearer ln_old"})
    assert failed.status_code == 429
    assert house.ask("GET", f"{API}/runs", by="reader", client="10.7.1.1").status_code == 200


HEADER = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
SLOW_BODY = b"POST /api/v1/ingest HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"


def test_slow_clients_keep_nobody_waiting_and_are_not_waited_for(open_server: RunningServer) -> None:
    port = int(open_server.url.rpartition(":")[2])
    with ExitStack() as held:
        slow = [held.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(400)]
        for number, each in enumerate(slow):
            each.sendall(HEADER[: number % 40] if number % 2 else SLOW_BODY)
        answers: list[int] = []
        asking = [threading.Thread(target=lambda: answers.append(httpx.get(f"{open_server.url}/ready", timeout=20).status_code)) for _ in range(8)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join()
        assert answers == [200] * 8
        slow[1].settimeout(60)
        assert slow[1].recv(4096).partition(b" ")[2][:3] in {b"", b"408"}


@pytest.mark.parametrize("header", [b"".join(b"X-%d: a\r\n" % number for number in range(5000)), b"X: " + b"a" * (1 << 20) + b"\r\n"])
def test_a_header_is_bounded(header: bytes, open_server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", int(open_server.url.rpartition(":")[2])), timeout=20) as asked:
        with suppress(OSError):  # it may be closed before all of it is there
            asked.sendall(HEADER + header + b"\r\n")
        with suppress(ConnectionResetError):
            assert asked.recv(4096).partition(b" ")[2][:3] in {b"", b"400", b"431"}
    assert httpx.get(f"{open_server.url}/health").status_code == 200


def test_a_secret_is_in_no_answer_but_the_first_and_in_no_file(house: House) -> None:
    made = house.ask("POST", "/api/v1/server/tokens", by="reader", json={"note": "once"}).json()
    secret = made["secret"]
    seen = [house.ask("GET", path, by="reader").text for path in ("/api/v1/server/tokens", "/account", "/api/v1/server/me")]
    assert not any(secret in text for text in seen)
    with house.hosting.ledger.read() as connection:
        kept = json.dumps([list(map(str, row)) for row in connection.exec_driver_sql("SELECT * FROM tokens")])
        told = json.dumps([list(map(str, row)) for row in connection.exec_driver_sql("SELECT * FROM events")])
    assert secret not in kept + told
    assert secret.rpartition("_")[2] not in kept + told


def test_names_of_runs_survive_as_they_were(house: House) -> None:
    site = house.hosting.workspace("default").site  # type: ignore[attr-defined]
    with site.ledger.read() as connection:
        assert load_run(connection, site.project_id, RUN, site.store).name == NASTY


MLFLOW = "/projects/default/api/2.0/mlflow"
ARTIFACTS = "/projects/default/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture(scope="module")
def requested(house: House) -> str:
    """A run of MLflow's client."""
    made = house.ask("POST", f"{MLFLOW}/runs/create", by="contributor", json={"experiment_id": "0", "run_name": NASTY})
    return str(made.json()["run"]["info"]["run_id"])


@pytest.mark.parametrize(
    "source", ["file:///etc", "/etc", "http://169.254.169.254/latest", "s3://bucket/model", "mlflow-artifacts:/0/../../etc", "../etc", ""]
)
def test_a_model_is_made_of_what_is_in_its_project_only(source: str, house: House) -> None:
    house.ask("POST", f"{MLFLOW}/registered-models/create", by="contributor", json={"name": "delay"})
    answer = house.ask("POST", f"{MLFLOW}/model-versions/create", by="contributor", json={"name": "delay", "source": source})
    assert answer.status_code in {400, 404}, answer.text


@pytest.mark.parametrize("path", [path for path in OUTSIDE if path != "a" * 5000])
def test_no_artifacts_path_leads_out_of_its_run(path: str, house: House, requested: str) -> None:
    inner = quote(f"/{path}", safe="/")
    answers = [
        house.ask("PUT", f"{ARTIFACTS}/0/{requested}/artifacts{inner}", by="contributor", content=b"x"),
        house.ask("GET", f"{ARTIFACTS}/0/{requested}/artifacts{inner}", by="reader"),
        house.ask("GET", f"{ARTIFACTS}?path={quote(path, safe='')}", by="reader"),
        house.ask("GET", f"/projects/default/get-artifact?run_id={requested}&path={quote(path, safe='')}", by="reader"),
        house.ask("GET", f"{MLFLOW}/artifacts/list?run_id={requested}&path={quote(path, safe='')}", by="reader"),
    ]
    outside = path not in {"/etc/passwd", "packs/aa/../../../../etc/passwd"}  # a slash too many is one; what a client folds is asked for as that
    assert not any("root:" in answer.text for answer in answers)
    assert not any(answer.is_server_error for answer in answers)
    assert not outside or answers[3].status_code in {400, 404}


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", 'a";filename=b.html', "line\r\nset-cookie: a=b.html", "ünï.html"])
def test_an_artifact_is_downloaded_and_never_shown_as_a_page(name: str, house: House, requested: str) -> None:
    address = f"{ARTIFACTS}/0/{requested}/artifacts/{quote(name, safe='')}"
    sent = house.ask("PUT", address, by="contributor", content=b"<script>alert(1)</script>")
    assert not sent.is_server_error
    answer = house.ask("GET", address, by="reader")
    assert not answer.is_server_error
    if answer.status_code == 200:
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "\n" not in answer.headers["content-disposition"]
        assert "set-cookie" not in answer.headers


def test_another_sites_page_records_nothing(house: House) -> None:
    held = {"cookie": f"lineal_session={house.cookies['signed in to record']}"}
    path = f"{MLFLOW}/experiments/create"
    body = b'{"name": "foreign"}'
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json", "origin": "https://evil.example"},
        {"content-type": "application/json", "origin": "null"},
        {"content-type": "application/json", "sec-fetch-site": "cross-site"},
        {"content-type": "application/json", "sec-fetch-site": "same-site"},
    ):
        assert house.ask("POST", path, headers={**held, **headers}, content=body).is_client_error
    query = house.ask("POST", f"{path}?name=foreign", headers={**held, "sec-fetch-site": "cross-site"})
    assert query.is_client_error
    assert house.ask("GET", f"{MLFLOW}/experiments/get-by-name?experiment_name=foreign", by="reader").status_code == 404
