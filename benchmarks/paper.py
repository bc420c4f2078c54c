"""``python -m benchmarks.paper``: works the tables of docs/design/scale.md out anew from the figures that stand at its top.

A row whose first cell is a symbol and whose second is a number gives a figure; one whose second cell is a formula gets its third, the result. Formulas stand on
figures and on results above them, in Python's notation, with ``ceil exp log min max`` and nothing else.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "design" / "scale.md"
FUNCTIONS: Mapping[str, Callable[..., float]] = {"ceil": math.ceil, "exp": math.exp, "log": math.log, "min": min, "max": max}
OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_ROW = re.compile(r"^\| `(\w+)` \| `?([^`|]+)`? \| ([^|]*)\|(.*)\|$")
_SIZES = (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("B", 1.0))
_TIMES = (("years", 365.25 * 86_400), ("days", 86_400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))
_NUMBERS = (("billion", 1e9), ("million", 1e6), ("", 1.0))


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    worked = worked_out(text)
    PAGE.write_text(worked, encoding="utf-8")
    print(f"{PAGE}: {'written anew' if worked != text else 'as it was'}")
    return 0


def worked_out(text: str) -> str:
    """The page with every result in its place."""
    known: dict[str, float] = {}
    return "\n".join(_line(line, known) for line in text.split("\n"))


def _line(line: str, known: dict[str, float]) -> str:
    found = _ROW.match(line)
    if found is None:
        return line
    symbol, given, third, rest = found.groups()
    if re.fullmatch(r"[\d.e+-]+", given.strip()):
        known[symbol] = float(given)
        return line
    known[symbol] = value(ast.parse(given.strip(), mode="eval").body, known)
    unit = rest.split("|")[0].strip()
    return f"| `{symbol}` | `{given}` | {shown(known[symbol], unit)} |{rest}|" if third is not None else line


def value(node: ast.expr, known: Mapping[str, float]) -> float:
    """What a formula comes to. Raises ValueError where it has anything but arithmetic."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return known[node.id]
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](value(node.left, known), value(node.right, known))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -value(node.operand, known)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return FUNCTIONS[node.func.id](*(value(argument, known) for argument in node.args))
    raise ValueError(f"no arithmetic: {ast.unparse(node)}")


def shown(number: float, unit: str) -> str:
    """A result for people: ``bytes`` and ``seconds`` in a fitting size, ``%`` as a share, other units as they are."""
    if unit == "bytes":
        return _fitting(number, _SIZES)
    if unit == "seconds":
        return _fitting(number, _TIMES)
    if unit == "%":
        return f"{number * 100:.3g} %"
    return _fitting(number, _NUMBERS)


def _fitting(number: float, units: tuple[tuple[str, float], ...]) -> str:
    name, size = next((unit for unit in units if abs(number) >= unit[1]), units[-1])
    figure = number / size
    digits = f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"
    return f"{digits} {name}".strip()


if __name__ == "__main__":
    sys.exit(main())
