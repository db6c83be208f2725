"""The ONNX file of a case: exported by an exporter, or given."""

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from onnxproof._internal.files import short
from onnxproof._internal.forked import SECONDS, Forked, ProcessError, last_words
from onnxproof._internal.memo import Memo
from onnxproof._internal.trees import leaves
from onnxproof.exporting.capture import HeardWarning
from onnxproof.exporting.export import Export, ExportError, export, warm_up
from onnxproof.graph.diff import Difference, graph_differences
from onnxproof.graph.facts import Graph, read_graph
from onnxproof.graph.load import load_model
from onnxproof.probing.probes import Probe, same_inputs
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import TORCH_EXPORT, torch_folder

_first: "dict[str, weakref.ref[ExportedFile]]" = {}


class GivenFile:
    """A file that is already exported.

    The `opset` is the one that it is held to, None for any; `written_by` is the exporter, "" if it is not known.
    """

    exporter = ""
    tracer_evidence = ""
    export_seconds = 0.0

    def __init__(self, path: str | os.PathLike[str], opset: int | None = None, written_by: str = "") -> None:
        self.path = Path(path)
        self.opset = opset
        self.written_by = written_by

    @property
    def given(self) -> str:
        """The path as it was given."""
        return str(self.path)

    @cached_property
    def graph(self) -> Graph:
        """The facts of the file. Raises `GraphError`."""
        return read_graph(self.path)


class ExportedFile:
    """A case's file, exported when it is first asked for; a refusal is remembered too.

    Each export may take `timeout` seconds, in a process that may crash; without one it runs in this process. The file
    is removed together with this object. `path`, `graph` and `tracer_evidence` raise `ExportError`.
    """

    given = ""

    def __init__(self, model: ReferenceModel, exporter: str, opset: int, timeout: float | None = SECONDS) -> None:
        self.model = model
        self.exporter = self.written_by = exporter
        self.opset = opset
        self._run = Forked(partial(_export, model, exporter, opset), timeout)
        self._exports: Memo[Export] = Memo(ExportError)
        self.export_seconds = 0.0

    @cached_property
    def _folder(self) -> Path:
        folder = tempfile.mkdtemp(prefix="onnxproof-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return Path(folder)

    @property
    def export(self) -> Export:
        """The export of the example."""
        return self._exports.get("model", self._first_export)

    def _first_export(self) -> Export:
        inputs = self.model.case.inputs
        started = time.perf_counter()
        try:
            return self.traced_on(inputs, "model")
        finally:
            self.export_seconds = time.perf_counter() - started

    def traced_on(self, inputs: Mapping[str, Any], name: str) -> Export:
        """An export traced on other inputs. Raises `ExportError`."""
        output_names = tuple(self.model.traced.reference.values)  # refuses a model that is too large to be copied
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        log = folder / "log"
        self.model.watch("exporting")
        if self._run.forks:
            self._share_warm_up()
        try:
            return self._run(inputs, folder / "model.onnx", output_names, log)  # type: ignore[no-any-return]
        except ProcessError as error:
            printed = log.read_text(errors="replace") if log.exists() else ""
            raise ExportError(
                f"the {self.exporter} exporter {error}, at opset {self.opset}",
                last_words(printed + error.printed, torch_folder()),
            ) from error

    def _share_warm_up(self) -> None:
        """Lets the processes of further files have what the exporter loads, which takes seconds."""
        if self.exporter in _first and _first[self.exporter]() is not self:
            warm_up(self.exporter)
        _first.setdefault(self.exporter, weakref.ref(self))

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.export.path

    @cached_property
    def graph(self) -> Graph:
        """The facts of the file. Raises `GraphError`."""
        return read_graph(self.path)

    @property
    def own_warnings(self) -> list[HeardWarning]:
        """The tracer's warnings of code that is not torch's."""
        warnings = self.export.warnings_of("TracerWarning")
        return [warning for warning in warnings if not Path(warning.file).is_relative_to(torch_folder())]

    @property
    def tracer_evidence(self) -> str:
        """The tracer's warnings with their source lines; "" if there are none."""
        warnings = self.own_warnings or self.export.warnings_of("TracerWarning")
        lines = dict.fromkeys(f"{short(warning.file)}:{warning.line}: `{warning.source}`" for warning in warnings)
        return f"The tracer warned at {'; '.join(lines)}" if lines else ""

    @cached_property
    def elsewhere(self) -> tuple[Probe, tuple[Difference, ...]] | None:
        """A probe of the example's sizes, and the differences of the file traced on it; None without such a probe."""
        case = self.model.case
        others = [j.probe for j in self.model.judged[1:] if _same_shapes(j.probe.inputs, case.inputs)]
        return (others[0], self.differences_when_traced_on(others[0].inputs, "elsewhere")) if others else None

    def differences_when_traced_on(self, inputs: Mapping[str, Any], name: str) -> tuple[Difference, ...]:
        """The differences of the file traced on other inputs; a refusal of the exporter is one.

        torch.export may freeze another size because it has exported the model before: if inputs are declared otherwise,
        it is asked in a new process, which has not.
        """
        differences = self._differences(inputs, name)
        if self._run.forks and any(difference.kind == "inputs" for difference in differences):
            self._run.close()
            differences = self._differences(inputs, name)
        return differences

    def _differences(self, inputs: Mapping[str, Any], name: str) -> tuple[Difference, ...]:
        try:
            return graph_differences(load_model(self.path), load_model(self.traced_on(inputs, name).path))
        except ExportError as error:
            return (Difference("export", str(error)),)


OnnxFile = ExportedFile | GivenFile


def _export(
    model: ReferenceModel,
    exporter: str,
    opset: int,
    inputs: Mapping[str, Any],
    path: Path,
    output_names: tuple[str, ...],
    log: Path,
) -> Export:
    from onnxproof.engines.torch import copied

    case = model.case
    return export(
        copied(case.module),
        inputs,
        path,
        exporter=exporter,
        opset=opset,
        output_names=output_names,
        dynamic=case.dynamic,
        translations=case.custom_translations() if exporter == TORCH_EXPORT else None,
        keywords=case.kwargs,
        options=case.export,
        log=log,
    )


def _same_shapes(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    ours, theirs = leaves(a), leaves(b)
    return all(
        np.shape(ours[name]) == np.shape(theirs[name])
        and (isinstance(ours[name], np.ndarray) or same_inputs({name: ours[name]}, {name: theirs[name]}))
        for name in theirs
    )
