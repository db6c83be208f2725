"""What a run exports with: each exporter, at the opsets that were asked for."""

from collections.abc import Sequence

import pytest

from onnxproof import versions
from onnxproof._internal.names import unknown
from onnxproof.results import Target


def targets(config: pytest.Config, *, every: bool = False) -> list[Target]:
    """Each exporter asked for at the opsets asked for, at `every` one, or at its default."""
    return [Target(exporter, opset) for exporter in exporters(config) for opset in _opsets(config, exporter, every)]


def _opsets(config: pytest.Config, exporter: str, every: bool) -> Sequence[int]:
    if asked := config.option.onnx_opset:
        return [opset for opset in versions.opsets(exporter) if opset in asked]
    if every:
        return versions.opsets(exporter)
    return [own_opsets(config).get(exporter) or versions.default_opset(exporter)]


def own_opsets(config: pytest.Config) -> dict[str, int]:
    """The project's opset of each exporter that its ini option `onnx_opsets` names. Raises `UsageError`."""
    found = {}
    for line in config.getini("onnx_opsets"):
        exporter, _, opset = line.partition(" ")
        if exporter not in (known := (versions.TORCHSCRIPT, versions.TORCH_EXPORT)):
            raise pytest.UsageError(f"onnx_opsets: {line!r}: the exporter {unknown(exporter, known)}")
        if not opset.strip().isdecimal():
            raise pytest.UsageError(f"onnx_opsets: {line!r}: write an exporter and its opset, such as torchscript 17")
        found[exporter] = int(opset)
    return found


def exporters(config: pytest.Config) -> tuple[str, ...]:
    """Each exporter asked for, once, or all of the installed torch."""
    return tuple(dict.fromkeys(config.option.onnx_exporter or versions.EXPORTERS))


def span(opsets: range) -> str:
    """A range of opsets as text."""
    return f"{opsets[0]} to {opsets[-1]}"
