"""torch.onnx.export by either exporter."""

import contextlib
import inspect
import linecache
import os
import tempfile
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxproof._internal.files import short
from onnxproof._internal.of_torch import is_module, is_tensor
from onnxproof._internal.trees import leaves, map_leaves, to_tensor
from onnxproof.exporting import capture
from onnxproof.exporting.dynamic import Dynamic, as_torch_dim, dims_of
from onnxproof.graph.facts import Graph, read_graph
from onnxproof.graph.load import GraphError
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, TORCHSCRIPT, default_opset, torch_folder

if TYPE_CHECKING:
    from torch import nn

OWN_OPTIONS = ("args", "dynamic_axes", "dynamo", "f", "input_names", "kwargs", "model", "opset_version", "output_names")
"""Options of torch.onnx.export that `export` sets itself."""


class ExportError(Exception):
    """An exporter refused the model, crashed, or wrote a broken file; the exporter's own exception is the cause.

    `evidence` is the line of the model where it stopped, or what a crashed one said last, and where it was.
    """

    def __init__(self, problem: str, evidence: str = "") -> None:
        super().__init__(problem, evidence)
        self.evidence = evidence

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Export:
    """An exported file: the exporter, the opset asked for and the one written (0 if the file has none of the default
    domain), and the warnings and text of the exporter.
    """

    path: Path
    exporter: str
    opset_asked: int
    opset: int
    warnings: tuple[capture.HeardWarning, ...]
    log: str

    @cached_property
    def graph(self) -> Graph:
        """The facts of the file."""
        return read_graph(self.path)

    def warnings_of(self, category: str) -> tuple[capture.HeardWarning, ...]:
        """The warnings of one category, by its class name (`TracerWarning`)."""
        return tuple(warning for warning in self.warnings if warning.category == category)


def export(
    model: "nn.Module",
    inputs: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    exporter: str,
    opset: int,
    output_names: Sequence[str] = ("output",),
    dynamic: Dynamic | None = None,
    translations: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
    keywords: Collection[str] = (),
    options: Mapping[str, Any] | None = None,
    log: Path | None = None,
) -> Export:
    """Writes `model` to `path`, traced on `inputs`.

    `inputs` are the model's arguments in the order of its signature, each under the name it gets in the graph; those in
    `keywords` are passed by name. Arrays become tensors, also those nested in tuples and dicts, which are named by
    their path (`state.0`). Names in `dynamic` free a dimension, and a `Dim` gives torch.export its sizes; those of
    outputs are for torchscript alone, since torch.export derives its own. `translations` is torch.export's
    `custom_translation_table`, `options` are further arguments of torch.onnx.export. The write is atomic; nothing
    reaches the terminal, but a `log` if one is named.

    Raises `ExportError` if the exporter refuses the model, with the exporter's exception as its cause, or writes a
    broken file, and `ValueError` for an exporter that the installed torch does not have.
    """
    if exporter not in EXPORTERS:
        raise ValueError(f"no exporter {exporter!r} in the installed torch; there is {' and '.join(EXPORTERS)}")
    import torch

    from onnxproof.exporting.positional import ByPosition

    path = Path(path)
    tensors = map_leaves(lambda _, leaf: to_tensor(leaf), inputs)
    arguments = tuple(value for name, value in tensors.items() if name not in keywords)
    named = {name: value for name, value in tensors.items() if name in keywords}
    asked: dict[str, Any] = {
        "input_names": _graph_names(exporter, inputs),
        "output_names": list(output_names),
        "opset_version": opset,
    }
    if exporter == TORCHSCRIPT and named and _keyword_only(model) & set(named):
        model, arguments = ByPosition(model, arguments, named), (*arguments, *named.values())
    elif named or isinstance(arguments[-1], dict):
        arguments += (named,)  # torch.onnx.export takes a dict at the end for keyword arguments
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        whole = Path(folder, path.name)
        with capture.everything(log) as heard:
            try:
                if exporter == TORCHSCRIPT:
                    asked |= _for_torchscript(dynamic or {})
                else:
                    asked |= _for_torch_export(model, inputs, dynamic or {}, translations)
                torch.onnx.export(model, arguments, str(whole), **asked | dict(options or {}))
            except (Exception, SystemExit) as error:
                raise ExportError(
                    f"the {exporter} exporter refused the model at opset {opset}: {_reason(error)}", _place(error)
                ) from error
        try:
            written = read_graph(whole).opset
        except GraphError as error:
            reason = str(error).removeprefix(f"{whole}: ")
            raise ExportError(f"the file that the {exporter} exporter wrote at opset {opset} is {reason}") from error
        for file in sorted(Path(folder).iterdir(), key=lambda file: file == whole):  # the data before the model
            file.replace(path.parent / file.name)
    return Export(path, exporter, opset, written, tuple(heard.warnings), heard.text)


