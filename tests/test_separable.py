"""Beyond the document: a fast operator without a Resize, right at every size and factor."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import srcnn_models as srcnn
from onnxproof.engines import engine
from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.opencv import OpenCV
from onnxproof.engines.reference import ReferenceEvaluator
from onnxproof.engines.torch import TorchModel
from onnxproof.graph.facts import Value
from onnxproof.parity.compare import Reference, assert_same
from onnxproof.probing.reference import reference
from tests.facts import (
    CLASSIC_OPENCV,
    bicubic_coordinates_are_rounded_alike,
    convolutions_are_summed_alike,
    opencv_runs_dynamic_shapes,
)
from tests.inputs import DYNAMIC_SIZE, scales
from tests.references import compare_with_picture
from tests.separable import SeparableOperator, departures

SMALL_PAIRS = [(size, tenths / 10) for size in range(1, 65) for tenths in range(1, 41)]
LARGE_FACTORS = (0.3, 1.4, 2.7, 8.0) if bicubic_coordinates_are_rounded_alike else (1.4, 8.0)
LARGE_PAIRS = [(size, factor) for size in range(65, 513) for factor in LARGE_FACTORS]

LARGEST_DIFFERENCE = 2e-3 if convolutions_are_summed_alike else math.inf
"""The most, of 0..255, that the ×3 face may differ from torch's: a third of what the document's file does."""

any_factor = st.floats(float(np.float32(0.1)), 4, width=32)
an_axis = st.tuples(st.integers(1, 64), any_factor).filter(lambda axis: int(axis[0] * axis[1]) > 0)


@pytest.fixture(scope="session")
def export_operator(exported, noise):
    """The operator alone, exported with a target for one channel at ×2."""
    inputs = {"input": noise(1, 1, 24, 20), "factor": scales(2)}
    return lambda target: exported("separable-operator", SeparableOperator(), inputs, target, dynamic=DYNAMIC_SIZE)


@pytest.fixture(scope="session")
def grey(small_face):
    """One channel of the small face."""
    return np.ascontiguousarray(small_face[:, :1])


@pytest.fixture(scope="module")
def operator(export_operator, target):
    """The operator's file in ONNX Runtime."""
    return OnnxRuntime().open(export_operator(target).path)


@pytest.fixture(scope="module")
def network(trained):
    return trained(srcnn.SeparableSuperResolutionNet())


@pytest.fixture(scope="module")
def separable_export(exported, network, noise, onnx_keep, target):
    """The whole network with its faster last layer, exported at ×2."""
    fast, inputs = srcnn.with_transposed_reconstruction(network), {"input": noise(1, 3, 24, 20), "factor": scales(2)}
    made = exported("separable", fast, inputs, target, dynamic=DYNAMIC_SIZE)
    onnx_keep(made.path, "srcnn_separable.onnx", target, inputs=("input", "factor"))
    return made


@pytest.fixture(scope="module")
def engines(separable_export, network):
    """The whole file in ONNX Runtime, and the network in torch."""
    return OnnxRuntime().open(separable_export.path), TorchModel(network, ("input", "factor"))


@pytest.fixture(scope="module")
def openvino(separable_export):
    """The file in OpenVINO, if it is installed."""
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
    return engine("openvino").open(separable_export.path)


needs_dynamic_opencv = pytest.mark.skipif(
    not opencv_runs_dynamic_shapes, reason="OpenCV before 5 has no dynamic shapes: see test_classic_opencv"
)


class TestFile:
    """The file asks nothing special of an engine."""

    def test_inputs(self, separable_export):
        """The inputs are an image of free height and width, and a factor of four numbers."""
        image, factor = separable_export.graph.inputs
        assert image == Value("input", "float32", (1, 3, "height", "width"))
        assert factor == Value("factor", "float32", (4,))

    def test_output_dims(self, separable_export):
        """The output's height and width have their own symbols."""
        (output,) = separable_export.graph.outputs
        assert all(isinstance(dim, str) for dim in output.shape[2:])
        assert not set(output.shape[2:]) & {"height", "width"}

    def test_nodes(self, separable_export):
        """All nodes are standard ones, and none is a Resize."""
        graph = separable_export.graph
        assert {*graph.opsets, *(node.domain for node in graph.nodes)} == {""}
        assert not graph.nodes_of("Resize")

    def test_every_opset(self, export_operator, every_target, grey):
        """At every opset the file is written as asked, and its output is torch's."""
        made, inputs = export_operator(every_target), {"input": grey, "factor": scales(1.7, 0.6)}
        assert made.opset == every_target.opset
        assert_same(OnnxRuntime().open(made.path).run(inputs), reference(SeparableOperator(), inputs), "operator")


