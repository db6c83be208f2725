"""Wrong values have a culprit (exporter, optimizer, kernel, or a frozen value) and a smallest size."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx.parser import parse_model
from torch import nn

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.engines import engines_agree
from onnxproof.checks.run import run as check
from onnxproof.checks.values import inputs_live, same_values, same_values_unseen
from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting.export import export
from onnxproof.faults.sizes import batch_as_number
from onnxproof.locating.culprit import smallest_failing, where_it_goes_wrong
from onnxproof.locating.declared import KEEP_A_TENSOR
from onnxproof.locating.frozen import frozen_by_torch
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.files import GivenFile
from onnxproof.probing.probes import resized
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, TORCHSCRIPT, default_opset
from tests import facts
from tests.harness.by_hand import FakeEngine, Gives, in_engines
from tests.harness.good_conversions.making import normal
from tests.harness.good_conversions.sizes import Windows

ROWS = np.linspace(-3, 4, 24, dtype=np.float32).reshape(6, 4)
FILE = """
<ir_version: 8, opset_import: ["": 18]>
g (float[rows, 4] x) => (float[rows, 4] output) <float two = {2}, float one = {1}>
{ double = Mul (x, two) less = Sub (double, one) output = Relu (less) }
"""
WHERE = """
    raised = Sub (double, one) nil = Sub (one, one) high = Less (nil, raised) less = Where (high, raised, nil)
"""


class Net(nn.Module):
    """The file's model in torch."""

    def forward(self, x):
        return (x * 2 - 1).relu()


class Frozen(nn.Module):
    """A model whose Python number is frozen when it is traced."""

    def forward(self, x):
        return x * int(x.shape[0])


class WrongFromEight(nn.Module):
    """A model that differs from the file of `Net` from eight rows on."""

    def forward(self, x):
        return (x * 2 - 1).relu() + float(x.shape[0] >= 8)


def case(model, **options):
    return Case(model, {"x": ROWS}, **{"dynamic": {"x": {0: "rows"}}, **options})


@pytest.fixture
def given(given):
    """A file checked against a model."""
    return lambda model, text=FILE, **options: given(case(model, **options), text)


@pytest.fixture
def broken(given):
    """The right file, in engines of which the named ones return zeros."""

    def make(*names):
        zeros = FakeEngine(lambda inputs: {"output": np.zeros_like(inputs["x"])})
        return in_engines(given(Net()), **dict.fromkeys(names, zeros))

    return make


class Swapping(OnnxRuntime):
    """An ONNX Runtime that swaps the last two inputs of the node that computes `less`."""

    def open(self, path):
        assert path.is_absolute()  # nothing is written to the user's folder
        model = onnx.load(path)
        node = next(node for node in model.graph.node if node.output[0] == "less")
        node.input[-2:] = node.input[:-3:-1]
        onnx.save(model, path.with_name("swapped.onnx"))
        return super().open(path.with_name("swapped.onnx"))


@pytest.fixture
def frozen():
    """The export of a model with a frozen number."""
    return exported(ReferenceModel(case(Frozen())), TORCHSCRIPT)


class TestOpenOrder:
    """A TopK that says no order has another one in each engine: the file is to blame, and no engine."""

    TEXT = """
    <ir_version: 8, opset_import: ["": 18]>
    g (float[rows, 30] x) => (float[rows, 5] output) <int64[1] five = {5}>
    { output, places = TopK <sorted = 0> (x, five) }
    """
    PICKED = np.random.default_rng(0).normal(size=(6, 30)).astype(np.float32)

    @pytest.fixture
    def unsorted(self, tmp_path):
        path = tmp_path / "model.onnx"
        onnx.save(parse_model(self.TEXT), path)
        own = Case(Gives(lambda x: x.topk(5, 1).values), {"x": self.PICKED}, {"x": {0: "rows"}})
        return Conversion(ReferenceModel(own), GivenFile(path))

    def test_told(self, unsorted):
        """The node is named, with what to do."""
        finding = judge(same_values, unsorted)
        assert "the file: its TopK → output has sorted=0, which leaves the order to each engine" in finding.problem
        assert finding.advice == "Export it again, or set the node's attribute `sorted` to 1."
        assert finding.node == "output"

    def test_no_engine(self, unsorted):
        """Engines need not agree on it."""
        assert judge(engines_agree, unsorted).verdict == CheckVerdict.NOT_JUDGED


