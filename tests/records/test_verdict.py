"""What a reproduction proves, and what it leaves open."""

from __future__ import annotations

import math

import pytest

from lineal.records.verdict import Evidence, OutputEvidence, Verdict, verdict


def evidence(*states: str, metrics: dict[str, tuple[float | None, float | None]] | None = None, **facts: object) -> Evidence:
    outputs = tuple(OutputEvidence(path=f"out{place}.csv", state=state) for place, state in enumerate(states))
    filled: dict[str, object] = {"isolated": "namespace", "exit_code": 0, "exit_code_before": 0, **facts}
    return Evidence(outputs=outputs, metrics=metrics or {}, **filled)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("identical",), Verdict.IDENTICAL),
        (("identical", "same-content"), Verdict.IDENTICAL),
        (("identical", "reordered"), Verdict.REORDERED),
        (("reordered", "different"), Verdict.DIFFERENT),
        (("identical", "missing"), Verdict.DIFFERENT),
        (("identical", "unexpected"), Verdict.DIFFERENT),
        (("identical", "uncompared"), Verdict.INCONCLUSIVE),
        ((), Verdict.INCONCLUSIVE),
    ],
)
def test_the_weightiest_output_decides(states: tuple[str, ...], expected: Verdict) -> None:
    assert verdict(evidence(*states))[0] is expected


def test_a_metric_that_moved_makes_it_different_and_is_named() -> None:
    found, reasons = verdict(evidence("identical", metrics={"auc": (0.61, 0.6)}))
    assert found is Verdict.DIFFERENT
    assert reasons[0] == "auc was 0.61 and is 0.6"


def test_nan_equals_nan_and_a_lost_metric_is_a_difference() -> None:
    assert verdict(evidence("identical", metrics={"f1": (math.nan, math.nan)}))[0] is Verdict.IDENTICAL
    assert verdict(evidence("identical", metrics={"f1": (0.5, None)}))[0] is Verdict.DIFFERENT


def test_a_missing_input_leaves_it_open_whatever_came_out() -> None:
    found, reasons = verdict(evidence("different", missing_inputs=("data/a.csv",)))
    assert found is Verdict.INCONCLUSIVE
    assert reasons[0] == "the input data/a.csv could not be restored"


def test_a_rerun_that_fails_proves_nothing_and_one_that_succeeds_differs() -> None:
    assert verdict(evidence("missing", exit_code=1))[0] is Verdict.INCONCLUSIVE
    assert verdict(evidence("identical", exit_code=0, exit_code_before=1))[0] is Verdict.DIFFERENT
    assert verdict(evidence("identical", exit_code=3, exit_code_before=3))[0] is Verdict.IDENTICAL
    assert verdict(evidence("identical", exit_code=None))[0] is Verdict.INCONCLUSIVE


def test_replaced_data_is_named_first() -> None:
    found, reasons = verdict(evidence("different", replaced_inputs=("flights@1 was replaced by flights@2",)))
    assert found is Verdict.DIFFERENT
    assert reasons[0] == "flights@1 was replaced by flights@2 on purpose, so a difference is to be expected"
    assert verdict(evidence("identical", replaced_inputs=("flights@1 was replaced by flights@2",)))[0] is Verdict.IDENTICAL


def test_an_environment_explains_but_never_decides() -> None:
    assert verdict(evidence("identical", environment=("numpy was 1 and is 2",)))[0] is Verdict.IDENTICAL
    assert "a possible cause: numpy was 1 and is 2" in verdict(evidence("different", environment=("numpy was 1 and is 2",)))[1]


def test_a_rerun_that_could_read_the_originals_says_so() -> None:
    assert "could have read them" in verdict(evidence("identical", isolated="none"))[1][-1]
