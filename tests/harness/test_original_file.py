"""An ONNX file in float64, rounded in another way, counted, and seen from inside."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx.helper import make_tensor_value_info
from onnx.parser import parse_model

from onnxproof.engines.moved import moved
from onnxproof.engines.original import OnnxModel, RefusalError
from onnxproof.engines.reference import of_model
from onnxproof.engines.statistics import FIGURES, SHAPE, with_figures
from onnxproof.engines.wide import in_float64
from onnxproof.engines.work import LOOPS, shapes_of, with_shapes, work_of
from onnxproof.graph.facts import read_graph, reads_inputs
from onnxproof.graph.inference import shapes_at
from onnxproof.parity.rounding import SLACK
from onnxproof.probing.spread import Spread, other_ways, shares
from tests.harness.two_files import EXAMPLE, write

LAYERS = """
<ir_version: 8, opset_import: ["": 17]>
g (float[1, 2, 6, 6] x) => (float[1, 36] y)
<float[3, 2, 3, 3] kernel = {%s}, float[12, 4] matrix = {%s}, int64[2] shape = {1, 12}>
{
    a = Conv <pads = [1, 1, 1, 1], strides = [3, 3]> (x, kernel)
    b = Reshape (a, shape)
    c = MatMul (b, matrix)
    d = Concat <axis = 1> (c, c, c, c, c, c, c, c, c)
    y = Relu (d)
}
""" % (", ".join(["0.1"] * 54), ", ".join(["0.3"] * 48))  # noqa: UP031
PICTURE = {"x": np.random.default_rng(0).normal(size=(1, 2, 6, 6)).astype(np.float32)}


def run(model: onnx.ModelProto, inputs) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return dict(zip([value.name for value in session.get_outputs()], session.run(None, inputs), strict=True))


@pytest.mark.parametrize(
    ("body", "reads"),
    [
        pytest.param("a = Shape (x) y = Cast <to = 1> (a)", False, id="shape"),
        pytest.param("a = Shape (x) b = Cast <to = 1> (a) y = Add (b, x)", True, id="values"),
        pytest.param(
            "c = Constant <value = bool {1}> () "
            "y = If (c) <then_branch = t () => (float[2] p) { p = Relu (x) },"
            " else_branch = e () => (float[2] q) { q = Abs (x) }>",
            True,
            id="within-a-branch",
        ),
    ],
)
def test_reads_inputs(body, reads):
    """A node that takes an input, and not its shape alone, reads its values."""
    model = parse_model('<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (float[N] y) {%s}' % body)  # noqa: UP031
    assert reads_inputs(read_graph(model)) == reads


class TestWide:
    """Every float is float64."""

    def test_values(self):
        """The outputs are nearer to the exact ones than float32 is."""
        x = {"x": PICTURE["x"].astype(np.float64)}
        found = of_model(in_float64(parse_model(LAYERS))).run(x)["y"]
        kernel, matrix = np.float32(0.1).astype(np.float64), np.float32(0.3).astype(np.float64)
        padded = np.pad(x["x"], [(0, 0), (0, 0), (1, 1), (1, 1)])
        sums = [kernel * padded[0, :, i : i + 3, j : j + 3].sum() for i in (0, 3) for j in (0, 3)]
        exact = max(0.0, 3 * sum(sums) * matrix)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, np.full((1, 36), exact), rtol=1e-14)

    @pytest.mark.parametrize(
        "body",
        [
            "a = Cast <to = 10> (x) y = Cast <to = 1> (a)",
            "a = Constant <value_float = 0.1> () y = Add (x, a)",
            "a = Constant <value_floats = [0.1, 0.2]> () y = Add (x, a)",
            "a = Constant <value = float[2] {0.1, 0.2}> () y = Add (x, a)",
            "s = Shape (x) a = ConstantOfShape <value = float[1] {0.1}> (s) y = Add (x, a)",
            "c = Constant <value = bool {1}> () y = If (c) <then_branch = t () => (float[2] z) "
            "{ z = Cast <to = 1> (x) }, else_branch = e () => (float[2] w) { w = Neg (x) }>",
        ],
        ids=["cast", "number", "numbers", "tensor", "fill", "branch"],
    )
    def test_nothing_is_narrow(self, body):
        """Casts, constants and branches give float64."""
        model = parse_model(f'<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (float[2] y) {{ {body} }}')
        assert of_model(in_float64(model)).run({"x": np.array([1 / 3, 1e-9])})["y"].dtype == np.float64
        assert model == parse_model(
            f'<ir_version: 8, opset_import: ["": 17]> g (float[2] x) => (float[2] y) {{ {body} }}'
        )


class TestMoved:
    """Results are moved by a few units of their last place."""

    def test_size(self):
        """The outputs differ, by rounding."""
        own, other = run(parse_model(LAYERS), PICTURE)["y"], run(moved(parse_model(LAYERS)), PICTURE)["y"]
        distance = np.abs(own - other).max() / np.abs(own).max()
        assert 2**-24 < distance < 2**-18

    @pytest.mark.parametrize("body", ["y = Relu (x)", "a = Transpose (x) y = Transpose (a)", "y = Floor (x)"])
    def test_exact(self, body):
        """What rounds nothing stays."""
        text = f'<ir_version: 8, opset_import: ["": 17]> g (float[2, 2] x) => (float[2, 2] y) {{ {body} }}'
        assert list(moved(parse_model(text)).graph.node) == list(parse_model(text).graph.node)

    def test_whole_numbers(self):
        """Whole numbers stay, which sizes are computed of."""
        text = '<ir_version: 8, opset_import: ["": 17]> g (float[3] x) => (float[3] y) { y = Add (x, x) }'
        x = {"x": np.array([1, 2.5, 3.3], np.float32)}
        found = run(moved(parse_model(text)), x)["y"]
        assert (found[:2] == [2, 5]).all()
        assert found[2] != np.float32(6.6)

    @pytest.mark.parametrize("dtype", ["float16", "double"])
    def test_dtypes(self, dtype):
        """Other floats are moved, too."""
        text = f'<ir_version: 8, opset_import: ["": 17]> g ({dtype}[9] x) => ({dtype}[9] y) {{ y = Mul (x, x) }}'
        x = np.linspace(1.1, 2, 9, dtype={"double": "float64"}.get(dtype, dtype))
        found = run(moved(parse_model(text)), {"x": x})["y"]
        assert (found != x * x).any()
        np.testing.assert_allclose(found, x * x, rtol=5 * np.finfo(x.dtype).eps)


def test_work():
    """Products are counted from the shapes of a run."""
    model = parse_model(LAYERS)
    work = work_of(model, shapes_of(run(with_shapes(model), PICTURE)))
    assert work.flops == 2 * (12 * 18 + 4 * 12) + 8 * (12 + 12 + 4 + 36 + 36)
    assert work.loops == 0


def test_loops():
    """Operators that the reference evaluator runs in loops are counted by the values that they make."""
    body = "(float[1, 2, 6, 6] x) => (float[1, 2, 5, 5] y) { y = AveragePool <kernel_shape = [2, 2]> (x) }"
    model = parse_model(f'<ir_version: 8, opset_import: ["": 17]> g {body}')
    assert work_of(model, shapes_of(run(with_shapes(model), PICTURE))).loops == LOOPS["avg_pool2d"] * 50


class TestShapes:
    """The shapes of a run, without one where onnx infers them."""

    RESHAPED = """
    <ir_version: 8, opset_import: ["": 17]>
    g (float[n, 4] x) => (float[m] y) <int64[1] flat = {-1}>
    { stale = Relu (x) size = Shape (stale) same = Reshape (stale, size) y = Reshape (same, flat) }
    """
    CHOSEN = '<ir_version: 8, opset_import: ["": 17]> g (float[n] x) => (int64[1, m] y) { y = NonZero (x) }'

    def test_inferred(self):
        """They are those of a run, whatever a tool has declared of other sizes."""
        model, x = parse_model(self.RESHAPED), {"x": np.ones((5, 4), np.float32)}
        seen = shapes_of(run(with_shapes(model), x))
        model.graph.value_info.append(make_tensor_value_info("stale", TensorProto.FLOAT, [3, 4]))
        assert shapes_at(model, {"x": (5, 4)}) == seen

    @pytest.mark.parametrize(("text", "values"), [(RESHAPED, 20 + 20 + 2 + 20), (CHOSEN, 3)])
    def test_work(self, tmp_path, text, values):
        """Where onnx cannot infer one, the file runs for them."""
        onnx.save(parse_model(text), tmp_path / "model.onnx")
        x = {"x": np.array([0, 1, 2, 0, 3], np.float32) if text is self.CHOSEN else np.ones((5, 4), np.float32)}
        assert OnnxModel(tmp_path / "model.onnx").work(x).flops == 8 * values


def test_figures():
    """Inner values are seen by shape, sum, weighted sum, sum of absolutes and of squares."""
    found = run(with_figures(parse_model(LAYERS)), PICTURE)
    y = run(parse_model(LAYERS), PICTURE)["y"].astype(np.float64).ravel()
    np.testing.assert_array_equal(found[SHAPE + "y"], [1, 36])
    wanted = [y.sum(), (y * np.arange(36)).sum(), np.abs(y).sum(), (y * y).sum()]
    np.testing.assert_allclose(found[FIGURES + "y"], wanted, rtol=1e-6)
    assert {FIGURES + name for name in "abcd"} <= set(found)


class TestModel:
    """`OnnxModel` is what a PyTorch model is elsewhere."""

    def test_runs(self, tmp_path):
        """The runs agree up to rounding."""
        model = OnnxModel(write(tmp_path / "model.onnx"), None)
        own, exact = model.run(EXAMPLE), model.run_in_float64(EXAMPLE)
        others = [model.run_rounded_at_random(EXAMPLE), *model.runs_in_other_ways(EXAMPLE)]
        assert len(others) >= 3
        for name in own:
            assert exact[name].dtype == np.float64
            for other in (exact, *others):
                np.testing.assert_allclose(other[name], own[name], atol=1e-6)

    def test_refused(self, tmp_path):
        """Inputs that the file does not take are refused."""
        model = OnnxModel(write(tmp_path / "model.onnx"))
        with pytest.raises(RefusalError, match="out of data bounds"):
            model.run(EXAMPLE | {"label": np.array([3, 99])})


class FakeModel:
    """A model whose other ways are given."""

    def __init__(self, *ways):
        self.ways = ways

    def run(self, inputs):
        return {"y": np.arange(1, 33, dtype=np.float32)}

    def run_rounded_at_random(self, inputs):
        return {"y": self.run(inputs)["y"] * np.float32(1 + 1e-6)}

    def runs_in_other_ways(self, inputs):
        return [{"y": self.run(inputs)["y"] * np.float32(way)} for way in self.ways]


class TestSpread:
    """Without float64 the spread of the original's own outputs is the scale of rounding."""

    def test_share(self):
        """It is how far moved results are."""
        assert Spread(FakeModel(), {})["y"] == pytest.approx(1e-6, rel=0.1)

    @pytest.mark.parametrize(("way", "is_rounding"), [(1 + 2e-6, True), (1 + 1e-5, False), (1.5, False)])
    def test_other_way(self, way, is_rounding):
        """Another way is rounding if it is not much farther; else it is a fault, which must not hide others."""
        model = FakeModel(way)
        found = other_ways(model, {}, model.run({}), {"y": 1e-6})()
        assert len(found) == 3 + is_rounding
        assert SLACK * 1e-6 < 1e-5

    def test_other_values(self):
        """Integers have to be equal."""
        assert shares({"y": np.arange(3)}, {"y": np.arange(3)}) == {}
