"""Chapter dynamic factor: a factor that `.item()` takes out of a tensor."""

import numpy as np
import pytest
import torch

import srcnn_models as srcnn
from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.torch import TorchModel
from onnxproof.exporting.export import ExportError
from onnxproof.graph.diff import graph_differences
from onnxproof.graph.load import load_model

TRACER_WARNING = (
    "Converting a tensor to a Python number might cause the trace to be incorrect. We can't record the data flow of "
    "Python values, so this value will be treated as a constant in the future. This means that the trace might not "
    "generalize to other inputs!"
)


@pytest.fixture(scope="module")
def item_output(item_export, face):
    """The face through the document's second file in ONNX Runtime."""
    return OnnxRuntime().open(item_export.path).run({"input": face})["output"]


class TestItem:
    """`.item()` makes a number of a one-element tensor."""

    @pytest.mark.claim("item-number", "item-exports")
    def test_network_runs(self, trained, face, face_reference):
        """With `torch.tensor(3)` as factor the face comes out bit for bit as at ×3."""
        output = TorchModel(trained(srcnn.ItemFactorNet()), ("input", "factor")).run(
            {"input": face, "factor": np.array(3)}
        )
        np.testing.assert_array_equal(output["output"], face_reference(3).values["output"])

    @pytest.mark.claim("item-number")
    @pytest.mark.parametrize(
        "factor", [torch.tensor(3), torch.tensor([2.5]), "3"], ids=["tensor", "one-element-tensor", "text"]
    )
    def test_other_factors_are_refused(self, factor):
        """`interpolate` refuses a factor that is not a number, a one-element tensor too."""
        network, image = srcnn.RuntimeFactorNet(), torch.ones(1, 3, 8, 8)
        with pytest.raises(TypeError, match=r"upsample_bicubic2d|scale_factor"):
            network(image, factor)

    @pytest.mark.claim("item-number")
    @pytest.mark.parametrize(
        ("tensor", "number"),
        [(torch.tensor(3), 3), (torch.tensor([2.5]), 2.5), (torch.tensor([[4]]), 4)],
        ids=["int", "float", "rank-2"],
    )
    def test_item_is_a_number(self, tensor, number):
        """A tensor of one element and of any rank gives an int or a float, by its dtype."""
        item = tensor.item()
        assert (type(item), item) == (type(number), number)

    @pytest.mark.claim("item-number")
    def test_more_elements_are_refused(self):
        """A tensor of two elements has no single number."""
        with pytest.raises((RuntimeError, ValueError), match="2 elements"):
            torch.tensor([3, 3]).item()

    @pytest.mark.claim("item-exports")
    def test_export_writes_the_file(self, item_export):
        """The export raises nothing and writes a file that ONNX Runtime loads."""
        assert OnnxRuntime().open(item_export.path).output_names == ["output"]

    @pytest.mark.instead("item-exports")
    def test_item_is_refused(self, request, target):
        """`interpolate` refuses the symbol that the exporter has in place of the number."""
        with pytest.raises(ExportError, match=r"upsample_bicubic2d(?s:.*)SymInt"):
            request.getfixturevalue("item_export")

    @pytest.mark.claim("item-warning")
    def test_tracer_warns_of_the_number(self, item_export):
        """One TracerWarning says so, and what comes of it, and points at the line with `.item()`."""
        (warning,) = item_export.warnings_of("TracerWarning")
        assert warning.message == TRACER_WARNING
        assert "factor.item()" in warning.source


class TestItemNotRecorded:
    """What `.item()` takes out of a tensor is not recorded."""

    @pytest.mark.claim("item-not-recorded")
    def test_file_has_the_traced_number(self, scale_export, sevens):
        """Traced at 3, the file of a model that multiplies by its second input has no such input, and triples."""
        assert scale_export.graph.input_names == ("input",)
        assert (OnnxRuntime().open(scale_export.path).run({"input": sevens})["output"] == 21).all()

    @pytest.mark.instead("item-not-recorded")
    @pytest.mark.parametrize("factor", [5, -0.5], ids="x{}".format)
    def test_number_stays_an_input(self, scale_export, sevens, factor):
        """Traced at 3, the file multiplies by any number that it is given."""
        inputs = {"input": sevens, "factor": np.array(factor, np.float32)}
        assert (OnnxRuntime().open(scale_export.path).run(inputs)["output"] == 7 * factor).all()

    @pytest.fixture
    def scale_export(self, exported, target):
        inputs = {"input": np.ones((2, 3), np.float32), "factor": np.array(3, np.float32)}
        return exported("scale-item", srcnn.ItemScale(), inputs, target)

    @pytest.fixture
    def sevens(self):
        return np.full((2, 3), 7, np.float32)


class TestItemFolded:
    """A factor taken out of its tensor with `.item()` is folded into the graph."""

    @pytest.mark.claim("item-folded")
    def test_factor_is_no_input(self, item_export):
        """The exported graph has the image as its only input, though two were given."""
        assert item_export.graph.input_names == ("input",)

    @pytest.mark.claim("item-folded")
    def test_other_factor_is_refused(self, item_export, face):
        """Running the file at another factor is refused."""
        with pytest.raises(EngineError, match="factor"):
            OnnxRuntime().open(item_export.path).run({"input": face, "factor": np.array(4)})

    @pytest.mark.claim("item-folded")
    def test_every_run_has_the_traced_factor(self, item_output):
        """Whatever factor was meant, the file triples the picture."""
        assert item_output.shape == (1, 3, 768, 768)

    @pytest.mark.claim("item-identical")
    def test_graph_is_the_first_files(self, item_export, fixed_export):
        """The file holds the same graph as the first one, up to the names of nodes and inner values."""
        assert graph_differences(load_model(item_export.path), load_model(fixed_export.path)) == ()

    @pytest.mark.claim("item-identical")
    def test_output_is_the_first_files(self, item_output, fixed_output):
        """Both files give the same output, bit for bit."""
        np.testing.assert_array_equal(item_output, fixed_output)
