"""Print and recompute arithmetic: an expression over numbered inputs, such as ``{0} * {1} / 3600``.

Operators ``+ - * / **``, functions ``ceil floor max min ln``, numbers. Nothing else is allowed.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from aigc_bench.plan.stats.estimates import ceil

_PLACE = re.compile(r"\{(\d+)\}")
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "ceil": ceil,
    "floor": lambda number: math.floor(number + 1e-9),
    "max": max,
    "min": min,
    "ln": math.log,
}
_SIGNS = ((" ** ", " ^ "), (" * ", " × "))


class Inputs:
    """Number keys in order while an expression over them is written: ``of(key)`` is ``{0}``."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __call__(self, key: str) -> str:
        if key not in self.keys:
            self.keys.append(key)
        return f"{{{self.keys.index(key)}}}"

    def plus(self, keys: Iterable[str]) -> str:
        """Return the sum of some keys, in brackets if there are several; ``0`` of none."""
        terms = [self(key) for key in keys]
        return f"({' + '.join(terms)})" if len(terms) > 1 else terms[0] if terms else "0"


def places(expression: str) -> set[int]:
    """Return the numbers of the inputs that an expression uses."""
    return {int(found) for found in _PLACE.findall(expression)}


def evaluate(expression: str, values: Sequence[float]) -> float:
    """Return the value of the expression over ``values``."""
    filled = _PLACE.sub(lambda found: f"({values[int(found[1])]!r})", expression)
    return _value(ast.parse(filled, mode="eval").body)


def in_words(expression: str, words: Sequence[str]) -> str:
    """Return the expression with ``words`` for its inputs and printed operator signs."""
    for sign, printed in _SIGNS:
        expression = expression.replace(sign, printed)
    return _PLACE.sub(lambda found: words[int(found[1])], expression)


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name), f"not arithmetic: {ast.dump(node)}"
    return float(_FUNCTIONS[node.func.id](*(_value(argument) for argument in node.args)))
