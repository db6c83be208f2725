"""A lossy file run node by node: as it is written, in float64 with the model's own weights, and mixed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, numpy_helper

from onnxproof._internal.trees import widened
from onnxproof.engines.base import Session
from onnxproof.engines.reference import of_model
from onnxproof.engines.wide import in_float64
from onnxproof.graph.explicit import ONE, written_out
from onnxproof.graph.facts import constants_of, is_constant
from onnxproof.locating.twin import Twins

Values = dict[str, Any]
"""Arrays by name."""

_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_ROUNDS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")


@dataclass(frozen=True)
class Reading:
    """What a rounding node means besides rounding, which a file does not say.

    A range that begins at 0 may stand for a Relu that a quantizer has removed, `at_most` for a ReLU6. A cast to
    integers and back may be `truncating`, or a mistake.
    """

    is_relu: bool = False
    at_most: float = np.inf
    truncating: bool = True


class Step:
    """A node, in the file's types and in float64; `row` names the part of the table that its loss belongs to.

    That of a node is its first output in the file; what rounds a value belongs to the node that makes the value.
    """

    def __init__(self, proto: NodeProto, row: str, model: ModelProto) -> None:
        self.proto, self.row, self._model = proto, row, model
        self.takes = tuple(dict.fromkeys(filter(None, (*proto.input, *_outer(proto)))))
        self.gives = tuple(filter(None, proto.output))

    def as_written(self, values: Mapping[str, Any]) -> list[Any]:
        """The outputs in the types of the inputs."""
        return _run(self._written, self.takes, values)

    def in_float64(self, values: Mapping[str, Any], lost: Any = None) -> list[Any]:
        """The outputs in float64, with a bias that the file has lost."""
        if lost is None:
            return _run(self._wide, self.takes, values)
        whole = onnx.NodeProto()
        whole.CopyFrom(self.proto)
        whole.input.append(f"{self.gives[0]}/lost")
        step = Step(whole, self.row, self._model)
        return step.in_float64({**values, whole.input[-1]: lost})

    @cached_property
    def _written(self) -> Session:
        return of_model(self._alone)

    @cached_property
    def _wide(self) -> Session:
        return of_model(in_float64(self._alone))

    @property
    def _alone(self) -> ModelProto:
        inputs, outputs = ([ValueInfoProto(name=name) for name in names] for names in (self.takes, self.gives))
        graph = onnx.GraphProto(name="step", node=[self.proto], input=inputs, output=outputs)
        opsets, functions = self._model.opset_import, self._model.functions
        return ModelProto(ir_version=self._model.ir_version, opset_import=opsets, functions=functions, graph=graph)


class Lanes:
    """The steps of a file, and its constants: as they are written and, by `twins`, the model's own.

    Raises `EngineError` for an operator that onnx's reference evaluator does not run.
    """

    def __init__(self, model: ModelProto, reading: Reading, twins: Twins) -> None:
        self._reading, self._twins, self._lost = reading, twins.constants, twins.lost
        self.outputs = [value.name for value in model.graph.output]
        self.written: Values = {ONE: np.float32(1)}
        self.written |= {
            name: numpy_helper.to_array(tensor)
            for name, tensor in constants_of(model.graph)
            if isinstance(tensor, TensorProto)
        }
        self.exact = {name: self._own(name, value) for name, value in self.written.items()}
        self._integers: set[str] = set()
        self._origins: dict[str, str] = {}
        self._dynamic = {node.output[0] for node in model.graph.node if node.op_type == "DynamicQuantizeLinear"}
        structure = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
        self._rows: dict[str, str] = {value.name: value.name for value in model.graph.input}
        self.steps: list[Step] = []
        for proto, node in written_out(model):
            if not is_constant(proto):
                self._add(Step(proto, self._row(proto, node), structure))
        _join_shared_scales(self.steps, self.written)

    def _own(self, name: str, value: Any) -> Any:
        return self._twins[name].values if name in self._twins else widened(value)

    def _row(self, proto: NodeProto, node: str) -> str:
        first = proto.input[0] if proto.input else ""
        is_rounding = proto.op_type in _ROUNDS or self._is_cast(proto) or first in self._integers
        row = self._rows.get(first, node) if is_rounding else node
        self._rows |= dict.fromkeys(proto.output, row)
        self._origins |= dict.fromkeys(proto.output, self._origins.get(first, first))
        leaves_integers = proto.op_type == "DequantizeLinear" or (self._is_cast(proto) and _to(proto) in _FLOATS)
        if is_rounding and not leaves_integers:
            self._integers |= {*proto.output[: 1 if proto.op_type == "DynamicQuantizeLinear" else None]}
        return row

    def _is_cast(self, proto: NodeProto) -> bool:
        """Whether a cast is nothing but rounding."""
        return proto.op_type == "Cast" and (_to(proto) in _FLOATS or not self._reading.truncating)

    def _add(self, step: Step) -> None:
        if step.takes and all(name in self.written for name in step.takes) and "Random" not in step.proto.op_type:
            exact = self.in_float64(step, self.exact, self.written)
            self.written |= zip(step.gives, step.as_written(self.written), strict=True)
            self.exact |= zip(step.gives, exact, strict=True)
        else:
            self.steps.append(step)

    def in_float64(self, step: Step, values: Mapping[str, Any], written: Mapping[str, Any]) -> list[Any]:
        """The outputs of a step that rounds nothing; `written` has the scales of the file."""
        proto = step.proto
        first: Any = values[step.takes[0]] if step.takes else None
        if not (isinstance(first, np.ndarray | np.generic) and first.dtype == np.float64):
            return [widened(each) for each in step.in_float64(values)]
        if proto.op_type == "DynamicQuantizeLinear":
            scale: Any = np.float64(written.get(proto.output[1], 1))
            return [first / scale, scale, np.uint8(0)]
        if proto.op_type == "QuantizeLinear":
            return [self._meant(proto, first, written)]
        if proto.op_type == "DequantizeLinear":
            return [self._restored(proto, first, values)]
        if self._is_cast(proto):
            return [first]
        return step.in_float64(values, self._lost.get(step.row) if proto.op_type in ("Conv", "Gemm") else None)

    def _restored(self, proto: NodeProto, x: Any, values: Mapping[str, Any]) -> Any:
        """Floats that stand for integers, in the unit in which a DequantizeLinear has them."""
        integers, scale = proto.input[:2]
        if scale == ONE:
            step = self._twins[self._origins.get(integers, integers)].step
            return x / (step.ravel()[0] if step.size == 1 else step)
        return x * values[scale] if integers in self._dynamic else x

    def _meant(self, proto: NodeProto, x: Any, written: Mapping[str, Any]) -> Any:
        scale, zero = (written.get(name) for name in [*proto.input[1:], ""][:2])
        if scale is None or not self._reading.is_relu:
            return x
        zero = np.asarray(np.uint8(0) if zero is None else zero)
        if zero.dtype.kind in "iu" and np.all(zero == np.iinfo(zero.dtype).min):
            reach = float(np.max(scale)) * (np.iinfo(zero.dtype).max - int(zero.min()))
            return np.clip(x, 0, self._reading.at_most if reach <= 1.001 * self._reading.at_most else np.inf)
        return x

    @cached_property
    def last_uses(self) -> list[list[str]]:
        """The values, by step, that no later step takes."""
        found: list[list[str]] = [[] for _ in self.steps]
        seen = {*self.outputs, *self.written}
        for place in reversed(range(len(self.steps))):
            names = {*self.steps[place].takes, *self.steps[place].gives} - seen
            found[place] = [*names]
            seen |= names
        return found


def _join_shared_scales(steps: Sequence[Step], constants: Mapping[str, Any]) -> None:
    """Makes one row of a value and what is pooled or reshaped of it in the same scale: both are restored, or none."""
    makers = {name: step for step in steps for name in step.gives}
    joined: dict[str, str] = {}
    for step in steps:
        step.row = joined.get(step.row, step.row)
        maker = makers.get(step.proto.input[0]) if step.proto.op_type == "QuantizeLinear" else None
        takes = [name for name in maker.takes if name not in constants] if maker else []
        before = makers.get(takes[0]) if len(takes) == 1 else None
        is_float = before is not None and before.proto.op_type == "DequantizeLinear"
        if maker and before and is_float and before.proto.input[1:] == step.proto.input[1:]:
            joined[maker.row] = before.row
    for step in steps:
        step.row = joined.get(step.row, step.row)


def alike(value: Any, wanted: Any) -> Any:
    """A float in the type of another one; anything else as it is."""
    if not all(isinstance(each, np.ndarray | np.generic) for each in (value, wanted)):
        return value
    both_floats = all(_is_float(each) for each in (value, wanted))
    with np.errstate(over="ignore", invalid="ignore"):
        return value.astype(wanted.dtype) if both_floats and value.dtype != wanted.dtype else value


def _is_float(value: np.ndarray | np.generic) -> bool:
    return value.dtype.kind == "f" or value.dtype.name == "bfloat16"


def _run(session: Session, names: Sequence[str], values: Mapping[str, Any]) -> list[Any]:
    found = session.run({name: values[name] for name in names}).values()
    return [np.asarray(each) if isinstance(each, np.generic) else each for each in found]


def _to(proto: NodeProto) -> int:
    return next((item.i for item in proto.attribute if item.name == "to"), 0)


def _outer(node: NodeProto) -> Iterator[str]:
    """The values that the subgraphs of a node take from outside of them."""
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.type == AttributeProto.GRAPH else attribute.graphs:
            known = {*(each.name for each in graph.input), *(each.name for each in graph.initializer)}
            for inner in graph.node:
                yield from (name for name in (*inner.input, *_outer(inner)) if name and name not in known)
                known |= {*inner.output}
