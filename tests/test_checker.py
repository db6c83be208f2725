"""Chapter export, the checker: what onnx.checker.check_model refuses, and what it does not look at."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime


@pytest.fixture
def model(fixed_export):
    """The exported model in memory, to be broken."""
    return onnx.load(fixed_export.path)


class TestChecker:
    """`onnx.checker.check_model` accepts the exported file and raises on a broken one."""

    @pytest.mark.claim("export-checker")
    def test_file_is_accepted(self, fixed_export):
        """The file passes the full check, with strict shape inference."""
        onnx.checker.check_model(onnx.load(fixed_export.path), full_check=True)

    @pytest.mark.claim("export-checker")
    def test_unknown_attribute_is_refused(self, model):
        """A Conv with an attribute that no Conv has is refused, and the attribute named."""
        conv = next(node for node in model.graph.node if node.op_type == "Conv")
        conv.attribute.append(onnx.helper.make_attribute("stride", [1, 1]))
        with pytest.raises(onnx.checker.ValidationError, match="stride"):
            onnx.checker.check_model(model)

    @pytest.mark.claim("export-checker")
    def test_missing_producer_is_refused(self, model):
        """A graph without its first Conv is refused: nothing gives the next node its input."""
        conv = next(node for node in model.graph.node if node.op_type == "Conv")
        model.graph.node.remove(conv)
        with pytest.raises(onnx.checker.ValidationError, match=re.escape(conv.output[0])):
            onnx.checker.check_model(model)


def declare_int64(model):
    """The output is declared with another dtype than the last Conv gives it."""
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64


def declare_a_row_less(model):
    """The output is declared one row lower than it is."""
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value -= 1


def widen_the_weights(model):
    """The first Conv's weights are for five channels, which the file declares nowhere else; the picture has three."""
    del model.graph.value_info[:]
    (weight,) = (tensor for tensor in model.graph.initializer if tensor.name == "conv1.weight")
    values = numpy_helper.to_array(weight)
    weight.CopyFrom(numpy_helper.from_array(np.concatenate([values, values[:, :2]], axis=1), weight.name))


DECLARATIONS = [pytest.param(declare_int64, id="dtype"), pytest.param(declare_a_row_less, id="shape")]
FAULTS = [*DECLARATIONS, pytest.param(widen_the_weights, id="channels")]


class TestCompleteness:
    """`check_model` raises whenever the model has an error."""

    @pytest.mark.claim("export-checker-complete")
    @pytest.mark.parametrize("fault", FAULTS)
    def test_error_is_refused(self, model, fault):
        """A false declaration, or a Conv that cannot run, is refused."""
        fault(model)
        with pytest.raises(onnx.checker.ValidationError):
            onnx.checker.check_model(model)

    @pytest.mark.instead("export-checker-complete")
    @pytest.mark.parametrize("fault", DECLARATIONS)
    def test_full_check_infers_what_is_declared(self, model, fault):
        """Only with `full_check=True` it compares what is declared with what it infers."""
        fault(model)
        onnx.checker.check_model(model)
        with pytest.raises(onnx.shape_inference.InferenceError, match=r"Inferred (elem type|shape).* differ"):
            onnx.checker.check_model(model, full_check=True)

    @pytest.mark.instead("export-checker-complete")
    def test_no_check_compares_channels(self, model, tmp_path, face):
        """A Conv with weights of too many channels passes the full check; ONNX Runtime loads it and fails to run it."""
        widen_the_weights(model)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, tmp_path / "model.onnx")
        session = OnnxRuntime().open(tmp_path / "model.onnx")
        with pytest.raises(EngineError, match="Input channels C is not equal to kernel channels"):
            session.run({"input": face})
