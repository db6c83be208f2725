"""A conversion runs a case's model and its file on the same inputs, each once."""

import gc
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from onnxproof.case import Case
from onnxproof.engines.asked import default_engines
from onnxproof.engines.base import EngineError
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting.export import ExportError
from onnxproof.graph.load import GraphError
from onnxproof.parity.compare import Reference
from onnxproof.probing import conversion as module
from onnxproof.probing import files
from onnxproof.probing.conversion import Conversion, by_position, exported
from onnxproof.probing.files import ExportedFile, GivenFile
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT, default_opset
from tests.harness.by_hand import FACTOR, FILE, ROWS, FakeEngine, Gives, Scale, in_engines, scale_case

INPUTS = {"x": ROWS, "factor": FACTOR}


class Refuses(Scale):
    """A model that cannot be traced."""

    def forward(self, x, factor):
        return super().forward(x, factor) if not torch.jit.is_tracing() else 1 / 0


def scaled(inputs, factor):
    """The file's outputs for a factor."""
    return {"scaled": inputs["x"] * np.float32(factor), "total": inputs["x"].sum(-1)}


@pytest.fixture
def file():
    """A case's file from torchscript."""
    return exported(ReferenceModel(scale_case()), TORCHSCRIPT, 13).file


class TestGivenFile:
    """A given file is read on demand."""

    def test_facts(self, right):
        """It has a path, the opset asked for, if any, and no exporter."""
        given = GivenFile(str(right.file.path), 17, written_by="torchscript")
        assert (given.path, given.given, given.opset) == (right.file.path, str(right.file.path), 17)
        assert (given.exporter, given.written_by, given.tracer_evidence) == ("", "torchscript", "")
        assert given.graph.input_names == ("x", "factor")
        assert (GivenFile("x").opset, GivenFile("x").written_by) == (None, "")

    def test_unreadable(self, tmp_path):
        """A file that cannot be read is refused when its facts are asked for."""
        with pytest.raises(GraphError, match="no such file"):
            _ = GivenFile(tmp_path / "none.onnx").graph


class TestExportedFile:
    """A file is exported on demand, and once."""

    def test_facts(self, file):
        """It has the exporter and the opset asked for."""
        assert (file.exporter, file.written_by, file.opset, file.given) == (TORCHSCRIPT, TORCHSCRIPT, 13, "")
        assert file.graph.opset == 13
        assert file.path.name == "model.onnx"

    def test_opset(self):
        """The opset is torch's default, or the one asked for."""
        model = ReferenceModel(scale_case())
        assert exported(model, TORCHSCRIPT).file.opset == default_opset(TORCHSCRIPT)
        assert exported(model, TORCHSCRIPT, 13).graph.opset == 13

    @pytest.mark.parametrize(("exporter", "translations"), [(TORCHSCRIPT, None), (TORCH_EXPORT, {})], ids=str)
    def test_asked(self, monkeypatch, exporter, translations):
        """The exporter gets a copy of the model, and all options of the case that it knows."""
        asked = []

        def export(*arguments, **options):
            asked.append((arguments, options))
            raise ExportError("asked")

        monkeypatch.setattr(files, "export", export)
        case = scale_case(
            output_names=["scaled", "total"],
            translations=dict,
            inputs={"x": ROWS},
            kwargs={"factor": FACTOR},
            export={"optimize": False},
        )
        with pytest.raises(ExportError, match="asked"):
            _ = exported(ReferenceModel(case), exporter, 13, timeout=None).file.export
        ((model, inputs, path), options) = asked[0]
        assert (type(model), model is case.model, inputs is case.inputs) == (Scale, False, True)
        assert (path.name, path.parent.name) == ("model.onnx", "model")
        assert options == {
            "exporter": exporter,
            "opset": 13,
            "output_names": ("scaled", "total"),
            "dynamic": case.dynamic,
            "translations": translations,
            "keywords": case.kwargs,
            "options": {"optimize": False},
            "log": path.parent / "log",
        }

    def test_refused_once(self, monkeypatch):
        """A refusal is remembered: the exporter is not asked again."""
        file, asked = exported(ReferenceModel(scale_case(Refuses())), TORCHSCRIPT).file, []
        traced_on = file.traced_on
        monkeypatch.setattr(file, "traced_on", lambda *arguments: asked.append(arguments) or traced_on(*arguments))
        for _ in range(2):
            with pytest.raises(ExportError, match="ZeroDivisionError"):
                _ = file.path
        assert [name for _, name in asked] == ["model"]

    def test_removed(self):
        """Its folder is gone with it."""
        conversion = exported(ReferenceModel(scale_case()), TORCHSCRIPT)
        folder = conversion.file.path.parent.parent
        assert folder.name.startswith("onnxproof-")
        del conversion
        gc.collect()
        assert not folder.exists()

    def test_tracer_evidence(self, monkeypatch):
        """The tracer's warnings have their line of source, once, with a path relative to the folder."""

        class Frozen(nn.Module):
            def forward(self, x):
                return x * float(x[0, 0]) + float(x[0, 0])

        monkeypatch.chdir(Path(__file__).parent)
        evidence = exported(ReferenceModel(Case(Frozen(), {"x": ROWS})), TORCHSCRIPT).file.tracer_evidence
        assert evidence.startswith("The tracer warned at test_conversion.py:")
        assert evidence.endswith(": `return x * float(x[0, 0]) + float(x[0, 0])`")
        assert evidence.count("test_conversion.py") == 1
        monkeypatch.chdir("/")
        assert "The tracer warned at" in evidence

    def test_two_warnings(self):
        """Several lines are listed in turn."""

        class Frozen(nn.Module):
            def forward(self, x):
                first = float(x[0, 0])
                return x * first * float(x[0, 1])

        evidence = exported(ReferenceModel(Case(Frozen(), {"x": ROWS})), TORCHSCRIPT).file.tracer_evidence
        assert evidence.count("test_conversion.py:") == 2
        assert "`; " in evidence

    def test_no_warning(self, file):
        """Without a warning there is no evidence."""
        assert file.tracer_evidence == ""


