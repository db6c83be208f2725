"""The classes of a checked conversion in results.json: its findings, and the graph of its file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from onnxproof.results.verdicts import CheckVerdict


@dataclass(frozen=True)
class CheckResult:
    """What one check found about one conversion.

    The conversion is the `case` by name and its `exporter`, or "" and the `file` that was given, and the `opset` asked
    for, null if none was. `check` is the id, `verdict` what it says. `figure` is what was measured, `problem` what is
    wrong or why nothing was judged, `advice` what to do, `evidence` a fact behind it, each as text or "". `repro` is a
    folder beside results.json whose repro.py shows the failure, or "". `node` is the first output of the node that
    fails, by name, "" if none is known. `engine` is the one that the file ran in, by name, "" for a check of the file
    itself.
    """

    case: str
    exporter: str
    file: str
    opset: int | None
    check: str
    verdict: CheckVerdict
    figure: str = ""
    problem: str = ""
    advice: str = ""
    evidence: str = ""
    repro: str = ""
    node: str = ""
    engine: str = ""

    @property
    def name(self) -> str:
        """The check, and the engine if that is not ONNX Runtime on the CPU."""
        return f"{self.check} in {self.engine}" if self.is_elsewhere else self.check

    @property
    def is_elsewhere(self) -> bool:
        """Whether the file ran in another engine than ONNX Runtime on the CPU."""
        return self.engine not in ("", "onnxruntime")

    @property
    def conversion(self) -> str:
        """The case's name and the exporter, or the name of the file that was given."""
        return f"{self.case}-{self.exporter or Path(self.file).name}"


@dataclass(frozen=True)
class RefusedCase:
    """A `case` that could not be checked, and in `problem` why."""

    case: str
    problem: str


@dataclass(frozen=True)
class GraphInput:
    """An input by its `name`: dtype and `shape` as text; `folded` if the model has it and the file does not."""

    name: str
    shape: str
    folded: bool


@dataclass(frozen=True)
class GraphNode:
    """A node of a file, of the operator `op_type`, its `attributes` as text.

    `inputs` and `outputs` are value names, `roles` what the operator calls each of its inputs. `module` is the path of
    the torch module that the node was exported from (`encoder.layers.0`), "" if the file does not say.
    """

    op_type: str
    inputs: list[str]
    roles: list[str]
    outputs: list[str]
    attributes: dict[str, str]
    module: str = ""


@dataclass(frozen=True)
class GraphResult:
    """The main graph of an exported file.

    `file` is beside results.json and was made by `target` (`torchscript-opset11`) in the default domain's `opset`.
    `inputs` are the graph's, and the model's that were folded; `outputs` are names; `nodes` are in the file's order,
    without Constant nodes; `constants` are the constant values as text, by name.
    """

    file: str
    target: str
    opset: int
    inputs: list[GraphInput]
    outputs: list[str]
    nodes: list[GraphNode]
    constants: dict[str, str]


def without_copies(graphs: Iterable[GraphResult], findings: Iterable[CheckResult]) -> list[GraphResult]:
    """The graphs, of those that a conversion's findings have left in their folders only the first finding's."""
    kept: dict[tuple[str, str, str, int | None], str] = {}
    copies = set()
    for finding in filter(lambda finding: finding.repro, findings):
        conversion = finding.case, finding.exporter, finding.file, finding.opset
        if kept.setdefault(conversion, finding.repro) != finding.repro:
            copies.add(finding.repro)
    return [graph for graph in graphs if graph.file.rpartition("/")[0] not in copies]
