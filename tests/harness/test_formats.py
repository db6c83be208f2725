"""`format-faithful`: a file loses what its format costs, and no more, whatever loss is stated."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.parser import parse_model
from torch import nn

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.formats import format_faithful
from onnxproof.checks.values import same_values
from onnxproof.engines.torch import TorchModel
from onnxproof.faults import LOSSY_FAULTS
from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import load_model
from onnxproof.graph.quantized import QuantizedWeight, format_of, layers_not_in, mismatches, quantized_weights
from onnxproof.locating.matching import Match, OwnWeight, lost_biases, matched, weights_of
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from tests.harness.by_hand import FILE, edited, scale_case
from tests.harness.lossy import LOSSY, written

LOSS = "agrees >= 99%"
PRODUCT = """
<ir_version: 9, opset_import: ["": 19]>
g (float[rows, 4] x) => (float[rows, 3] y)
<int8[3, 4] w = {%s}, float[3] s = {%s}, int8[3] z = {0, 0, 0}, float[3] b = {1, 2, 3}>
{ wide = DequantizeLinear <axis = 0> (w, s, z) y = Gemm <transB = 1> (x, wide, b) }
"""
STEPS = np.array([0.01, 0.02, 0.005])
INTEGERS = np.random.default_rng(3).integers(-127, 128, (3, 4))


class Linear(nn.Module):
    """The model of `PRODUCT`, whose weight is up to half a step from that of the file."""

    def __init__(self, off=0.49):
        super().__init__()
        signs = np.random.default_rng(4).choice([-1, 1], INTEGERS.shape)
        weight = ((INTEGERS + off * signs) * STEPS[:, None]).astype(np.float32)
        self.layer = nn.Linear(4, 3)
        with torch.no_grad():
            self.layer.weight.copy_(torch.from_numpy(weight))
            self.layer.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x):
        return self.layer(x)


def _two_a_byte(integers):
    return (integers[:, ::2] | integers[:, 1::2] << 4).astype(np.uint8)


def product(integers=INTEGERS, steps=STEPS):
    return PRODUCT % (", ".join(map(str, np.ravel(integers))), ", ".join(map(str, steps)))


def case(model=None, loss=LOSS):
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    return Case(model or Linear(), {"x": x}, {"x": {0: "rows"}}, samples=[{"x": x}], loss=loss)


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """A classifier that ONNX Runtime quantized: its first convolution has a normalization folded into it."""
    subject = next(each for each in LOSSY if each.id == "classifier-qdq")
    return written(tmp_path_factory.mktemp("formats"))(subject)


@pytest.fixture
def broken(quantized, tmp_path):
    """The same with one of the faults."""
    faults = {fault.id: fault for fault in LOSSY_FAULTS}
    return lambda id: judge(format_faithful, quantized.of_file(faults[id].apply(quantized.file.path, tmp_path)))


class TestIntegers:
    """Weights are within half a step of the model's."""

    def test_right(self, quantized):
        """A normalization is folded before the weights are compared."""
        found = judge(format_faithful, quantized)
        assert (found.verdict, found.figure) == (CheckVerdict.HOLDS, "6 weights within 0.5 steps")

    @pytest.mark.parametrize(("off", "verdict"), [(0.0, "holds"), (0.49, "holds"), (0.51, "fails"), (1, "fails")])
    def test_half_a_step(self, given, off, verdict):
        """Half a step is what rounding costs."""
        assert judge(format_faithful, given(case(Linear(off)), product())).verdict == verdict

    def test_factor(self, given):
        """A factor of the whole weight is named."""
        found = judge(format_faithful, given(case(Linear(0)), product(steps=STEPS * 1.04)))
        assert found.problem.startswith("w is ")
        assert "layer.weight is " in found.problem
        assert found.evidence == "It is 1.04 times the model's throughout."
        assert found.node == "wide"

    def test_swapped(self, given):
        """Channels in other places are named."""
        order = [1, 0, 2]
        found = judge(format_faithful, given(case(Linear(0)), product(INTEGERS[order], STEPS[order])))
        assert found.verdict == CheckVerdict.FAILS
        assert found.evidence == "Its channel 0 is the model's channel 1."

    def test_no_channel(self, given):
        """A channel that is no other one of the model's is not taken for the nearest."""
        integers = INTEGERS.copy()
        integers[0] = -INTEGERS[0] // 2
        found = judge(format_faithful, given(case(Linear(0)), product(integers)))
        assert (found.verdict, found.evidence) == (CheckVerdict.FAILS, "")

    def test_float_beside_integers(self, given):
        """A bias that stays a float is the model's own."""
        model = Linear()
        text = product().replace("b = {1, 2, 3}", "bias = {1, 2, 3.1}").replace("wide, b)", "wide, bias)")
        model.bias = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        found = judge(format_faithful, given(case(model), text))
        assert "bias is a float in the file, and not the model's" in found.problem

    def test_unknown(self, given):
        """Integers that no weight of the model is like are not judged."""
        other = Linear()
        with torch.no_grad():
            other.layer.weight.copy_(100 * torch.randn(3, 4))
        found = judge(format_faithful, given(case(other), product()))
        assert (found.verdict, found.problem) == (
            CheckVerdict.NOT_JUDGED,
            "none of the file's integers is found among the model's weights",
        )

    @pytest.mark.parametrize(
        ("fault", "problem", "evidence"),
        [
            ("weight-scale-off", "onnx::Conv_", "It is 1.04 times the model's throughout."),
            ("quantized-channels-swapped", "onnx::Conv_", "Its channel 0 is the model's channel 1."),
            ("quantized-bias-zero", "bias_quantized is 0 at", "It is 0 throughout."),
            ("quantized-bias-lost", "the file has no 3.bias, which the model adds", ""),
            ("other-zero-point-behind", "is made with the zero point -128 and taken with -127", ""),
            ("other-scale-behind", "is made with the scale ", ""),
            ("quantized-twice", "is quantized twice, with two scales", ""),
            ("layer-left-in-float", "are not in int8, which is stated of all layers", ""),
        ],
    )
    def test_named(self, broken, fault, problem, evidence):
        """Each fault is named."""
        found = broken(fault)
        assert found.verdict == CheckVerdict.FAILS
        assert problem in found.problem
        assert found.evidence == evidence


