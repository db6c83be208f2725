"""An ONNX file is the original of a case: in Python, on the command line and in pytest."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx.parser import parse_model

import onnxproof
from onnxproof import Case, CaseError
from onnxproof.checks import CHECKS
from onnxproof.cli import main
from onnxproof.faults import edits
from onnxproof.graph.facts import read_graph
from onnxproof.graph.tables import changed_rows
from onnxproof.results import read_results
from tests.harness import test_hostile_onnx as hostile
from tests.harness.two_files import BEFORE, EXAMPLE, compared, write

MIXED = helper.make_tensor_value_info("mixed", TensorProto.INT64, None)
"""A declared inner value that onnx's checker refuses."""

ODD = """
<ir_version: 8, opset_import: ["": 17]>
g (float[n, 3] x) => (%s y) { y = %s (x) }
"""
"""Whose output may be something else than numbers."""

WITHOUT_TORCH = """
import sys
from onnxproof.cli import main
status = main(sys.argv[1:])
sys.exit("torch is imported" if "torch" in sys.modules else status)
"""

NOT_OF_A_FILE = {"exports": "not judged", "opset-kept": "not judged"}


def weaker(model) -> None:
    """One weight is 1 % larger."""
    edits.set_array(model, "weight", edits.array(model, "weight") * np.float32(1.01))


def _as_inputs(model, names=()) -> None:
    """The initializers of some names, or all, are inputs as well."""
    for tensor in model.graph.initializer:
        if not names or tensor.name in names:
            model.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))


def noted(model) -> None:
    """What a tool may add."""
    model.metadata_props.add(key="tool", value="1")
    model.graph.value_info.append(helper.make_tensor_value_info("mixed", TensorProto.FLOAT, ["batch", 4]))
    model.producer_name = "a tool"


