from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

from lineal.serving.bundle import MANIFEST
from lineal.serving.predictions import PredictionLog

ROW = {"carrier": "AA", "distance": 500.0, "hour": 18}
Serve = Callable[..., Any]


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_answers_are_the_model_s_and_each_is_recorded(serve: Serve, bundle: Path, late: Pipeline, flights: pd.DataFrame) -> None:
    service = serve(bundle)
    rows = flights.head(40).to_dict("records")
    response = service.predict(*rows, event_time="2013-04-01T10:00:00Z")
    assert response.status_code == 200
    assert response.headers["lineal-capture"] == "ok"
    body = response.json()
    assert body["model"] == "delay@1"
    assert body["predictions"] == late.predict(flights.head(40)).tolist()
    assert np.allclose(body["scores"], late.predict_proba(flights.head(40))[:, 1])
    assert len(set(body["prediction_ids"])) == 40
    assert service.stop() == 0
    log = PredictionLog(service.predictions)
    assert [row.id for row in log.newest(50)] == body["prediction_ids"][::-1]
    found = log.find(body["prediction_ids"][3])
    assert found is not None
    assert (found.inputs, found.output, found.event_at) == (rows[3], body["predictions"][3], 1_364_810_400_000_000)


def test_a_regression_has_no_scores(serve: Serve, bundle_of: Callable[..., Path], delay: Any, flights: pd.DataFrame) -> None:
    service = serve(bundle_of(delay, flights[["distance", "hour"]]))
    body = service.predict({"distance": 1000.0, "hour": 10.0}).json()
    assert body["scores"] is None
    assert body["predictions"] == [pytest.approx(30.0)]


def test_pages_say_who_answers_and_how_it_goes(serve: Serve, bundle: Path) -> None:
    service = serve(bundle)
    about = service.client.get("/").json()
    assert (about["name"], about["model"], about["trial"]) == ("delay", "delay@1", False)
    assert service.client.post("/predict", json=about["example"]).status_code == 200
    assert service.client.get("/health").json()["deployment"] == "d1"
    assert service.client.get("/ready").json()["status"] == "ready"
    service.predict({"carrier": "AA"})
    text = service.client.get("/metrics").text
    assert 'lineal_requests_total{model="delay@1",status="200"} 1' in text
    assert 'lineal_rejected_total{model="delay@1",reason="missing-feature"} 1' in text
    assert 'lineal_request_seconds_bucket{model="delay@1",le="+Inf"} 2' in text
    until(lambda: PredictionLog(service.predictions).rejected() == {"missing-feature": 1})


def test_a_request_that_lacks_a_feature_is_told_its_name(standing: Any) -> None:
    response = standing.predict({"carrier": "AA", "hour": 9})
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["detail"].startswith("missing distance: the model delay@1 takes 3 features")
    assert problem["errors"] == [{"kind": "missing-feature", "feature": "distance", "reason": "the model needs it (float)"}]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"instances": [{**ROW, "hour": "nine"}]}, 422, "wrong-type"),
        ({"instances": [{**ROW, "arr_time": 915}]}, 422, "unknown-feature"),
        ({"instances": [{**ROW, "hour": None}]}, 422, "missing-feature"),
        ({"instances": []}, 422, "no-instances"),
        ({"instances": [ROW], "event_time": "soon"}, 422, "bad-event-time"),
    ],
)
def test_what_does_not_fit_is_refused(body: Any, status: int, kind: str, standing: Any) -> None:
    response = standing.client.post("/predict", json=body)
    assert (response.status_code, response.json()["kind"]) == (status, kind)


def test_other_ways_to_ask_wrongly(standing: Any) -> None:
    before = PredictionLog(standing.predictions).count()

    def ask(method: str, path: str, **given: Any) -> tuple[int, str]:
        response = standing.client.request(method, path, **given)
        return response.status_code, response.json()["kind"]

    as_json = {"content-type": "application/json"}
    assert ask("POST", "/predict", content=b'{"instances": [{"hour": NaN}]}', headers=as_json) == (400, "malformed")
    assert ask("POST", "/predict", content=b"x=1") == (415, "wrong-content-type")
    assert ask("POST", "/predict", json={"instances": [ROW]}, headers={"host": "evil.example"}) == (421, "wrong-host")
    assert ask("GET", "/predict") == (405, "wrong-method")
    assert ask("DELETE", "/health") == (405, "wrong-method")
    assert ask("GET", "/admin") == (404, "unknown-path")
    assert ask("POST", "/predict", content=b" " * (17 << 20), headers=as_json) == (413, "body-too-large")

    def pieces() -> Any:
        for _piece in range(17):
            yield b" " * (1 << 20)

    assert ask("POST", "/predict", content=pieces(), headers=as_json) == (413, "body-too-large")
    assert standing.predict(ROW).status_code == 200
    assert PredictionLog(standing.predictions).count() <= before + 1


