"""`--where`: the table of where a lossy file's loss is made has figures that can be computed by hand."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.parser import parse_model
from torch import nn

import onnxproof
from onnxproof.case import Case
from onnxproof.cli import main
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.reference import of_model
from onnxproof.graph.explicit import written_out
from onnxproof.graph.facts import read_graph
from onnxproof.graph.load import load_model
from onnxproof.locating import losses
from onnxproof.locating.lanes import Lanes, Reading
from onnxproof.locating.losses import losses_of
from onnxproof.locating.measuring import Measured
from onnxproof.locating.twin import Twins, twins_of
from onnxproof.parity.metrics import decibels, noise_to_signal
from onnxproof.report.page import page
from onnxproof.report.runs import Run
from onnxproof.results import FileLosses, NodeLoss, Results, read_results
from tests.harness.by_hand import FILE, scale_case
from tests.harness.lossy import RIGHT, written

LOSS = "sqnr >= 10 dB in 95%"
TWO_LAYERS = """
<ir_version: 9, opset_import: ["": 17]>
g (float[rows, 4] x) => (float[rows, 4] y)
<float sx = {%(sx)s}, int8 zx = {0}, int8[4, 4] a = {%(a)s}, float sa = {%(sa)s}, int8 z = {0},
 int8[4, 4] b = {%(b)s}, float sb = {%(sb)s}, float sy = {0.001}>
{
  qx = QuantizeLinear (x, sx, zx) dx = DequantizeLinear (qx, sx, zx)
  wa = DequantizeLinear (a, sa, z) first = MatMul (dx, wa)
  wb = DequantizeLinear (b, sb, z) y = MatMul (first, wb)
}
"""
SIZES = {"sx": 0.03, "sa": 0.01, "sb": 0.02}
WEIGHTS = np.random.default_rng(1).normal(size=(2, 4, 4))
INTEGERS = [np.clip(np.round(each / SIZES[name]), -128, 127) for each, name in zip(WEIGHTS, ("sa", "sb"), strict=True)]


class TwoLayers(nn.Module):
    """The model of `TWO_LAYERS`."""

    def __init__(self):
        super().__init__()
        self.a, self.b = (nn.Linear(4, 4, bias=False) for _ in range(2))
        with torch.no_grad():
            for layer, weight in zip((self.a, self.b), WEIGHTS, strict=True):
                layer.weight.copy_(torch.from_numpy(weight.T))

    def forward(self, x):
        return self.b(self.a(x))


def two_layers(**changes):
    """The text of the file, with other integers or scales."""
    texts = {name: ", ".join(map(str, map(int, np.ravel(each)))) for name, each in zip("ab", INTEGERS, strict=True)}
    return TWO_LAYERS % {**texts, **SIZES, **changes}


def case(count=3, **options):
    samples = [{"x": np.random.default_rng(index).normal(size=(5, 4)).astype(np.float32)} for index in range(count)]
    return Case(TwoLayers(), samples[0], {"x": {0: "rows"}}, **{"samples": samples, "loss": LOSS, **options})


def by_node(found):
    return {row.node: row for row in found.rows}


class TestFigures:
    """Each figure is that of the formula."""

    @pytest.fixture
    def found(self, given):
        return by_node(losses_of(given(case(), two_layers())))

    def mean(self, part):
        return math.sqrt(np.mean([part(each["x"].astype(np.float64)) ** 2 for each in case().samples]))

    def test_own(self, found):
        """A node's own error is that of its weights, on inputs of the float64 run; a rounded input has a row."""
        exact = [weight.astype(np.float32).astype(np.float64) for weight in WEIGHTS]
        rounded = [each * np.float32(SIZES[name]) for each, name in zip(INTEGERS, ("sa", "sb"), strict=True)]
        first = self.mean(lambda x: noise_to_signal(x @ rounded[0], x @ exact[0]))
        second = self.mean(lambda x: noise_to_signal(x @ exact[0] @ rounded[1], x @ exact[0] @ exact[1]))
        image = self.mean(lambda x: noise_to_signal(np.clip(np.round(x / 0.03), -128, 127) * 0.03, x))
        assert (found["first"].own, found["y"].own) == pytest.approx((first, second), rel=1e-4)
        assert found["x"].own == found["x"].accumulated == pytest.approx(image, rel=1e-4)

    def test_gain(self, found):
        """The gain is that of the file whose node has the model's own weights."""
        exact = [weight.astype(np.float32).astype(np.float64) for weight in WEIGHTS]
        rounded = [each * np.float32(SIZES[name]) for each, name in zip(INTEGERS, ("sa", "sb"), strict=True)]

        def error(first, second):
            def part(x):
                taken = np.clip(np.round(x / 0.03), -128, 127) * 0.03
                return noise_to_signal(taken @ first @ second, x @ exact[0] @ exact[1])

            return decibels(self.mean(part))

        assert found["first"].gain == pytest.approx(error(exact[0], rounded[1]) - error(*rounded), abs=1e-3)
        assert found["y"].gain == pytest.approx(error(rounded[0], exact[1]) - error(*rounded), abs=1e-3)

    def test_clipped(self, given):
        """The clipped part is that of the values beyond the integers' range."""
        found = by_node(losses_of(given(case(), two_layers(sx=0.01))))
        x = np.concatenate([each["x"].ravel() for each in case().samples])
        assert found["x"].clipped == pytest.approx(np.mean((np.round(x / 0.01) > 127) | (np.round(x / 0.01) < -128)))
        assert found["first"].clipped is None

    def test_whole(self, given):
        """The error is that of the file; with the model's weights in float64 nothing of it is left."""
        found = losses_of(given(case(), two_layers()))
        assert found.format == "int8"
        assert found.samples == ["samples[0]", "samples[1]", "samples[2]"]
        assert found.rest < 1e-6 < found.error
        assert found.told == f"int8, 3 samples: an error of {100 * found.error:.2g} %."

    def test_modules(self, found):
        """A node that the file does not name is called by the module whose weights it takes."""
        assert (found["first"].module, found["y"].module, found["x"].op_type) == ("a", "b", "input")