@pytest.fixture
def files(monkeypatch, tmp_path):
    """before.onnx, a right after.onnx and a wrong one in the current folder, and an example."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    write(Path("before.onnx"))
    write(Path("after.onnx"), edit=noted)
    write(Path("wrong.onnx"), edit=weaker)
    np.savez("example.npz", **EXAMPLE)
    np.savez("other.npz", image=EXAMPLE["image"][:1] + 1, label=np.array([9]))


def verdicts(findings) -> dict[str, str]:
    return {finding.check: str(finding.verdict) for finding in findings}


class TestPython:
    """`Case(path, inputs)` and `check(..., file=...)`."""

    def test_right(self, files):
        """Every check that does not need an exporter holds, and what was added is named."""
        found = onnxproof.check(Case("before.onnx", EXAMPLE), file="after.onnx")
        assert verdicts(found) == dict.fromkeys(CHECKS, "holds") | NOT_OF_A_FILE
        figures = {finding.check: finding.figure for finding in found}
        assert figures["well-formed"] == (
            "onnx.checker, strict, added: metadata tool, producer a tool, 1 declared inner values"
        )
        assert figures["dims-kept"] == "batch, height, width"
        assert {figures[check].partition("; ")[2] for check in ("same-values", "same-values-unseen")} == {
            "judged by the original in float64"
        }

    def test_wrong(self, files):
        """A wrong constant is named."""
        found = onnxproof.check(Case("before.onnx", EXAMPLE), file="wrong.onnx", only=["same-values"])
        assert "with its own weight the file is right" in found[0].problem
        assert found[0].case == "before.onnx"

    def test_drawn(self, files):
        """Inputs are drawn where none are given."""
        found = onnxproof.check(Case("before.onnx"), file="after.onnx")
        assert verdicts(found) == dict.fromkeys(CHECKS, "holds") | NOT_OF_A_FILE

    def test_opset(self, files):
        """The file can be held to an opset."""
        found = onnxproof.check(Case("before.onnx", EXAMPLE), opset=18, file="after.onnx", only=["opset-kept"])
        assert "opset 18 was asked for, the file has 17" in found[0].problem

    def test_expected(self, files):
        """A loss that is meant can be named."""
        case = Case("before.onnx", EXAMPLE, expected={"same-values": "it is meant"})
        assert verdicts(onnxproof.check(case, file="wrong.onnx", only=["same-values"])) == {"same-values": "expected"}

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            pytest.param(lambda: Case("none.onnx", EXAMPLE), "none.onnx: no such file", id="file"),
            pytest.param(lambda: Case("before.onnx", {"image": 1}), "inputs has image; the file asks", id="names"),
            pytest.param(
                lambda: Case("before.onnx", EXAMPLE | {"label": np.array([[3]])}),
                "label has 2 dimensions in inputs, the file declares 1",
                id="rank",
            ),
            pytest.param(
                lambda: Case("before.onnx", EXAMPLE, output_names=["a"]),
                "output_names is for a torch",
                id="names-given",
            ),
            pytest.param(
                lambda: onnxproof.check(Case("before.onnx", EXAMPLE)), "before.onnx is compared with a file", id="after"
            ),
            pytest.param(
                lambda: onnxproof.check(Case("before.onnx", EXAMPLE | {"label": np.array([3, 99])}), file="after.onnx"),
                "the model refuses its inputs: onnxruntime: .*out of data bounds",
                id="refused",
            ),
        ],
    )
    def test_mistakes(self, files, make, message):
        """A case that cannot be checked says why."""
        with pytest.raises(CaseError, match=message):
            make()


class TestCommand:
    """`onnxproof compare` parses, prints, and exits with the status of `check`."""

    def test_right(self, files, capsys):
        """The status is 0."""
        assert main(["compare", "before.onnx", "after.onnx", "--inputs", "example.npz", "--inputs", "other.npz"]) == 0
        assert "before.onnx: after.onnx" in capsys.readouterr().out

    def test_same_findings(self, files, capsys):
        """The findings are those of Python, and the folder has a page, results and a script for each failure."""
        own = onnxproof.check(Case("before.onnx", EXAMPLE), file="wrong.onnx", report="python")
        assert main(["compare", "before.onnx", "wrong.onnx", "--inputs=example.npz", "--json", "--report=report"]) == 1
        assert json.loads(capsys.readouterr().out)["findings"] == [finding.as_dict() for finding in own]
        assert Path("report/index.html").is_file()
        assert {result.check for result in read_results("report/results.json").findings} == set(CHECKS)
        script = next(Path("report").rglob("same-values/repro.py"))
        assert subprocess.run([sys.executable, script], capture_output=True).returncode == 1
        write(script.with_name("model.onnx"))
        assert subprocess.run([sys.executable, script], capture_output=True).returncode == 0

    @pytest.mark.parametrize(("after", "status"), [("after.onnx", 0), ("wrong.onnx", 1)])
    @pytest.mark.parametrize("options", [[], ["--json", "--report=report"]], ids=["table", "report"])
    def test_without_torch(self, files, after, status, options):
        """No torch is imported, whose import takes longer than the rest of a small comparison."""
        ran = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, "compare", "before.onnx", after, *options])
        assert ran.returncode == status

    def test_drawn_size(self, files, capsys):
        """`--dim` chooses a size."""
        assert main(["compare", "before.onnx", "after.onnx", "--dim", "height=1", "--only", "probes-adequate"]) == 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (["none.onnx", "after.onnx"], "none.onnx: no such file"),
            (["before.onnx", "none.onnx"], "none.onnx: no such file"),
            (["before.onnx", "after.onnx", "--inputs", "none.npz"], "--inputs none.npz: no such file"),
            (
                ["before.onnx", "after.onnx", "--inputs", "before.onnx"],
                "--inputs before.onnx: .*write it with numpy.savez",
            ),
            (["before.onnx", "after.onnx", "--dim", "height"], "--dim height: write a free dimension and its size"),
            (["before.onnx", "after.onnx", "--dim", "hieght=3"], "'hieght' is unknown.*height"),
            (["before.onnx", "after.onnx", "--dim", "height=3", "--inputs", "example.npz"], "--dim: the files that"),
            (["before.onnx", "after.onnx", "--inputs", "part.npz"], "before.onnx: inputs has image; the file asks for"),
            (["before.onnx", "after.onnx", "--inputs", "one.npy"], "--inputs one.npy: not a .npz file; write it with"),
            (["before.onnx", "after.onnx", "--inputs", "none"], "--inputs none: no such file"),
            (["before.onnx", "after.onnx", "--inputs", "."], "--inputs .: a folder; name a .npz file in it"),
            (["before.onnx", "after.onnx", "--inputs", "empty.npz"], "--inputs empty.npz: it holds no array; write it"),
            (
                ["before.onnx", "after.onnx", "--inputs", "wide.npz"],
                "image is float64 in inputs, the file declares flo",
            ),
            (
                ["before.onnx", "after.onnx", "--inputs", "large.npz"],
                "image has the size 4 along dimension 1 in inputs, the file declares 3",
            ),
            ([".", "after.onnx"], r"^onnxproof: \.: a folder; name an ONNX file in it$"),
        ],
    )
    def test_mistakes(self, files, capsys, options, message):
        """One line says what to change, and the status is 2."""
        image, label = EXAMPLE.values()
        np.savez("part.npz", image=image)
        np.save("one.npy", image)
        np.savez("empty.npz")
        np.savez("wide.npz", image=image.astype(np.float64), label=label)
        np.savez("large.npz", image=image[:, [0, 1, 2, 2]], label=label)
        status = main(["compare", *options])
        out, err = capsys.readouterr()
        assert (status, out, err.count("\n")) == (2, "", 1)
        assert re.search(message, err), err

    @pytest.mark.parametrize(
        ("output", "operator", "kind"),
        [
            ("seq(float[n, 3])", "SequenceConstruct", "a sequence"),
            ("string[n, 3]", "Cast <to = 8>", "a tensor of strings"),
        ],
        ids=["sequence", "strings"],
    )
    def test_no_numbers(self, tmp_path, monkeypatch, capsys, output, operator, kind):
        """Outputs that are not numbers are refused of the original, and fail of the file that was made of it."""
        monkeypatch.chdir(tmp_path)
        write(Path("odd.onnx"), ODD % (output, operator))
        write(Path("numbers.onnx"), ODD % ("float[n, 3]", "Neg"))
        assert main(["compare", "odd.onnx", "numbers.onnx"]) == 2
        err = capsys.readouterr().err
        assert (f"odd.onnx: the output y is {kind}, and tensors of numbers" in err, err.count("\n")) == (True, 1)
        assert main(["compare", "numbers.onnx", "odd.onnx", "--only", "same-values"]) == 1
        assert "the output y is not a tensor of numbers" in " ".join(capsys.readouterr().out.split())

    @pytest.mark.parametrize("place", ["before", "after"])
    def test_hostile(self, files, capfd, place):
        """What `check` refuses is refused as either file."""
        Path(f"{place}.onnx").write_bytes(hostile.TestNesting.nested(5000))
        assert main(["compare", "before.onnx", "after.onnx"]) == 2
        assert f"{place}.onnx: not a readable ONNX file" in capfd.readouterr().err

    @pytest.mark.parametrize("damage", hostile.DAMAGES.values(), ids=list(hostile.DAMAGES))
    def test_damaged(self, tmp_path, monkeypatch, capfd, damage):
        """A damaged original is one line, a damaged file fails `well-formed`; there is no traceback."""
        monkeypatch.chdir(tmp_path)
        model = parse_model(hostile.RIGHT)
        Path("right.onnx").write_bytes(model.SerializeToString())
        damage(model)
        Path("damaged.onnx").write_bytes(model.SerializeToString())
        assert main(["compare", "right.onnx", "damaged.onnx"]) in (1, 2)
        assert main(["compare", "damaged.onnx", "right.onnx"]) in (1, 2)
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err


class TestPytest:
    """`conversion_checks(case, file=...)` makes a test of each check."""

    def test_findings(self, pytester):
        """The findings are those of Python."""
        write(Path("before.onnx"))
        write(Path("wrong.onnx"), edit=weaker)
        np.savez("example.npz", **EXAMPLE)
        pytester.makepyfile(
            test_compared="import numpy as np\n"
            "from onnxproof import Case, conversion_checks\n"
            "case = Case('before.onnx', dict(np.load('example.npz')))\n"
            "@conversion_checks(case, file='wrong.onnx')\n"
            "def test_tool(onnx_check):\n    onnx_check()\n"
        )
        own = verdicts(onnxproof.check(Case("before.onnx", EXAMPLE), file="wrong.onnx"))
        result = pytester.runpytest_inprocess("--onnx-report=report")
        result.assert_outcomes(
            **{kind: list(own.values()).count(verdict) for kind, verdict in (("passed", "holds"), ("failed", "fails"))},
            skipped=list(own.values()).count("not judged"),
        )
        assert verdicts(read_results("report/results.json").findings) == own

    def test_without_a_file(self, pytester):
        """A case of a file alone says what to give."""
        write(Path("before.onnx"))
        pytester.makepyfile(
            "from onnxproof import Case, conversion_checks\n"
            "@conversion_checks(Case('before.onnx'), only=['same-values'])\n"
            "def test_tool(onnx_check):\n    onnx_check()\n"
        )
        pytester.runpytest_inprocess().stdout.fnmatch_lines(
            ["*before.onnx: give the file that was made of it as @conversion_checks(..., file=...)*"]
        )


class TestInterface:
    """What a tool must keep, and what an original already does wrong."""

    @pytest.mark.parametrize(
        ("edit", "check", "message"),
        [
            pytest.param(
                lambda model: edits.dims(model.graph.input[0])[2].__setattr__("dim_value", 9),
                "dims-kept",
                "height of image is 9",
                id="dim",
            ),
            pytest.param(
                lambda model: model.graph.input[1].type.tensor_type.__setattr__("elem_type", TensorProto.INT32),
                "inputs-kept",
                "the input label is int32, the model's is int64",
                id="dtype",
            ),
            pytest.param(
                lambda model: (edits.rename(model, "mean", "mean.1"), setattr(model.graph.output[1], "name", "mean.1")),
                "outputs-kept",
                "output mean is called mean.1",
                id="name",
            ),
            pytest.param(lambda model: model.graph.output.pop(), "outputs-kept", "the file has 1 outputs", id="count"),
        ],
    )
    def test_lost(self, tmp_path, edit, check, message):
        """The finding names it, and its advice is for a tool."""
        finding = onnxproof.checks.judge(CHECKS[check], compared(tmp_path, edit))
        assert message in finding.problem
        assert "model" not in finding.advice.replace("the model", "") or "tool" in finding.advice

    @pytest.mark.parametrize(
        ("names", "seen"),
        [
            pytest.param(
                ("weight",),
                ("fails", "the file has no input weight, for which the original has a default"),
                id="option",
            ),
            pytest.param(
                ("table", "weight", "flat"),
                ("holds", "image, label; no longer inputs with a default: table, weight, flat"),
                id="every-weight",
            ),
        ],
    )
    def test_lost_default(self, tmp_path, names, seen):
        """An optional input is missed, but where every weight was one, as in old files, that they are not is noted."""
        conversion = compared(tmp_path, noted)
        before = onnx.load(tmp_path / "before.onnx")
        _as_inputs(before, names)
        onnx.save(before, tmp_path / "before.onnx")
        finding = onnxproof.checks.judge(CHECKS["inputs-kept"], conversion)
        assert (finding.verdict, finding.problem or finding.figure) == seen
        onnx.save(before, tmp_path / "after.onnx")
        assert onnxproof.checks.judge(CHECKS["inputs-kept"], conversion.of_file(tmp_path / "after.onnx")).verdict == (
            "holds"
        )

    def test_dishonest_before(self, tmp_path):
        """A shape that the original declares wrong, too, is not the tool's."""
        text = BEFORE.replace("float[batch, 4] scores", "float[batch, 5] scores")
        finding = onnxproof.checks.judge(CHECKS["shapes-honest"], compared(tmp_path, noted, text))
        assert (finding.verdict, finding.problem[:36]) == ("not judged", "the original itself declares a size ")
        wrong = compared(tmp_path, lambda model: edits.dims(model.graph.output[0])[1].__setattr__("dim_value", 5))
        assert onnxproof.checks.judge(CHECKS["shapes-honest"], wrong).verdict == "fails"

    def test_ill_formed_before(self, tmp_path):
        """So is what onnx's checker says of both."""

        def break_type(model) -> None:
            model.graph.value_info.append(MIXED)

        both = compared(tmp_path, break_type)
        onnx.save(onnx.load(both.file.path), tmp_path / "before.onnx")
        finding = onnxproof.checks.judge(CHECKS["well-formed"], both)
        assert (finding.verdict, finding.problem[:41]) == ("not judged", "onnx's checker refuses the original, too:")
        assert onnxproof.checks.judge(CHECKS["well-formed"], compared(tmp_path, break_type)).verdict == "fails"


