"""Files that arrive in parts: by requests, and from MLflow's own client."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.interfaces.mlflow.test_routes import Server
from tests.lineal_server import RunningServer, admin_token

from lineal.interfaces.mlflow import multipart
from lineal.workspace.uploads import KEPT_SECONDS

MPU = "/api/2.0/mlflow-artifacts/mpu"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
PARTS = (b"one " * 1000, b"two " * 1000, b"three")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "server")
    yield made
    made.hosting.close()


def begin(server: Server, run: str, parts: int = 3, path: str = "/tmp/here/big.bin") -> dict[str, Any]:
    answer = server.ask("POST", f"{MPU}/create/0/{run}/artifacts/folder", json={"path": path, "num_parts": parts})
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return dict(answer.json())


def send(server: Server, told: dict[str, Any], number: int) -> dict[str, Any]:
    answer = server.ask("PUT", told["credentials"][number - 1]["url"], content=PARTS[number - 1])
    assert answer.headers["etag"] == f'"{hashlib.sha256(PARTS[number - 1]).hexdigest()}"'
    return {"part_number": number, "etag": answer.headers["etag"], "url": told["credentials"][number - 1]["url"]}


def finish(server: Server, run: str, told: dict[str, Any], parts: list[dict[str, Any]], word: str = "complete") -> tuple[int, str]:
    body = {"path": "/tmp/here/big.bin", "upload_id": told["upload_id"], "parts": parts}
    answer = server.ask("POST", f"{MPU}/{word}/0/{run}/artifacts/folder", json=body)
    return answer.status_code, answer.json().get("error_code", "")


def test_parts_in_any_order_become_one_file(server: Server) -> None:
    run = server.run()
    told = begin(server, run)
    assert [part["url"].rpartition("/part/")[0] for part in told["credentials"]] == [f"http://localhost{MPU}"] * 3
    parts = [send(server, told, number) for number in (3, 1, 2, 1)]
    assert finish(server, run, told, parts) == (200, "")
    assert server.ask("GET", f"{FILES}/0/{run}/artifacts/folder/big.bin").content == b"".join(PARTS)
    assert finish(server, run, told, parts) == (200, "")  # a client that did not hear of it asks again


def test_what_is_missing_or_another_is_told_and_may_be_sent_again(server: Server) -> None:
    run = server.run()
    told = begin(server, run)
    parts = [send(server, told, number) for number in (1, 2)]
    assert finish(server, run, told, parts) == (400, "INVALID_PARAMETER_VALUE")
    assert finish(server, run, told, [*parts, {"part_number": 3, "etag": "another"}]) == (400, "INVALID_PARAMETER_VALUE")
    assert server.ask("GET", f"{FILES}/0/{run}/artifacts/folder/big.bin").status_code == 404
    assert finish(server, run, told, [*parts, send(server, told, 3)]) == (200, "")


def test_an_upload_outlives_the_server(tmp_path: Path) -> None:
    first = Server(tmp_path / "server")
    run = first.run()
    told = begin(first, run)
    parts = [send(first, told, number) for number in (1, 2)]
    first.hosting.close()
    second = Server(tmp_path / "server")
    assert finish(second, run, told, [*parts, send(second, told, 3)]) == (200, "")
    assert second.ask("GET", f"{FILES}/0/{run}/artifacts/folder/big.bin").content == b"".join(PARTS)
    second.hosting.close()


def test_what_is_aborted_or_abandoned_leaves_nothing(server: Server) -> None:
    run = server.run()
    told, left = begin(server, run), begin(server, run)
    send(server, told, 1)
    send(server, left, 1)
    assert finish(server, run, told, [], "abort") == finish(server, run, told, [], "abort") == (200, "")
    (folder,) = uploads(server)
    long_ago = folder.stat().st_mtime - KEPT_SECONDS - 1
    os.utime(folder, (long_ago, long_ago))
    fresh = begin(server, run)
    assert [path.name for path in uploads(server)] == [fresh["upload_id"]]
    assert server.ask("PUT", left["credentials"][0]["url"], content=b"x").status_code == 404


def uploads(server: Server) -> list[Path]:
    return [path.parent for path in server.hosting.folder.rglob("upload.json")]


@pytest.mark.parametrize("parts", [0, -1, 10_001, "many"])
def test_the_number_of_parts_is_bounded(parts: Any, server: Server) -> None:
    answer = server.ask("POST", f"{MPU}/create/0/{server.run()}/artifacts", json={"path": "a", "num_parts": parts})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_a_part_is_bounded_and_what_is_too_large_leaves_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "LARGEST_PART", 10)
    told = begin(server, server.run())
    assert server.ask("PUT", told["credentials"][0]["url"], content=b"x" * 11).status_code == 400
    (folder,) = uploads(server)
    assert [path.name for path in folder.iterdir()] == ["upload.json"]


@pytest.mark.parametrize("path", ["..", "/", "", "a/..", 5])
def test_a_name_never_leads_outside(path: Any, server: Server) -> None:
    assert server.ask("POST", f"{MPU}/create/0/{server.run()}/artifacts", json={"path": path, "num_parts": 1}).status_code == 400


def test_an_upload_that_is_not_there_is_told(server: Server) -> None:
    told = begin(server, server.run())
    url = told["credentials"][0]["url"]
    assert server.ask("PUT", url.replace(told["upload_id"], "0" * 32), content=b"x").status_code == 404
    assert server.ask("PUT", url.replace(told["upload_id"], "..%2f"), content=b"x").status_code == 404
    assert server.ask("PUT", url.removesuffix("/1") + "/4", content=b"x").status_code == 400
    assert server.ask("POST", f"{MPU}/create/0/{'0' * 32}/artifacts", json={"path": "a", "num_parts": 1}).status_code == 404


def test_nobody_else_goes_on_with_an_upload(server: Server) -> None:
    told = begin(server, server.run())
    workspace: Any = server.hosting.workspace("default")
    with pytest.raises(Exception, match="no such upload"):
        workspace.uploads.scratch(told["upload_id"], 1, owner="eve")
    workspace.uploads.abort(told["upload_id"], owner="eve")
    assert workspace.uploads.scratch(told["upload_id"], 1, owner="ann").is_dir()


SCRIPT = """
import os, sys, hashlib
from pathlib import Path
import mlflow
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository
sent = []
upload = HttpArtifactRepository._upload_part
HttpArtifactRepository._upload_part = staticmethod(lambda credential, *words, **more: sent.append(credential) or upload(credential, *words, **more))
big = Path("big.bin")
big.write_bytes(os.urandom(20_000_001))
with mlflow.start_run() as run:
    mlflow.log_artifact(str(big), "deep/er")
got = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="deep/er/big.bin", dst_path="back"))
print(len(sent), got.read_bytes() == big.read_bytes())
"""


def test_mlflows_client_sends_a_large_file_in_parts(new_server: Callable[..., RunningServer], mlflow_python: Path, tmp_path: Path) -> None:
    server = new_server()
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "LINEAL_", "PYTHON"))}
    environment = {
        **kept,
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_TRACKING_TOKEN": admin_token(server),
        "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
        "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "1000",
        "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(1 << 20),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    words: dict[str, Any] = {"env": environment, "cwd": tmp_path, "capture_output": True, "text": True, "timeout": 200}
    done = subprocess.run([str(mlflow_python), "-c", SCRIPT], check=False, **words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-2:] == ["20", "True"]
