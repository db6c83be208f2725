"""The engines agree, leave their inputs unchanged, and refuse what does not fit, in silence."""

import sys

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx.parser import parse_model
from torch import nn

from onnxproof.engines import engine
from onnxproof.engines.base import EngineError
from onnxproof.engines.isolated import run_without_torch
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.reference import ReferenceEvaluator
from onnxproof.engines.torch import TorchModel
from onnxproof.parity.compare import assert_same
from onnxproof.probing.reference import reference
from tests import facts

FILE = """
<ir_version: 8, opset_import: ["": 18]>
scaled (float[N, 2] x, int64[2] count) => (float[N, 2] scaled, int64[2] next)
<float[2] weight = {0.1, 3}, int64 one = {1}>
{
    product = Mul (x, weight)
    times = Cast <to = 1> (count)
    scaled = Mul (product, times)
    next = Add (count, one)
}
"""
DOUBLED = """
<ir_version: 8, opset_import: ["": 18]>
doubled (bfloat16[N] x) => (bfloat16[N] y, float[N] z)
{
    wide = Cast <to = 1> (x)
    z = Add (wide, wide)
    y = Cast <to = 16> (z)
}
"""
NAMES = {"input_names": ("x", "count"), "output_names": ("scaled", "next")}


class Scaled(nn.Module):
    """The file's model in torch."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.1, 3]))

    def forward(self, x, count):
        return x * self.weight * count, count + 1


class InPlace(nn.Module):
    """A model that changes its input."""

    def forward(self, x):
        return x.add_(1)


class Parameter(nn.Module):
    """A model that returns a parameter."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return x, self.scale


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("engines") / "scaled.onnx"
    onnx.save(parse_model(FILE), path)
    return path


@pytest.fixture
def inputs():
    return {"x": np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2), "count": np.array([2, 3])}


ONNX_ENGINES = pytest.mark.parametrize(
    "engine", [OnnxRuntime().open, ReferenceEvaluator().open], ids=["onnxruntime", "reference"]
)


class TestAgreement:
    """Every engine has torch's outputs under their names."""

    @pytest.mark.parametrize(
        "engine",
        [
            pytest.param(OnnxRuntime().open, id="onnxruntime"),
            pytest.param(OnnxRuntime(optimize=False).open, id="onnxruntime-not-optimized"),
            pytest.param(ReferenceEvaluator().open, id="onnx-reference"),
        ],
    )
    def test_engines(self, engine, path, inputs):
        """Outputs of an ONNX file are those of the model that it was written for."""
        expected = reference(Scaled(), inputs, NAMES["output_names"])
        assert_same(engine(path).run(inputs), expected, "scaled")

    def test_another_model(self, path, inputs):
        """Those of another model differ."""
        other = Scaled()
        other.weight.data[0] += 1e-5
        expected = reference(other, inputs, NAMES["output_names"])
        with pytest.raises(AssertionError, match="scaled: output scaled: "):
            assert_same(OnnxRuntime().open(path).run(inputs), expected, "scaled")

    @pytest.mark.parametrize(("optimize", "level"), [(True, "ORT_ENABLE_ALL"), (False, "ORT_DISABLE_ALL")])
    def test_optimization(self, monkeypatch, path, optimize, level):
        """`optimize` sets the optimization level."""
        options = []
        monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, told, **_: options.append(told) or Session())
        OnnxRuntime(optimize=optimize).open(path)
        assert options[0].graph_optimization_level == getattr(onnxruntime.GraphOptimizationLevel, level)


@pytest.mark.skipif(not facts.onnxruntime_takes_bfloat16, reason="this onnxruntime hands over no bfloat16")
class TestBfloat16:
    """ONNX Runtime has no numpy type for bfloat16; files with bfloat16 inputs and outputs still run."""

    X = np.array([1, -0.5, 3], ml_dtypes.bfloat16)
    """Values that bfloat16 holds exactly."""

    @pytest.fixture
    def path(self, tmp_path):
        """A file that doubles bfloat16 values in float32."""
        onnx.save(parse_model(DOUBLED), tmp_path / "doubled.onnx")
        return tmp_path / "doubled.onnx"

    def test_runs(self, path):
        """Values and dtypes are right, also of an output of another dtype."""
        outputs = OnnxRuntime().open(path).run({"x": self.X})
        np.testing.assert_array_equal(outputs["y"], self.X + self.X, strict=True)
        np.testing.assert_array_equal(outputs["z"], 2 * self.X.astype(np.float32), strict=True)

    def test_runs_without_torch(self, path):
        """It runs without torch too."""
        assert run_without_torch(path, {"x": self.X}, "CPUExecutionProvider") == ""


