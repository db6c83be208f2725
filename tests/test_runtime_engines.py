"""Chapter runtime, other engines: where the same file has another output, or does not run at all."""

from importlib.util import find_spec
from typing import NamedTuple

import cv2
import numpy as np
import onnx
import pytest
from torch import nn

import srcnn_models as srcnn
from onnxproof.engines import engine
from onnxproof.engines.torch import TorchModel
from onnxproof.parity.compare import assert_same
from onnxproof.probing.reference import reference
from onnxproof.versions import TORCHSCRIPT
from tests.facts import (
    CLASSIC_OPENCV,
    opencv_infers_kernel_shapes,
    opencv_resizes_bicubic,
    reference_evaluator_takes_an_empty_roi,
)
from tests.inputs import scales


class Lengths(NamedTuple):
    """How many pixels an engine makes of 5 at ×1.4, if the factor is built in and if it is an input.

    A file has the factor in float32, which is slightly less than 1.4. Five times that is 7 in float32, and 6.9999999 in
    float64, of which 6 is left. torch computes in float64, too, but a factor that is built in is a float64 as well.
    """

    built_in: int
    as_input: int


LENGTHS = {
    "torch": Lengths(7, 6),
    "reference": Lengths(6, 6),
    "onnxruntime": Lengths(7, 7),
    "opencv": Lengths(7, 7),
    "openvino": Lengths(7, 7),
}

SKIPS = {
    "opencv": pytest.mark.skipif(
        not opencv_resizes_bicubic, reason="OpenCV before 5 has no bicubic Resize: see test_bicubic_is_refused"
    ),
    "openvino": pytest.mark.skipif(
        find_spec("openvino") is None, reason="OpenVINO is not installed: pip install openvino"
    ),
}


def each(names):
    """A spec for each engine."""
    return pytest.mark.parametrize("name", [pytest.param(name, marks=SKIPS.get(name, ())) for name in names])


@pytest.fixture(scope="module")
def five(face):
    """A crop of the face of 5 × 5."""
    return np.ascontiguousarray(face[:, :, 100:105, 110:115])


@pytest.fixture
def open_in(target):
    """A file in an engine, or in torch the network that it was exported from."""

    def get(name, made, network):
        if name == "torch":
            return TorchModel(network, made.graph.input_names)
        if name == "reference" and target.exporter == TORCHSCRIPT and not reference_evaluator_takes_an_empty_roi:
            pytest.skip("the reference evaluator of onnx before 1.22 takes no empty roi, which torchscript writes")
        return engine(name).open(made.path)

    return get


class TestLengths:
    """Engines round the sides of an output differently."""

    @pytest.mark.claim("engines-differ")
    @each(LENGTHS)
    def test_built_in_factor(self, open_in, export_x1_4, five, name):
        """With the factor 1.4 built in, the reference evaluator alone has an output of another size than torch's."""
        output = open_in(name, *export_x1_4).run({"input": five})["output"]
        assert output.shape[2:] == (LENGTHS[name].built_in,) * 2

    @pytest.mark.claim("engines-differ")
    @each(LENGTHS)
    def test_factor_as_input(self, open_in, portable_export, trained, five, name):
        """With the factor as an input, all but the reference evaluator have an output of another size than torch's."""
        session = open_in(name, portable_export, trained(srcnn.PortableSuperResolutionNet()))
        output = session.run({"input": five, "factor": scales(1.4)})["output"]
        assert output.shape[2:] == (LENGTHS[name].as_input,) * 2

    @pytest.mark.claim("engines-differ")
    @each([name for name in LENGTHS if name != "torch"])
    def test_whole_factor(self, open_in, export_x3, five, target, name):
        """At ×3, where nothing is rounded, every engine has torch's output."""
        made, network = export_x3
        output = open_in(name, made, network).run({"input": five})
        assert_same(output, reference(network, {"input": five}), f"{name}-{target}")

    @pytest.fixture
    def export_x1_4(self, exported, trained, noise, target):
        network = trained(srcnn.SuperResolutionNet(1.4))
        return exported("srcnn-x1.4", network, {"input": noise(1, 3, 5, 5)}, target), network

    @pytest.fixture
    def export_x3(self, exported, trained, noise, target):
        network = trained(srcnn.SuperResolutionNet(3))
        return exported("srcnn-5", network, {"input": noise(1, 3, 5, 5)}, target), network


class TestClassicOpenCV:
    """OpenCV's classic engine, the only one before OpenCV 5, needs a network that is fitted to it."""

    @pytest.mark.claim("engines-differ")
    def test_bicubic_is_refused(self, fixed_export):
        """It refuses the document's first file, whose Resize is bicubic."""
        with pytest.raises(cv2.error, match="'interpolation' is cubic"):
            read_net(fixed_export.path)

    @pytest.mark.claim("engines-differ")
    def test_bilinear_runs(self, bilinear, bilinear_export, five, tmp_path, target):
        """With bilinear up-sampling in the network, and every kernel's shape in the file, it has torch's output."""
        net = read_net(with_kernel_shapes(bilinear_export.path, tmp_path / "model.onnx"))
        net.setInput(five, "input")
        assert_same({"output": net.forward("output")}, reference(bilinear, {"input": five}), f"bilinear-{target}")

    @pytest.mark.claim("engines-differ")
    def test_kernel_shape_may_be_left_out(self, bilinear_export, tmp_path):
        """A Conv without a kernel_shape, which ONNX takes from the weights, is refused before OpenCV 4.13."""
        path = without_kernel_shapes(bilinear_export.path, tmp_path / "model.onnx")
        assert is_read(path) == opencv_infers_kernel_shapes

    @pytest.fixture
    def bilinear(self, trained):
        network = trained(srcnn.SuperResolutionNet(3))
        network.img_upsampler = nn.Upsample(scale_factor=3, mode="bilinear", align_corners=False)
        return network

    @pytest.fixture
    def bilinear_export(self, exported, bilinear, noise, target):
        return exported("srcnn-bilinear", bilinear, {"input": noise(1, 3, 5, 5)}, target)


def read_net(path):
    """A file in OpenCV's classic engine."""
    return cv2.dnn.readNetFromONNX(str(path), *CLASSIC_OPENCV)


def is_read(path):
    """Whether that engine reads the file; raises for another reason than a kernel's shape."""
    try:
        read_net(path)
    except cv2.error as error:
        if "kernel_size (or kernel_h and kernel_w) not specified" not in str(error):
            raise
        return False
    return True


def without_kernel_shapes(path, new):
    """A copy of a file whose Conv nodes have no kernel_shape."""
    model = onnx.load(path)
    for conv in (node for node in model.graph.node if node.op_type == "Conv"):
        kept = [attribute for attribute in conv.attribute if attribute.name != "kernel_shape"]
        del conv.attribute[:]
        conv.attribute.extend(kept)
    onnx.save(model, new)
    return new


def with_kernel_shapes(path, new):
    """A copy of a file whose Conv nodes have the kernel_shape of their weights, which some exporters leave out."""
    model = onnx.load(without_kernel_shapes(path, new))
    sides = {tensor.name: tensor.dims[2:] for tensor in model.graph.initializer}
    for conv in (node for node in model.graph.node if node.op_type == "Conv"):
        conv.attribute.append(onnx.helper.make_attribute("kernel_shape", sides[conv.input[1]]))
    onnx.save(model, new)
    return new
