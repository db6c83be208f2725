"""Chapter custom operator: one Resize whose scales are an input of the graph."""

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import srcnn_models as srcnn
from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.reference import ReferenceEvaluator
from onnxproof.engines.torch import TorchModel
from onnxproof.exporting.export import ExportError
from onnxproof.graph.diff import graph_differences
from onnxproof.graph.facts import Value
from onnxproof.graph.load import load_model
from onnxproof.latency import threads
from onnxproof.parity.compare import assert_same
from onnxproof.probing.reference import reference
from tests.inputs import DYNAMIC_SIZE, scales
from tests.references import compare_with_picture


class TestForward:
    """The operator's forward computes what `interpolate` does."""

    @pytest.mark.claim("operator-forward")
    @pytest.mark.parametrize(
        "operator", [srcnn.NewInterpolate.apply, srcnn.interpolate_bicubic], ids=["autograd", "library"]
    )
    @pytest.mark.parametrize("factor", [(3, 3), (1.5, 2.5), (0.5, 0.3)], ids="{0[0]}x{0[1]}".format)
    def test_output_is_interpolates(self, small_face, operator, factor):
        """Enlarged or reduced, by one factor or two, the picture is the same, bit for bit."""
        image = torch.from_numpy(small_face)
        expected = interpolate(image, scale_factor=factor, mode="bicubic", align_corners=False)
        assert torch.equal(operator(image, torch.tensor([1, 1, *factor])), expected)


class TestTwoInputs:
    """The exported file has the factor as its second input."""

    @pytest.mark.claim("operator-two-inputs")
    def test_inputs_are_image_and_factor(self, operator_export):
        """The graph has the inputs `input` and `factor`, and the factor is a float32 of length 4."""
        image, factor = operator_export.graph.inputs
        assert image.name == "input"
        assert factor == Value("factor", "float32", (4,))

    @pytest.mark.claim("operator-two-inputs")
    def test_factor_is_the_scales(self, operator_export):
        """The one Resize takes its scales from the input `factor`, not from a constant."""
        (resize,) = operator_export.graph.nodes_of("Resize")
        assert resize.inputs[2] == "factor"

    @pytest.mark.claim("operator-two-inputs")
    def test_tracer_warns_though_the_file_is_right(self, operator_export):
        """A TracerWarning points at the `tolist` in forward, although the graph is right."""
        (warning,) = operator_export.warnings_of("TracerWarning")
        assert "factor.tolist()" in warning.source

    @pytest.mark.instead("operator-two-inputs")
    def test_autograd_function_is_refused(self, request, target):
        """The exporter traces through forward, and refuses since the numbers in the factor are not known."""
        with pytest.raises(ExportError, match=r"upsample_bicubic2d|data-dependent"):
            request.getfixturevalue("operator_export")

    @pytest.mark.instead("operator-two-inputs")
    def test_library_operator_has_two_inputs(self, portable_export):
        """A `torch.library` operator with a translation becomes the two-input graph, with its own output sizes."""
        graph = portable_export.graph
        assert graph.input_names == ("input", "factor")
        assert graph.nodes_of("Resize")[0].inputs[2] == "factor"
        assert not set(graph.outputs[0].shape[2:]) & {*graph.inputs[0].shape, None}

    @pytest.mark.instead("operator-two-inputs")
    @pytest.mark.parametrize("count", [1, 2], ids="{}-threads".format)
    def test_threads_do_not_matter(self, export_to, trained, noise, target, count):
        """torch asks more of a convolution on several threads; the file has two inputs however many there are."""
        inputs = {"input": noise(1, 3, 24, 20), "factor": scales(2)}
        options = {"dynamic": DYNAMIC_SIZE, "translations": srcnn.onnx_translations()}
        with threads(count):
            made = export_to(trained(srcnn.PortableSuperResolutionNet()), inputs, target, **options)
        assert made.graph.input_names == ("input", "factor")


