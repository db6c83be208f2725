"""Runs mutmut on decorated functions too, which it leaves out by default: the checks, and cached functions."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import libcst
from libcst import matchers
from mutmut import __main__ as mutmut
from mutmut.mutation import file_mutation

CLASS_METHOD = matchers.Decorator(matchers.Name("classmethod"))
MUTANTS = Path("mutants").absolute()

skips = file_mutation.MutationVisitor._skip_node_and_children
arrangement = file_mutation.function_trampoline_arrangement


def skips_no_function(visitor: file_mutation.MutationVisitor, node: libcst.CSTNode) -> bool:
    """Whether mutmut skips a node: a decorator, but not the function under it."""
    return not isinstance(node, libcst.FunctionDef) and skips(visitor, node)


def decorated_once(function: libcst.FunctionDef, mutants: Any, class_name: str | None) -> Sequence[Any]:
    """Decorates only the caller of the function and its mutants; these keep `classmethod` too."""
    declared, (caller, *copies), assigned, names = arrangement(function, mutants, class_name)
    kept = [item for item in function.decorators if matchers.matches(item, CLASS_METHOD)]
    return declared, [caller, *(copy.with_changes(decorators=kept) for copy in copies)], assigned, names


if __name__ == "__main__":
    MUTANTS.mkdir(exist_ok=True)
    sys.path.insert(0, str(MUTANTS))  # pytest loads onnxproof's plugin from there
    file_mutation.MutationVisitor._skip_node_and_children = skips_no_function
    file_mutation.function_trampoline_arrangement = decorated_once
    mutmut.cli()