class TestAnyFactor:
    """The file's output is torch's at any size and factor."""

    def test_small_sizes(self, operator, noise):
        """At 1 to 64 pixels and factors of 0.1 to 4.0, all 2,560 outputs are torch's."""
        assert departures(operator, noise(1, 1, 64, 3), SMALL_PAIRS) == {}

    def test_large_sizes(self, operator, noise):
        """So they are at 65 to 512 pixels and factors up to 8."""
        assert departures(operator, noise(1, 1, 512, 1), LARGE_PAIRS) == {}

    @pytest.mark.parametrize(
        ("size", "factor"),
        [
            pytest.param((37, 53), (2, 3), id="enlarged"),
            pytest.param((37, 53), (0.5, 0.3), id="reduced"),
            pytest.param((37, 53), (0.75, 2.5), id="reduced-and-enlarged"),
            pytest.param((37, 53), (1, 1), id="kept"),
            pytest.param((1, 53), (4, 1), id="one-row"),
            pytest.param((1, 1), (1.5, 4), id="one-pixel"),
            pytest.param((3, 5), (0.5, 0.2), id="to-one-pixel"),
        ],
    )
    def test_both_axes(self, operator, grey, size, factor):
        """Each axis has its own factor, even if it comes from or becomes a single pixel."""
        inputs = {"input": np.ascontiguousarray(grey[:, :, : size[0], : size[1]]), "factor": scales(*factor)}
        expected = TorchModel(SeparableOperator(), tuple(inputs)).run(inputs)
        assert_same(operator.run(inputs), Reference(expected), f"{size}-x{factor}")

    @given(height=an_axis, width=an_axis)
    @settings(max_examples=12)
    def test_network(self, engines, noise, height, width):
        """The network's output is torch's at random sizes and factors."""
        inputs = {"input": noise(1, 3, height[0], width[0]), "factor": scales(height[1], width[1])}
        output, expected = (engine.run(inputs) for engine in engines)
        assert_same(output, Reference(expected), f"{height}-{width}")


class TestFace:
    """The face at ×3."""

    def test_picture_is_torchs(
        self,
        separable_export,
        face,
        face_reference,
        fixed_output,
        face_pictures,
        keep_picture,
        target,
        onnx_record_comparison,
    ):
        """The picture is at least as near to torch's as the document's."""
        output = OnnxRuntime().open(separable_export.path).run({"input": face, "factor": scales(3)})["output"]
        parity, pixels = compare_with_picture(output, face_reference(3), f"face-x3-separable-{target}")
        documents_parity, documents_pixels = compare_with_picture(fixed_output, face_reference(3), "document")
        kept = {"ONNX Runtime": keep_picture(output, "face_ort_separable.png", target)}
        onnx_record_comparison(parity, pixels, face_pictures(3, "face_torch.png") | kept)
        assert pixels.same
        assert pixels.edges <= documents_pixels.edges
        assert parity.difference <= min(LARGEST_DIFFERENCE, documents_parity.difference)


BAD_NUMBERS = {
    "zero": [1, 1, 0, 2],
    "negative": [1, 1, 2, -1],
    "nan": [1, 1, float("nan"), 2],
    "infinite": [1, 1, 2, float("inf")],
    "batch": [2, 1, 2, 2],
    "part-of-batch": [1.5, 1, 2, 2],
    "channels": [1, 3, 2, 2],
}
BAD_FACTORS = BAD_NUMBERS | {"short": [2, 2], "long": [1, 1, 2, 2, 2]}


def each(factors):
    return [pytest.param(np.array(factor, np.float32), id=name) for name, factor in factors.items()]


class TestBadFactor:
    """ONNX has no assertion, but a factor that makes no sense is refused."""

    @pytest.mark.parametrize("factor", each(BAD_FACTORS))
    def test_torch(self, network, small_face, factor):
        """The network raises a ValueError that shows the factor."""
        with pytest.raises(ValueError, match="factor is"):
            network(torch.from_numpy(small_face), torch.from_numpy(factor))

    @pytest.mark.parametrize("factor", each(BAD_FACTORS | {"no-pixel": [1, 1, 0.02, 2]}))
    def test_onnxruntime(self, operator, grey, factor):
        """ONNX Runtime refuses a bad factor, which makes the file expand four lengths to three."""
        with pytest.raises(
            EngineError, match=r"Expand node.*invalid expand shape|invalid dimensions for input: factor"
        ):
            operator.run({"input": grey, "factor": factor})

    @pytest.mark.parametrize("factor", each(BAD_NUMBERS | {"no-pixel": [1, 1, 0.02, 2]}))
    def test_reference_evaluator(self, export_operator, target, grey, factor):
        """The reference evaluator refuses it too, or stops earlier if numpy warns of a cast."""
        with pytest.raises(EngineError, match=r"shapes \(4,\) \(3,\)|invalid value encountered in cast"):
            ReferenceEvaluator().open(export_operator(target).path).run({"input": grey, "factor": factor})

    @needs_dynamic_opencv
    @pytest.mark.parametrize("factor", each(BAD_NUMBERS | {"short": [2, 2], "no-pixel": [1, 1, 0.02, 2]}))
    def test_opencv(self, export_operator, target, grey, factor):
        """OpenCV refuses it too."""
        with pytest.raises(EngineError, match=r"sz1 == sz2.* in function 'expand'"):
            OpenCV().open(export_operator(target).path).run({"input": grey, "factor": factor})

    @needs_dynamic_opencv
    def test_opencv_ignores_a_fifth_number(self, export_operator, target, grey):
        """OpenCV does not check a factor's length, and scales by the first four numbers of five."""
        engine, factor = OpenCV().open(export_operator(target).path), scales(2, 3)
        output = engine.run({"input": grey, "factor": np.append(factor, np.float32(5))})["output"]
        np.testing.assert_array_equal(output, engine.run({"input": grey, "factor": factor})["output"])


