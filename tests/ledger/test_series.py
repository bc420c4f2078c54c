from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from lineal.errors import Integrity
from lineal.ledger.blocks import Columns, decimate, decimate_each, decode_block, encode_block, in_step_order, join, rises, standing
from lineal.ledger.database import Ledger
from lineal.ledger.metric_rows import set_summary
from lineal.ledger.run_writes import begin_run
from lineal.ledger.schema import metric_blocks
from lineal.ledger.series import LARGEST_BLOCK, append_points, read_series

RUN, PROJECT = "a" * 32, "p" * 32
WHOLE = st.integers(min_value=-(2**63), max_value=2**63 - 1)


def columns(steps: list[int], values: list[float] | None = None) -> Columns:
    return Columns(
        steps=np.array(steps, dtype=np.int64),
        values=np.array(values if values is not None else [float(step) for step in steps], dtype=np.float64),
        times=np.arange(len(steps), dtype=np.int64) + 1_700_000_000_000_000,
    )


@given(st.lists(st.tuples(WHOLE, st.floats(), WHOLE), min_size=1, max_size=50))
def test_a_block_gives_back_every_bit(points: list[tuple[int, float, int]]) -> None:
    steps, values, times = zip(*points, strict=True)
    given_points = Columns(steps=np.array(steps, np.int64), values=np.array(values, np.float64), times=np.array(times, np.int64))
    back = decode_block(encode_block(given_points))
    for name in ("steps", "values", "times"):
        assert getattr(back, name).tobytes() == getattr(given_points, name).tobytes()


def test_a_damaged_block_says_so() -> None:
    body = bytearray(encode_block(columns(list(range(100)))))
    body[1] ^= 0xFF
    with pytest.raises(Integrity) as caught:
        decode_block(bytes(body))
    assert caught.value.kind == "damaged-ledger"


