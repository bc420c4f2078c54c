"""A browser over the sample of 2,000 runs, without a network between."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import anyio
import httpx
import pytest

from lineal.pages import application

BASE = "http://localhost:8400"


@pytest.fixture(scope="module")
def workspace(sample_module: ModuleType) -> Any:
    return sample_module.SampleWorkspace(2000)


class Answering:
    """Answers a browser's requests from the application, in a thread of its own: the browser's runs a loop already."""

    def __init__(self, workspace: Any) -> None:
        self.app = application(workspace)
        self.threads = ThreadPoolExecutor(2)

    def __call__(self, route: Any) -> None:
        request = route.request
        if "text/event-stream" in request.headers.get("accept", ""):
            route.fulfill(status=204)  # nothing of an answer comes before its end here
            return
        cookies = "; ".join(f"{each['name']}={each['value']}" for each in request.frame.page.context.cookies(BASE))
        headers = {**request.headers, **({"cookie": cookies} if cookies else {})}
        answer = self.threads.submit(self.ask, request.method, request.url, headers, request.post_data_buffer).result()
        route.fulfill(status=answer.status_code, headers=dict(answer.headers), body=answer.content)

    def ask(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> httpx.Response:
        async def go() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app)) as client:
                return await client.request(method, url, headers=headers, content=body)

        return anyio.run(go)


@pytest.fixture(scope="module")
def answering(workspace: Any) -> Iterator[Answering]:
    found = Answering(workspace)
    yield found
    found.threads.shutdown()


@pytest.fixture(params=[1280, 400])
def watched(request: pytest.FixtureRequest, watch: Any, answering: Answering) -> Iterator[Any]:
    found = watch(request.param, BASE)
    found.context.route("**/*", answering)
    yield found
    found.context.close()


@pytest.fixture
def wide(watch: Any, answering: Answering) -> Iterator[Any]:
    found = watch(1280, BASE)
    found.context.route("**/*", answering)
    yield found
    found.context.close()