class TestOptimizer:
    """Values that are wrong only with optimization are the optimizer's fault."""

    def test_told(self, broken):
        """The optimizer is named, with what to do."""
        conversion = broken("onnxruntime")
        found = where_it_goes_wrong(conversion, conversion.model.traced)
        assert found.text == "ONNX Runtime's graph optimizer: without it the values are right"
        assert found.advice == "Lower graph_optimization_level, and report the model to onnxruntime."

    def test_in_the_finding(self, broken):
        """The check's problem names it last."""
        assert judge(same_values, broken("onnxruntime")).problem.endswith("without it the values are right")

    def test_right(self, broken):
        """A right file has no problem."""
        assert judge(same_values, broken()).problem == ""


class TestKernel:
    """If the reference evaluator is right, a kernel of ONNX Runtime is wrong."""

    @pytest.fixture
    def kernel(self, broken):
        """The culprit of a model's wrong values in `Swapping`."""

        def find(model):
            conversion = broken()
            onnx.save(model, conversion.file.path)
            conversion = in_engines(conversion, onnxruntime=Swapping(), unoptimized=Swapping())
            return where_it_goes_wrong(conversion, conversion.model.traced)

        return find

    @pytest.mark.skipif(not facts.reference_evaluator_gives_inner_values, reason="this onnx gives no inner values")
    @pytest.mark.parametrize(
        ("text", "node"),
        [
            pytest.param(FILE, "Sub → less, from double float32 (6, 4) in -6..8, one float32 () in 1..1", id="numbers"),
            pytest.param(
                FILE.replace("less = Sub (double, one)", WHERE),
                "Where → less, from high bool (6, 4), raised float32 (6, 4) in -7..7, nil float32 () in 0..0",
                id="booleans",
            ),
        ],
    )
    def test_node(self, kernel, text, node):
        """Only the first node that departs is named, with its inputs."""
        found = kernel(parse_model(text))
        told = "a kernel of ONNX Runtime: the reference evaluator is right; the first node that departs is "
        assert found.text == told + node
        assert found.node == node.partition("→ ")[2].partition(",")[0]
        assert found.advice == "Try another opset or provider, and report the model to onnxruntime."

    @pytest.mark.skipif(not facts.reference_evaluator_gives_inner_values, reason="this onnx gives no inner values")
    def test_output_left_out(self, kernel):
        """An output that a node leaves out is not compared."""
        model = parse_model(FILE.replace("double = Mul (x", "kept, mask = Dropout (x) double = Mul (kept"))
        model.graph.node[0].output[1] = ""
        assert "the first node that departs is Sub → less" in kernel(model).text

    def test_no_kernel(self):
        """A dtype that ONNX Runtime has no kernel for is no wrong kernel."""
        conversion = exported(
            ReferenceModel(case(Gives(lambda x: (x.bfloat16() @ x.T.bfloat16()).float()))), TORCHSCRIPT
        )
        finding = judge(same_values, conversion)
        assert "; ONNX Runtime lacks a kernel: the reference evaluator is right" in finding.problem
        for each in (finding, judge(engines_agree, conversion)):
            assert each.advice.endswith("or compute in another dtype, such as float32 without autocast.")

    def test_no_node(self, broken):
        """If no inner value departs, none is named."""

        class RightInside(OnnxRuntime):
            def open(self, path):
                return zeros if path == conversion.file.path else super().open(path)

        conversion = broken("onnxruntime", "unoptimized")
        zeros = conversion.engines["onnxruntime"]
        conversion.engines["unoptimized"] = RightInside()
        assert where_it_goes_wrong(conversion, conversion.model.traced).text.endswith(
            "the reference evaluator is right"
        )

    def test_inner_values_are_refused(self, broken):
        """If an engine refuses to compute inner values, only the node's name is missing."""

        class Choosy(FakeEngine):
            def open(self, path):
                return self if path == conversion.file.path else 1 / 0

        conversion = broken("onnxruntime")
        conversion = in_engines(conversion, unoptimized=Choosy(lambda inputs: {"output": inputs["x"] * 0}))
        conversion.engines["onnxruntime"] = conversion.engines["unoptimized"]
        assert where_it_goes_wrong(conversion, conversion.model.traced).text.endswith(
            "the reference evaluator is right"
        )


