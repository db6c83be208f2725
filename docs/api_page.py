"""docs/api.md, made of the docstrings: `python -m docs.api_page` makes it again."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from pathlib import Path
from textwrap import dedent

import onnxproof
from onnxproof.results import SCHEMA

PAGE = Path(__file__).parent / "api.md"
SOURCES = Path(onnxproof.__file__).parent
WIDTH = 100
"""Characters of a line of imports."""

HEAD = """# What a user imports

Made by `python -m docs.api_page` from the docstrings. What is not here is the harness' own and may change.

Arrays are numpy's. Unless a line says otherwise they have any shape, and the dtype that the model or the file gives
them; bfloat16 is that of ml_dtypes. Pictures are BGR and 0..255, as OpenCV reads them. Times are in seconds.
"""


@dataclass(frozen=True)
class Part:
    """A chapter of the page: what the names have in common, and the names, each as `module.name`."""

    title: str
    introduction: str
    names: tuple[str, ...]


@cache
def statements(module: str) -> tuple[ast.stmt, ...]:
    """The definitions of a module, by its name in the package."""
    return tuple(ast.parse((SOURCES / f"{module}.py").read_text(encoding="utf-8")).body)


def fixtures(*modules: str) -> tuple[str, ...]:
    """Every pytest fixture of these modules."""
    return tuple(
        f"{module}.{found.name}"
        for module in modules
        for found in statements(module)
        if isinstance(found, ast.FunctionDef) and any("fixture" in ast.unparse(mark) for mark in found.decorator_list)
    )


def public_classes(module: str) -> tuple[str, ...]:
    """Every public class of a module."""
    found = [node.name for node in statements(module) if isinstance(node, ast.ClassDef)]
    return tuple(f"{module}.{name}" for name in found if not name.startswith("_"))


PARTS = (
    Part(
        "A conversion to prove",
        "A case is what a file is judged on; the decorator makes tests of it, and `onnxproof check` takes it too.",
        ("case.Case", "case.CaseError", "check_plugin.conversion_checks"),
    ),
    Part(
        "Fixtures of the pytest plugin",
        "Installed with the package; a project's own fixture of the same name comes before it. What they record is in\n"
        "`DIR/results.json` after a run with `--report DIR`.",
        fixtures("plugin", "recording"),
    ),
    Part(
        "Export",
        "One call for either exporter; what it said meanwhile is kept.",
        ("exporting.export", "exporting.Export", "exporting.ExportWarning", "exporting.ExportError", "targets.Target"),
    ),
    Part(
        "Facts of a file",
        "Nothing is run for them.",
        (
            "graph.read_graph",
            "graph.Graph",
            "graph.Value",
            "graph.Node",
            "model_file.GraphError",
            "same_graph.graph_differences",
        ),
    ),
    Part(
        "Engines",
        "Each takes a model or a file, and is called alike: `engine.run(name=array, …)`.",
        (
            "engines.Engine",
            "engines.torch_engine",
            "engines.onnxruntime_engine",
            "engines.reference_engine",
            "engines.opencv_engine",
            "engines.openvino_engine",
            "engines.named_outputs",
            "engines.reference",
            "engines.EngineError",
        ),
    ),
    Part(
        "Outputs compared",
        "A file's outputs are held against a model's `Reference`. How much they may differ is said in the README.",
        (
            "parity.Reference",
            "parity.compare",
            "parity.assert_same",
            "parity.Parity",
            "rounding.Rounding",
            "parity.compare_pictures",
            "parity.PixelParity",
        ),
    ),
    Part(
        "Pictures",
        "As the document's scripts read and write them.",
        ("images.read_picture", "images.write_picture", "images.to_nchw", "images.to_picture"),
    ),
    Part(
        "Latency",
        "Contenders are timed in the same rounds, and their outputs compared first.",
        (
            "latency.measure",
            "latency.Latency",
            "latency.Timing",
            "latency.Ratio",
            "latency.threads",
            "latency.count_flops",
            "latency.LatencyError",
        ),
    ),
    Part(
        "A document's claims",
        "A suite registers its ledger in `pytest_configure`: `config.pluginmanager.register(Ledger(claims))`.",
        ("ledger.Ledger", "claims.read_claims", "claims.Claim", "claims.Deviation", "claims.NotApplicable"),
    ),
    Part(
        "results.json",
        f"What a run with `--report` leaves, in schema {SCHEMA}: UTF-8 JSON, with the fields of `Results` at its top.\n"
        "`onnxproof check --json` prints `schema`, `environment` and `conversions` of it. The number counts up when a\n"
        "field is taken away or renamed, has another type or meaning, or is new and required. A new field that has a\n"
        "default is no change: an older reader passes it over. A file of another schema is refused with what to do.",
        ("results.read_results", "report.write_report", *reversed(public_classes("results"))),
    ),
)
"""The page."""


def render() -> str:
    """The page, of the sources as they are."""
    return "\n".join([HEAD, *(line for part in PARTS for line in _part(part))])


def _part(part: Part) -> Iterator[str]:
    yield f"## {part.title}\n"
    yield f"{part.introduction}\n"
    fixture_names = fixtures("plugin", "recording")
    yield from _imports([name for name in part.names if name not in fixture_names])
    for name in part.names:
        module, _, own = name.partition(".")
        node = definition(module, own)
        yield f"### `{own}`\n"
        code = _gives(module, node) if name in fixture_names else _code(module, node)
        yield from [f"```python\n{code}\n```\n"] if code else []
        yield f"{_docstring(node)}\n"
        yield from _members(node)


def _imports(names: Sequence[str]) -> Iterator[str]:
    modules: dict[str, list[str]] = {}
    for name in names:
        module, _, own = name.partition(".")
        place = "onnxproof" if own in onnxproof.__all__ else f"onnxproof.{module}"
        modules.setdefault(place, []).append(own)
    if modules:
        yield "\n".join(["```python", *(_import(module, found) for module, found in modules.items()), "```\n"])


def _import(module: str, names: Sequence[str]) -> str:
    line = f"from {module} import {', '.join(names)}"
    return (
        line if len(line) <= WIDTH else "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])
    )


def definition(module: str, name: str) -> ast.ClassDef | ast.FunctionDef:
    """A class or function as it stands in a module. Raises `LookupError` where it is not defined."""
    for node in statements(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
    raise LookupError(f"onnxproof/{module}.py defines no {name}: correct PARTS")


def _docstring(node: ast.ClassDef | ast.FunctionDef) -> str:
    text = ast.get_docstring(node)
    if not text:
        raise LookupError(f"{node.name} has no docstring")
    return cleandoc(text)


def _code(module: str, node: ast.ClassDef | ast.FunctionDef) -> str:
    """A function's head, or a class' fields, as it is written; "" for an exception."""
    lines = (SOURCES / f"{module}.py").read_text(encoding="utf-8").splitlines()
    if isinstance(node, ast.FunctionDef):
        first = min([node, *node.decorator_list], key=lambda part: part.lineno)
        return dedent("\n".join(lines[first.lineno - 1 : node.body[0].lineno - 1]))
    made = [part for part in node.body if isinstance(part, ast.AnnAssign)]
    init = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    head = [_code(module, part) for part in init] or [
        "\n".join(lines[part.lineno - 1 : part.end_lineno]) for part in made
    ]
    return "\n".join([f"class {node.name}:", *(_indented(part) for part in head)]) if head else ""


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in dedent(text).splitlines())


def _gives(module: str, node: ast.ClassDef | ast.FunctionDef) -> str:
    """What a fixture gives: how it is called where its type is a protocol of the module, or the type."""
    kind = ast.unparse(node.returns) if isinstance(node, ast.FunctionDef) and node.returns else ""
    for found in statements(module):
        if isinstance(found, ast.ClassDef) and found.name == kind:
            call = next(part for part in found.body if isinstance(part, ast.FunctionDef) and part.name == "__call__")
            arguments = ast.unparse(call.args).removeprefix("self, ")
            return f"{node.name}({arguments}) -> {ast.unparse(call.returns or ast.Constant(None))}"
    return f"{node.name}: {kind}"


def _members(node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    """A class' public properties and methods; pytest's hooks are none."""
    members = (
        [part for part in node.body if isinstance(part, ast.FunctionDef)] if isinstance(node, ast.ClassDef) else []
    )
    public = [member for member in members if not member.name.startswith(("_", "pytest_"))]
    for member in public:
        is_property = any("property" in ast.unparse(mark) for mark in member.decorator_list)
        arguments = [part.arg for part in member.args.args if part.arg not in ("self", "cls")]
        call = "" if is_property else f"({', '.join(arguments)})"
        yield f"- `.{member.name}{call}`: {' '.join(_docstring(member).split())}"
    yield from [""] if public else []


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