class TestFirstRow:
    """The node that was made bad is the first row."""

    @pytest.mark.parametrize(
        ("changes", "first"), [({"sa": 0.0104}, "first"), ({"sb": 0.0208}, "y"), ({"sx": 0.01}, "x")]
    )
    def test_one_bad(self, given, changes, first):
        """A scale that is 4 % off, or too small: each moves its own node up, and the right file has another first."""
        assert losses_of(given(case(), two_layers(**changes))).rows[0].node == first

    def test_another_graph(self, given):
        """What no rounding explains is said: it is in no row."""
        text = two_layers().replace("y = MatMul (first, wb)", "z1 = Neg (first) y = MatMul (z1, wb)")
        found = losses_of(given(case(), text))
        assert found.rest == pytest.approx(2, abs=1e-3)
        assert "the file computes something else than the model" in found.told
        assert "something else" not in losses_of(given(case(), two_layers())).told

    def test_not_finite(self, given):
        """A node whose value is too large for float16 comes first, whatever it gains."""
        text = """
        <ir_version: 9, opset_import: ["": 17]>
        g (float[rows, 4] x, float[1] factor) => (float[rows, 4] scaled, float[rows] total)
        <float size = {60000}, float[1] two = {2}, int64[1] last = {1}>
        {
          large = Cast <to = 10> (size) h = Cast <to = 10> (x)
          up = Mul (h, large) down = Div (up, large) back = Cast <to = 1> (down)
          scaled = Mul (back, factor) total = ReduceSum <keepdims = 0> (x, last)
        }
        """
        row = losses_of(given(scale_case(loss=LOSS), text)).rows[0]
        assert (row.node, row.own) == ("up", math.inf)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A right file of a format, by its id."""
    make = written(tmp_path_factory.mktemp("losses"))
    subjects = {subject.id: subject for subject in RIGHT}

    def get(id):
        if "-float16" in id:
            pytest.importorskip("onnxconverter_common")
        return make(subjects[id])

    return get


@pytest.mark.proof
class TestFormats:
    """Files of each tool are read so that in float64, with the model's weights, they are the model."""

    @pytest.mark.parametrize("id", [subject.id for subject in RIGHT])
    def test_rest(self, file, monkeypatch, id):
        """Nothing is left to explain: removed activations and folded normalizations are understood."""
        monkeypatch.setattr(losses, "MOST_SAMPLES", 2)
        found = losses_of(file(id))
        assert not found.problem
        assert found.rest < 1e-4 < found.error
        assert found.rows[0].gain > 0

    def test_written_out(self, file):
        """Operators on integers are the same between floats: as ONNX Runtime has them, up to a step."""
        conversion = file("residual-operators")
        assert {node.op_type for node in conversion.graph.nodes} >= {"QLinearConv", "QLinearAdd", "QGemm"}
        parts = [part for part, _ in written_out(load_model(conversion.file.path))]
        assert not any(part.op_type.startswith(("QLinear", "QGemm")) for part in parts)
        self.require_same(conversion, OnnxRuntime().open(conversion.file.path), 0.02)

    def test_integer_products(self, file):
        """Products of integers, with scales that are computed, are those of the reference evaluator."""
        conversion = file("classifier-dynamic")
        self.require_same(conversion, of_model(load_model(conversion.file.path)), 1e-5)

    def require_same(self, conversion, session, most):
        lanes = Lanes(load_model(conversion.file.path), Reading(), twins_of(conversion.graph, conversion.case))
        feeds = conversion.feeds(conversion.case.inputs)
        _, ours = Measured(lanes, is_narrow=False).add(feeds)
        for own, theirs in zip(ours.values(), session.run(feeds).values(), strict=True):
            assert noise_to_signal(own, theirs) <= most

    def test_original_is_a_file(self, file):
        """A file beside the one that it was made of has the same table, by the weights of that."""
        conversion = file("classifier-qdq")
        own = conversion.case
        before = Case(conversion.file.path.with_name("before.onnx"), own.inputs, samples=own.samples, loss=own.loss)
        (finding,) = onnxproof.check(before, file=conversion.file.path, only=["loss-kept"], where=True)
        theirs = losses_of(conversion)
        assert finding.losses.error == pytest.approx(theirs.error, rel=1e-3)
        assert [row.node for row in finding.losses.rows] == [row.node for row in theirs.rows]


