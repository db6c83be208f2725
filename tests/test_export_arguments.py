"""Chapter export, the call: what torch.onnx.export must be given."""

import pytest
import torch

import srcnn_models as srcnn
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting import capture
from onnxproof.graph.diff import graph_differences
from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import load_model
from onnxproof.versions import EXPORTERS, TORCH_EXPORT


@pytest.fixture
def call_export(target):
    """torch.onnx.export itself, by the target's exporter; what it prints is caught."""
    chosen = {"dynamo": target.exporter == TORCH_EXPORT} if TORCH_EXPORT in EXPORTERS else {}

    def call(*arguments, **options):
        with capture.everything():
            return torch.onnx.export(*arguments, **options, **chosen, opset_version=target.opset)

    return call


@pytest.fixture
def network(trained):
    return trained(srcnn.SuperResolutionNet(3))


class TestRequired:
    """The model, its input and the file's name are what `torch.onnx.export` must be given."""

    @pytest.mark.claim("export-required")
    def test_model_is_required(self, call_export):
        """Without a model, the call is refused."""
        with pytest.raises(TypeError, match="'model'"):
            call_export()

    @pytest.mark.claim("export-required")
    def test_path_is_required(self, call_export, network, noise):
        """Without a path, the call is refused."""
        refusal = r"'f'|'NoneType' object|destination must be specified"  # torch before 2.4, after it, 2.4
        with pytest.raises((TypeError, AttributeError, ValueError), match=refusal):
            call_export(network, (torch.from_numpy(noise(1, 3, 24, 20)),))

    @pytest.mark.instead("export-required")
    def test_program_is_returned(self, call_export, network, noise, small_export, target):
        """Without a path, torch.export returns the model that it would write."""
        image = torch.from_numpy(noise(1, 3, 24, 20))
        program = call_export(network, (image,), input_names=["input"], output_names=["output"])
        assert graph_differences(program.model_proto, load_model(small_export(target).path)) == ()

    @pytest.mark.claim("export-required")
    def test_input_is_required(self, call_export, tmp_path):
        """Without an input, the call is refused."""
        with pytest.raises(TypeError, match="'args'"):
            call_export(srcnn.Counter(), f=str(tmp_path / "model.onnx"))

    @pytest.mark.instead("export-required")
    def test_model_without_inputs_needs_none(self, call_export, tmp_path):
        """A model that takes no input is exported without one, and its file runs without one."""
        call_export(srcnn.Counter(), f=str(tmp_path / "model.onnx"), output_names=["output"])
        assert OnnxRuntime().open(tmp_path / "model.onnx").run({})["output"].tolist() == [1, 2, 3]

    @pytest.mark.instead("export-required")
    def test_inputs_may_be_named(self, call_export, network, noise, tmp_path):
        """A model is exported with its input in `kwargs` alone."""
        image, path = torch.from_numpy(noise(1, 3, 24, 20)), tmp_path / "model.onnx"
        call_export(network, kwargs={"image": image}, f=str(path), input_names=["input"])
        assert read_graph(path).input_names == ("input",)
