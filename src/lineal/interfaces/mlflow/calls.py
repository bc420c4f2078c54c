"""One request to the MLflow API, with its words checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lineal.interfaces.mlflow.answers import MISSING, Refusal

if TYPE_CHECKING:
    from lineal.records.access import Principal
    from lineal.workspace.interface import ServedWorkspace

LONGEST_KEY, LONGEST_PARAM, LONGEST_TAG = 250, 6000, 8000
INPUT, USED, OUTPUT = "lineal.input.", "lineal.used.", "lineal.output."
"""Beginnings of the tags in which a run keeps what a client said of data and models."""
_BOUND = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What was asked.

    Attributes:
        words: of the body, or of the query where there is none; a word that comes several times is a list.
        path: names in the path.
        base: what stands before every address of the project.
    """

    workspace: ServedWorkspace
    principal: Principal
    words: Mapping[str, Any] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    base: str = ""

    def text(self, name: str, default: str | None = None) -> str:
        """A text; one that is not given and has no default is refused."""
        value = self.words.get(name)
        if value is None or value == "":
            if default is None:
                raise missing(name)
            return default
        if not isinstance(value, str):
            raise Refusal(f"Invalid value {value!r:.100} for parameter '{name}' supplied: value must be a string")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        value = self.words.get(name)
        if value is None or value == "":
            if default is None:
                raise missing(name)
            return default
        return whole(value, name)

    def each(self, name: str) -> Sequence[Any]:
        """A list; empty where it is not given."""
        value = self.words.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise Refusal(f"Invalid value {value!r:.100} for parameter '{name}' supplied: value must be a list")
        return value

    def texts(self, name: str) -> Sequence[str]:
        """A list of texts; empty where it is not given."""
        found = self.each(name)
        if not all(isinstance(item, str) for item in found):
            raise Refusal(f"Invalid value {found!r:.100} for parameter '{name}' supplied: it must be a list of strings")
        return found

    def bounded(self, name: str, default: int | None, most: int) -> int:
        """A whole number from 1 to ``most``."""
        found = self.whole(name, default)
        if not 0 < found <= most:
            raise Refusal(f"Invalid value {found} for parameter '{name}' supplied. It must be a positive integer of at most {most}")
        return found

    def objects(self, name: str) -> Sequence[Mapping[str, Any]]:
        """A list of objects."""
        found = self.each(name)
        if not all(isinstance(item, Mapping) for item in found):
            raise Refusal(f"Invalid value for parameter '{name}' supplied: it must be a list of objects")
        return found

    @property
    def run(self) -> str:
        """The id of the run that is meant."""
        found = self.words.get("run_id") or self.words.get("run_uuid")
        if not isinstance(found, str) or not found:
            raise missing("run_id")
        return found


def missing(name: str) -> Refusal:
    """A word that must be there and is not."""
    return Refusal(f"Missing value for required parameter '{name}'. See the API docs for more information about request parameters.")


def no_run(identifier: str) -> Refusal:
    """A run that is not there."""
    return Refusal(f"Run with id={identifier} not found", MISSING)


def whole(value: Any, name: str) -> int:
    """A whole number of 64 bits, which JSON may have as a text."""
    if type(value) is int and -_BOUND <= value < _BOUND:
        return value
    try:
        found = int(value) if not isinstance(value, float) or value.is_integer() else None
    except (TypeError, ValueError, OverflowError):
        found = None
    if found is None or isinstance(value, bool) or not -_BOUND <= found < _BOUND:
        raise Refusal(f"Invalid value {value!r:.100} for parameter '{name}' supplied: it must be a whole number")
    return found


def real(value: Any, name: str) -> float:
    """A number, which protobuf's JSON has as a text where it is not finite."""
    if type(value) is float:
        return value
    if value is None:
        raise Refusal(f"Got invalid value {value} for metric '{name}'. Please specify value as a valid double (64-bit floating point)")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise Refusal(
            f"Got invalid value {value!r:.100} for metric '{name}'. Please specify value as a valid double (64-bit floating point)"
        ) from None


def key_of(item: Mapping[str, Any], what: str) -> str:
    """The key of a metric, parameter or tag. Raises `Refusal`."""
    key = item.get("key")
    if not isinstance(key, str) or not key:
        raise missing("key")
    return _clean(key, what)


@lru_cache(maxsize=4096)
def _clean(key: str, what: str) -> str:
    """The same few keys come again and again."""
    if len(key) > LONGEST_KEY:
        raise Refusal(f"{what} exceeds the maximum length of {LONGEST_KEY} characters: {key[:50]!r}…")
    unclean = any(part in {"", ".", ".."} for part in key.split("/"))
    if unclean or not all(letter.isalnum() or letter in "/_-. :" for letter in key):
        raise Refusal(
            f"Invalid {what.lower()}: {key!r:.120}. Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), "
            "spaces ( ), colon(:) and slashes (/)."
        )
    return key


def value_of(item: Mapping[str, Any], what: str, longest: int = 0) -> str:
    """The value of a parameter or tag, which must not be longer than ``longest`` if that is given."""
    value = item.get("value")
    if not isinstance(value, str | None):
        raise Refusal(f"Invalid value {value!r:.100} for parameter 'value' supplied: value must be a string")
    if longest and value and len(value) > longest:
        raise Refusal(f"{what} exceeds the maximum length of {longest} characters")
    return value or ""


def cut_value_of(item: Mapping[str, Any], longest: int, what: str) -> str:
    """The value of a run's parameter or tag, of which MLflow keeps so much."""
    return value_of(item, what)[:longest]


def tags_of(items: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Tags of a run in a request."""
    return {tag_key(item): cut_value_of(item, LONGEST_TAG, "Tag value") for item in items}


def tag_key(item: Mapping[str, Any]) -> str:
    """The key of a run's tag, which is none of those that Lineal keeps its own things in. Raises `Refusal`."""
    return _not_ours(key_of(item, "Tag name"))


def _not_ours(key: str) -> str:
    if key.startswith((INPUT, USED, OUTPUT)):
        raise Refusal(f"Invalid tag name: {key!r:.120}. Lineal keeps its own things there.")
    return key


def unchecked_tags(items: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Tags of a thing that is made: MLflow does not look at them."""
    if not all(isinstance(item.get("key"), str) for item in items):
        raise missing("key")
    return {_not_ours(item["key"]): value_of(item, "Tag value") for item in items}
