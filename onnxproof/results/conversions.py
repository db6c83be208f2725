"""The classes of a checked conversion in results.json: its findings, and the graph of its file."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from onnxproof.results.verdicts import CheckVerdict


@dataclass(frozen=True)
class Where:
    """Where a file departs from its model.

    `module` is the path of the torch module (`layer2.1.conv1`), "" for the model's own `forward`, and `type` its class;
    both are "" where what departs is in no module, and `type` is "" beside an original that is a file. `source` is the
    line that calls it, as `path:line`, or "". `nodes` are the nodes of the file by their first outputs, in the file's
    order, from right values to the first wrong one. `evidence` is what ties them to the module: "metadata",
    "scoped names", "weights" or "values". `errors` are values of the file that are known to be wrong, by name, with
    their error as a share of what the model has.
    """

    module: str
    type: str
    source: str
    nodes: tuple[str, ...]
    evidence: str
    errors: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """What one check found about one conversion.

    The conversion is the `case` by name and its `exporter`, or "" and the `file` that was given, and the `opset` asked
    for, null if none was. `check` is the id, `verdict` what it says. `figure` is what was measured, `problem` what is
    wrong or why nothing was judged, `advice` what to do, `evidence` a fact behind it, each as text or "". `repro` is a
    folder beside results.json whose repro.py shows the failure, or "". `node` is the first output of the node that
    fails, by name, "" if none is known. `engine` is the one that the file ran in, by name, "" for a check of the file
    itself. `where` is where wrong values come from, null if that is not known.
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
    where: Where | None = None

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
class TrialResult:
    """A `fault` put into the file of a conversion: the `case` by name and its `exporter`, or "" and the `file`.

    `caught_by` is the check that fails with it, "" if none does. `invisible` is then what was measured of its outputs,
    which are the right file's up to rounding, and `shown_by` other inputs on which they are not; `untried` is why the
    check named for it could not see it. Each is text or "".
    """

    case: str
    exporter: str
    file: str
    fault: str
    caught_by: str = ""
    invisible: str = ""
    shown_by: str = ""
    untried: str = ""

    @property
    def conversion(self) -> str:
        """The case's name and the exporter, or the name of the file that was given."""
        return f"{self.case}-{self.exporter or Path(self.file).name}"

    @property
    def instead(self) -> str:
        """Why nothing caught it."""
        if self.caught_by or self.untried:
            return self.untried
        return f"{self.invisible}; seen on {self.shown_by}" if self.shown_by else self.invisible or "no check fails"


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
