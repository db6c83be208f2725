"""A PyTorch model written as an ONNX file, by either exporter, with all that the exporter said meanwhile."""

import contextlib
import io
import json
import linecache
import logging
import os
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
import wurlitzer
from torch import nn

from onnxproof.graph import Graph, read_graph
from onnxproof.model_file import GraphError
from onnxproof.trees import leaves, map_leaves, to_tensor
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, TORCHSCRIPT

Dynamic = Mapping[str, Mapping[int, str]]
"""Names of the dynamic dimensions, by input (or output) name and axis: `{"input": {2: "height", 3: "width"}}`."""


class ExportError(Exception):
    """An exporter refused the model, or wrote none; the exporter's own exception is the cause."""


@dataclass(frozen=True)
class ExportWarning:
    """A warning that was raised during an export, with the line of source that it is about."""

    category: str
    message: str
    file: str
    line: int
    source: str


@dataclass(frozen=True)
class Export:
    """An exported file: the exporter, the opset asked for and the one written (0 where the file has none of the default
    domain), what was warned and printed meanwhile, and how long it took in seconds.
    """

    path: Path
    exporter: str
    opset_asked: int
    opset: int
    warnings: tuple[ExportWarning, ...]
    log: str
    seconds: float

    @cached_property
    def graph(self) -> Graph:
        """The facts of the file."""
        return read_graph(self.path)

    def warnings_of(self, category: str) -> tuple[ExportWarning, ...]:
        """The warnings of one category, by its class name (`TracerWarning`)."""
        return tuple(warning for warning in self.warnings if warning.category == category)

    def save(self, path: Path) -> None:
        """Writes all but the model itself as JSON, for another process to `load`."""
        path.write_text(json.dumps(asdict(self), default=str))

    @classmethod
    def load(cls, path: Path) -> "Export":
        """The export that was saved; its model lies in the same folder."""
        fields = json.loads(path.read_text())
        found = tuple(ExportWarning(**warning) for warning in fields.pop("warnings"))
        return cls(**fields | {"path": path.parent / Path(fields["path"]).name, "warnings": found})


def export(
    model: nn.Module,
    inputs: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    exporter: str,
    opset: int,
    output_names: Sequence[str] = ("output",),
    dynamic: Dynamic | None = None,
    translations: Mapping[Callable[..., Any], Callable[..., Any]] | None = None,
    external_data: bool = False,
) -> Export:
    """Writes `model` to `path`, traced on `inputs`, and tells what came of it.

    `inputs` are the model's positional arguments in order, each under the name it gets in the graph; arrays become
    tensors, also those nested in tuples and dicts, which are named by their path (`state.0`). Names in `dynamic` free a
    dimension; those of outputs are for torchscript alone, since torch.export derives its own. `translations` is
    torch.export's `custom_translation_table`. The file is whole or not there; nothing reaches the terminal.

    Raises `ExportError` when the exporter refuses the model, with the exporter's exception as its cause, or writes what
    is no whole model, and `ValueError` for an exporter that the installed torch does not have.
    """
    if exporter not in EXPORTERS:
        raise ValueError(f"no exporter {exporter!r} in the installed torch; there is {' and '.join(EXPORTERS)}")
    path = Path(path)
    arguments = tuple(map_leaves(lambda _, leaf: to_tensor(leaf), inputs).values())
    if isinstance(arguments[-1], dict):
        arguments += ({},)  # torch.onnx.export takes a dict at the end for keyword arguments
    options: dict[str, Any] = {
        "input_names": _graph_names(exporter, inputs),
        "output_names": list(output_names),
        "opset_version": opset,
    }
    options |= _exporter_options(exporter, inputs, dynamic or {}, translations, external_data)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        whole = Path(folder, path.name)
        started = time.perf_counter()
        with _overheard() as heard:
            try:
                torch.onnx.export(model, arguments, str(whole), **options)
            except Exception as error:
                raise ExportError(
                    f"the {exporter} exporter refused the model at opset {opset}: {_reason(error)}"
                ) from error
        seconds = time.perf_counter() - started
        try:
            written = read_graph(whole).opset
        except GraphError as error:
            reason = str(error).removeprefix(f"{whole}: ")
            raise ExportError(f"what the {exporter} exporter wrote at opset {opset} is {reason}") from error
        for file in sorted(Path(folder).iterdir(), key=lambda file: file == whole):  # no model without its data
            file.replace(path.parent / file.name)
    return Export(path, exporter, opset, written, tuple(heard.warnings), heard.text, seconds)