class TestFile:
    """If every engine is wrong, the file is."""

    def test_every_engine(self, broken):
        """If each engine is wrong, it is the file, not a kernel."""
        conversion = broken("onnxruntime", "unoptimized", "reference")
        assert where_it_goes_wrong(conversion, conversion.model.traced).text.startswith("the file: ")

    def test_given(self, given):
        """A given file is itself to blame."""
        conversion = given(Net(), FILE.replace("Sub (", "Add ("))
        text = where_it_goes_wrong(conversion, conversion.model.traced).text
        assert text == "the file: it is wrong in the reference evaluator too"

    def test_exporter(self):
        """An exporter is to blame for its file on the traced inputs."""
        conversion = exported(ReferenceModel(case(Net())), TORCHSCRIPT)
        onnx.save(parse_model(FILE.replace("Sub (", "Add (")), conversion.file.path)
        found = where_it_goes_wrong(conversion, conversion.model.traced)
        assert found.text == "the torchscript exporter: the file is wrong in the reference evaluator too"
        assert found.advice == (
            "Try another opset or the other exporter; a hand-written symbolic or translation is part of the exporter."
        )


class Normed(nn.Module):
    """A model that computes something else in training mode."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.norm.running_mean.fill_(0.5)

    def forward(self, x):
        return self.norm(x)


class TestTraining:
    """A model that was left in training mode is responsible for what differs in eval mode."""

    @pytest.mark.parametrize("exporter", EXPORTERS)
    def test_reported(self, exporter):
        """The exporter is not blamed: the model is to be put into eval mode."""
        model = Normed()
        found = judge(same_values, exported(ReferenceModel(case(model)), exporter))
        assert found.problem.endswith("; the model is in training mode: the file is what it computes in eval mode")
        assert found.advice == "Call `model.eval()` before you make the case."
        assert model.training

    def test_eval(self):
        """In eval mode the file is right."""
        assert judge(same_values, exported(ReferenceModel(case(Normed().eval())), TORCHSCRIPT)).problem == ""

    def test_wrong_in_eval_mode_too(self, given):
        """A file that is wrong in eval mode too has another culprit."""
        text = given(Normed(), FILE.replace("Sub (", "Add ("))
        assert judge(same_values, text).problem.endswith("; the file: it is wrong in the reference evaluator too")


class Searches(nn.Module):
    """Attention of torch's own, in front of which a size may become a Python number."""

    def __init__(self, freezes):
        super().__init__()
        self.attention, self.freezes = nn.MultiheadAttention(4, 2, batch_first=True), freezes

    def forward(self, x):
        return self.attention(x, x, x)[0] * (int(x.shape[1]) if self.freezes else 1)


