"""Chapter export: the file that torch.onnx.export writes, its names, and how it describes itself."""

import re

import numpy as np
import pytest

import srcnn_models as srcnn
from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting.export import ExportError
from onnxproof.graph.diff import graph_differences
from onnxproof.graph.facts import Value
from onnxproof.graph.load import load_model
from tests.inputs import scales


class TestWrites:
    """`torch.onnx.export` takes a model, an input and a path, and writes the model there."""

    @pytest.mark.claim("export-writes")
    def test_file_has_the_network(self, fixed_export):
        """The graph is a Resize and three Conv nodes with Relus between them."""
        layers = [node.op_type for node in fixed_export.graph.nodes if node.op_type != "Constant"]
        assert layers == ["Resize", "Conv", "Relu", "Conv", "Relu", "Conv"]

    @pytest.mark.claim("export-writes")
    def test_one_file_is_written(self, as_torch_writes_it):
        """With the exporter's defaults, only the .onnx file is written."""
        assert [path.name for path in as_torch_writes_it] == ["model.onnx"]

    @pytest.mark.instead("export-writes")
    def test_weights_are_a_second_file(self, as_torch_writes_it):
        """The weights are in `model.onnx.data`, which is larger than the .onnx file."""
        model, data = as_torch_writes_it
        assert data.name == "model.onnx.data"
        assert data.stat().st_size > model.stat().st_size

    @pytest.fixture
    def as_torch_writes_it(self, default_export):
        """The files of an export that leaves `external_data` at torch's default."""
        return sorted(default_export.path.parent.glob("*.onnx*"))


@pytest.fixture(scope="module")
def branch_export(exported, target):
    """A model that branches on its input's sum, traced with a positive sum."""
    return exported("branch", srcnn.SignBranch(), {"input": np.ones((2, 3), np.float32)}, target)


class TestTraces:
    """Export runs the model and records what it did; control flow is not recorded."""

    @pytest.mark.claim("export-traces")
    def test_branch_taken_is_the_only_one_recorded(self, branch_export):
        """Traced on the branch that adds, the file never subtracts."""
        output = OnnxRuntime().open(branch_export.path).run({"input": np.full((2, 3), -5, np.float32)})["output"]
        assert (output == -4).all()

    @pytest.mark.instead("export-traces")
    def test_data_dependent_branch_is_refused(self, request, target):
        """The exporter refuses the model, because the condition's value is not known."""
        with pytest.raises(ExportError, match="data-dependent"):
            request.getfixturevalue("branch_export")

    @pytest.mark.claim("export-traces")
    def test_model_is_run_once(self, export_to, noise, target):
        """The model's forward is called once in an export."""
        network = srcnn.SuperResolutionNet(3)
        calls = []
        network.register_forward_pre_hook(lambda *_: calls.append(1))
        export_to(network, {"input": noise(1, 3, 24, 20)}, target)
        assert len(calls) == 1


class TestRandomInput:
    """Only the shape of the traced input is left in the file."""

    @pytest.mark.claim("export-random-input")
    def test_values_do_not_matter(self, small_export, traced_on_the_eyes, target):
        """Traced on noise and on a part of the face, the files hold the same graph."""
        assert graph_differences(load_model(small_export(target).path), load_model(traced_on_the_eyes.path)) == ()

    @pytest.mark.claim("export-random-input")
    def test_shape_matters(self, small_export, fixed_export, target):
        """Traced on another shape, the file differs in its inputs."""
        differences = graph_differences(load_model(small_export(target).path), load_model(fixed_export.path))
        assert any(difference.kind == "inputs" for difference in differences)

    @pytest.fixture
    def traced_on_the_eyes(self, export_to, trained, eyes, target):
        return export_to(trained(srcnn.SuperResolutionNet(3)), {"input": eyes}, target)


class TestNames:
    """`input_names` and `output_names` name the graph's inputs and outputs."""

    @pytest.mark.claim("export-names")
    def test_names_are_those_given(self, export_to, trained, noise, target):
        """Names of any spelling are in the file as given."""
        network, inputs = trained(srcnn.SuperResolutionNet(3)), {"a.picture": noise(1, 3, 24, 20)}
        graph = export_to(network, inputs, target, output_names=("larger one",)).graph
        assert (graph.input_names, graph.output_names) == (("a.picture",), ("larger one",))

    @pytest.mark.claim("export-names")
    def test_every_input_has_its_name(self, two_input_export):
        """Names are given in the order of the model's arguments."""
        assert two_input_export.graph.input_names == ("input", "factor")


