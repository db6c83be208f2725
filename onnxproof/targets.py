"""What a run exports with: each exporter, at the opsets that were asked for."""

from dataclasses import dataclass

import pytest

from onnxproof import versions


@dataclass(frozen=True)
class Target:
    """What a spec exports with; its text is the id in a parametrized test."""

    exporter: str
    opset: int

    def __str__(self) -> str:
        return f"{self.exporter}-opset{self.opset}"


def targets(config: pytest.Config, *, every: bool = False) -> list[Target]:
    """What a run exports with: each exporter asked for at its lowest opset, at `every` one, or at those asked for."""
    asked = config.option.opset
    found = []
    for exporter in exporters(config):
        written = versions.opsets(exporter)
        chosen = [opset for opset in written if opset in asked] if asked else written if every else written[:1]
        found += [Target(exporter, opset) for opset in chosen]
    return found


def exporters(config: pytest.Config) -> tuple[str, ...]:
    """Each exporter asked for, once, or all of the installed torch."""
    return tuple(dict.fromkeys(config.option.exporter or versions.EXPORTERS))


def span(opsets: range) -> str:
    return f"{opsets[0]} to {opsets[-1]}"
