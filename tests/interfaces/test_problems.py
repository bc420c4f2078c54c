from lineal.errors import Conflict, InvalidState
from lineal.interfaces.problems import internal_error, problem, title


def test_a_problem_says_what_why_and_what_next() -> None:
    found = problem(Conflict("the ref moved", kind="ref-moved", hint="Try again."), instance="/api/v1/x")
    assert found == {
        "type": "urn:lineal:error:ref-moved",
        "title": "Conflict",
        "status": 409,
        "detail": "the ref moved",
        "kind": "ref-moved",
        "hint": "Try again.",
        "instance": "/api/v1/x",
    }


def test_a_title_is_in_words() -> None:
    assert title(InvalidState("x", kind="y")) == "Invalid state"


def test_our_own_failure_is_no_fault_of_the_visitor() -> None:
    assert problem(internal_error())["status"] == 500