class TestInfo:
    """The file says its version, and the name, type and shape of its inputs and outputs."""

    @pytest.mark.claim("export-io-info")
    def test_input_and_output_are_described(self, fixed_export):
        """One float32 picture of 256 × 256 goes in, one of 768 × 768 comes out."""
        assert fixed_export.graph.inputs == (Value("input", "float32", (1, 3, 256, 256)),)
        assert fixed_export.graph.outputs == (Value("output", "float32", (1, 3, 768, 768)),)

    @pytest.mark.claim("export-io-info")
    def test_versions_are_told(self, fixed_export):
        """The file has the opset, the IR version and the exporter's version."""
        model = load_model(fixed_export.path)
        assert fixed_export.graph.opset == fixed_export.opset
        assert (model.producer_name, model.ir_version >= 6) == ("pytorch", True)
        assert re.match(r"\d+\.\d+", model.producer_version)

    @pytest.mark.claim("export-io-info")
    def test_declared_output_dimensions_are_kept(self, portable_export, small_face):
        """An output symbol stands for one size in a run: batch 1 and height 74 do not share one."""
        dimensions = portable_export.graph.outputs[0].shape
        output = OnnxRuntime().open(portable_export.path).run({"input": small_face, "factor": scales(2)})["output"]
        sizes = dict(zip(dimensions, output.shape, strict=True))
        assert tuple(sizes[dimension] for dimension in dimensions) == output.shape

    @pytest.mark.instead("export-io-info")
    def test_batch_and_height_share_a_symbol(self, portable_export):
        """The output's batch and height are declared as one symbol, though they differ."""
        batch, _, height, width = portable_export.graph.outputs[0].shape
        assert batch == height != width


class TestConvAttributes:
    """A Conv node shows its attributes, and its weights by name."""

    @pytest.mark.instead("export-conv-attributes")
    def test_kernel_shape_is_the_weights(self, fixed_export):
        """The first Conv has no kernel_shape: its weights are 9 × 9."""
        conv = fixed_export.graph.nodes_of("Conv")[0]
        assert "kernel_shape" not in conv.attributes
        assert fixed_export.graph.constants[conv.inputs[1]].shape[2:] == (9, 9)

    @pytest.mark.claim("export-conv-attributes")
    def test_first_convolution(self, fixed_export):
        """The first Conv is 9 × 9 with pads of 4, strides and dilations of 1, in one group."""
        conv = fixed_export.graph.nodes_of("Conv")[0]
        expected = {"kernel_shape": [9, 9], "pads": [4] * 4, "strides": [1, 1], "dilations": [1, 1], "group": 1}
        assert {name: conv.attributes[name] for name in expected} == expected

    @pytest.mark.claim("export-conv-attributes")
    def test_weights_have_the_parameters_names(self, fixed_export, trained):
        """Each Conv's weight and bias are in the file under their names in the model, bit for bit."""
        constants = fixed_export.graph.constants
        for name, tensor in trained(srcnn.SuperResolutionNet(3)).state_dict().items():
            np.testing.assert_array_equal(constants[name], tensor.numpy(), strict=True)


class TestStatic:
    """Shapes are static unless asked otherwise."""

    @pytest.mark.claim("export-static")
    def test_other_size_is_refused(self, fixed_export, small_face):
        """A picture of another size than traced is refused, and the input is named."""
        with pytest.raises(EngineError, match=r"INVALID_ARGUMENT.*invalid dimensions for input: input"):
            OnnxRuntime().open(fixed_export.path).run({"input": small_face})

    @pytest.mark.claim("export-static")
    def test_dynamic_size_is_accepted(self, portable_export, small_face):
        """With height and width declared dynamic, a size that was not traced is accepted."""
        output = OnnxRuntime().open(portable_export.path).run({"input": small_face, "factor": scales(3)})["output"]
        assert output.shape == (1, 3, 3 * 37, 3 * 53)