class TestEngines:
    """One file for every engine."""

    @pytest.mark.parametrize("name", ["reference", pytest.param("opencv", marks=needs_dynamic_opencv)])
    @pytest.mark.parametrize("factor", [(2, 3), (1.7, 0.6)], ids="x{0[0]}-x{0[1]}".format)
    def test_output_is_torchs(self, separable_export, network, small_face, target, name, factor):
        """The reference evaluator and OpenCV agree with torch."""
        inputs = {"input": np.ascontiguousarray(small_face[:, :, :9, :11]), "factor": scales(*factor)}
        assert_same(engine(name).open(separable_export.path).run(inputs), reference(network, inputs), str(target))

    def test_classic_opencv(self, separable_export):
        """OpenCV's classic engine, the only one before OpenCV 5, refuses sizes that are computed in the file."""
        with pytest.raises(cv2.error, match=r"Assertion failed\) !isDynamicShape"):
            cv2.dnn.readNetFromONNX(str(separable_export.path), *CLASSIC_OPENCV)

    def test_openvino(self, openvino, network, small_face, target):
        """OpenVINO agrees with torch if the lengths have fractions to be dropped."""
        inputs = {"input": small_face, "factor": scales(1.7, 0.6)}
        expected = TorchModel(network, tuple(inputs)).run(inputs)
        assert_same(openvino.run(inputs), Reference(expected), str(target))

    def test_openvino_computes_lengths_in_float32(self, openvino, small_face):
        """It computes the file's float64 lengths in float32: 5 × 1.4, which is 6 in torch, is 7."""
        inputs = {"input": np.ascontiguousarray(small_face[:, :, :5, :5]), "factor": scales(1.4)}
        assert openvino.run(inputs)["output"].shape[2:] == (7, 7)

    def test_openvino_checks_less(self, openvino, small_face):
        """It expands four lengths to three without an error, so a batch factor is ignored."""
        factor = np.array([2, 1, 2, 2], np.float32)
        assert openvino.run({"input": small_face, "factor": factor})["output"].shape == (1, 3, 74, 106)


class TestLastLayer:
    """The last convolution as a transposed one, with flipped and transposed weights."""

    @pytest.mark.parametrize(
        ("kernel", "padding", "bias"), [(5, 2, True), ((3, 4), (0, 1), False), (1, 0, True)], ids=["5", "3x4", "1"]
    )
    def test_numbers_are_the_same(self, kernel, padding, bias):
        """On whole numbers, whose sums are exact in any order, both have the same bits."""
        conv, image = nn.Conv2d(4, 3, kernel, padding=padding, bias=bias), torch.arange(4 * 9 * 8.0).reshape(1, 4, 9, 8)
        whole = {name: (100 * weights).round() for name, weights in conv.state_dict().items()}
        conv.load_state_dict(whole)
        assert torch.equal(srcnn.transposed(conv)(image), conv(image))

    @pytest.mark.parametrize("option", [{"stride": 2}, {"dilation": 2}, {"groups": 2}, {"padding": "same"}], ids=str)
    def test_other_convolutions_are_refused(self, option):
        """A stride, dilation, groups or a named padding raise a ValueError that shows the layer."""
        with pytest.raises(ValueError, match=r"Conv2d\(2, 2, .* not a plain convolution"):
            srcnn.transposed(nn.Conv2d(2, 2, 3, **option))

    def test_network_is_a_copy(self, network, eyes):
        """The network for export has the original's output, and the original is not changed."""
        fast, inputs = srcnn.with_transposed_reconstruction(network), {"input": eyes, "factor": scales(2)}
        assert isinstance(network.conv3, nn.Conv2d)
        assert_same(TorchModel(fast, tuple(inputs)).run(inputs), reference(network, inputs), "transposed")

    def test_file_has_it(self, separable_export):
        """The file has two convolutions and one transposed one."""
        graph = separable_export.graph
        assert (len(graph.nodes_of("Conv")), len(graph.nodes_of("ConvTranspose"))) == (2, 1)