class TestFrozenByTorch:
    """A size that a module of torch froze is not looked for in the model's own code."""

    @pytest.fixture
    def conversion(self):
        """The conversion of a model, whose length is dynamic."""

        def made(freezes=False, exporter=TORCHSCRIPT):
            inputs = {"x": normal(2, 6, 4)}
            model = ReferenceModel(Case(Searches(freezes).eval(), inputs, dynamic={"x": {1: "length"}}))
            return exported(model, exporter)

        return made

    @staticmethod
    def refusal(conversion):
        name = next(node.name for node in conversion.graph.nodes if node.name.startswith("/attention/"))
        return f"onnxruntime: Non-zero status code. Name:'{name}' Status Message: no"

    def test_named(self, conversion):
        """The module is named, and the other exporter."""
        found = conversion()
        advice = frozen_by_torch(found, self.refusal(found))
        assert advice.startswith("Try the other exporter: ")
        assert "torch's own MultiheadAttention, attention, and the tracer warned of nothing" in advice

    def test_own_number(self, conversion):
        """The tracer warned of the model's own code."""
        found = conversion(freezes=True)
        assert found.file.own_warnings
        assert frozen_by_torch(found, self.refusal(found)) == ""

    @pytest.mark.parametrize("message", ["no node is named", "Name:'/Mul' Status", "Name:'/nowhere/Mul' Status"])
    def test_elsewhere(self, conversion, message):
        """Nor is a node of the model itself, one of no module, and no node at all."""
        assert frozen_by_torch(conversion(), message) == ""

    @pytest.mark.skipif(not facts.torch_export_is_default, reason="an older exporter may keep the length free")
    def test_findings(self, conversion):
        """Both checks that fail say so, without the tracer's lines in torch."""
        found = conversion()
        seen = {check_of: judge(check_of, found) for check_of in (inputs_live, same_values_unseen)}
        for finding in seen.values():
            assert "the node that refuses it is in torch's own MultiheadAttention" in finding.advice
        assert seen[inputs_live].evidence == ""
        assert seen[same_values_unseen].evidence == "It stops at a Reshape of `attention`, a MultiheadAttention."


class Fours(nn.Module):
    """Rows in windows of four; the padding of other heights is in no file."""

    def forward(self, x):
        missing = -x.shape[2] % 4
        padded = nn.functional.pad(x, (0, 0, 0, missing)) if missing else x
        return padded.view(len(x), 3, -1, 4, x.shape[3]).flatten(2, 3)[:, :, : x.shape[2]]


class Normalized(nn.Module):
    """Divides by the height, which a tracer takes for a number; at a height of 1 it changes nothing."""

    def forward(self, x):
        return x / float(x.shape[2])


class TestModule:
    """What is frozen is told with the module that it is in, and the line of source where the file has it."""

    @pytest.fixture
    def evidence(self):
        """The evidence of `same-values-unseen` for a module between two others."""

        def found(module, exporter):
            network = nn.Sequential(nn.Conv2d(3, 3, 1), module, nn.Conv2d(3, 3, 1)).eval()
            case = Case(network, {"image": normal(2, 3, 8, 12)}, dynamic={"image": {2: "height", 3: "width"}})
            return judge(same_values_unseen, exported(ReferenceModel(case), exporter)).evidence

        return found

    def test_departs(self, evidence):
        """The smallest failing size is 1, at which the module's output is its input: another one tells."""
        line = Normalized.forward.__code__.co_firstlineno
        place = f"{Path(__file__).relative_to(Path.cwd())}:{line + 1}"
        found = evidence(Normalized(), TORCHSCRIPT)
        assert found.startswith(f"`1` (Normalized), {place}, is the first module whose output departs: ")
        assert found.endswith(f"The tracer warned at {place}: `return x / float(x.shape[2])`")

    def test_stops(self, evidence):
        """A file that does not run names the module of the node at which it stops."""
        assert evidence(Fours(), TORCHSCRIPT).startswith("It stops at a Reshape of `1`, a Fours.")

    @pytest.mark.skipif(not facts.torch_export_is_default, reason="an older exporter writes no stack traces")
    def test_line(self, evidence):
        """By torch.export, its line too."""
        line = Fours.forward.__code__.co_firstlineno + 3
        told = evidence(Fours(), TORCH_EXPORT)
        assert told.startswith("It stops at a Reshape of `1`, a Fours, from ")
        assert f"test_culprit.py:{line}: `return padded.view(" in told


