"""docs/api.md, made of the docstrings: `python -m docs.api_page` makes it again."""

import re
from collections.abc import Callable
from pathlib import Path

import griffe

from docs import markdown

PAGE = Path(__file__).parent / "api.md"
WIDTH = 100
"""Characters of a signature on one line."""
STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}


def render() -> str:
    """The page, of the sources as they are."""
    return markdown.render("api", find=reader(), signature=signature, given=given)


def reader() -> Callable[[str], griffe.Object]:
    """Finds an object of the package by its path; the sources are read and not imported."""
    loader = griffe.GriffeLoader(search_paths=[PAGE.parents[1]])
    loader.load("onnxproof")
    loader.resolve_aliases()

    def find(path: str) -> griffe.Object:
        found = loader.modules_collection[path]
        return found.members.get(found.name, found)  # a function hides behind its module of the same name

    return find


def signature(found: griffe.Object, name: str, width: int = WIDTH) -> str:
    """How to call a function or a class, or what a constant is; "" for a class without parameters and constants."""
    if found.is_attribute:
        code = f"{name}: {found.annotation}" if found.annotation else found.source
    elif found.is_class and not found.parameters:
        constants = [each for each in found.attributes.values() if each.value and "property" not in each.labels]
        code = "\n".join(f"{name}.{each.source}" for each in constants)
    else:
        code = found.signature(name=name, return_type=found.is_function)
        code = code if len(code) <= width else wrapped(found, name)
    return code.replace("'", '"')


def given(fixture: griffe.Function) -> str:
    """What a fixture gives: its type, or how to call it."""
    kind = re.findall(r"\w+", str(fixture.returns))[-1]  # of Iterator[BoundCheck] the last
    call = fixture.parent[kind].members.get("__call__")
    return signature(call, fixture.name) if call else f"{fixture.name}: {kind}"


def wrapped(found: griffe.Class | griffe.Function, name: str) -> str:
    """A signature with a line for each parameter."""
    lines: list[str] = []
    for each in found.parameters:
        stars = STARS.get(each.kind, "")
        if each.kind is griffe.ParameterKind.keyword_only and not any(line.startswith("*") for line in lines):
            lines.append("*")
        default = "" if each.default is None or stars else f" = {each.default}"
        lines += [] if each.name in ("self", "cls") else [f"{stars}{each.name}: {each.annotation}{default}"]
    end = f") -> {found.returns}" if found.is_function else ")"
    return "\n".join([f"{name}(", *(f"    {line}," for line in lines), end])


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
