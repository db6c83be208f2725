"""The classes of a lossy file's table in results.json: where its loss is made."""

from collections import Counter
from dataclasses import dataclass, field

SMALLEST = 1e-4
"""A smaller part is not told from others of its size."""


@dataclass(frozen=True)
class NodeLoss:
    """The loss of one node of a file.

    `node` is its first output, or an input of the file whose values are rounded, `op_type` is "input" then. `module` is
    the path of the torch module that it was exported from or whose weights it takes, "" if that is not known, and
    `name` the node's own, as tools take it that leave nodes out, "" for none.

    Errors are root mean squares, as parts of the value's own: `own` is the node's, with its inputs from the float64
    run, `accumulated` that of its output in the file. `gain` is by how many dB the file's outputs are nearer to float64
    if this node alone is restored to float, null if that was not measured. `clipped` is the part of the values that a
    QuantizeLinear clips, null without one.
    """

    node: str
    op_type: str
    module: str
    own: float
    accumulated: float
    gain: float | None = None
    clipped: float | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """What a table calls it: the module if it is known, and the operator."""
        return f"{self.module or self.node} ({self.op_type})"

    @property
    def figures(self) -> tuple[str, str, str, str]:
        """The gain, both errors and the clipped part as text, "" for what was not measured."""
        gain = "" if self.gain is None else f"{self.gain + 0.0:+.1f} dB".replace("-0.0", "+0.0")
        return gain, percent(self.own), percent(self.accumulated), "" if self.clipped is None else percent(self.clipped)


def percent(part: float) -> str:
    """A part in percent with two digits: `0.52 %`."""
    if 0 < part < SMALLEST:
        return f"< {100 * SMALLEST:g} %"
    return f"{100 * part:.2g} %" if part < 1 else f"{100 * part:.0f} %"


@dataclass(frozen=True)
class FileLosses:
    """Where a lossy file's loss is made, on some of its `samples`, by id.

    The conversion is the `case` by name and its `exporter`, or "" and the `file`, and the `opset`, as in a finding.

    `format` is what the file computes in, and `error` that of its outputs, as a part of the model's; `rest` is the part
    that the format does not explain: that of the same nodes in float64 with the model's own weights. `rows` are sorted,
    first the node whose restoring gains most. `problem` is why there is no table, "" if there is one.
    """

    case: str
    exporter: str
    file: str
    opset: int | None
    format: str = ""
    samples: list[str] = field(default_factory=list)
    error: float = 0.0
    rest: float = 0.0
    rows: list[NodeLoss] = field(default_factory=list)
    problem: str = ""

    @property
    def conversion(self) -> tuple[str, str, str, int | None]:
        """The conversion, as findings name it."""
        return self.case, self.exporter, self.file, self.opset

    @property
    def labels(self) -> list[str]:
        """What a table calls the rows: by the node's own name where a module has several of an operator."""
        count = Counter(row.label for row in self.rows)
        return [row.label if count[row.label] == 1 else f"{row.name or row.node} ({row.op_type})" for row in self.rows]

    @property
    def told(self) -> str:
        """What was measured, and how far the table reaches, in a few sentences; the problem if there is no table."""
        if self.problem:
            return f"Where the loss is made cannot be shown: {self.problem.rstrip('.')}."
        restored = sum(row.gain is not None for row in self.rows)
        is_own = all(id.startswith(SAMPLES) for id in self.samples)
        said = f"{self.format}, {_count(len(self.samples), 'sample' if is_own else 'input')}: "
        said += f"an error of {percent(self.error)}."
        if not is_own:
            said += " They are those of the checks; with `samples` they are what you deploy on."
        if restored < len(self.rows):
            said += f" The {restored} nodes with the largest errors were restored, of {len(self.rows)}."
        if self.rest > UNEXPLAINED * self.error:
            said += (
                f" An error of {percent(self.rest)} stays where all nodes are in float64: the file computes something "
                "else than the model, or holds weights that are not found in it."
            )
        return said


SAMPLES = "samples["
"""How the id of a case's sample begins."""

UNEXPLAINED = 0.1
"""The part of a file's error that other rounding may be."""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