class TestAttributes:
    """The operator becomes a Resize with the attributes that it names."""

    @pytest.mark.claim("operator-attributes")
    def test_resize_has_the_named_attributes(self, two_input_export):
        """Half-pixel coordinates as torch counts them, coefficient -0.75, cubic, floor."""
        (resize,) = two_input_export.graph.nodes_of("Resize")
        assert resize.attributes["coordinate_transformation_mode"] == "pytorch_half_pixel"
        assert resize.attributes["cubic_coeff_a"] == -0.75
        assert resize.attributes["mode"] == "cubic"
        assert resize.attributes["nearest_mode"] == "floor"

    @pytest.mark.claim("operator-attributes")
    def test_roi_is_empty(self, two_input_export):
        """The second input, roi, is left out or an empty constant."""
        (resize,) = two_input_export.graph.nodes_of("Resize")
        assert resize.inputs[1] == "" or two_input_export.graph.constants[resize.inputs[1]].size == 0

    @pytest.mark.claim("operator-attributes")
    def test_upsample_has_them_too(self, fixed_export):
        """The exporter writes the same attributes for `nn.Upsample` itself."""
        assert named_attributes(fixed_export) == srcnn.RESIZE_ATTRIBUTES

    @pytest.mark.instead("operator-attributes")
    def test_upsample_is_half_pixel(self, fixed_export):
        """For `nn.Upsample` the exporter writes half_pixel, which differs for outputs of one pixel alone."""
        expected = srcnn.RESIZE_ATTRIBUTES | {"coordinate_transformation_mode": "half_pixel"}
        assert named_attributes(fixed_export) == expected


def named_attributes(made):
    """Of the attributes of the one Resize, those that the operator names."""
    (resize,) = made.graph.nodes_of("Resize")
    return {name: resize.attributes.get(name) for name in srcnn.RESIZE_ATTRIBUTES}


class TestOrder:
    """The order of the axes in the factor."""

    @pytest.mark.claim("operator-order")
    def test_factor_is_width_height(self, two_input_export, face):
        """[1, 1, 2, 3] makes the picture twice as wide and three times as high."""
        output = OnnxRuntime().open(two_input_export.path).run({"input": face, "factor": scales(2, 3)})["output"]
        assert output.shape[2:] == (3 * 256, 2 * 256)

    @pytest.mark.instead("operator-order")
    def test_factor_is_height_width(self, two_input_export, face):
        """[1, 1, 2, 3] makes the picture twice as high and three times as wide."""
        output = OnnxRuntime().open(two_input_export.path).run({"input": face, "factor": scales(2, 3)})["output"]
        assert output.shape[2:] == (2 * 256, 3 * 256)


class TestPictures:
    """The file's pictures are torch's."""

    @pytest.mark.claim("operator-x3")
    def test_network_gives_the_first_models_picture(self, trained, face, face_reference, keep_picture):
        """In torch, [1, 1, 3, 3] has the ×3 network's output, bit for bit."""
        network = TorchModel(trained(srcnn.StrangeSuperResolutionNet()), ("input", "factor"))
        output = network.run({"input": face, "factor": scales(3)})["output"]
        keep_picture(output, "face_torch_3.png")
        np.testing.assert_array_equal(output, face_reference(3).values["output"])

    @pytest.mark.claim("operator-x3")
    def test_file_gives_the_first_files_picture(self, two_input_export, fixed_output, face):
        """In ONNX Runtime, [1, 1, 3, 3] has the first file's output, bit for bit."""
        output = OnnxRuntime().open(two_input_export.path).run({"input": face, "factor": scales(3)})["output"]
        np.testing.assert_array_equal(output, fixed_output)

    @pytest.mark.claim("operator-x4")
    def test_x4_picture_is_torchs(
        self, two_input_export, face, face_reference, face_pictures, keep_picture, target, onnx_record_comparison
    ):
        """At [1, 1, 4, 4] the same file's picture is 1024 × 1024, and torch's under the pixel rule."""
        output = OnnxRuntime().open(two_input_export.path).run({"input": face, "factor": scales(4)})["output"]
        parity, pixels = compare_with_picture(output, face_reference(4), f"face-x4-{target}")
        kept = {"ONNX Runtime": keep_picture(output, "face_ort_3.png", target)}
        onnx_record_comparison(parity, pixels, face_pictures(4, "face_torch_x4.png") | kept)
        assert output.shape == (1, 3, 1024, 1024)
        assert pixels.same


