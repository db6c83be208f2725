"""The symbolic dimensions that an ONNX file declares, against the sizes of a run."""

import ast
import operator
import re
from collections.abc import Callable
from typing import Any

from onnxproof.graph.facts import Value

_OPERATORS: dict[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}

MULTIPLE = re.compile(r"([1-9][0-9]{0,8})\*([A-Za-z_]\w*)")


class SymbolError(Exception):
    """A size that is not the one declared; the message names the value, the dimension and both sizes."""


def bind(value: Value, shape: tuple[int, ...], sizes: dict[str, int]) -> None:
    """Compares the shape of a run with a declared one; symbols that occur for the first time go into `sizes`.

    A symbol is one size in a run, wherever it stands; of torch.export's expressions (`2*height + 1`) those that are
    sums, products and whole quotients of known symbols are computed. A multiple of an unknown one (`8*_height`) tells
    its size. Raises `SymbolError`.
    """
    if value.shape is None:
        return
    if len(value.shape) != len(shape):
        raise SymbolError(f"{value.name} is declared with {len(value.shape)} dimensions, the run has {shape}")
    for axis, (declared, size) in enumerate(zip(value.shape, shape, strict=True)):
        if declared is None:
            continue
        if isinstance(declared, str) and (found := MULTIPLE.fullmatch(declared)) and found[2] not in sizes:
            sizes[found[2]] = size // int(found[1])
        promised = declared if isinstance(declared, int) else evaluate(declared, sizes)
        if promised is None and str(declared).isidentifier():
            sizes[str(declared)] = size
        elif promised is not None and promised != size:
            said = f"{declared}, {promised} here" if isinstance(declared, str) else str(declared)
            raise SymbolError(f"dimension {axis} of {value.name} is declared as {said}; the run has {size}")


def evaluate(expression: str, sizes: dict[str, int]) -> int | None:
    """The value of an expression of symbols; None for one with an unknown symbol or of another kind."""
    if expression in sizes:  # also one that is a word of Python
        return sizes[expression]
    try:
        return _value(ast.parse(expression, mode="eval").body, sizes)
    except (SyntaxError, KeyError, ZeroDivisionError, RecursionError, ValueError, MemoryError):
        return None


def _value(node: ast.expr, sizes: dict[str, int]) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return sizes[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return int(_OPERATORS[type(node.op)](_value(node.left, sizes), _value(node.right, sizes)))
    raise ValueError
