"""One contract for every target, and what the process target must prove before it stops anything."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from sklearn.linear_model import LinearRegression

from lineal.delivery.health import answers, wait_until_it_answers
from lineal.delivery.targets import target_named
from lineal.delivery.targets.interface import Handle, ServiceRequest, StartedService, Target
from lineal.delivery.targets.process import ProcessTarget
from lineal.errors import Conflict, InvalidInput, Unavailable
from lineal.records.digest import blake3_digest
from lineal.serving.bundle import Manifest, write_manifest
from lineal.serving.formats import save_model


def bundle(folder: Path, deployment: str) -> Path:
    model = LinearRegression().fit(np.arange(10.0).reshape(-1, 1), np.arange(10.0) * 2)
    saved = save_model(model, None, folder)
    digest = blake3_digest(blake3(saved.path.read_bytes()).digest())
    manifest = Manifest(
        format_version=1,
        model="delay@1",
        model_format=saved.format,
        file=saved.path.name,
        digest=digest,
        signature=saved.signature,
        deployment=deployment,
    )
    write_manifest(folder, manifest)
    return folder


Start = Callable[..., StartedService]


def wait(target: Target, started: StartedService, deployment: str) -> None:
    wait_until_it_answers(started.url, deployment, alive=lambda: target.alive(started.handle), seconds=120, why=lambda: "")


class TargetContract:
    """What every target must do."""

    target: Target

    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Start]:
        handles: list[Handle] = []

        def begin(deployment: str, *, port: int = 0, beside: Handle | None = None) -> StartedService:
            folder = tmp_path / deployment
            made = bundle(folder / "bundle", deployment)
            request = ServiceRequest(bundle=made, predictions=folder / "predictions", log=folder / "service.log", port=port, beside=beside)
            started = self.target.start(request)
            handles.append(started.handle)
            return started

        yield begin
        for handle in handles:
            self.target.stop(handle)

    def test_a_service_starts_answers_and_stops_once(self, start: Start) -> None:
        started = start("a")
        wait(self.target, started, "a")
        assert self.target.alive(started.handle)
        handle = json.loads(json.dumps(started.handle))
        assert self.target.stop(handle)
        assert not self.target.alive(handle)
        assert not self.target.stop(handle)
        assert not answers(started.url, "a")

    def test_a_successor_answers_on_the_same_port_before_the_first_stops(self, start: Start) -> None:
        first = start("a")
        wait(self.target, first, "a")
        second = start("b", port=first.handle["port"], beside=first.handle)
        assert second.url == first.url
        wait(self.target, second, "b")
        assert self.target.alive(first.handle)
        self.target.stop(first.handle)
        assert answers(second.url, "b")

    def test_a_service_that_dies_is_not_waited_for(self, start: Start, tmp_path: Path) -> None:
        folder = tmp_path / "broken"
        made = bundle(folder / "bundle", "broken")
        (made / "model.skops").write_bytes(b"x")
        started = self.target.start(ServiceRequest(bundle=made, predictions=folder / "p", log=folder / "service.log"))
        with pytest.raises(Unavailable) as caught:
            wait(self.target, started, "broken")
        assert caught.value.kind == "service-failed"
        assert "not what its manifest says" in (folder / "service.log").read_text()
        assert start is not None


class TestProcess(TargetContract):
    target = ProcessTarget()

    def test_a_port_of_another_program_is_refused(self, start: Start) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            with pytest.raises(Conflict) as caught:
                start("a", port=other.getsockname()[1])
        assert caught.value.kind == "port-in-use"

    def test_a_port_of_another_service_is_refused_although_it_could_be_shared(self, start: Start) -> None:
        first = start("a")
        with pytest.raises(Conflict):
            start("b", port=first.handle["port"])

    def test_no_port_is_refused(self, start: Start) -> None:
        with pytest.raises(InvalidInput) as caught:
            start("a", port=70_000)
        assert caught.value.kind == "bad-port"

    def test_a_reused_process_id_is_never_stopped(self) -> None:
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as innocent:
            handle = {"pid": innocent.pid, "started": "another boot:123", "port": 1}
            assert not self.target.alive(handle)
            assert not self.target.stop(handle)
            assert innocent.poll() is None
            innocent.kill()

    def test_another_program_with_the_right_start_time_is_never_stopped(self) -> None:
        from lineal.delivery.targets import process

        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as innocent:
            handle = {"pid": innocent.pid, "started": process._start_time(innocent.pid)}
            assert not self.target.stop(handle)
            assert innocent.poll() is None
            innocent.kill()

    def test_a_handle_that_says_nothing_is_nobody(self) -> None:
        assert not self.target.alive({})

    def test_it_outlives_whoever_started_it_and_is_found_again(self, tmp_path: Path) -> None:
        made = bundle(tmp_path / "bundle", "a")
        code = (
            "import json, sys; from pathlib import Path; from lineal.delivery.targets.process import ProcessTarget;"
            "from lineal.delivery.targets.interface import ServiceRequest;"
            f"f = Path({str(tmp_path)!r});"
            "s = ProcessTarget().start(ServiceRequest(bundle=f / 'bundle', predictions=f / 'p', log=f / 'service.log'));"
            "print(json.dumps([dict(s.handle), s.url]))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        handle, url = json.loads(done.stdout)
        try:
            wait(self.target, StartedService(handle=handle, url=url), "a")
            assert made.is_dir()
        finally:
            assert self.target.stop(handle)

    def test_a_service_is_no_part_of_the_run_that_started_it(self, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LINEAL_RUN", "f" * 32)
        monkeypatch.setenv("LINEAL_JOURNALS", "/nowhere")
        started = start("a")
        wait(self.target, started, "a")
        assert b"LINEAL_" not in Path(f"/proc/{started.handle['pid']}/environ").read_bytes()

    def test_one_that_does_not_listen_to_sigterm_is_killed(self, start: Start) -> None:
        started = start("a")
        wait(self.target, started, "a")
        os.kill(started.handle["pid"], signal.SIGSTOP)
        began = time.monotonic()
        assert self.target.stop(started.handle, seconds=0.3)
        assert time.monotonic() - began < 10
        assert not self.target.alive(started.handle)


def test_an_unknown_target_is_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        target_named("mainframe")
    assert caught.value.kind == "unknown-target"


def test_a_service_of_another_deployment_does_not_count() -> None:
    assert not answers("http://127.0.0.1:1", "a", seconds=0.2)