class TestWrittenOut:
    """An operator on integers is one on floats, between a DequantizeLinear and a QuantizeLinear."""

    @pytest.mark.parametrize(
        ("operator", "inputs"),
        [
            ("QLinearSigmoid", "x, s, z, t, z"),
            ("QLinearSoftmax <axis = 1, opset = 13>", "x, s, z, t, z"),
            ("QLinearLeakyRelu <alpha = 0.5>", "x, s, z, t, z"),
            ("QLinearGlobalAveragePool <channels_last = 0>", "x, s, z, t, z"),
            ("QLinearMul", "x, s, z, x, s, z, t, z"),
            ("QLinearAdd", "x, s, z, x, t, z, s, z"),
            ("QLinearConcat <axis = 1>", "t, z, x, s, z, x, t, z"),
        ],
        ids=lambda text: text.partition(" ")[0] if "Linear" in text else "",
    )
    def test_operators(self, tmp_path, operator, inputs):
        """Each operator between floats has ONNX Runtime's integers, up to one."""
        model = parse_model(
            f"""
            <ir_version: 9, opset_import: ["": 17, "com.microsoft": 1]>
            g (uint8[1, 4, 3, 3] x) => (uint8[a, b, c, d] y)
            <float s = {{0.03}}, float t = {{0.011}}, uint8 z = {{100}}>
            {{ y = com.microsoft.{operator} ({inputs}) }}
            """
        )
        onnx.save(model, tmp_path / "one.onnx")
        feeds = {"x": np.random.default_rng(0).integers(0, 256, (1, 4, 3, 3), np.uint8)}
        (theirs,) = OnnxRuntime().open(tmp_path / "one.onnx").run(feeds).values()
        _, ours = Measured(Lanes(model, Reading(), Twins({}, {}, {})), is_narrow=False).add(feeds)
        assert np.abs(ours["y"].astype(int) - theirs.astype(int)).max() <= 1


