"""Chapter dynamic factor: a factor that is built in, or given as a number."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import srcnn_models as srcnn
from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.torch import TorchModel
from onnxproof.exporting.export import ExportError
from onnxproof.graph.diff import graph_differences
from onnxproof.graph.load import load_model

REFUSED_TYPES = r"got \(Tensor, NoneType, bool, list\)"


class TestFixedFactor:
    """The first model's factor is built in: another factor needs another export."""

    @pytest.mark.claim("fixed-factor")
    def test_file_takes_no_factor(self, fixed_export, face):
        """The image is the file's only input, and a factor beside it is refused."""
        assert fixed_export.graph.input_names == ("input",)
        with pytest.raises(EngineError, match="factor"):
            OnnxRuntime().open(fixed_export.path).run({"input": face, "factor": np.array(4)})

    @pytest.mark.claim("fixed-factor")
    def test_other_factor_is_another_file(self, small_export, x4_export, eyes, target):
        """The ×3 and ×4 files make pictures of three and four times the sides."""
        engines = OnnxRuntime().open(small_export(target).path), OnnxRuntime().open(x4_export.path)
        sides = [engine.run({"input": eyes})["output"].shape[2:] for engine in engines]
        assert sides == [(3 * 24, 3 * 20), (4 * 24, 4 * 20)]

    @pytest.fixture
    def x4_export(self, export_to, trained, noise, target):
        return export_to(trained(srcnn.SuperResolutionNet(4)), {"input": noise(1, 3, 24, 20)}, target)


class TestInterpolate:
    """`interpolate` takes the factor at run time."""

    @pytest.mark.claim("interpolate-runtime-factor")
    def test_picture_is_the_fixed_networks(self, trained, face, face_reference, keep_picture):
        """At ×3 the face comes out bit for bit as through `nn.Upsample`."""
        with torch.inference_mode():
            output = trained(srcnn.RuntimeFactorNet())(torch.from_numpy(face), 3).numpy()
        keep_picture(output, "face_torch_2.png")
        np.testing.assert_array_equal(output, face_reference(3).values["output"])

    @pytest.mark.claim("interpolate-runtime-factor")
    @pytest.mark.parametrize("factor", [1.5, 2, 4, 5], ids="x{}".format)
    def test_one_network_serves_every_factor(self, trained, small_face, factor):
        """The same network matches the network built for each factor, bit for bit."""
        fixed = TorchModel(trained(srcnn.SuperResolutionNet(factor)), ("input",)).run({"input": small_face})["output"]
        with torch.inference_mode():
            output = trained(srcnn.RuntimeFactorNet())(torch.from_numpy(small_face), factor)
        np.testing.assert_array_equal(output.numpy(), fixed)


class TestIntFactor:
    """Exporting with a Python int as factor fails."""

    @pytest.mark.claim("int-factor-typeerror")
    def test_export_raises_type_error(self, trained, noise, export_to, target):
        """`upsample_bicubic2d` refuses `(Tensor, NoneType, bool, list)` with a TypeError."""
        with pytest.raises(ExportError, match=rf"upsample_bicubic2d.*{REFUSED_TYPES}") as refused:
            export_to(trained(srcnn.RuntimeFactorNet()), {"input": noise(1, 3, 24, 20), "factor": 3}, target)
        assert isinstance(refused.value.__cause__, TypeError)

    @pytest.mark.instead("int-factor-typeerror")
    def test_int_is_frozen_without_a_word(self, int_factor_export, eyes):
        """The file takes only the image, and triples it; no warning mentions the factor."""
        output = OnnxRuntime().open(int_factor_export.path).run({"input": eyes})["output"]
        assert output.shape == (1, 3, 3 * 24, 3 * 20)
        assert not [warning for warning in int_factor_export.warnings if "factor" in warning.message]

    @pytest.mark.claim("int-factor-reason")
    def test_int_argument_is_refused(self, export_scale):
        """A model with an int among its arguments cannot be exported."""
        with pytest.raises(ExportError):
            export_scale()

    @pytest.mark.instead("int-factor-reason")
    def test_int_argument_is_exported(self, export_scale):
        """A model that multiplies by an int is exported, and its file triples."""
        made = export_scale()
        inputs = {"input": np.full((2, 3), 7, np.float32)} | dict.fromkeys(made.graph.input_names[1:], np.array(3))
        assert (OnnxRuntime().open(made.path).run(inputs)["output"] == 21).all()

    @pytest.mark.instead("int-factor-reason")
    def test_interpolate_refuses_a_tensor_factor(self):
        """`interpolate` itself refuses a tensor as factor, which the tracer makes of the int."""
        with pytest.raises(TypeError, match=rf"{REFUSED_TYPES}(?s:.*)\[Tensor, Tensor\]"):
            interpolate(torch.ones(1, 3, 8, 8), scale_factor=torch.tensor(3), mode="bicubic", align_corners=False)

    @pytest.fixture
    def export_scale(self, exported, target):
        """A model with an int among its arguments, to be exported."""
        inputs = {"input": np.ones((2, 3), np.float32), "factor": 3}
        return lambda: exported("scale", srcnn.Scale(), inputs, target)


class TestResize:
    """`nn.Upsample` and `interpolate` both become Resize."""

    @pytest.mark.claim("resize-both")
    def test_upsample_is_a_resize(self, fixed_export):
        """The file of `nn.Upsample` has one Resize, cubic."""
        (resize,) = fixed_export.graph.nodes_of("Resize")
        assert resize.attributes["mode"] == "cubic"

    @pytest.mark.claim("resize-both")
    def test_interpolate_is_the_same_resize(self, small_export, interpolate_export, target):
        """The file of `interpolate` holds the same graph."""
        assert graph_differences(load_model(interpolate_export.path), load_model(small_export(target).path)) == ()

    @pytest.mark.claim("resize-scales")
    def test_scales_are_constant(self, fixed_export):
        """The scales are a constant of the file: [1, 1, 3, 3], of rank 1 and length 4."""
        (resize,) = fixed_export.graph.nodes_of("Resize")
        scales = fixed_export.graph.constants[resize.inputs[2]]
        assert (scales.shape, scales.tolist()) == ((4,), [1, 1, 3, 3])

    @pytest.mark.claim("resize-scales")
    def test_scales_are_an_initializer(self, fixed_export):
        """They stand among the initializers, as the weights do."""
        (resize,) = fixed_export.graph.nodes_of("Resize")
        assert resize.inputs[2] in [tensor.name for tensor in load_model(fixed_export.path).graph.initializer]

    @pytest.mark.instead("resize-scales")
    def test_scales_are_a_constant_node(self, fixed_export):
        """They are the output of a Constant node."""
        (resize,) = fixed_export.graph.nodes_of("Resize")
        assert (resize.inputs[2],) in [node.outputs for node in fixed_export.graph.nodes_of("Constant")]

    @pytest.fixture
    def interpolate_export(self, export_to, trained, noise, target):
        """The ×3 network with `interpolate` in place of `nn.Upsample`."""
        return export_to(trained(srcnn.InterpolateNet(3)), {"input": noise(1, 3, 24, 20)}, target)
