"""What a person typed into the search box, as a filter of runs."""

from __future__ import annotations

import re

from lineal.errors import InvalidInput
from lineal.interfaces.web.pages import Visit
from lineal.records.filter import Comparison, Every, Filter, Not, Some, names_attribute, parse_filter, quoted, written

_GRAMMAR = re.compile(r"[=<>()]|\b(?:like|in|is)\b", re.IGNORECASE)
ANY_MISTAKE = "(mistake = '' or mistake != '')"
_SEARCHED = ("name", "command", "note", "experiment", "author")


def where_of(visit: Visit) -> str:
    """The filter that a visit's words ask for: the box, the status, the experiment, and whether mistakes are shown.

    Raises:
        InvalidInput: kind ``bad-filter``, if what was typed is meant as a filter and is none.
    """
    text = typed(visit.word("where"))
    parts = [f"({text})"] if text else []
    parts += [f"{name} = {quoted(visit.word(name))}" for name in ("status", "experiment") if visit.word(name)]
    if visit.switched("mistakes") and not names_attribute(parse_filter(text), "mistake"):
        parts.append(ANY_MISTAKE)
    return " and ".join(parts)


def typed(text: str) -> str:
    """A filter as it is; plain words as a search in name, command, note and id.

    >>> typed("metrics.auc > 0.9"), typed("") == ""
    ('metrics.auc > 0.9', True)
    >>> typed("prepare").partition(" or ")[0]
    "(name like '%prepare%'"
    """
    if not text:
        return ""
    try:
        found = parse_filter(text)
    except InvalidInput:
        if _GRAMMAR.search(text):
            raise
        found = None
    return text if found is not None and not _only_words(found) else " and ".join(_anywhere(word) for word in text.split())


def column_of(trouble: InvalidInput | None, text: str) -> int:
    """The column of what was typed, from 1, that an error points at; 0 where it points nowhere in it."""
    found = re.search(r"at column (\d+)", trouble.message) if trouble is not None and trouble.kind == "bad-filter" else None
    if trouble is None or found is None:
        return 0
    begins = trouble.hint.partition("\n")[0].find(text)  # the filter that was read may hold more than what was typed
    column = int(found[1]) - max(0, begins)
    return column if 1 <= column <= len(text) + 1 else 0


def _only_words(found: Filter) -> bool:
    """Whether a filter is only names without a section and a comparison: words that people type to find a run."""
    match found:
        case Comparison(operator=operator, field=field):
            return operator == "exists" and not field.section
        case Not():
            return False
        case Every(items=items) | Some(items=items):
            return all(_only_words(item) for item in items)


def _anywhere(word: str) -> str:
    pattern = quoted(f"%{word}%")
    parts = [f"{name} like {pattern}" for name in _SEARCHED]
    parts += [f"id like {quoted(f'{word}%')}"]
    return f"({' or '.join(parts)})"


def equals(section: str, key: str, value: object) -> str:
    """The filter for one value of a parameter.

    >>> equals("params", "max depth", 4), equals("params", "loss", "huber")
    ('params.`max depth` = 4', "params.loss = 'huber'")
    """
    shown = value if isinstance(value, bool | int | float) else quoted(str(value))
    return f"{written(section, key)} = {str(shown).lower() if isinstance(value, bool) else shown}"