class TestByItself:
    """A file that is compared with itself has no original to excuse it."""

    @pytest.fixture
    def own(self, tmp_path):
        """The finding of a check on a file that is compared with itself by another path."""

        def judged(check: str, text: str, edit=noted):
            model = parse_model(text)
            edit(model)
            path = tmp_path / "own.onnx"
            onnx.save(model, path)
            (tmp_path / "folder").mkdir()
            (found,) = onnxproof.check(Case(path, EXAMPLE), file=tmp_path / "folder" / ".." / "own.onnx", only=[check])
            return found

        return judged

    @pytest.mark.parametrize(
        "check", ["well-formed", "shapes-honest", "same-values", "optimizer-neutral", "engines-agree", "self-contained"]
    )
    def test_holds(self, own, check):
        """A right file holds."""
        assert own(check, BEFORE).verdict == "holds"

    def test_shape(self, own):
        """A shape that it declares wrong fails."""
        found = own("shapes-honest", BEFORE.replace("float[batch, 4] scores", "float[batch, 5] scores"))
        assert (found.verdict, "tool" in found.advice) == ("fails", False)

    def test_form(self, own):
        """What onnx's checker refuses fails."""
        found = own("well-formed", BEFORE, lambda model: model.graph.value_info.append(MIXED))
        assert (found.verdict, "tool" in found.advice) == ("fails", False)