class TestAnyFactor:
    """The file takes any factor, at any size, without being touched."""

    @pytest.mark.claim("operator-any-factor")
    @pytest.mark.parametrize(
        "factor",
        [(1.5, 1.5), (2.5, 2.5), (3, 3), (4, 4), (5, 5), (2, 3), (0.5, 0.75)],
        ids="x{0[0]}-x{0[1]}".format,
    )
    def test_output_is_torchs(self, portable_export, trained, small_face, factor, target, onnx_record_comparison):
        """At a size and factors that were not traced, the output is torch's."""
        inputs = {"input": small_face, "factor": scales(*factor)}
        expected = reference(trained(srcnn.StrangeSuperResolutionNet()), inputs)
        case = f"small-face-x{factor[0]}-x{factor[1]}-{target}"
        (parity,) = assert_same(OnnxRuntime().open(portable_export.path).run(inputs), expected, case)
        onnx_record_comparison(parity)

    @pytest.mark.claim("operator-any-factor")
    def test_reference_evaluator_agrees(self, portable_export, trained, small_face, target):
        """The ONNX reference evaluator's output is torch's too."""
        inputs = {"input": small_face[:, :, :9, :11], "factor": scales(2, 3)}
        expected = reference(trained(srcnn.StrangeSuperResolutionNet()), inputs)
        assert_same(ReferenceEvaluator().open(portable_export.path).run(inputs), expected, f"reference-{target}")

    @pytest.mark.instead("operator-any-factor")
    def test_reference_evaluator_takes_no_empty_roi(self, portable_export, small_face):
        """The reference evaluator reads the roi, which a cubic Resize does not use."""
        with pytest.raises(EngineError, match="index 0 is out of bounds"):
            ReferenceEvaluator().open(portable_export.path).run(
                {"input": small_face[:, :, :9, :11], "factor": scales(2, 3)}
            )

    @pytest.mark.claim("operator-any-factor")
    def test_both_operators_give_the_same_graph(self, exported, trained, noise, portable_export, target):
        """The file of the `torch.library` operator holds the same graph as that of the autograd.Function."""
        inputs = {"input": noise(1, 3, 24, 20), "factor": scales(2)}
        strange = exported("strange", trained(srcnn.StrangeSuperResolutionNet()), inputs, target, dynamic=DYNAMIC_SIZE)
        assert graph_differences(load_model(strange.path), load_model(portable_export.path)) == ()


SENSELESS = {
    "zero": [1, 1, 0, 2],
    "negative": [1, 1, 2, -1],
    "nan": [1, 1, float("nan"), 2],
    "infinite": [1, 1, 2, float("inf")],
    "batch": [2, 1, 2, 2],
    "channels": [1, 3, 2, 2],
    "short": [2, 2],
    "long": [1, 1, 2, 2, 2],
}


@pytest.mark.parametrize("factor", [pytest.param(np.array(f, np.float32), id=name) for name, f in SENSELESS.items()])
class TestBadFactor:
    """A factor that makes no sense is refused with an error."""

    @pytest.mark.claim("operator-bad-factor")
    def test_onnxruntime_refuses(self, portable_export, small_face, factor):
        """ONNX Runtime raises, and does not crash."""
        with pytest.raises(
            EngineError, match=r"(?i)scale|'Cubic' mode|invalid dimensions|invalid rank|negative value|must be >= 0"
        ):
            OnnxRuntime().open(portable_export.path).run({"input": small_face, "factor": factor})

    @pytest.mark.claim("operator-bad-factor")
    def test_operator_refuses(self, small_face, factor):
        """The operator itself raises a ValueError that shows the factor."""
        with pytest.raises(ValueError, match="factor is"):
            srcnn.NewInterpolate.apply(torch.from_numpy(small_face), torch.from_numpy(factor))