class TestBounds:
    """The table is bounded, and says what it left out."""

    @pytest.mark.parametrize(("seconds", "count", "gains"), [(30, 3, 3), (1e-9, 1, 1)])
    def test_budget(self, given, monkeypatch, seconds, count, gains):
        """Fewer samples, and then fewer nodes, are measured where a run costs much."""
        monkeypatch.setattr(losses, "SECONDS", seconds)
        found = losses_of(given(case(), two_layers()))
        assert len(found.samples) == count
        assert sum(row.gain is not None for row in found.rows) == gains
        assert ("of 3" in found.told) == (gains < 3)
        assert [row.gain is None for row in found.rows] == sorted(row.gain is None for row in found.rows)

    def test_memory(self, given):
        """A value is forgotten once no node needs it."""
        lanes = Lanes(parse_model(two_layers()), Reading(), twins_of(read_graph(parse_model(two_layers())), case()))
        assert [{*names} for names in lanes.last_uses] == [{"x"}, {"qx"}, {"dx"}, {"first"}]

    def test_own_inputs(self, given):
        """A case without samples is measured on the inputs of its checks, which is said."""
        found = losses_of(given(case(samples=(), loss=""), two_layers()))
        assert found.samples[0] == "traced"
        assert "They are those of the checks; with `samples` they are what you deploy on." in found.told

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (FILE, "the file is float32, which loses nothing"),
            (FILE.replace("Mul (x", "com.acme.Mul (x").replace("18]", '18, "com.acme": 1]'), "float32"),
        ],
    )
    def test_no_table(self, given, text, problem):
        """Why there is no table is said."""
        assert problem in losses_of(given(scale_case(loss=LOSS), text)).told

    def test_unknown_operator(self, given):
        """A file with an operator that the evaluator does not run has no table."""
        text = two_layers().replace("y = MatMul (first, wb)", "y = com.acme.Mul (first, wb)")
        found = losses_of(given(case(), text.replace('"": 17', '"": 17, "com.acme": 1')))
        assert found.problem.startswith("it cannot be run node by node: onnx reference: ")


class TestDoors:
    """The command, Python and results.json have the table."""

    @pytest.fixture
    def folder(self, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "100")
        onnx.save(parse_model(two_layers()), "int8.onnx")
        text = "from tests.harness.test_losses import case\nmy_case = case()\n"
        (tmp_path / "two_models.py").write_text(text)
        return tmp_path

    COMMAND = ("check", "two_models.py:my_case", "--onnx", "int8.onnx", "--only", "loss-kept")

    def test_table(self, folder, capsys):
        """It is there on demand only."""
        main([*self.COMMAND])
        assert "where the loss is made" not in capsys.readouterr().out
        main([*self.COMMAND, "--where"])
        printed = capsys.readouterr().out
        assert "where the loss is made" in printed
        assert "b (MatMul)" in printed
        assert "int8, 3 samples: an error of " in printed

    def test_narrow(self, folder, capsys, monkeypatch):
        """A narrow terminal has a line each."""
        monkeypatch.setenv("COLUMNS", "60")
        main([*self.COMMAND, "--where"])
        assert "b (MatMul): gain +" in capsys.readouterr().out

    def test_json(self, folder, capsys):
        """results.json has it in full, and is read again; an earlier file without it, too."""
        main([*self.COMMAND, "--where", "--json"])
        text = capsys.readouterr().out
        (folder / "results.json").write_text(text)
        (found,) = read_results("results.json").losses
        assert {row.node for row in found.rows} == {"x", "first", "y"}
        without = {name: value for name, value in json.loads(text).items() if name != "losses"}
        (folder / "results.json").write_text(json.dumps(without))
        assert read_results("results.json").losses == []

    def test_python(self, given):
        """The last finding of a conversion has it, if it is asked for."""
        conversion = given(case(), two_layers())
        asked = {"file": conversion.file.path, "only": ["exports", "loss-kept"]}
        first, last = onnxproof.check(case(), **asked, where=True)
        assert first.losses is None
        assert last.losses.rows
        assert not any(finding.losses for finding in onnxproof.check(case(), **asked))