class TestElsewhere:
    """A file is traced again on other inputs of the example's sizes."""

    def test_same(self, file):
        """The same graph has no differences; the probe is the first of these sizes."""
        probe, differences = file.elsewhere
        assert (probe.id, differences) == ("shuffled", ())

    def test_different(self):
        """Input values in the file are differences."""

        class Frozen(nn.Module):
            def forward(self, x):
                return x * float(x[0, 0])

        _, differences = exported(ReferenceModel(Case(Frozen(), {"x": ROWS})), TORCHSCRIPT).file.elsewhere
        assert {difference.kind for difference in differences} == {"part"}

    def test_refused(self, file, monkeypatch):
        """A refusal is one difference."""
        _ = file.path

        def refuse(*_):
            raise ExportError("not these")

        monkeypatch.setattr(file, "traced_on", refuse)
        (difference,) = file.differences_when_traced_on(INPUTS, "again")
        assert (difference.kind, str(difference)) == ("export", "not these")

    def test_none(self):
        """Without a probe of these sizes there is nothing to trace on."""
        case = Case(Gives(lambda x: x + 1), {"x": np.array([3])})
        assert exported(ReferenceModel(case), TORCHSCRIPT).file.elsewhere is None

    @pytest.mark.parametrize(
        ("also", "is_taken"),
        [
            pytest.param({"x": -ROWS, "factor": FACTOR + 1}, True, id="values"),
            pytest.param({"x": -ROWS[:4], "factor": FACTOR + 1}, False, id="size"),
        ],
    )
    def test_shapes(self, also, is_taken):
        """A probe of other sizes is not taken."""
        probe, _ = exported(ReferenceModel(scale_case(also=[also])), TORCHSCRIPT).file.elsewhere
        assert (probe.id == "also[0]") is is_taken

    @pytest.mark.parametrize(("number", "is_taken"), [(2.0, True), (3.0, False)])
    def test_numbers(self, number, is_taken):
        """Nor is one with another Python number, which is a constant of the file."""
        case = scale_case(inputs={"x": ROWS, "factor": 2.0}, also=[{"x": -ROWS, "factor": number}])
        probe, _ = exported(ReferenceModel(case), TORCHSCRIPT).file.elsewhere
        assert (probe.id == "also[0]") is is_taken