class Peaks(nn.Module):
    """The largest value of each picture that a convolution makes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)

    def forward(self, x):
        made = self.conv(x)
        return made.flatten(2).view(made.shape).amax((2, 3))


def test_operation_of_many_nodes():
    """An operation that is written as several nodes departs at the one that has its shape, not at the first."""
    torch.manual_seed(0)
    right = exported(ReferenceModel(Case(Peaks().eval(), {"x": normal(2, 1, 8, 7)})), TORCHSCRIPT)
    model = onnx.load(right.file.path)
    next(node for node in model.graph.node if node.op_type == "ReduceMax").op_type = "ReduceMin"
    onnx.save(model, right.file.path)
    finding = judge(same_values, right.of_file(right.file.path))
    assert finding.evidence.startswith("`amax` of the model's own forward, ")
    assert "is the first operation whose output departs; " not in finding.evidence
    assert "its shape is" not in finding.evidence
    assert "ReduceMin → " in finding.evidence


class Shifted(nn.Module):
    """Adds what it makes of a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0, 3, 4))

    def forward(self, x):
        shift = self.weight.exp()
        return x + shift


def test_constant():
    """Where no node of the file makes a constant, it is only said where that is made, and the others to be right."""
    right = exported(ReferenceModel(case(Shifted().eval())), TORCHSCRIPT)
    model = onnx.load(right.file.path)
    next(node for node in model.graph.node if node.op_type == "Exp").op_type = "Sin"
    onnx.save(model, right.file.path)
    finding = judge(same_values, right.of_file(right.file.path))
    line = Shifted.forward.__code__.co_firstlineno + 1
    assert "; its computed inputs are right. " in finding.evidence
    assert finding.evidence.endswith(f" A constant that it takes is made at tests/harness/test_culprit.py:{line}.")


