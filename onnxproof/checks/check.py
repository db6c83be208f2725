"""What a check is, and how it becomes a finding.

A check is a function of a `Conversion`: its name is the id (`inputs_kept` is `inputs-kept`), its docstring what the
file does. It returns a figure, or raises `CheckError` or `NotJudgedError`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from onnxproof._internal.texts import printable
from onnxproof.engines.asked import ONNXRUNTIME
from onnxproof.engines.known import known
from onnxproof.exporting.export import ExportError
from onnxproof.findings import FailingRun, Finding
from onnxproof.graph.facts import Graph
from onnxproof.graph.load import GraphError
from onnxproof.graph.modules import name_in
from onnxproof.probing.conversion import Conversion
from onnxproof.results import CheckVerdict, Where

Check = Callable[[Conversion], str]
"""Judges a conversion: returns a figure, or raises `CheckError` or `NotJudgedError`."""


IN_EACH_ENGINE = ("inputs-live", "same-values", "same-values-unseen", "repeatable", "loss-kept")
IN_FIRST_ENGINE = ("shapes-honest", "engines-agree")
IN_ONNXRUNTIMES = ("optimizer-neutral",)
"""The checks of what a file does in the engines asked for, in the first of them, and in those of ONNX Runtime's."""

IN_AN_ENGINE = (*IN_EACH_ENGINE, *IN_FIRST_ENGINE, *IN_ONNXRUNTIMES)
"""The others are of the file itself."""


class CheckError(Exception):
    """A check that fails: what is wrong, what to do, a fact behind it, where, and the run that shows it."""

    def __init__(
        self,
        problem: str,
        advice: str,
        *,
        evidence: str = "",
        figure: str = "",
        node: str = "",
        where: Where | None = None,
        run: FailingRun | None = None,
    ) -> None:
        super().__init__(problem)
        self.texts = {"problem": problem, "advice": advice, "evidence": evidence, "figure": figure, "node": node}
        self.where = where
        self.run = run


class UndecidedError(CheckError):
    """A check that samples decide neither way: how far they reach, and how many are needed."""


class NotJudgedError(Exception):
    """A check that cannot judge a conversion; the message says why."""


def id_of(check: Check) -> str:
    """The id of a check: its name, with dashes."""
    return check.__name__.replace("_", "-")


def judge(check: Check, conversion: Conversion) -> Finding:
    """The finding of a check on a conversion. Raises `CaseError` for a case that cannot be checked."""
    id, file = id_of(check), conversion.file
    engine = conversion.engine if id in IN_AN_ENGINE else ""
    conversion = conversion.within(engine or ONNXRUNTIME)
    verdict, texts, failure = _verdict(check, conversion)
    run, where = (failure.run, failure.where) if failure else (None, None)
    if verdict == CheckVerdict.FAILS and conversion.engine != ONNXRUNTIME:
        texts = texts | _beside_onnxruntime(check, conversion, texts)
        run = replace(run, engine=conversion.engine) if run and run.engine == ONNXRUNTIME else run
    reason = conversion.case.why_expected(id, file.written_by, engine)
    if reason and verdict == CheckVerdict.FAILS:
        verdict, run, where = CheckVerdict.EXPECTED, None, None
        texts = texts | {"advice": f"expected: {reason}", "evidence": ""}
    elif reason and verdict == CheckVerdict.HOLDS:
        verdict = CheckVerdict.FAILS
        texts = texts | {
            "problem": f"the check holds, and was expected to fail: {reason}",
            "advice": "Take it out of the case's `expected`.",
        }
    # names in a file may command the terminal
    shown: dict[str, Any] = {name: printable(text) for name, text in texts.items()}
    place = conversion.case.name, file.exporter, file.given, file.opset
    return Finding(*place, id, verdict, engine=engine, where=_printable(where), run=run, **shown)


def _printable(where: Where | None) -> Where | None:
    if where is None:
        return None
    module, kind, source = (printable(text) for text in (where.module, where.type, where.source))
    errors = tuple((printable(name), error) for name, error in where.errors)
    return Where(module, kind, source, tuple(map(printable, where.nodes)), where.evidence, errors)


def _verdict(check: Check, conversion: Conversion) -> tuple[CheckVerdict, dict[str, Any], CheckError | None]:
    try:
        return CheckVerdict.HOLDS, {"figure": check(conversion)}, None
    except UndecidedError as undecided:
        return CheckVerdict.UNDECIDED, undecided.texts, None
    except CheckError as failure:
        texts = failure.texts | {"node": failure.texts["node"] or _node_in(str(failure), conversion)}
        return CheckVerdict.FAILS, texts, failure
    except NotJudgedError as reason:
        problem = str(reason)
    except ExportError:
        problem = "there is no file: see exports"
    except GraphError:
        problem = "the file cannot be read: see well-formed"
    return CheckVerdict.NOT_JUDGED, {"problem": problem}, None


def _beside_onnxruntime(check: Check, conversion: Conversion, texts: dict[str, Any]) -> dict[str, Any]:
    """What a failure in another engine comes from, as ONNX Runtime shows it: the engine if the file is right there."""
    verdict, own, _ = _verdict(check, conversion.within(ONNXRUNTIME))
    problem, engine = texts["problem"], conversion.engine
    if verdict == CheckVerdict.FAILS:
        same = {name: own[name] for name in ("advice", "evidence", "node")}
        return same | {"problem": f"{problem}; ONNX Runtime on the CPU fails, too: {own['problem']}"}
    found = known(engine, problem, _parts(conversion.graph))
    fact = f"Known of {found.engine}: {found.fact[0].lower()}{found.fact[1:]} {found.link}" if found else ""
    says = "is right" if verdict == CheckVerdict.HOLDS else f"cannot tell: {own['problem']}"
    return {
        "problem": f"{problem}; ONNX Runtime on the CPU {says}",
        "advice": found.advice if found else f"Deploy to another engine, and report the model to {engine}.",
        "evidence": fact.rstrip(),
    }


def _parts(graph: Graph) -> set[str]:
    """The dtypes of a file's inputs and outputs; its operators, alone, with each attribute that is a number, and after
    the one that makes what they take.
    """
    found = {value.dtype for value in (*graph.inputs, *graph.outputs)} | {node.op_type for node in graph.nodes}
    numbers = ((node.op_type, *item) for node in graph.nodes for item in node.attributes.items())
    found |= {f"{op_type}.{name}={value}" for op_type, name, value in numbers if isinstance(value, int)}
    makers = {value: node.op_type for node in graph.nodes for value in node.outputs}
    taken = ((value, node.op_type) for node in graph.nodes for value in node.inputs)
    return found | {f"{makers[value]} > {op_type}" for value, op_type in taken if value in makers}


def _node_in(message: str, conversion: Conversion) -> str:
    """The first output of the node of the file that a message of onnx or ONNX Runtime names, or ""."""
    name = name_in(message)
    try:
        nodes = conversion.graph.nodes if name else ()
    except (ExportError, GraphError):
        return ""
    return next((node.outputs[0] for node in nodes if node.name == name and node.outputs), "")