class Session:
    """A session without a model."""

    def get_providers(self):
        return ["CPUExecutionProvider"]

    def get_inputs(self):
        return []

    def get_outputs(self):
        return []

    def run(self, names, inputs):
        return []


class TestTorch:
    """torch runs the model itself."""

    def test_one_output(self, inputs):
        """One tensor is the output named `output`."""
        outputs = TorchModel(nn.Identity(), ["x"]).run({"x": inputs["x"]})
        np.testing.assert_array_equal(outputs["output"], inputs["x"], strict=True)

    def test_order_of_inputs(self, inputs):
        """Inputs go to the model in the order of its names, however they are given."""
        outputs = TorchModel(Scaled(), **NAMES).run({"count": inputs["count"], "x": inputs["x"]})
        assert list(outputs) == ["scaled", "next"]
        assert outputs["next"].tolist() == [3, 4]

    def test_float64(self, inputs):
        """In float64 floats become float64; integers and the model itself do not change."""
        model = Scaled()
        outputs = TorchModel(model, **NAMES).run_in_float64(inputs)
        assert (outputs["scaled"].dtype, outputs["next"].dtype) == (np.float64, np.int64)
        assert model.weight.dtype == torch.float32

    def test_reference(self, inputs):
        """A reference has the model's own outputs and those in float64, which differ by float32's rounding."""
        found = reference(Scaled(), inputs, NAMES["output_names"])
        assert (found.values["scaled"].dtype, found.exact["scaled"].dtype) == (np.float32, np.float64)
        assert 0 < np.abs(found.values["scaled"] - found.exact["scaled"]).max() < 1e-6

    def test_in_place(self):
        """A model that works in place changes no array of the caller's."""
        x = np.zeros(2, np.float32)
        assert TorchModel(InPlace(), ["x"]).run({"x": x})["output"].tolist() == [1, 1]
        assert x.tolist() == [0, 0]

    def test_read_only(self):
        """An array that cannot be written is taken without a warning."""
        x = np.broadcast_to(np.float32(1), (2,))
        assert TorchModel(nn.Identity(), ["x"]).run({"x": x})["output"].tolist() == [1, 1]

    def test_parameter(self):
        """A parameter may be an output."""
        outputs = TorchModel(Parameter(), ["x"], ("x", "scale")).run({"x": np.zeros(2, np.float32)})
        assert outputs["scale"] == 2

    def test_number_of_outputs(self, inputs):
        """More or fewer outputs than names is an error."""
        with pytest.raises(ValueError, match="zip"):
            TorchModel(Scaled(), ["x", "count"], ["scaled"]).run(inputs)


