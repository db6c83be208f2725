"""What a run exports with: each exporter, at the opsets that were asked for."""

import pytest

from onnxproof import versions
from onnxproof.results import Target


def targets(config: pytest.Config, *, every: bool = False) -> list[Target]:
    """Each exporter asked for at its lowest opset, at `every` one, or at those asked for."""
    asked = config.option.onnx_opset
    found = []
    for exporter in exporters(config):
        written = versions.opsets(exporter)
        chosen = [opset for opset in written if opset in asked] if asked else written if every else written[:1]
        found += [Target(exporter, opset) for opset in chosen]
    return found


def exporters(config: pytest.Config) -> tuple[str, ...]:
    """Each exporter asked for, once, or all of the installed torch."""
    return tuple(dict.fromkeys(config.option.onnx_exporter or versions.EXPORTERS))


def span(opsets: range) -> str:
    """A range of opsets as text."""
    return f"{opsets[0]} to {opsets[-1]}"