def test_a_value_that_the_model_itself_refuses_spoils_only_its_request(serve: Serve, bundle_of: Callable[..., Path], flights: pd.DataFrame) -> None:
    from sklearn.linear_model import LogisticRegression

    strict = make_pipeline(OneHotEncoder(handle_unknown="error"), LogisticRegression()).fit(flights[["carrier"]], flights["hour"] > 12)
    service = serve(bundle_of(strict, flights[["carrier"]]))
    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda turn: service.predict({"carrier": "XX" if turn % 4 == 0 else "AA"}), range(64)))
    assert [response.status_code for response in responses] == [422 if turn % 4 == 0 else 200 for turn in range(64)]
    assert responses[0].json()["kind"] == "model-refused"


def test_requests_that_come_together_get_their_own_answers(serve: Serve, bundle_of: Callable[..., Path], delay: Any, flights: pd.DataFrame) -> None:
    service = serve(bundle_of(delay, flights[["distance", "hour"]]))

    def ask(turn: int) -> list[float]:
        rows = [{"distance": float(turn), "hour": float(row)} for row in range(turn % 3 + 1)]
        response = service.predict(*rows)
        body = response.json()
        assert len(body["prediction_ids"]) == len(rows)
        return [round(value - turn / 100, 6) for value in body["predictions"]]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(400)))
    assert answers == [[2.0 * row for row in range(turn % 3 + 1)] for turn in range(400)]
    until(lambda: PredictionLog(service.predictions).count() == sum(turn % 3 + 1 for turn in range(400)))
    found = PredictionLog(service.predictions).columns()
    expected = found.features["hour"] * 2 + found.features["distance"] / 100
    assert np.allclose(found.output, expected)


def test_a_killed_service_leaves_what_was_flushed(serve: Serve, bundle: Path) -> None:
    service = serve(bundle)
    early = [service.predict(ROW).json()["prediction_ids"][0] for _turn in range(20)]
    time.sleep(1)
    service.predict(ROW)
    service.kill()
    log = PredictionLog(service.predictions)
    assert all(log.find(identifier) for identifier in early)
    assert log.count() in {20, 21}
    assert log.damage() == []
    again = serve(bundle)
    assert again.predict(ROW).status_code == 200
    until(lambda: PredictionLog(again.predictions).count() >= 21)


def test_a_port_in_use_is_told(standing: Any, bundle: Path) -> None:
    service = standing
    command = [sys.executable, "-m", "lineal.serving", "--bundle", str(bundle), "--port", str(service.port)]
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 4
    assert f"port {service.port} on 127.0.0.1 is in use" in second.stderr
    assert "Traceback" not in second.stderr


def run_on(bundle: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "lineal.serving", "--bundle", str(bundle)], capture_output=True, text=True, check=False, timeout=60)


def test_bundles_that_cannot_be_served_are_told(bundle: Path, tmp_path: Path) -> None:
    absent = run_on(tmp_path / "nothing")
    assert (absent.returncode, "holds no bundle" in absent.stderr) == (3, True)
    manifest = json.loads((bundle / MANIFEST).read_text())
    (bundle / "model.skops").write_bytes(b"other")
    damaged = run_on(bundle)
    assert (damaged.returncode, "not what its manifest says" in damaged.stderr) == (5, True)
    (bundle / MANIFEST).write_text(json.dumps(manifest | {"format_version": 99}))
    newer = run_on(bundle)
    assert (newer.returncode, "newer Lineal" in newer.stderr) == (4, True)
    (bundle / MANIFEST).write_text("{")
    broken = run_on(bundle)
    assert (broken.returncode, "Traceback" in broken.stderr) == (5, False)


def test_it_listens_on_loopback_only_and_another_name_must_be_allowed(standing: Any) -> None:
    service = standing
    assert service.client.get("/health", headers={"host": "models.example"}).status_code == 200
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if line.split()[3] == "0A"]
    assert f"0100007F:{service.port:04X}" in listening
    assert f"00000000:{service.port:04X}" not in listening


def test_a_request_that_was_begun_is_answered_before_it_stops(serve: Serve, bundle: Path, flights: pd.DataFrame) -> None:
    service = serve(bundle)
    body = json.dumps({"instances": flights.sample(16_000, replace=True, random_state=0).to_dict("records")}).encode()
    head = f"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    watched = psutil.Process(service.process.pid)
    idle = sum(watched.cpu_times()[:2])
    with socket.create_connection(("127.0.0.1", service.port)) as raw:
        raw.sendall(head.encode() + body)
        until(lambda: sum(watched.cpu_times()[:2]) > idle + 0.02)
        service.process.terminate()
        answer = b"".join(iter(lambda: raw.recv(1 << 16), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"-") > 16_000
    assert service.process.wait(timeout=30) == 0
    assert PredictionLog(service.predictions).count() == 16_000


def test_a_client_that_goes_away_harms_nobody(standing: Any) -> None:
    service = standing
    for _turn in range(5):
        with socket.create_connection(("127.0.0.1", service.port)) as raw:
            raw.sendall(b"POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{")
    assert service.predict(ROW).status_code == 200
    assert os.path.exists(f"/proc/{service.process.pid}")