class TestParameters:
    """Each input of a file that holds no data is given another value: a file computes with it."""

    FLAG = """
    <ir_version: 8, opset_import: ["": 17]>
    g (float[n, 4] x, bool flag) => (float[n, 4] y) <float two = {2}>
    {
        y = If (flag) <
            then_branch = t () => (float[n, 4] a) { a = Add (x, two) },
            else_branch = e () => (float[n, 4] b) { b = Sub (x, two) }
        >
    }
    """
    STEPS = """
    <ir_version: 8, opset_import: ["": 17]>
    g (float[n, 4] x, int64 steps) => (float[n, 4] y) <float half = {0.5}, bool go = {1}>
    {
        y = Loop (steps, go, x) <
            body = b (int64 i, bool go_in, float[n, 4] h) => (bool go_out, float[n, 4] next)
            { go_out = Identity (go_in) next = Mul (h, half) }
        >
    }
    """

    @staticmethod
    def _multiplies(model) -> None:
        model.graph.node[0].attribute[1].g.node[0].op_type = "Mul"

    @staticmethod
    def _starts_again(model) -> None:
        model.graph.node[0].attribute[0].g.node[1].input[0] = "x"

    @pytest.mark.parametrize(
        ("text", "edit", "id"),
        [
            pytest.param(FLAG, _multiplies, "flag changed", id="branch"),
            pytest.param(STEPS, _starts_again, "steps changed", id="loop"),
        ],
    )
    def test_wrong(self, tmp_path, text, edit, id):
        """A fault that the drawn value does not reach is seen."""
        before, after = write(tmp_path / "before.onnx", text), write(tmp_path / "after.onnx", text, edit)
        right, wrong = (
            onnxproof.check(Case(before), file=file, only=["same-values-unseen"])[0] for file in (before, after)
        )
        assert right.verdict == "holds"
        assert (wrong.verdict, wrong.problem.partition(":")[0]) == ("fails", f"on {id}")

    def test_defaults(self, tmp_path):
        """An input that the file has a value for need not be given, in float64 either."""

        conversion = compared(tmp_path, _as_inputs)
        for check in ("same-values", "engines-agree"):
            assert onnxproof.checks.judge(CHECKS[check], conversion).verdict == "holds"
        own = conversion.of_file(tmp_path / "after.onnx")
        assert "judged by the original in float64" in onnxproof.checks.judge(CHECKS["same-values"], own).figure


