"""Serving: what one request costs.

CPU microseconds of the service's process per request with one row of 30 numbers, logistic regression, 8 keep-alive connections, one worker. Ours
checks the request against the signature and records every answer durably; the peer does neither.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import psutil
import skops.io
from blake3 import blake3
from sklearn.linear_model import LogisticRegression

from benchmarks.table import Row, peer_environment
from lineal.records.digest import blake3_digest
from lineal.serving.bundle import Manifest, write_manifest
from lineal.serving.formats import save_model

FEATURES = 30
CONNECTIONS = 8
REQUESTS = 8000
ROUNDS = 3
PEER = """
import sys
import numpy as np, skops.io, uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

path = sys.argv[1]
model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
app = FastAPI()


class Request(BaseModel):
    instances: list[dict[str, float]]


@app.get("/health")
async def health():
    return {}


@app.post("/predict")
async def predict(request: Request):
    table = np.array([list(row.values()) for row in request.instances])
    return {"predictions": model.predict(table).tolist(), "scores": model.predict_proba(table)[:, 1].tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""


def measure() -> list[Row]:
    draw = np.random.default_rng(0)
    table = draw.normal(size=(2000, FEATURES))
    model = LogisticRegression().fit(table, table[:, 0] + draw.normal(size=2000) > 0)
    with tempfile.TemporaryDirectory() as folder:
        bundle = _bundle(Path(folder), model)
        peer_model = Path(folder) / "peer.skops"
        skops.io.dump(model, peer_model)
        program = Path(folder) / "peer.py"
        program.write_text(PEER)
        python = str(peer_environment("fastapi", "fastapi", "uvicorn[standard]", "scikit-learn", "skops"))
        ours, our_start, our_memory = _cost([sys.executable, "-m", "lineal.serving", "--bundle", str(bundle), "--port"])
        peer, peer_start, peer_memory = _cost([python, str(program), str(peer_model)])
    note = f"ours {_shown(our_start, our_memory)}; peer {_shown(peer_start, peer_memory)}"
    name = "FastAPI + uvicorn"
    return [
        Row(
            work="one-row request",
            unit="µs CPU",
            ours=ours,
            peers={name: peer},
            goal="≤ ½ of the peer",
            met=ours * 2 <= peer,
            note="ours records it durably",
        ),
        Row(work="start to first answer", unit="s CPU", ours=our_start, peers={name: peer_start}, note=note),
    ]


def _bundle(folder: Path, model: LogisticRegression) -> Path:
    saved = save_model(model, None, folder / "bundle")
    manifest = Manifest(
        format_version=1,
        model="bench@1",
        model_format=saved.format,
        file=saved.path.name,
        digest=blake3_digest(blake3(saved.path.read_bytes()).digest()),
        signature=saved.signature,
    )
    write_manifest(saved.path.parent, manifest)
    return saved.path.parent


def _cost(command: list[str]) -> tuple[float, float, int]:
    """CPU µs per request (the best round), CPU seconds until the first answer, and resident bytes at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen([*command, str(port)]) as process:
        try:
            _wait(port)
            watched = psutil.Process(process.pid)
            start = _cpu(watched)
            asyncio.run(_ask(port, 400))
            rounds = []
            for _round in range(ROUNDS):
                before = _cpu(watched)
                asyncio.run(_ask(port, REQUESTS))
                rounds.append((_cpu(watched) - before) / REQUESTS * 1e6)
            return min(rounds), start, watched.memory_info().rss
        finally:
            process.terminate()


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _wait(port: int) -> None:
    for _try in range(1200):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError("the service does not answer")


async def _ask(port: int, requests: int) -> None:
    row = {f"x{place}": round(place * 0.37 - 4, 3) for place in range(FEATURES)}
    body = json.dumps({"instances": [row]}).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    await asyncio.gather(*(_connection(port, head + body, requests // CONNECTIONS) for _connection_number in range(CONNECTIONS)))


async def _connection(port: int, message: bytes, times: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _turn in range(times):
        writer.write(message)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        length = next(int(line.split(b":")[1]) for line in answer.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()


def _shown(seconds: float, memory: int) -> str:
    return f"{seconds:.1f} s, {memory / 1e6:.0f} MB"