class TestFile:
    """What a file says of its integers."""

    def test_formats(self, quantized):
        """A file's format is what it computes in."""
        assert format_of(quantized.graph) == "int8"
        assert format_of(read_graph(parse_model(FILE))) == "float32"
        cast = edited(
            (
                "scaled = Mul (x, factor)",
                "narrow = Cast <to = 10> (x) y = Cast <to = 1> (narrow) scaled = Mul (y, factor)",
            )
        )
        assert format_of(read_graph(parse_model(cast))) == "float16"

    def test_layers(self, quantized):
        """Weights that are wider than a format are found."""
        assert layers_not_in(quantized.graph, "int8") == []
        assert layers_not_in(read_graph(quantized.file.path.with_name("before.onnx")), "int8") != []
        assert layers_not_in(read_graph(quantized.file.path.with_name("before.onnx")), "float16") != []

    def test_swapped_beside_another(self):
        """Swapped channels are those of the weight with the same values, not of one that is nearer at its worst."""
        values = np.random.default_rng(0).normal(size=(20, 40))
        own = {name: OwnWeight(name, each) for name, each in (("folded", values), ("plain", 0.6 * values))}
        swapped = values[[1, 0, *range(2, 20)]]
        (match,) = matched([QuantizedWeight("w", "y", swapped, np.full((1, 1), 1e-3))], own)
        assert match.own.name == "folded"

    def test_coarse_bias(self):
        """A bias whose steps are large is not lost, also where another layer has the same one."""
        values = {"weight": np.float64([[1, 2], [3, 4]]), "bias": np.float64([0.3, 1.2]), "other.bias": [0.3, 1.2]}
        own = {name: OwnWeight(name, np.array(each), "bias" * (name == "weight")) for name, each in values.items()}
        step = np.full(2, 1.0)
        found = [
            QuantizedWeight("a", "y", own["weight"].values, np.ones((2, 2))),
            QuantizedWeight("b", "y", step * [0, 1], step),
        ]
        matches = [Match(found[0], own["weight"], 0, (0, 0), 1)]
        graph = read_graph(parse_model(FILE))
        assert lost_biases(matches, found, own, graph) == []
        assert lost_biases(matches, found[:1], own, graph) == ["bias"]

    def test_right_file(self, quantized):
        """A right file has no mismatch, and each weight is the model's."""
        assert list(mismatches(quantized.graph)) == []
        found = list(matched(list(quantized_weights(quantized.graph)), weights_of(quantized.case)))
        assert all(isinstance(each, Match) for each in found)
        assert "0.weight with 1" in {each.own.name for each in found}

    @pytest.mark.parametrize(("factor", "is_rounded"), [(1, True), (1.5, False)], ids=["right", "one-scale"])
    def test_symmetric_blocks(self, factor, is_rounded):
        """The last block may be short, a scale negative, and the value opposite to the extreme beyond the range."""
        values = np.random.default_rng(0).normal(size=(48, 5))
        blocks = [values[:32], values[32:]]
        scales = np.stack([block[np.abs(block).argmax(0), range(5)] / -128 for block in blocks])
        assert (scales < 0).any()
        steps = np.repeat(scales, 32, 0)[:48]
        integers = np.clip(np.round(values / steps), -128, 127).astype(np.int8)
        scales[np.nonzero(scales < 0)[0][0], np.nonzero(scales < 0)[1][0]] *= factor
        node = helper.make_node("DequantizeLinear", ["w", "s"], ["wide"], axis=0, block_size=32)
        held = [numpy_helper.from_array(integers, "w"), numpy_helper.from_array(scales.astype(np.float32), "s")]
        output = helper.make_tensor_value_info("wide", TensorProto.FLOAT, [48, 5])
        graph = helper.make_graph([node], "g", [], [output], held)
        (weight,) = quantized_weights(read_graph(helper.make_model(graph)))
        (match,) = matched([weight], {"w": OwnWeight("w", values)})
        assert match.is_rounded() == is_rounded

    @pytest.mark.parametrize("has_zeros", [False, True])
    @pytest.mark.parametrize("columns", [64, 48, 32])
    def test_packed(self, columns, has_zeros):
        """The integers of a MatMulNBits are two a byte."""
        draw = np.random.default_rng(0)
        blocks = -(-columns // 32)
        integers, zeros = draw.integers(0, 16, (5, 32 * blocks)), draw.integers(0, 16, (5, 2 * -(-blocks // 2)))
        scales = draw.normal(size=(5, blocks)).astype(np.float32)
        held = {"w": _two_a_byte(integers).reshape(5, blocks, 16), "s": scales.ravel()}
        held |= {"z": _two_a_byte(zeros).ravel()} if has_zeros else {}
        sizes = {"K": columns, "N": 5, "bits": 4, "block_size": 32}
        node = helper.make_node("MatMulNBits", ["x", *held], ["y"], domain="com.microsoft", **sizes)
        widths = {"x": columns, "y": 5}
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", size]) for name, size in widths.items()]
        tensors = [numpy_helper.from_array(value, name) for name, value in held.items()]
        graph = helper.make_graph([node], "g", ends[:1], ends[1:], tensors)
        (weight,) = quantized_weights(read_graph(helper.make_model(graph)))
        moved = np.repeat(zeros[:, :blocks], 32, 1) if has_zeros else 8
        np.testing.assert_allclose(weight.values.T, ((integers - moved) * np.repeat(scales, 32, 1))[:, :columns])

    def test_blocks(self):
        """Scales of blocks along an axis are repeated."""
        model = parse_model(
            """
            <ir_version: 10, opset_import: ["": 21]>
            g (float[2, 4] x) => (float[2, 4] y) <int8[2, 4] w = {1, 1, 1, 1, 1, 1, 1, 1}, float[2, 2] s = {1, 2, 3, 4}>
            { wide = DequantizeLinear <axis = 1, block_size = 2> (w, s) y = Add (x, wide) }
            """
        )
        (weight,) = quantized_weights(read_graph(model))
        assert weight.values.tolist() == [[1, 1, 2, 2], [3, 3, 4, 4]]

    def test_scales_of_another_number(self):
        """Scales that fit no axis explain nothing."""
        model = parse_model(product().replace("axis = 0", "axis = 1"))
        (weight,) = quantized_weights(read_graph(model))
        (match,) = matched([weight], weights_of(case()))
        assert not isinstance(match, Match) or match.steps == np.inf


class TestFloats:
    """float16 and bfloat16 cost what they cost the model itself."""

    @pytest.fixture
    def narrow(self, given, tmp_path):
        """`Linear` with a weight in float16, and what is done to it."""

        def make(change=lambda weight: weight, transposed=1, samples=None):
            model = Linear(0.3)
            weight = change(model.layer.weight.detach().numpy()).astype(np.float16)
            nodes = [
                helper.make_node("Cast", ["w"], ["wide"], to=TensorProto.FLOAT),
                helper.make_node("Gemm", ["x", "wide", "b"], ["y"], transB=transposed),
            ]
            constants = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.float32([1, 2, 3]), "b")]
            values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["rows", s]) for n, s in (("x", 4), ("y", 3))]
            graph = helper.make_graph(nodes, "g", values[:1], values[1:], constants)
            conversion = given(case(model) if samples is None else replace(case(model), samples=samples), FILE)
            made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
            onnx.save(made, conversion.file.path)
            return conversion

        return make

    def test_right(self, narrow):
        """A rounded weight costs less than rounding everything."""
        found = judge(format_faithful, narrow())
        assert found.verdict == CheckVerdict.HOLDS
        assert found.figure.endswith(" times what float16 costs, 4 allowed")

    @pytest.mark.parametrize("stored", [torch.float16, torch.float32])
    def test_no_loss_stated(self, narrow, stored):
        """Without a loss it cannot be equal to a model in float32, and what to do about that is said."""
        conversion = narrow()
        module = Linear(0.3)
        module.register_buffer("own", torch.zeros(2, dtype=stored))
        conversion.model = ReferenceModel(replace(case(module), loss="", samples=()))
        found = judge(same_values, conversion)
        assert found.verdict == CheckVerdict.FAILS
        assert ("computes in float16, unlike the model" in found.problem) == (stored == torch.float32)
        assert ("state how much with `--loss`" in found.advice) == (stored == torch.float32)

    def test_weight(self, narrow):
        """A weight of less bits is not the model's, though the outputs hardly move."""
        found = judge(format_faithful, narrow(lambda weight: np.round(weight * 256) / 256))
        assert (found.verdict, found.node) == (CheckVerdict.FAILS, "wide")
        assert "where rounding costs 1" in found.problem

    def test_refused(self, narrow):
        """A file that runs on nothing is not measured."""
        found = judge(format_faithful, narrow(transposed=0, samples=[]))
        assert found.problem == "the file runs on none of the inputs: see same-values"

    @pytest.mark.parametrize("format", ["float16", "bfloat16"])
    def test_floor(self, format):
        """The model that is stored in a format has its values alone."""
        model = TorchModel(Linear(0.3), ("x",))
        x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
        stored = torch.from_numpy(model.run_stored_in(format, {"x": x})["output"])
        assert torch.equal(stored.to(getattr(torch, format)).float(), stored)
        error = np.abs(stored.numpy() - model.run({"x": x})["output"]).max()
        assert 2**-12 < error / np.abs(stored.numpy()).max() < 2**-6

    def test_in_place(self):
        """A result that is changed in place is rounded, too."""
        module = nn.Sequential(nn.ReLU(inplace=True))
        x = np.float32([[1 + 2**-12, 3.00001]])
        assert TorchModel(module, ("x",)).run_stored_in("float16", {"x": x})["output"].tolist() == [[1, 3]]


class TestFloat32:
    """A file in float32 has nothing to lose."""

    @pytest.mark.parametrize(
        ("text", "verdict"),
        [(FILE, "holds"), (edited(("{2}", "{2}"), ("Mul (x, factor)", "Div (x, factor)")), "fails")],
    )
    def test_outcome(self, given, text, verdict):
        """It is judged as without a loss."""
        found = judge(format_faithful, given(scale_case(loss=LOSS), text))
        assert found.verdict == verdict
        assert ("the file is float32, which loses nothing" in found.problem) == (verdict == "fails")


def test_original_is_a_file(quantized, tmp_path):
    """The weights of an original file are found by their names."""
    before = quantized.file.path.with_name("before.onnx")
    names = {tensor.name for tensor in load_model(before).graph.initializer}
    own = weights_of(Case(before, quantized.case.inputs))
    assert {name for name in own if own[name].bias} <= names
    found = matched(list(quantized_weights(quantized.graph)), own)
    assert all(isinstance(each, Match) and each.is_rounded() for each in found)