class TestRows:
    """A table is compared row by row where no probe reads it."""

    LOOKUP = f"""
    <ir_version: 8, opset_import: ["": 17]>
    g (int64[n] token) => (float[n, 3] y) <float[1000, 3] table = {{{", ".join(str(i % 97 + 1) for i in range(3000))}}}>
    {{ y = Gather (table, token) }}
    """

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            pytest.param(lambda table: table, "", id="right"),
            pytest.param(
                lambda table: np.where(np.arange(1000)[:, None] == 700, table * np.float32(1.01), table),
                "row 700 of the table table, which no probe shows, is not the original's",
                id="one-row",
            ),
        ],
    )
    def test_row(self, tmp_path, change, problem):
        """A row that no token names is named."""
        tokens = {"token": np.arange(20, 60)}
        edit = lambda model: edits.set_array(model, "table", change(edits.array(model, "table")))  # noqa: E731
        conversion = compared(tmp_path, edit, self.LOOKUP, tokens)
        assert onnxproof.checks.judge(CHECKS["same-values"], conversion).verdict == "holds"
        assert onnxproof.checks.judge(CHECKS["same-values-unseen"], conversion).problem == problem

    def test_scaled(self):
        """A table that is another one throughout is left to its values."""
        before, after = parse_model(self.LOOKUP), parse_model(self.LOOKUP)
        edits.set_array(after, "table", 2 * edits.array(after, "table"))
        assert not list(changed_rows(read_graph(before), read_graph(after)))