@lru_cache
def warm_up(exporter: str) -> None:
    """Lets an exporter load its modules and tables, seconds of work, which every process forked later has then."""
    from torch import nn

    with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder, contextlib.suppress(ExportError):
        path = Path(folder, "model.onnx")
        export(nn.Identity(), {"x": np.zeros(1)}, path, exporter=exporter, opset=default_opset(exporter))


def _keyword_only(model: "nn.Module") -> set[str]:
    parameters = inspect.signature(model.forward).parameters.values()
    return {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}


def _for_torchscript(dynamic: Dynamic) -> dict[str, Any]:
    names = {name: {axis: str(dim) for axis, dim in axes.items()} for name, axes in dynamic.items()}
    options: dict[str, Any] = {"dynamic_axes": names}
    return options | ({"dynamo": False} if TORCH_EXPORT in EXPORTERS else {})


def _for_torch_export(
    model: "nn.Module",
    inputs: Mapping[str, Any],
    dynamic: Dynamic,
    translations: Mapping[Callable[..., Any], Callable[..., Any]] | None,
) -> dict[str, Any]:
    found, dims = leaves(inputs), dims_of(dynamic)
    symbols = {
        str(dim): as_torch_dim(dims[str(dim)], found[name].shape[axis])
        for name, axes in dynamic.items()
        if name in found
        for axis, dim in axes.items()
    }
    shapes = map_leaves(
        lambda name, _: {axis: symbols[str(dim)] for axis, dim in dynamic.get(name, {}).items()} or None, inputs
    )
    return {
        "dynamo": True,
        "external_data": False,
        "dynamic_shapes": _by_parameter(model, tuple(shapes.values())) if dynamic else None,
        "custom_translation_table": dict(translations or {}),
    }


def _by_parameter(model: "nn.Module", shapes: tuple[Any, ...]) -> tuple[Any, ...]:
    """The shapes with those of `*arguments` in one tuple, if there are any, as torch.export takes them."""
    for place, parameter in enumerate(inspect.signature(model.forward).parameters.values()):
        if parameter.kind is parameter.VAR_POSITIONAL and shapes[place:]:
            return (*shapes[:place], shapes[place:])
    return shapes


def _graph_names(exporter: str, inputs: Mapping[str, Any]) -> list[str]:
    """The leaves that an exporter counts as inputs: torchscript numbers too, torch.export tensors alone."""
    numbers = (int, float) if exporter == TORCHSCRIPT else ()
    counted = (np.ndarray, np.generic, *numbers)
    found = leaves(inputs).items()
    return [
        name for name, leaf in found if is_tensor(leaf) or (isinstance(leaf, counted) and not isinstance(leaf, bool))
    ]


def _reason(error: BaseException) -> str:
    """The first paragraph of the innermost cause: exporters wrap it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    paragraph = capture.without_colours(str(error)).strip().partition("\n\n")[0]
    return f"{type(error).__name__}: {paragraph}".removesuffix(": ")


def _place(error: BaseException | None) -> str:
    """The line of the model's own code that the exporter was at, in a sentence; "" if it was not in it."""
    found = ""
    while error is not None:
        for frame, line in traceback.walk_tb(error.__traceback__):
            file = frame.f_code.co_filename
            own = Path(file).is_relative_to(torch_folder()) or Path(file).parent == Path(__file__).parent
            if is_module(frame.f_locals.get("self")) and not own:
                found = f"It stopped at {short(file)}:{line}: `{linecache.getline(file, line).strip()}`"
        error = error.__cause__
    return found