class Attends(nn.Module):
    """A layer whose fused kernel sets masked positions to zero."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1)

    def forward(self, x, mask):
        return self.layers(x, src_key_padding_mask=mask == 0)


@pytest.mark.skipif(not hasattr(torch.backends, "mha"), reason="the installed torch cannot switch the fast path off")
class TestFastPath:
    """What torch's fused attention sets to zero is not the exporter's fault."""

    MASK = np.array([[1, 1, 1], [1, 1, 0]])

    @pytest.fixture
    def finding(self):
        """The finding on a file whose model has the fast path on or off."""

        def judged(is_on):
            torch.backends.mha.set_fastpath_enabled(is_on)
            torch.manual_seed(0)
            inputs = {"x": ROWS.reshape(2, 3, 4), "mask": self.MASK}
            return judge(same_values, exported(ReferenceModel(Case(Attends().eval(), inputs)), TORCHSCRIPT))

        yield judged
        torch.backends.mha.set_fastpath_enabled(True)

    @pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
    def test_on(self, finding):
        """The fast path is named, and how it is switched off; it is on afterwards."""
        found = finding(True)
        assert found.problem.endswith(
            "; torch's fast path of attention, which no file has: without it the model has the file's values"
        )
        assert found.advice.startswith("Call `torch.backends.mha.set_fastpath_enabled(False)`")
        assert torch.backends.mha.get_fastpath_enabled()

    def test_off(self, finding):
        """Without it the file is right."""
        assert finding(False).problem == ""


class SumsByInt32(torch.autograd.Function):
    """Sums along an axis that is given in int32, where ONNX takes int64 alone."""

    @staticmethod
    def symbolic(g, x):
        return g.op("ReduceSum", x, g.op("Constant", value_t=torch.tensor([1], dtype=torch.int32)), keepdims_i=1)

    @staticmethod
    def forward(ctx, x):
        return x.sum(1, keepdim=True)


class TestDeclared:
    """A file that asks for something else than the case has is to blame for that alone."""

    def test_ill_formed(self):
        """An exporter's file that onnx's checker refuses need not run in any engine, though the evaluator runs it."""
        conversion = exported(ReferenceModel(case(Gives(SumsByInt32.apply))), TORCHSCRIPT)
        finding = judge(same_values, conversion)
        assert finding.problem.endswith("; onnx's checker refuses the file, too: see well-formed")
        assert finding.advice.startswith("Try another opset or the other exporter: ")
        assert judge(engines_agree, conversion).verdict == CheckVerdict.NOT_JUDGED

    def test_other_inputs(self, given):
        """Inputs of other names are pointed at."""
        finding = judge(same_values, given(Net(), FILE.replace("x)", "y)").replace("(x,", "(y,")))
        assert finding.problem.endswith("; its inputs are not those of the case: see inputs-kept")
        assert finding.advice == "Give the case's `inputs` the names that the file has: y."

    def test_fixed_size(self, given):
        """So is a dimension that the file declares as a number."""
        finding = judge(same_values_unseen, given(Net(), FILE.replace("[rows, 4]", "[6, 4]")))
        assert finding.problem.endswith("; the file keeps rows at 6: see dims-kept")
        assert finding.advice == KEEP_A_TENSOR

    def test_other_reason(self, given):
        """Not where the file is wrong for another reason."""
        finding = judge(same_values, given(Net(), FILE.replace("[rows, 4]", "[6, 4]").replace("Sub (", "Add (")))
        assert finding.problem.endswith("; the file: it is wrong in the reference evaluator too")


class TestFrozen:
    """If a file traced on the failing inputs is right, something was frozen at export."""

    def test_told(self, frozen):
        """The finding has the line of source that the tracer warned of."""
        finding = judge(same_values_unseen, frozen)
        assert "something was frozen at export: traced on these inputs the file is right" in finding.problem
        assert "`return x * int(x.shape[0])`" in finding.evidence
        assert "test_culprit.py:" in finding.evidence

    def test_no_warning(self):
        """Without a tracer warning, the advice is what to look for, and the evidence the line where it shows."""
        model = Gives(lambda x: x * x.T.contiguous().stride(0))
        finding = judge(same_values_unseen, exported(ReferenceModel(case(model)), TORCHSCRIPT))
        assert finding.problem.endswith("; something was frozen at export: traced on these inputs the file is right")
        assert finding.advice == (
            "Look for Python numbers that the model takes from a tensor or its shape; if it takes none, try the other "
            "exporter."
        )
        line = self.test_no_warning.__code__.co_firstlineno + 2
        assert finding.evidence.startswith(
            f"`mul` of the model's own forward, tests/harness/test_culprit.py:{line}, is"
        )

    def test_refused_there(self):
        """If the exporter refuses the failing inputs, the culprit is the exporter."""

        class Choosy(Frozen):
            def forward(self, x):
                if torch.jit.is_tracing() and len(x) != len(ROWS):
                    raise ArithmeticError("not these")
                return super().forward(x)

        conversion = exported(ReferenceModel(case(Choosy())), TORCHSCRIPT)
        assert "the torchscript exporter: the file is wrong" in judge(same_values_unseen, conversion).problem

    def test_traced(self, frozen):
        """On the traced inputs it is right."""
        assert judge(same_values, frozen).problem == ""

    def test_smallest(self, frozen):
        """It already fails at one row."""
        assert "on rows 1: " in judge(same_values_unseen, frozen).problem


class TestSmallest:
    """A failing size is shrunk to the smallest that fails."""

    def test_eight(self, given):
        """A fault from eight rows on is shown at eight rows."""
        conversion = given(WrongFromEight())
        failing = conversion.model.judge(resized(conversion.case, {"rows": 23}))
        assert smallest_failing(conversion, failing).probe.sizes == {"rows": 8}

    def test_evidence(self, given):
        """The evidence has eight rows too."""
        finding = judge(same_values_unseen, given(WrongFromEight()))
        assert finding.problem.startswith("on rows 8: ")
        assert finding.run.inputs["x"].shape == (8, 4)

    def test_smallest_already(self, given):
        """Inputs that fail at no smaller size stay."""
        conversion = given(WrongFromEight())
        failing = conversion.model.judge(resized(conversion.case, {"rows": 8}))
        assert smallest_failing(conversion, failing).probe.sizes == {"rows": 8}

    def test_nothing_to_shrink(self, given):
        """Without a dynamic dimension the failing inputs are not shrunk."""
        conversion = given(Net(), FILE.replace("Sub (", "Add ("), dynamic={})
        assert judge(same_values_unseen, conversion).problem.startswith("on shuffled: ")

    def test_not_drawn(self, given):
        """Inputs that were not drawn by size are not shrunk."""
        conversion = given(WrongFromEight())
        assert smallest_failing(conversion, conversion.model.traced) is conversion.model.traced


class TestSizes:
    """Of a file that is wrong at some sizes, the rule of those where it is right is part of the problem."""

    @pytest.mark.parametrize("exporter", EXPORTERS)
    def test_windows(self, exporter):
        """A branch that pads windows is frozen, and the file takes what needs no padding."""
        free = {"image": {2: "height", 3: "width"}}
        windows = Case(Windows().eval(), {"image": normal(1, 3, 16, 24)}, dynamic=free)
        (finding,) = check(windows, [exporter], only=["same-values-unseen"])
        assert finding.problem.endswith("; the file is right at height, width in multiples of 8")

    def test_of_the_model(self):
        """A rule that is the model's own is not one of the file."""
        (finding,) = check(batch_as_number(), [TORCHSCRIPT], only=["same-values-unseen"])
        assert "on batch 2, height 8, width 8: " in finding.problem
        assert "the file is right at" not in finding.problem

    def test_wrong_everywhere(self, given):
        """Of a file that is wrong on the traced inputs no sizes are asked."""
        conversion = given(Net(), FILE.replace("Sub (", "Add ("))
        assert "the file is right at" not in judge(same_values_unseen, conversion).problem


