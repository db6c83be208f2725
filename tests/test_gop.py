"""Chapter g.op: the call with which a `symbolic` writes nodes for the TorchScript exporter."""

import numpy as np
import onnx
import pytest
import torch
from onnx import AttributeProto

import srcnn_models as srcnn
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting.export import ExportError


class TestCall:
    """`g.op` takes an operator's name, its inputs and its attributes, and adds a node."""

    @pytest.mark.claim("gop-call")
    def test_add_is_one_node(self, add_export):
        """`g.op("Add", a, b)` adds one Add of both inputs, with no attribute."""
        (add,) = add_export.graph.nodes
        assert (add.op_type, add.inputs, add.attributes) == ("Add", ("a", "b"), {})

    @pytest.mark.claim("gop-call")
    def test_file_adds(self, add_export, numbers):
        """ONNX Runtime returns the sum."""
        assert OnnxRuntime().open(add_export.path).run(numbers)["output"].tolist() == [11, 22, 33]

    @pytest.mark.claim("gop-call")
    def test_tensor_becomes_a_constant(self, export_like):
        """A torch tensor of one element among the inputs is written as a Constant."""
        operator = srcnn.Operator(lambda a: a + 5, lambda g, a: g.op("Add", a, torch.tensor(5.0)))
        made = export_like(operator, {"a": np.zeros(3)})
        (constant,) = made.graph.nodes_of("Constant")
        assert (made.graph.input_names, constant.attributes) == (("a",), {"value": 5})
        assert OnnxRuntime().open(made.path).run({"a": np.array([1, 2, 3], np.float32)})["output"].tolist() == [6, 7, 8]

    @pytest.fixture
    def add_export(self, export_like, numbers):
        return export_like(srcnn.Operator(torch.add, lambda g, a, b: g.op("Add", a, b)), numbers)

    @pytest.fixture
    def numbers(self):
        return {"a": np.array([1, 2, 3], np.float32), "b": np.array([10, 20, 30], np.float32)}


SUFFIXED = [
    ("count_i", "INT", 3),
    ("sides_i", "INTS", [9, 5]),
    ("part_f", "FLOAT", -0.75),
    ("parts_f", "FLOATS", [0.5, 0.25]),
    ("word_s", "STRING", "floor"),
    ("words_s", "STRINGS", ["round", "floor"]),
    ("table_t", "TENSOR", torch.tensor([[1.0, 2.0], [3.0, 4.0]])),
    ("tables_t", "TENSORS", [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])]),
    ("nothing_i", "INTS", []),
    ("whole_f", "FLOAT", 3),
]


class TestSuffixes:
    """The suffix of an attribute's name sets its type."""

    @pytest.mark.claim("gop-suffixes")
    @pytest.mark.parametrize(("argument", "kind", "value"), SUFFIXED, ids=[argument for argument, *_ in SUFFIXED])
    def test_attribute_has_the_type(self, suffixed_export, argument, kind, value):
        """The file has the attribute without its suffix, with that type and the given value."""
        name, _, _ = argument.partition("_")
        assert type_of(name, suffixed_export) == kind
        np.testing.assert_array_equal(suffixed_export.graph.nodes[0].attributes[name], value)

    @pytest.mark.claim("gop-suffixes")
    @pytest.mark.parametrize("argument", ["mode", "mode_q", "_s"])
    def test_other_names_are_refused(self, export_with, argument):
        """An attribute with no suffix, with another one, or with nothing else in its name is refused, and named."""
        with pytest.raises(ExportError, match=rf"ValueError: Invalid attribute specifier '{argument}'"):
            export_with({argument: "floor"})

    @pytest.mark.claim("gop-suffixes")
    @pytest.mark.parametrize(
        ("argument", "value"),
        [("part_i", 0.5), ("count_s", 3), ("word_f", "floor"), ("part_t", 0.5)],
        ids=["int", "string", "float", "tensor"],
    )
    def test_other_types_are_refused(self, export_with, argument, value):
        """A value that is not of the suffix's type is refused."""
        with pytest.raises(ExportError, match=r"TypeError: \w+\(\): incompatible function arguments"):
            export_with({argument: value})

    @pytest.fixture
    def export_with(self, export_like):
        """Exports one node with these attributes."""
        return lambda attributes: export_like(
            srcnn.Operator(torch.neg, lambda g, a: g.op("srcnn::Suffixed", a, **attributes)), {"a": np.zeros(3)}
        )

    @pytest.fixture
    def suffixed_export(self, export_with):
        """One node with an attribute of each kind."""
        return export_with({argument: value for argument, _, value in SUFFIXED})


def type_of(attribute, made):
    """The name of an attribute's type, in a file of one node."""
    (node,) = onnx.load(made.path).graph.node
    return next(AttributeProto.AttributeType.Name(item.type) for item in node.attribute if item.name == attribute)


class TestConstant:
    """`g.op("Constant", value_t=...)` makes a constant input."""

    @pytest.mark.claim("gop-constant")
    def test_constant_is_the_nodes_input(self, shift_export):
        """The Add's second input is the constant, and the graph's only input is the first."""
        (add,) = shift_export.graph.nodes_of("Add")
        assert shift_export.graph.constants[add.inputs[1]].tolist() == [1, 2, 3]
        assert shift_export.graph.input_names == ("a",)

    @pytest.mark.claim("gop-constant")
    def test_file_adds_the_constant(self, shift_export):
        """ONNX Runtime adds the constant to its input."""
        output = OnnxRuntime().open(shift_export.path).run({"a": np.array([10, 20, 30], np.float32)})["output"]
        assert output.tolist() == [11, 22, 33]

    @pytest.mark.claim("gop-constant")
    def test_empty_constant_is_resizes_roi(self, operator_export):
        """The second input of the document's Resize is an empty constant."""
        (resize,) = operator_export.graph.nodes_of("Resize")
        roi = operator_export.graph.constants[resize.inputs[1]]
        assert (roi.shape, roi.dtype) == ((0,), np.float32)

    @pytest.mark.claim("gop-constant")
    def test_larger_tensor_needs_it(self, export_like):
        """A tensor of more elements than one is refused as an input."""
        operator = srcnn.Operator(torch.neg, lambda g, a: g.op("Add", a, torch.tensor([1.0, 2.0, 3.0])))
        with pytest.raises(ExportError, match=r"shape '\[\]' is invalid for input of size 3"):
            export_like(operator, {"a": np.zeros(3)})

    @pytest.fixture
    def shift_export(self, export_like):
        """Adds 1, 2, 3 to its input."""
        shift = torch.tensor([1.0, 2.0, 3.0])
        operator = srcnn.Operator(lambda a: a + shift, lambda g, a: g.op("Add", a, g.op("Constant", value_t=shift)))
        return export_like(operator, {"a": np.zeros(3)})
