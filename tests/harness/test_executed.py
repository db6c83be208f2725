"""In which types ONNX Runtime runs a lossy file, and what the engine adds to its loss on the samples."""

import re
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from onnxproof.checks import engine_loss
from onnxproof.checks.check import judge
from onnxproof.checks.engines import engines_agree
from onnxproof.engines import executed
from onnxproof.engines.executed import integers_told, told, types_told
from onnxproof.results import CheckVerdict
from tests.harness.by_hand import FACTOR, FILE, FakeEngine, in_engines, scale_case

LOSS = "agrees >= 99%"
NARROW = """
<ir_version: 9, opset_import: ["": 17]>
g (float[rows, 4] x) => (float[rows, 4] y)
{ h = Cast <to = 10> (x) e = Erf (h) y = Cast <to = 1> (e) }
"""
MIXED = """
<ir_version: 9, opset_import: ["": 17, "com.microsoft": 1]>
g (float16[2, 4] x) => (float[2, 4] y)
{ a = Add (x, x) w = Cast <to = 1> (a) b = com.microsoft.Gelu (w) r = Transpose (b) y = Erf (r) }
"""
PRODUCTS = """
<ir_version: 9, opset_import: ["": 17, "com.microsoft": 1]>
g (%s[2, 4] x, float[2, 4] f) => (float[2, 4] y)
<int8[4, 4] w = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, %s z = {0}, int8 s = {0}, float[4, 4] m = {
 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}>
{ p = MatMulInteger (x, w, z, s) c = Cast <to = 1> (p) d = Add (c, f) y = MatMul (d, m) }
"""


class TestTypes:
    """The types are those of the graph that ONNX Runtime runs."""

    def test_casts(self, tmp_path):
        """A node without a kernel in float16 is run in float32."""
        path = tmp_path / "narrow.onnx"
        onnx.save(parse_model(NARROW), path)
        assert told(path, "float16") == "it computes in float32 throughout"
        assert [node.op_type for node in executed.executed(path).graph.node].count("Erf") == 1

    def test_mixed(self):
        """Nodes are counted by what they give or, of ONNX Runtime's own operators, take; what only moves is not."""
        found = types_told(parse_model(MIXED), "float16")
        assert found == "it computes in float16 in 1 of 3 nodes, in float32 in the others, behind 1 casts"
        whole = MIXED.replace("to = 1>", "to = 10>").replace("=> (float[", "=> (float16[")
        assert types_told(parse_model(whole), "float16") == "it computes in float16 throughout"

    def test_integers(self):
        """Of an int8 file the layers are counted."""
        assert types_told(parse_model(PRODUCTS % ("uint8", "uint8")), "int8") == "1 of 2 layers run on integers"
        assert types_told(parse_model(FILE), "int8") == ""


class TestProcessor:
    """What the processor has for integers is read from its own list."""

    @pytest.mark.parametrize(
        ("text", "types", "expected"),
        [
            ("flags\t: sse2 avx2 avx_vnni avx512_vnni", "uint8", "the processor has avx_vnni, avx512_vnni"),
            ("Features\t: fp asimd asimddp", "uint8", "the processor has asimddp"),
            ("flags\t: sse2 avx2", "uint8", "the processor has no VNNI: products of uint8 by int8 may saturate"),
            ("flags\t: sse2 avx2", "int8", "the processor has no VNNI"),
            ("Features\t: fp asimd", "uint8", ""),
            (None, "uint8", ""),
        ],
    )
    def test_features(self, monkeypatch, tmp_path, text, types, expected):
        """Only products of uint8 by int8 saturate, and only without VNNI; elsewhere nothing is said."""
        if text is not None:
            (tmp_path / "cpuinfo").write_text(f"processor\t: 0\n{text}\n")
        monkeypatch.setattr(executed, "PROCESSOR", tmp_path / "cpuinfo")
        assert integers_told(parse_model(PRODUCTS % (types, types))) == expected


def outputs(inputs, part=0.0):
    return {"scaled": inputs["x"] * inputs["factor"] * np.float32(1 + part), "total": inputs["x"].sum(-1)}


def samples(count):
    draw = (np.random.default_rng(index).normal(size=(6, 4)).astype(np.float32) for index in range(count))
    return [{"x": x, "factor": FACTOR} for x in draw]


class TestEngineLoss:
    """The loss of the engine is that beside the file as it is written, on the samples."""

    @pytest.fixture
    def conversion(self, given):
        """An engine that is off by a hundredth of a file that is off by a tenth, and what happens to a sample."""

        def make(change=lambda found, inputs: found, count=3):
            found = given(scale_case(loss=LOSS, samples=samples(count)), FILE)
            written = FakeEngine(lambda inputs: change(outputs(inputs, 0.1), inputs))
            ours = FakeEngine(lambda inputs: outputs(inputs, 0.1 * 1.01 + 0.01))
            return in_engines(found, reference=written, onnxruntime=ours)

        return make

    def test_figure(self, conversion):
        """Both are ratios to the signal, and the number of samples is said."""
        found = judge(engines_agree, conversion())
        assert found.verdict == CheckVerdict.HOLDS
        assert found.figure == (
            "on 3 samples the engine adds errors 40 dB below the signal; "
            "the file as written has errors 20 dB below the signal"
        )

    def test_budget(self, conversion, monkeypatch):
        """As many samples run as the budget pays for."""
        monkeypatch.setattr(engine_loss, "A_NODE", 0.2)  # the file has two nodes, a fifth of the budget is a second
        assert judge(engines_agree, conversion()).figure.startswith("on 2 samples ")

    def test_not_finite(self, conversion):
        """A sample on which the file as written is infinite fails, though the engine hides it."""
        last = samples(3)[2]["x"][0, 0]

        def change(found, inputs):
            is_last = inputs["x"][0, 0] == last
            return found | {"scaled": found["scaled"] / np.float32(not is_last)} if is_last else found

        with np.errstate(divide="ignore"):
            found = judge(engines_agree, conversion(change))
        assert found.verdict == CheckVerdict.FAILS
        assert re.match(
            r"on samples\[2\] the reference evaluator has another result: output output_0: .*finite", found.problem
        )
        assert found.run.engine == "reference"

    def test_refused(self, conversion):
        """A sample that an engine refuses is left to loss-kept."""

        def change(found, inputs):
            if inputs["x"][0, 0] == samples(1)[0]["x"][0, 0]:
                raise engine_loss.EngineError("no")
            return found

        assert judge(engines_agree, conversion(change)).figure.startswith("on 2 samples ")

    def test_executed(self, given):
        """A file in float16 has the types in which it ran."""
        model = FILE.replace("scaled = Mul (x", "h = Cast <to = 10> (x) w = Cast <to = 1> (h) scaled = Mul (w")
        found = judge(engines_agree, given(scale_case(loss=LOSS, samples=samples(2)), model))
        assert re.fullmatch(r"on 2 samples .*; it computes in float32 throughout", found.figure)
        no_process = given(replace(scale_case(loss=LOSS)), FILE)
        assert "it computes" not in judge(engines_agree, no_process).figure