def _exporter_options(
    exporter: str,
    inputs: Mapping[str, Any],
    dynamic: Dynamic,
    translations: Mapping[Callable[..., Any], Callable[..., Any]] | None,
    external_data: bool,
) -> dict[str, Any]:
    if exporter == TORCHSCRIPT:
        options: dict[str, Any] = {"dynamic_axes": {name: dict(axes) for name, axes in dynamic.items()}}
        return options | ({"dynamo": False} if TORCH_EXPORT in EXPORTERS else {})
    symbols = {name: torch.export.Dim(name) for axes in dynamic.values() for name in axes.values()}
    shapes = map_leaves(
        lambda name, _: {axis: symbols[symbol] for axis, symbol in dynamic.get(name, {}).items()} or None, inputs
    )
    return {
        "dynamo": True,
        "external_data": external_data,
        "dynamic_shapes": tuple(shapes.values()) if dynamic else None,
        "custom_translation_table": dict(translations or {}),
    }


def _graph_names(exporter: str, inputs: Mapping[str, Any]) -> list[str]:
    """The leaves that an exporter counts as inputs: torchscript numbers too, torch.export tensors alone."""
    counted = np.ndarray | np.generic | torch.Tensor
    if exporter == TORCHSCRIPT:
        counted |= int | float
    found = leaves(inputs).items()
    return [name for name, leaf in found if isinstance(leaf, counted) and not isinstance(leaf, bool)]


@dataclass
class _Heard:
    warnings: list[ExportWarning]
    text: str = ""


@contextlib.contextmanager
def _overheard() -> Iterator[_Heard]:
    """Collects the warnings, and whatever Python, native code and loggers write to stdout and stderr."""
    heard = _Heard([])
    with contextlib.ExitStack() as stack:
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        file: TextIO = tempfile.TemporaryFile("w+", buffering=1, errors="replace")  # noqa: SIM115
        stack.callback(_close, file)
        try:
            with (
                wurlitzer.pipes(file, wurlitzer.STDOUT),
                contextlib.redirect_stdout(file),
                contextlib.redirect_stderr(file),
                _logged_to(file),
            ):
                yield heard
        finally:
            heard.warnings += [_export_warning(warning) for warning in caught]
            with contextlib.suppress(OSError):  # a full disk, on which what was said is lost, and nothing else
                file.seek(0, io.SEEK_SET)
                heard.text = _plain(file.read())


def _close(file: TextIO) -> None:
    with contextlib.suppress(OSError):
        file.close()


@contextlib.contextmanager
def _logged_to(file: TextIO) -> Iterator[None]:
    """Sends to `file` what loggers write to a stream: torch's handler keeps the stderr that it found when imported.

    Handlers of the root of another kind that show records, as pytest's do, see none meanwhile: it adds its handlers to
    loggers that do not propagate as well.
    """
    root = logging.getLogger()
    loggers = [logger for logger in root.manager.loggerDict.values() if isinstance(logger, logging.Logger)]
    handlers = {handler for logger in (root, *loggers) for handler in logger.handlers}
    with contextlib.ExitStack() as stack:
        for handler in handlers:
            if type(handler) is logging.StreamHandler:
                stack.callback(setattr, handler, "stream", handler.setStream(file))  # no flush: the disk may be full
            elif handler in root.handlers and _shows(handler):
                handler.addFilter(_nothing)
                stack.callback(handler.removeFilter, _nothing)
        if not any(type(handler) is logging.StreamHandler for handler in root.handlers):
            own = logging.StreamHandler(file)
            root.addHandler(own)
            stack.callback(root.removeHandler, own)
        yield


def _nothing(record: logging.LogRecord) -> bool:
    """A filter that no record passes."""
    return False


def _shows(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)


def _export_warning(warning: warnings.WarningMessage) -> ExportWarning:
    source = linecache.getline(warning.filename, warning.lineno).strip()
    return ExportWarning(warning.category.__name__, str(warning.message), warning.filename, warning.lineno, source)


def _reason(error: BaseException) -> str:
    """The first paragraph of the innermost cause: exporters wrap it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    paragraph = _plain(str(error)).strip().partition("\n\n")[0]
    return f"{type(error).__name__}: {paragraph}".removesuffix(": ")


def _plain(text: str) -> str:
    """`text` without terminal colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
