"""Some nodes of a file as a file of their own."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto, NodeProto, helper

from onnxproof._internal.trees import Array
from onnxproof.engines.asked import UNOPTIMIZED
from onnxproof.engines.base import EngineError
from onnxproof.findings import Cut
from onnxproof.graph.facts import is_constant
from onnxproof.probing.conversion import Conversion


@dataclass(frozen=True)
class Part:
    """The file of some nodes, which needs values of these names; the inputs have no types yet."""

    model: ModelProto
    needs: Sequence[str]

    def with_types(self, inputs: Mapping[str, Array]) -> bytes:
        """The file, with inputs of the types of these values."""
        made = ModelProto()
        made.CopyFrom(self.model)
        for name in self.needs:
            dtype = helper.np_dtype_to_tensor_dtype(inputs[name].dtype)
            made.graph.input.append(helper.make_tensor_value_info(name, dtype, list(inputs[name].shape)))
        return made.SerializeToString()


def cut(model: ModelProto, values: Sequence[str], outputs: Sequence[str]) -> Part:
    """The nodes of a model that make some values, with the constants that they need, and these outputs."""
    wanted = set(values)
    nodes = [node for node in model.graph.node if wanted & set(node.output)]
    needed = {name for node in nodes for name in _taken(node)} - {name for node in nodes for name in node.output}
    constants = [node for node in model.graph.node if is_constant(node) and needed & set(node.output)]
    tensors = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    held = {tensor.name for tensor in tensors} | {name for node in constants for name in node.output}
    made = ModelProto()
    made.CopyFrom(model)
    made.graph.CopyFrom(GraphProto(name=model.graph.name, node=[*constants, *nodes], initializer=tensors))
    made.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    del made.metadata_props[:]
    return Part(made, sorted(needed - held))


def run_cut(conversion: Conversion, part: Cut, inputs: Mapping[str, Array]) -> Array | None:
    """The output of cut nodes on other inputs of the same types; None if ONNX Runtime refuses them."""
    model = onnx.load_from_string(part.model)
    for info in model.graph.input:
        info.type.tensor_type.ClearField("shape")
    with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
        path = Path(folder, "cut.onnx")
        onnx.save(model, path)
        try:
            return next(iter(conversion.open(path, UNOPTIMIZED).run(inputs).values()))
        except EngineError:
            return None


def _taken(node: NodeProto) -> Iterator[str]:
    """The values that a node takes, also those that its subgraphs take from outside of them."""
    yield from filter(None, node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            made = {name for each in graph.node for name in each.output}
            made |= {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
            yield from (name for each in graph.node for name in _taken(each) if name not in made)