class TestEvaluator:
    """What the reference evaluator says is only said where it ran."""

    @pytest.fixture
    def refuses(self):
        """An engine that refuses every input."""

        def refuse(inputs):
            raise EngineError("no kernel")

        return FakeEngine(refuse)

    def test_cannot_decide(self, broken, refuses):
        """Where it does not run the file, a kernel may be wrong as well."""
        wrong = broken("onnxruntime", "unoptimized")
        conversion = in_engines(wrong, **wrong.engines | {"reference": refuses})
        text = where_it_goes_wrong(conversion, conversion.model.traced).text
        assert (
            text == "the file, or a kernel of ONNX Runtime: the reference evaluator does not run it, and cannot decide"
        )

    def test_runs_nowhere(self, broken, refuses):
        """Where nothing runs it, it is the file."""
        conversion = in_engines(broken(), onnxruntime=refuses, unoptimized=refuses, reference=refuses)
        text = where_it_goes_wrong(conversion, conversion.model.traced).text
        assert text == "the file: it does not run in the reference evaluator either"


class TestWeights:
    """Weights of another checkpoint are named, where the model's own make the file right."""

    @pytest.fixture
    def exported_as(self, tmp_path):
        """The file of one network, for a case of another."""

        def make(network, other):
            case = Case(network, {"x": np.random.default_rng(0).random((2, 3), np.float32)})
            path = tmp_path / "model.onnx"
            export(other, case.inputs, path, exporter=TORCHSCRIPT, opset=default_opset(TORCHSCRIPT))
            return Conversion(ReferenceModel(case), GivenFile(path))

        return make

    def test_named(self, exported_as):
        """The layers that differ are named."""
        conversion = exported_as(nn.Linear(3, 4), nn.Linear(3, 4))
        found = where_it_goes_wrong(conversion, conversion.model.traced)
        assert found.text == "the weights are not the model's: with its own weight, bias the file is right"

    def test_something_else(self, exported_as):
        """Where the file stays wrong, they are not blamed."""
        other = nn.Sequential(nn.Linear(3, 4), nn.ReLU())
        conversion = exported_as(nn.Sequential(nn.Linear(3, 4)), other)
        assert "weights" not in where_it_goes_wrong(conversion, conversion.model.traced).text