class TestPage:
    """The page has the table as a chart."""

    def page(self, *rows, **more):
        found = FileLosses("net", "", "int8.onnx", None, "int8", ["samples[0]"], 0.1, 0.0, list(rows), **more)
        finding = onnxproof.check(case(), ["torchscript"], only=["exports"])[0].result()
        finding = replace(finding, case="net", exporter="", file="int8.onnx", opset=None)
        results = Results.of_run({"torch": "2"}, findings=[finding], losses=[found])
        return page([Run("a", Path("results.json"), results)]).decode()

    def test_bars(self):
        """A bar reaches from no gain to the row's."""
        text = self.page(NodeLoss("a", "Conv", "<b>", 0.1, 0.2, 3.0), NodeLoss("c", "Conv", "", 0.1, 0.2, -1.0))
        assert '<rect class="length" x="25.0" width="75.0"' in text
        assert '<rect class="length" x="0.0" width="25.0"' in text
        assert "&lt;b&gt;" in text
        assert "int8, 1 sample: an error of 10 %." in text

    def test_folded(self):
        """Rows after the twentieth are folded."""
        rows = [NodeLoss(f"n{index}", "Conv", "", 0.1, 0.2, None if index > 19 else 1.0) for index in range(23)]
        text = self.page(*rows)
        assert "<summary>3 more</summary>" in text
        assert text.index("n19") < text.index("3 more") < text.index("n20")

    def test_no_table(self):
        """Why there is none is said."""
        assert "cannot be shown: it is float32." in self.page(problem="it is float32")

    def test_phone(self, browser, tmp_path):
        """On a phone nothing is cut off."""
        path = tmp_path / "index.html"
        row = NodeLoss("/encoder/layers.0/attention/MatMul_output_0", "MatMul", "encoder.layers.0", 0.1, 0.2, 3.0)
        path.write_text(self.page(row, replace(row, gain=-1.0, clipped=0.5)))
        tab = browser.new_page(viewport={"width": 390, "height": 800})
        tab.goto(path.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") == 390
        box = tab.locator(".losses .n").last.bounding_box()
        assert box["x"] + box["width"] <= 390
        tab.close()


def test_texts():
    """Figures are short, and what was not measured is empty."""
    row = NodeLoss("y", "Conv", "", 0.01234, 1.5, -0.04, 0.00001)
    assert row.label == "y (Conv)"
    twice = [NodeLoss(node, "Add", "a", 0, 0, name=name) for node, name in (("y", "/a/Add"), ("z", ""))]
    assert FileLosses("net", "", "f", None, rows=[row, *twice]).labels == ["y (Conv)", "/a/Add (Add)", "z (Add)"]
    assert row.figures == ("+0.0 dB", "1.2 %", "150 %", "< 0.01 %")
    assert NodeLoss("y", "Conv", "a", 0, math.inf).figures == ("", "0 %", "inf %", "")
