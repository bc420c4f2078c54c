"""Requests that come while the model is busy are answered together: one call of the model, each request its own rows back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lineal.errors import InvalidInput
from lineal.serving.formats.interface import Answers, Predictor
from lineal.serving.requests import PredictRequest

MOST_ROWS = 4096


@dataclass(slots=True)
class _Waiting:
    request: PredictRequest
    answer: asyncio.Future[Answers]


class Batches:
    """Puts waiting requests together. Belongs to one event loop; `answer` may be called by any number of its tasks.

    A batch that the model refuses is asked again request by request, so that one bad row spoils nobody else's answer.
    """

    def __init__(self, predictor: Predictor, *, counted: Callable[[], None]) -> None:
        self._predictor = predictor
        self._counted = counted
        self._waiting: list[_Waiting] = []

    async def answer(self, request: PredictRequest) -> Answers:
        """The model's answers to this request's rows, in their order.

        Raises:
            InvalidInput: kind ``model-refused``.
        """
        loop = asyncio.get_running_loop()
        mine = _Waiting(request, loop.create_future())
        if not self._waiting:
            loop.call_soon(self._run)
        self._waiting.append(mine)
        return await mine.answer

    def _run(self) -> None:
        batch, self._waiting = self._waiting, []
        while batch:
            taken = _first_rows(batch)
            self._ask(batch[:taken])
            batch = batch[taken:]

    def _ask(self, batch: Sequence[_Waiting]) -> None:
        self._counted()
        try:
            answers = self._predictor.predict(_joined([item.request for item in batch]))
        except Exception as error:  # noqa: BLE001 - it belongs to the request that caused it
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            for item in batch:
                self._ask([item])
            return
        total = sum(item.request.rows for item in batch)
        if len(answers.output) != total:
            for item in batch:
                _fail(item, InvalidInput(f"the model gave {len(answers.output)} answers for {total} rows", kind="model-refused"))
            return
        _hand_out(batch, answers)


def _hand_out(batch: Sequence[_Waiting], answers: Answers) -> None:
    start = 0
    for item in batch:
        end = start + item.request.rows
        if not item.answer.done():
            score = None if answers.score is None else answers.score[start:end]
            item.answer.set_result(Answers(output=answers.output[start:end], score=score))
        start = end


def _fail(item: _Waiting, error: Exception) -> None:
    if not item.answer.done():
        item.answer.set_exception(error)


def _first_rows(batch: Sequence[_Waiting]) -> int:
    """How many of the requests go into one call: at least one, together at most `MOST_ROWS` rows."""
    rows = 0
    for place, item in enumerate(batch):
        rows += item.request.rows
        if rows > MOST_ROWS and place:
            return place
    return len(batch)


def _joined(requests: Sequence[PredictRequest]) -> Mapping[str, Sequence[Any]]:
    if len(requests) == 1:
        return requests[0].columns
    return {name: [value for request in requests for value in request.columns[name]] for name in requests[0].columns}