class TestConversion:
    """A conversion feeds the file, and compares its outputs with the model's."""

    def test_name(self, right, tmp_path):
        """Its name has the case, and the exporter or the file."""
        assert repr(right) == "Scale-model.onnx"
        assert repr(exported(ReferenceModel(scale_case(name="mine")), TORCHSCRIPT)) == "mine-torchscript"

    def test_feeds(self, right):
        """Inputs are fed by name; a Python number gets the file's dtype."""
        feeds = right.feeds({"factor": 2, "x": ROWS})
        assert list(feeds) == ["x", "factor"]
        assert (feeds["factor"].dtype, feeds["x"] is ROWS) == (np.float32, True)

    @pytest.mark.parametrize(
        ("inputs", "message"),
        [
            pytest.param({"x": ROWS}, "the file asks for factor, which is not an input of the case", id="missing"),
            pytest.param({}, "the file asks for x, factor, which is not", id="both"),
            pytest.param({"x": ROWS, "factor": "two"}, "the file asks for float32, the case gives 'two'", id="text"),
        ],
    )
    def test_wrong_feeds(self, right, inputs, message):
        """An input that is missing, or cannot become an array, is refused."""
        with pytest.raises(EngineError, match=message):
            right.feeds(inputs)

    def test_opened_once(self, right):
        """Each engine opens the file once."""
        opened = []

        class Counting(FakeEngine):
            def open(self, path):
                opened.append(path)
                return self

        counting = Counting(lambda inputs: scaled(inputs, 2))
        conversion = in_engines(right, onnxruntime=counting)
        assert conversion.outcome(conversion.model.traced).is_right
        assert conversion.run(INPUTS)["scaled"].shape == (6, 4)
        assert opened == [right.file.path]

    def test_run_once(self, right):
        """A probe runs once in an engine; its outcome and its outputs are kept."""
        asked = []
        run = FakeEngine(lambda inputs: asked.append(inputs) or scaled(inputs, 2))
        conversion, traced = in_engines(right, onnxruntime=run), right.model.traced
        assert conversion.outcome(traced) is conversion.outcome(traced)
        assert conversion.outputs(traced) is conversion.outputs(traced)
        assert conversion.outcome(traced).shapes == ((6, 4), (6,))
        assert len(asked) == 1

    def test_memory(self, right, monkeypatch):
        """Outputs are kept up to a number of bytes; outcomes stay."""
        monkeypatch.setattr(module, "MOST_OUTPUTS", 6 * 4 * 4)
        asked = []
        run = FakeEngine(lambda inputs: asked.append(inputs) or scaled(inputs, 2))
        conversion, traced = in_engines(right, onnxruntime=run), right.model.traced
        conversion.outputs(traced)
        conversion.outputs(traced)
        assert len(asked) == 2
        conversion.outcome(traced)
        conversion.outcome(traced)
        assert len(asked) == 3

    def test_engines_apart(self, right):
        """The same probe in another engine is another outcome."""
        wrong = FakeEngine(lambda inputs: scaled(inputs, 1))
        conversion, traced = in_engines(right, unoptimized=wrong), right.model.traced
        assert conversion.outcome(traced).is_right
        assert not conversion.outcome(traced, "unoptimized").is_right
        assert conversion.outcome(traced, "unoptimized").wrong.output == "output_0"

    def test_refused(self, right):
        """An engine's refusal is an outcome with its reason, on one line."""

        def refuse(inputs):
            raise EngineError("no\n  kernel")

        conversion = in_engines(right, onnxruntime=FakeEngine(refuse))
        outcome = conversion.outcome(right.model.traced)
        assert (outcome.refusal, outcome.is_right, outcome.shapes) == ("no kernel", False, ())
        assert (outcome.wrong.case, outcome.wrong.output, outcome.wrong.problem) == (
            "Scale-model.onnx on traced",
            "*",
            "it does not run: no kernel",
        )

    def test_case_of_an_outcome(self, given):
        """A wrong outcome names its conversion and probe."""
        wrong = FakeEngine(lambda inputs: scaled(inputs, 1))
        conversion = in_engines(given(scale_case(), FILE), onnxruntime=wrong)
        assert conversion.outcome(conversion.model.traced).wrong.case == "Scale-model.onnx on traced"

    def test_of_file(self, file, right):
        """Another file serves the same model, in the same engines, at the same opset."""
        conversion = Conversion(right.model, file)
        other = conversion.of_file(right.file.path)
        assert (other.model, other.engines, other.file.path) == (conversion.model, conversion.engines, right.file.path)
        assert (other.file.opset, other.file.written_by, other.file.exporter) == (13, TORCHSCRIPT, "")

    def test_provider(self, right):
        """The provider is ONNX Runtime's; an engine without one runs on the CPU."""
        assert right.provider == "CPUExecutionProvider"
        odd = Conversion(right.model, right.file, default_engines() | {"odd": OnnxRuntime("Odd")})
        assert odd.within("odd").provider == "Odd"
        assert in_engines(right, onnxruntime=FakeEngine(dict)).provider == "CPUExecutionProvider"


class TestEngines:
    """A conversion has three engines."""

    def test_default(self):
        """ONNX Runtime is there with and without graph optimization."""
        engines = default_engines()
        assert [engine.name for engine in engines.values()] == ["onnxruntime", "onnxruntime", "onnx reference"]
        assert [engines[name].optimize for name in ("onnxruntime", "unoptimized")] == [True, False]
        assert engines["reference"].version == onnx.__version__

    def test_given(self, right):
        """Others may be given."""
        engines = default_engines()
        assert exported(right.model, TORCHSCRIPT, engines=engines).engines is engines


class TestByPosition:
    """Outputs are compared by position."""

    REFERENCE = Reference({"a": np.ones(2), "b": np.zeros(2)})

    def test_other_names(self):
        """Other names do not matter."""
        parities = by_position({"x": np.ones(2), "y": np.zeros(2)}, self.REFERENCE, "case")
        assert [(parity.output, parity.same, parity.case) for parity in parities] == [
            ("a", True, "case"),
            ("b", True, "case"),
        ]

    def test_order(self):
        """The order matters."""
        parities = by_position({"b": np.zeros(2), "a": np.ones(2)}, self.REFERENCE, "case")
        assert [parity.same for parity in parities] == [False, False]

    def test_number(self):
        """Another number of outputs is one problem."""
        (parity,) = by_position({"a": np.ones(2)}, self.REFERENCE, "case")
        assert parity.problem.startswith("1 outputs")


def test_file_kinds():
    """A conversion has a file of one of two kinds."""
    assert files.OnnxFile == ExportedFile | GivenFile
