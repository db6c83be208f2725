"""What a tool did wrong, which made an ONNX file of another one."""

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from onnx import ModelProto

from onnxproof._internal.trees import Array
from onnxproof.engines.base import EngineError
from onnxproof.engines.optimizers import LEVELS, OPTIMIZERS, Optimizations
from onnxproof.graph.facts import Graph
from onnxproof.graph.inference import inferred
from onnxproof.graph.load import load_model
from onnxproof.graph.quantized import NARROW, QUANTIZED, format_of, formats_of
from onnxproof.locating.clause import Culprit
from onnxproof.locating.departing import first_departing_value
from onnxproof.locating.weights import other_weights
from onnxproof.probing.conversion import Conversion, by_position
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import JudgedProbe

if TYPE_CHECKING:
    from torch import nn

NOT_EQUAL = (
    "Keep float32 where values must be equal. If the loss is meant, state how much with `--loss`, such as "
    '`--loss "agrees >= 99%" --samples DIR`.'
)


def what_the_tool_did(conversion: Conversion, judged: JudgedProbe, in_the_evaluator: str) -> Culprit:
    """The part of a file that is responsible for values other than its original's.

    `in_the_evaluator` is what the reference evaluator says of the file, as a further clause.
    """
    place = first_departing_value(conversion, judged)
    found = place.told, place.node, place.where
    if changed := other_weights(conversion, judged):
        return Culprit(
            f"the constants are not the original's: with its own {', '.join(changed[:3])} the file is right",
            "Make the file again of this original, or report the model to the tool.",
            *found,
        )
    if optimizer := _optimizer(conversion, judged):
        return Culprit(
            optimizer,
            "Disable it with `disabled_optimizers` of the InferenceSession that saves the file, and report the model "
            "to onnxruntime.",
            *found,
        )
    return Culprit(
        f"the file{in_the_evaluator}", "Leave out the tool's step that did it, and report the model.", *found
    )


def meant_loss(conversion: Conversion) -> Culprit | None:
    """That a file computes in less than its original or its model, and no loss is stated; None if it does not."""
    case = conversion.case
    if case.loss or not isinstance(conversion.file, GivenFile):
        return None
    if case.file:
        loss = _loss(load_model(case.file), load_model(conversion.file.path))
    else:
        loss = _loss_of_module(case.module, conversion.graph)
    unlike = "the original" if case.file else "the model"
    return Culprit(f"the file {loss}, unlike {unlike}: they cannot be equal", NOT_EQUAL) if loss else None


def overflow(conversion: Conversion, judged: JudgedProbe) -> Culprit | None:
    """That a value is beyond float16 in a file that may lose accuracy; None if its outputs are finite."""
    if not conversion.case.loss or conversion.outcome(judged).refusal:
        return None
    outputs = conversion.outputs(judged).values()
    if "float16" not in formats_of(conversion.graph) or all(np.isfinite(value).all() for value in outputs):
        return None
    return Culprit(
        "float16 ends at 65504, and a value inside is larger",
        "Keep in float32 what overflows, such as with `op_block_list` or `node_block_list` of a float16 converter.",
    )


def _loss(before: ModelProto, after: ModelProto) -> str:
    """What the file computes in, and the original does not, at the cost of accuracy; "" if there is nothing."""
    dtypes = [{value.dtype for value in inferred(model).values()} for model in (before, after)]
    operators = [{node.op_type for node in model.graph.node} for model in (before, after)]
    narrow = [dtype for dtype in NARROW if dtype in dtypes[1] - dtypes[0]]
    if narrow:
        return f"computes in {narrow[0]}"
    return "is quantized" if QUANTIZED & (operators[1] - operators[0]) else ""


def _loss_of_module(module: "nn.Module", graph: Graph) -> str:
    """What a file computes in, and the module does not; "" if there is nothing."""
    format = format_of(graph)
    if format == "int8":
        is_quantized = any(type(inner).__module__.startswith(("torch.ao.", "torchao.")) for inner in module.modules())
        return "" if is_quantized else "is quantized"
    own = {str(weight.dtype).removeprefix("torch.") for weight in (*module.parameters(), *module.buffers())}
    return f"computes in {format}" if format in NARROW and format not in own else ""


def _agrees(actual: dict[str, Array], judged: JudgedProbe) -> bool:
    return all(parity.same for parity in by_position(actual, judged.reference, ""))


def _optimizer(conversion: Conversion, judged: JudgedProbe) -> str:
    """The optimizer of ONNX Runtime without which the original stays right, at the first level that breaks it."""
    name, level = _breaking_optimizer(conversion.case.file or "", conversion, judged, judged.probe.inputs)
    return name and f"ONNX Runtime's optimizer {name}: at the level {level} the original is right without it alone"


def optimizer_to_blame(conversion: Conversion, judged: JudgedProbe) -> Culprit:
    """The optimizer of ONNX Runtime that breaks a file which is right without graph optimization."""
    feeds = conversion.feeds(judged.probe.inputs)
    name, level = _breaking_optimizer(conversion.file.path, conversion, judged, feeds)
    if not name:
        return Culprit(
            "ONNX Runtime's graph optimizer: without it the values are right",
            "Lower graph_optimization_level, and report the model to onnxruntime.",
        )
    return Culprit(
        f"ONNX Runtime's optimizer {name}: at the level {level} the values are right without it alone",
        f'Give `disabled_optimizers=["{name}"]` to the InferenceSession, and report the model to onnxruntime.',
    )


def _breaking_optimizer(
    path: str | os.PathLike[str], conversion: Conversion, judged: JudgedProbe, feeds: Mapping[str, Array]
) -> tuple[str, str]:
    """The optimizer without which a file is right, and the first level that breaks it; "" for none, or several."""
    with closing(Optimizations(path, conversion.timeout)) as session:
        return _bisected(session, judged, feeds)


def _bisected(session: Optimizations, judged: JudgedProbe, feeds: Mapping[str, Array]) -> tuple[str, str]:
    def is_right(level: str, disabled: Sequence[str]) -> bool:
        try:
            return _agrees(session.run(feeds, level, disabled), judged)
        except EngineError:
            return False

    level = next((level for level in LEVELS if not is_right(level, ())), None)
    if level is None or not is_right(level, OPTIMIZERS):
        return "", ""
    suspects = list(OPTIMIZERS)
    while len(suspects) > 1:
        half = suspects[: len(suspects) // 2]
        suspects = half if is_right(level, half) else suspects[len(half) :]
    return (suspects[0], level) if is_right(level, suspects) else ("", "")  # it takes several