def test_a_regular_series_takes_few_bytes_a_point() -> None:
    noisy = columns(list(range(10_000)), np.random.default_rng(0).random(10_000).tolist())
    assert len(encode_block(noisy)) / 10_000 < 9


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=300), st.integers(1, 50))
def test_decimation_keeps_the_ends_and_the_extremes(values: list[float], wanted: int) -> None:
    every = columns(list(range(len(values))), values)
    few = decimate(every, wanted)
    assert (few.steps[0], few.steps[-1]) == (0, len(values) - 1)
    assert np.all(np.diff(few.steps) > 0)
    if not np.all(np.isnan(every.values)):
        assert np.nanmin(few.values) == np.nanmin(every.values)
        assert np.nanmax(few.values) == np.nanmax(every.values)
    assert len(few) <= max(2 * -(-wanted // 1) + 6, 6)


@given(st.lists(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), min_size=1, max_size=6), st.integers(2, 60))
def test_decimation_part_by_part_keeps_the_ends_and_the_extremes_of_all(parts: list[list[float]], wanted: int) -> None:
    place, every = 0, []
    for values in parts:
        every.append(columns(list(range(place, place + len(values))), values))
        place += len(values)
    assert rises(every)
    few, whole = decimate_each(every, wanted), join(every)
    assert (few.steps[0], few.steps[-1]) == (0, place - 1)
    assert np.all(np.diff(few.steps) > 0)
    assert (few.values.min(), few.values.max()) == (whole.values.min(), whole.values.max())
    assert len(few) <= wanted + 8 * len(parts) + 2


def test_parts_whose_steps_go_back_do_not_rise() -> None:
    assert not rises([columns([0, 5]), columns([3, 9])])
    assert not rises([columns([5, 0])])
    assert rises([columns([0, 5]), columns([5, 9])])


def test_points_logged_out_of_order_are_decimated_in_order(ledger: Ledger) -> None:
    begun(ledger)
    steps = [*range(5000, 10_000), *range(5000)]
    with ledger.write() as connection:
        append_points(connection, project_id=PROJECT, run_id=RUN, attempt=1, series={("loss", 0): columns(steps)})
    with ledger.read() as connection:
        (few,) = read_series(connection, RUN, "loss", points=50, start=100, stop=8000)
    assert (few.steps[0], few.steps[-1], few.total) == (100, 8000, 7901)
    assert list(few.steps) == sorted(few.steps)


def test_steps_out_of_order_are_sorted_and_equal_ones_keep_their_order() -> None:
    assert in_step_order(columns([3, 1, 1], [0.0, 1.0, 2.0])).values.tolist() == [1.0, 2.0, 0.0]


def test_of_three_attempts_each_ends_where_a_later_one_begins() -> None:
    parts = [(1, columns([0, 1, 2, 3, 4])), (2, columns([3, 4, 5], [30, 40, 50])), (3, columns([1, 2], [100, 200]))]
    assert standing(parts).values.tolist() == [0.0, 100.0, 200.0]


def begun(ledger: Ledger) -> Ledger:
    with ledger.write() as connection:
        begin_run(connection, PROJECT, RUN, {"name": "r", "started": 1, "pid": 1})
    return ledger


def test_small_pieces_are_merged_and_large_ones_cut(ledger: Ledger) -> None:
    begun(ledger)
    for start in range(0, 1000, 100):
        with ledger.write() as connection:
            append_points(connection, project_id=PROJECT, run_id=RUN, attempt=1, series={("loss", 0): columns(list(range(start, start + 100)))})
    with ledger.write() as connection:
        append_points(connection, project_id=PROJECT, run_id=RUN, attempt=1, series={("loss", 0): columns(list(range(1000, 150_000)))})
    with ledger.read() as connection:
        sizes = list(connection.execute(select(metric_blocks.c.points).order_by(metric_blocks.c.sequence)).scalars())
        (series,) = read_series(connection, RUN, "loss")
        (few,) = read_series(connection, RUN, "loss", points=100)
    assert sizes == [LARGEST_BLOCK, LARGEST_BLOCK, 150_000 - 2 * LARGEST_BLOCK]
    assert series.steps == tuple(range(150_000))
    assert (few.total, few.decimated) == (150_000, True)
    assert len(few.steps) <= 110


def test_a_range_of_steps_is_read_finer_and_without_the_blocks_outside(ledger: Ledger) -> None:
    begun(ledger)
    with ledger.write() as connection:
        append_points(connection, project_id=PROJECT, run_id=RUN, attempt=1, series={("loss", 0): columns(list(range(200_000)))})
        append_points(connection, project_id=PROJECT, run_id=RUN, attempt=2, series={("loss", 0): columns(list(range(150_010, 150_020)))})
        connection.execute(update(metric_blocks).where(metric_blocks.c.sequence == 0).values(body=b"damaged"))
    with ledger.read() as connection:
        (few,) = read_series(connection, RUN, "loss", points=100, start=140_000, stop=150_000)
        (all_of_them,) = read_series(connection, RUN, "loss", points=100, start=150_000, stop=150_030)
        (nothing,) = read_series(connection, RUN, "loss", start=10**9)
    assert (few.total, few.decimated, few.steps[0], few.steps[-1]) == (10_001, True, 140_000, 150_000)
    assert all_of_them.steps == tuple(range(150_000, 150_020))
    assert not all_of_them.decimated
    assert (nothing.steps, nothing.total) == ((), 0)


def test_one_rank_is_read_alone_and_says_how_many_there_are(ledger: Ledger) -> None:
    begun(ledger)
    with ledger.write() as connection:
        for rank in (0, 3):
            append_points(connection, project_id=PROJECT, run_id=RUN, attempt=1, series={("loss", rank): columns([rank, rank + 1])})
    with ledger.read() as connection:
        both = read_series(connection, RUN, "loss")
        (third,) = read_series(connection, RUN, "loss", rank=3)
        assert read_series(connection, RUN, "loss", rank=1) == ()
    assert [(series.rank, series.ranks) for series in both] == [(0, 2), (3, 2)]
    assert (third.rank, third.steps) == (3, (3, 4))


def test_a_summary_beside_a_series_sets_its_last_value_and_a_summary_alone_is_one_point(ledger: Ledger) -> None:
    begun(ledger)
    with ledger.write() as connection:
        append_points(connection, project_id=PROJECT, run_id=RUN, attempt=1, series={("auc", 0): columns([0, 1], [0.1, 0.2])})
        set_summary(connection, project_id=PROJECT, run_id=RUN, values={"auc": 0.5, "f1": 0.4}, on="test")
        set_summary(connection, project_id=PROJECT, run_id=RUN, values={"f1": 0.3}, on="test")
    with ledger.read() as connection:
        assert read_series(connection, RUN, "f1")[0].values == (0.3,)
        assert read_series(connection, RUN, "auc")[0].values == (0.1, 0.2)
        assert read_series(connection, RUN, "nothing") == ()