class TestRefusal:
    """A refusal is an EngineError that says which engine refuses and why; nothing reaches the terminal."""

    @pytest.fixture(autouse=True)
    def silence(self, capfd):
        """Nothing is written to stdout or stderr, by Python or by native code."""
        yield
        assert capfd.readouterr() == ("", "")

    @ONNX_ENGINES
    @pytest.mark.parametrize(
        "content",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"<!DOCTYPE html>\n<title>Not Found</title>\n", id="text"),
            pytest.param(parse_model(FILE).SerializeToString()[:-40], id="cut"),
            pytest.param(parse_model(FILE.replace("Mul", "Odd")).SerializeToString(), id="unknown-operator"),
        ],
    )
    def test_file(self, tmp_path, engine, content):
        """A file that is not a model, or has an unknown operator, is refused."""
        (tmp_path / "other.onnx").write_bytes(content)
        with pytest.raises(EngineError, match=r"^onnx(runtime| reference): .*(other\.onnx|Odd)"):
            engine(tmp_path / "other.onnx")

    @ONNX_ENGINES
    def test_no_file(self, tmp_path, engine):
        """A missing file is refused by name."""
        with pytest.raises(EngineError, match=r"^onnx(runtime| reference): .*other\.onnx"):
            engine(tmp_path / "other.onnx")

    def test_provider(self, path):
        """A missing provider is refused; the installed ones are named."""
        with pytest.raises(EngineError, match=r"onnxruntime has no OddProvider; it has .*CPUExecutionProvider"):
            OnnxRuntime(provider="OddProvider").open(path)

    @pytest.mark.parametrize(
        "engine",
        [
            pytest.param(OnnxRuntime().open, id="onnxruntime"),
            pytest.param(ReferenceEvaluator().open, id="onnx-reference"),
            pytest.param(lambda path: TorchModel(Scaled(), **NAMES), id="torch"),
        ],
    )
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            pytest.param({"count": None}, "count", id="missing"),
            pytest.param({"other": np.zeros(2, np.float32)}, "other", id="too-many"),
            pytest.param({"x": None, "X": np.zeros((1, 2), np.float32)}, "x", id="wrongly-named"),
        ],
    )
    def test_names(self, path, inputs, engine, change, message):
        """Inputs that are missing, too many or wrongly named are refused by name."""
        given = {name: value for name, value in {**inputs, **change}.items() if value is not None}
        with pytest.raises(EngineError, match=f"^(torch|onnxruntime|onnx reference): .*{message}"):
            engine(path).run(given)

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            pytest.param(np.zeros((3, 2)), r"tensor\(double\)", id="dtype"),
            pytest.param(np.zeros((3, 4), np.float32), "Got: 4 Expected: 2", id="shape"),
            pytest.param(np.zeros(2, np.float32), "Invalid rank for input: x", id="rank"),
        ],
    )
    def test_values(self, path, inputs, x, message):
        """ONNX Runtime refuses another dtype, shape or rank than the file declares."""
        with pytest.raises(EngineError, match=message):
            OnnxRuntime().open(path).run({**inputs, "x": x})

    def test_message(self, tmp_path):
        """What is wrong stands in ONNX Runtime's message without the places in its source."""
        text = '<ir_version: 8, opset_import: ["": 18]> g (float[n] x, float[m] y) => (float[k] z) { z = Add (x, y) }'
        onnx.save(onnx.parser.parse_model(text), tmp_path / "add.onnx")
        with pytest.raises(EngineError, match="Attempting to broadcast an axis") as caught:
            OnnxRuntime().open(tmp_path / "add.onnx").run(
                dict(zip("xy", map(np.float32, ([1, 2], [1, 2, 3])), strict=True))
            )
        assert "onnxruntime::" not in str(caught.value)
        assert "/core/" not in str(caught.value)

    def test_failing_operator(self, tmp_path):
        """An operator that fails in the middle of a run is named, and the engine's own exception is the cause."""
        text = '<ir_version: 8, opset_import: ["": 18]> g (float[N] x, float[M] y) => (float[K] z) { z = Add (x, y) }'
        onnx.save(parse_model(text), tmp_path / "add.onnx")
        with pytest.raises(EngineError, match="Add") as refused:
            OnnxRuntime().open(tmp_path / "add.onnx").run({"x": np.zeros(2, np.float32), "y": np.zeros(3, np.float32)})
        assert type(refused.value.__cause__).__module__.startswith("onnxruntime")


class TestOtherEngines:
    """OpenCV and OpenVINO run ONNX files too, and refuse in the same way; OpenVINO need not be installed."""

    @pytest.fixture(params=["opencv", "openvino"])
    def engine(self, request):
        """Each of the two that is installed."""
        if request.param == "openvino":
            pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install openvino")
        return engine(request.param)

    def test_agreement(self, engine, path, inputs):
        """Outputs are those of the model that the file was written for, under their names."""
        if engine.name == "opencv" and not facts.opencv_runs_dynamic_shapes:
            pytest.skip("OpenCV before 5 has no dynamic shapes")
        expected = reference(Scaled(), inputs, NAMES["output_names"])
        assert_same(engine.open(path).run(inputs), expected, "scaled")

    def test_names(self, engine, path, inputs):
        """Inputs of other names are refused by name."""
        with pytest.raises(EngineError, match=r"^(opencv|openvino): the inputs are x, count, got x$"):
            engine.open(path).run({"x": inputs["x"]})

    def test_file(self, engine, tmp_path, capfd):
        """A file with an unknown operator is refused, in silence."""
        onnx.save(parse_model(FILE.replace("Mul", "Odd")), tmp_path / "other.onnx")
        with pytest.raises(EngineError, match=r"^(opencv|openvino): (?s:.)*Odd"):
            engine.open(tmp_path / "other.onnx")
        assert capfd.readouterr() == ("", "")

    def test_openvino_is_not_installed(self, monkeypatch):
        """If OpenVINO is not installed, its engine says how to install it."""
        monkeypatch.setitem(sys.modules, "openvino", None)
        with pytest.raises(EngineError, match=r"^openvino is not installed: pip install openvino$"):
            engine("openvino")
