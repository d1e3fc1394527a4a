"""Print and recompute arithmetic: an expression over numbered inputs, such as ``{0} * {1} / 3600``.

Operators ``+ - * / **``, functions ``ceil floor max min ln median``, numbers. Nothing else is allowed.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from aigc_bench.core.messages import joined

_PLACE = re.compile(r"\{(\d+)\}")
_CONSTANT = re.compile(r"(?<![\w.{-])\d+(?:\.0)?(?![\w.}])")
"""A whole number of an expression, which is no place of an input."""
_NAME = re.compile(r"\b_(\d+)\b")
_OPERATORS: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def ceil(number: float) -> int:
    """Return the next whole number, tolerating rounding errors of floating-point sums (3.0000000000000004 is 3)."""
    nearest = round(number)
    return nearest if math.isclose(number, nearest, rel_tol=1e-12, abs_tol=1e-12) else math.ceil(number)


_FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "ceil": ceil,
    # The tolerance with which plans round down (``placement.rack_fill``).
    "floor": lambda number: math.floor(number + 1e-9),
    "max": max,
    "min": min,
    "ln": math.log,
    "median": lambda *numbers: statistics.median(numbers),
}
_SIGNS = ((" ** ", " ^ "), (" * ", " × "))


def evaluate(expression: str, values: Sequence[float]) -> float:
    """Return the value of the expression over ``values``."""
    # Brackets: -2 ** 2 is -4, (-2) ** 2 is 4. repr() keeps all digits.
    filled = _PLACE.sub(lambda found: f"({values[int(found[1])]!r})", expression)
    # A walk over the tree and no eval(): factors of third parties write expressions, too.
    return _value(ast.parse(filled, mode="eval").body)


# Options share their formulae, so most substitutions of a plan repeat.
@lru_cache(maxsize=4096)
def substituted(expression: str, parts: tuple[str, ...]) -> str:
    """Return the expression with other expressions in the places of its inputs, in brackets where precedence requires them."""
    # Python would read {0} as a set; _0 is a name.
    tree = ast.parse(_PLACE.sub(r"_\1", expression), mode="eval")
    filled = _Substitute([ast.parse(_PLACE.sub(r"_\1", part), mode="eval").body for part in parts]).visit(tree)
    return _NAME.sub(r"{\1}", ast.unparse(filled))


class _Substitute(ast.NodeTransformer):
    """Put expressions in the places of names ``_0``, ``_1`` ..."""

    def __init__(self, parts: Sequence[ast.expr]) -> None:
        self.parts = parts

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return the expression of a place, or the name of a function."""
        return self.parts[int(node.id[1:])] if node.id.startswith("_") else node


def in_words(expression: str, words: Sequence[str]) -> str:
    """Return the expression with ``words`` for its inputs and printed operator signs."""
    for sign, printed in _SIGNS:
        expression = expression.replace(sign, printed)
    expression = _CONSTANT.sub(_grouped, expression)
    # ``split`` with a group gives text, place, text, place ...; messages among the words stay messages.
    parts = _PLACE.split(expression)
    return joined("", [words[int(part)] if number % 2 else part for number, part in enumerate(parts)])


def _grouped(constant: re.Match[str]) -> str:
    return f"{float(constant[0]):,.0f}"


def _value(node: ast.expr) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name), f"not arithmetic: {ast.dump(node)}"
    return float(_FUNCTIONS[node.func.id](*(_value(argument) for argument in node.args)))
