"""`--engine` runs the checks of values in the engines that a file is deployed to, and a finding names its engine."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.parser import parse_model

from onnxproof import Case, check
from onnxproof.checks import judge
from onnxproof.checks.run import CHECKS, conversions, in_engines
from onnxproof.cli import main
from onnxproof.engines import engine
from onnxproof.engines.abilities import abilities
from onnxproof.engines.asked import Named, engines_of, named, with_defaults
from onnxproof.engines.base import EngineError, engine_names, how_to_install, version_of
from onnxproof.engines.known import KNOWN, known
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.results import CheckVerdict, read_results
from tests.harness.by_hand import FILE, FakeEngine, scale_case
from tests.harness.other_engines import other_engines  # noqa: F401  # a fixture

OF_EACH = ("inputs-live", "same-values", "same-values-unseen", "repeatable")
CASE = """
from tests.harness.by_hand import scale_case

case = scale_case()
deployed = scale_case(engines=["same", "doubled"])
absent = scale_case(engines=["same:absent"])
"""

PAGE = Path(__file__).parents[2] / "docs" / "engines.md"

pytestmark = pytest.mark.usefixtures("other_engines")


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The folder that the command runs in, with a case and its right and wrong file."""
    (tmp_path / "cases.py").write_text(CASE)
    onnx.save(parse_model(FILE), tmp_path / "right.onnx")
    onnx.save(parse_model(FILE.replace("Mul", "Div")), tmp_path / "wrong.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("onnxproof.checks.interface.run_without_torch", lambda *_: "")
    yield tmp_path
    sys.modules.pop("cases", None)


def found_in(*engines, file="right.onnx", **options):
    """The findings of a right file in engines, by check and engine."""
    case = options.pop("case", None) or scale_case()
    return {(each.check, each.engine): each for each in check(case, file=file, engines=engines, **options)}


class TestNames:
    """Engines have names, which may have an option after a colon."""

    def test_listed(self):
        """Those of this package come first, and then those of others; listing imports none."""
        assert engine_names()[:5] == ["onnxruntime", "reference", "openvino", "opencv", "tract"]
        assert {"same", "doubled"} <= {*engine_names()}
        assert "engines_of_others" not in sys.modules

    def test_light(self):
        """To list names, versions and how to install them imports no engine."""
        script = (
            "import sys; from onnxproof.engines import base; "
            "[(base.version_of(name), base.how_to_install(name)) for name in base.engine_names()]; "
            "print(sorted({'torch', 'onnx', 'onnxruntime', 'openvino', 'cv2', 'tract', 'numpy'} & {*sys.modules}))"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    def test_option(self):
        """An option is given to the engine."""
        assert (engine("same:fast").name, engine("same").name) == ("same:fast", "same")
        assert engine("onnxruntime:AzureExecutionProvider").provider == "AzureExecutionProvider"

    def test_version(self):
        """The version is that of the package."""
        assert (version_of("same"), version_of("onnxruntime:Odd")) == ("9", OnnxRuntime.version)
        assert (version_of("none"), how_to_install("same")) == ("", "")

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            pytest.param("openvin", r"^the engine 'openvin' is unknown, did you mean 'openvino'", id="unknown"),
            pytest.param("opencv:odd", r"^opencv: the engine 'odd' is unknown, choose classic or new$", id="opencv"),
            pytest.param("onnxruntime:Odd", r"^onnxruntime has no Odd; it has .*CPUExecutionProvider$", id="provider"),
            pytest.param("same:absent", r"^same: node is not installed: apt install nodejs$", id="own"),
            pytest.param("broken", r"^broken: .*NoSuchName", id="broken"),
        ],
    )
    def test_refused(self, name, message):
        """One that cannot run here is refused."""
        with pytest.raises(EngineError, match=message):
            engines_of([name])

    def test_not_installed(self, monkeypatch):
        """One that is not installed says how to install it."""
        monkeypatch.setitem(sys.modules, "tract", None)
        with pytest.raises(EngineError, match=r"^tract is not installed: pip install tract$"):
            Named("tract").open("right.onnx")

    def test_asked(self):
        """They are taken once, in their order; there is always one, and no two have one name."""
        assert list(engines_of(["same", "onnxruntime", "same", "reference"])) == ["same", "onnxruntime", "reference"]
        assert list(engines_of([])) == ["onnxruntime"]
        assert list(engines_of("same")) == ["same"]
        with pytest.raises(EngineError, match=r"^two engines are called onnxruntime; give one another name$"):
            engines_of(["onnxruntime", OnnxRuntime(threads=1)])

    def test_imported_where_it_runs(self):
        """No engine but ONNX Runtime and the reference evaluator is imported in this process."""
        engines_of(["same", "doubled"])
        assert "engines_of_others" not in sys.modules
        assert isinstance(named("same"), Named)


class TestOnnxRuntime:
    """A provider that was asked for runs the file, or the engine refuses it."""

    def test_fallback(self, folder):
        """One that leaves every node to the CPU is refused, alone and beside the CPU."""
        with pytest.raises(EngineError, match=r"fallback to CPU EP has been explicitly disabled.*ask for both"):
            OnnxRuntime("AzureExecutionProvider").open(folder / "right.onnx")
        with pytest.raises(
            EngineError, match=r"no node of the file runs in AzureExecutionProvider|does not say what runs where"
        ):
            OnnxRuntime("AzureExecutionProvider,CPUExecutionProvider").open(folder / "right.onnx")

    def test_finding(self):
        """So every check of values that needs a run fails or is not judged; none holds."""
        found = found_in("onnxruntime:AzureExecutionProvider", only=OF_EACH)
        assert {each.verdict for each in found.values()} == {CheckVerdict.FAILS, CheckVerdict.NOT_JUDGED}

    def test_session_options(self, folder):
        """Options that a program ships with are set on the session, under a name of its own."""
        seen = []

        def ship(options):
            options.enable_mem_pattern = False
            seen.append(options)

        shipped = OnnxRuntime(session_options=ship, name="shipped")
        found = found_in(shipped, only=["same-values", "optimizer-neutral"])
        assert {each.verdict for each in found.values()} == {CheckVerdict.HOLDS}
        assert [key[1] for key in found] == ["shipped", "shipped"]
        shipped.open(folder / "right.onnx")
        assert seen[-1].enable_mem_pattern is False

    def test_without_optimization(self):
        """Each engine of ONNX Runtime has one without graph optimization."""
        engines = with_defaults(engines_of([OnnxRuntime(threads=1, name="one thread")]))
        assert (engines["one thread unoptimized"].optimize, engines["one thread unoptimized"].threads) == (False, 1)


class TestChecks:
    """The checks of values run in each engine."""

    def test_each(self):
        """Those of what the file computes run in each engine, the others once."""
        places = list(in_engines(CHECKS, engines_of(["same", "onnxruntime"])))
        assert {id for id, name in places if name == "same"} == {*OF_EACH, "shapes-honest", "engines-agree"}
        assert [id for id, name in places if name == "onnxruntime"] == [
            id for id in CHECKS if id not in ("shapes-honest", "engines-agree")
        ]

    def test_default(self):
        """Without an engine they run in ONNX Runtime, and the text is the check's alone."""
        found = found_in(only=["same-values", "dims-kept"])
        assert list(found) == [("dims-kept", ""), ("same-values", "onnxruntime")]
        assert str(found["same-values", "onnxruntime"]).startswith("Scale-right.onnx: same-values: holds: ")

    def test_right(self):
        """A right file holds in an engine that is right, whose optimizer is not judged."""
        found = found_in("same", skip=["exports", "opset-kept"])
        assert found.pop(("optimizer-neutral", "same")).problem == "it is about ONNX Runtime, and same is asked for"
        assert {each.verdict for each in found.values()} == {CheckVerdict.HOLDS}

    def test_engine_is_wrong(self):
        """A right file that is wrong in one engine fails there alone, and the engine is named for it."""
        found = found_in("onnxruntime", "doubled", "same", only=["same-values"])
        assert [each.verdict for each in found.values()] == [CheckVerdict.HOLDS, CheckVerdict.FAILS, CheckVerdict.HOLDS]
        wrong = found["same-values", "doubled"]
        assert wrong.problem.startswith("on traced: output output_0: 16.0 at (5, 3), expected 8.0: ")
        assert wrong.problem.endswith("; ONNX Runtime on the CPU is right")
        assert str(wrong).startswith("Scale-right.onnx: same-values in doubled: on traced: ")
        assert wrong.advice == "Deploy to another engine, and report the model to doubled."
        assert (wrong.run.engine, wrong.evidence) == ("doubled", "")

    def test_file_is_wrong(self):
        """For a wrong file no engine is blamed, whatever it is asked in."""
        wrong = found_in("same", file="wrong.onnx", only=["same-values"])["same-values", "same"]
        assert "; ONNX Runtime on the CPU fails, too: on traced: output output_0: " in wrong.problem
        assert wrong.advice == "Export it again, and compare the nodes."

    def test_random(self):
        """An engine that gives other bits at each run is not repeatable, where ONNX Runtime is."""
        found = found_in("onnxruntime", "random", only=["repeatable"])
        assert [each.verdict for each in found.values()] == [CheckVerdict.HOLDS, CheckVerdict.FAILS]
        assert found["repeatable", "random"].problem.startswith("the file has other outputs when it runs again; ONNX ")

    def test_expected(self):
        """A failure in one engine may be expected, and fails elsewhere."""
        case = scale_case(expected={"same-values": {"doubled": "it doubles"}})
        found = found_in("onnxruntime", "doubled", "same:again", case=case, only=["same-values"])
        assert [each.verdict for each in found.values()] == [
            CheckVerdict.HOLDS,
            CheckVerdict.EXPECTED,
            CheckVerdict.HOLDS,
        ]

    def test_reference(self):
        """The reference evaluator may be asked for; it does not judge itself."""
        found = found_in("reference", only=["same-values", "engines-agree"])
        assert found["same-values", "reference"].verdict == CheckVerdict.HOLDS
        assert found["engines-agree", "reference"].problem == "it is the reference evaluator itself"

    def test_reference_is_left_out(self):
        """What is too expensive for it is not judged, which is no failure."""
        found = found_in("reference", only=["same-values"], budget=1e-12)
        assert found["same-values", "reference"].verdict == CheckVerdict.NOT_JUDGED
        assert "--thorough runs it" in found["same-values", "reference"].problem

    def test_own_class(self):
        """An engine that is no package's is given as it is."""
        fake = FakeEngine(lambda inputs: {"scaled": inputs["x"] * 2, "total": inputs["x"].sum(-1)})
        found = found_in(fake, only=["same-values"])
        assert found["same-values", "fake"].verdict == CheckVerdict.HOLDS

    def test_of_the_file(self):
        """A check of the file itself, asked for in an engine, is judged as without one."""
        conversion = next(conversions(scale_case(), file="right.onnx", engines=["doubled"]))
        found = judge(CHECKS["self-contained"], conversion.within("doubled"))
        assert (found.verdict, found.engine) == (CheckVerdict.HOLDS, "")

    def test_no_array(self):
        """An engine that gives something else than arrays fails, and says what."""
        found = found_in(FakeEngine(lambda inputs: {"scaled": None, "total": inputs["x"]}), only=["same-values"])
        assert "it does not run: fake gives a NoneType as scaled, and no array" in found["same-values", "fake"].problem

    def test_loss(self):
        """A stated loss is judged in each engine."""
        random = np.random.default_rng(0)
        samples = [{"x": random.random((6, 4), np.float32), "factor": np.float32([2])} for _ in range(5)]
        case = scale_case(loss="sqnr >= 30 dB in 50%", samples=samples)
        found = found_in("onnxruntime", "doubled", case=case, only=["loss-kept"])
        assert [each.verdict for each in found.values()] == [CheckVerdict.HOLDS, CheckVerdict.FAILS]


class TestCrash:
    """An engine that ends its process, or hangs, leaves the rest of the run whole."""

    def test_aborts(self):
        """An abort is a finding with the engine's last words; the other engines and checks go on."""
        found = found_in("onnxruntime", "aborts", "same", only=[*OF_EACH, "probes-adequate"])
        wrong = found["same-values", "aborts"]
        assert wrong.verdict == CheckVerdict.FAILS
        assert "it does not run: aborts crashed: Aborted (SIGABRT)" in wrong.problem
        assert "the last words" in wrong.problem
        others = {each.verdict for (_, name), each in found.items() if name != "aborts"}
        assert others == {CheckVerdict.HOLDS}
        assert not any(each.verdict == CheckVerdict.HOLDS for (_, name), each in found.items() if name == "aborts")

    def test_hangs(self):
        """So is one that does not finish in time."""
        found = found_in("hangs:now", "same", only=["same-values"], timeout=2.0)
        assert "hangs:now did not finish in 2 s" in found["same-values", "hangs:now"].problem
        assert found["same-values", "same"].verdict == CheckVerdict.HOLDS


class TestCommand:
    """The command checks in the engines asked for."""

    def run(self, capsys, *arguments):
        status = main(["check", *arguments])
        return status, capsys.readouterr()

    def test_several(self, capsys):
        """Each engine has a row, what fails names it, and the page has a column for it."""
        status, said = self.run(
            capsys,
            *("cases.py:case", "--onnx", "right.onnx", "--only", "same-values", "--only", "dims-kept"),
            *("--engine", "onnxruntime", "--engine", "doubled", "--report", "report"),
        )
        assert status == 1
        rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in said.out.splitlines() if "│" in line]
        assert [row[:3] for row in rows] == [
            ["dims-kept", "", "holds"],
            ["same-values", "onnxruntime", "holds"],
            ["", "doubled", "fails"],
        ]
        assert "Next: fix same-values in doubled of Scale-right.onnx; " in said.out
        page, results = Path("report/index.html").read_text(), read_results("report/results.json")
        assert all(f'<th scope="col">{name}</th>' in page for name in ("onnxruntime", "doubled"))
        assert "<code>same-values in doubled</code>" in page
        assert [(each.check, each.engine) for each in results.findings][1:] == [
            ("same-values", "onnxruntime"),
            ("same-values", "doubled"),
        ]
        assert results.environment["doubled"] == "9"

    def test_one(self, capsys):
        """ONNX Runtime alone has no column, in the table and on the page."""
        status, said = self.run(
            capsys, "cases.py:case", "--onnx", "right.onnx", "--only", "same-values", "--report", "report"
        )
        assert (status, "engine" in said.out.split("┃")[2]) == (0, False)
        assert '<th scope="col">onnxruntime</th>' not in Path("report/index.html").read_text()

    def test_of_the_case(self, capsys):
        """The case's engines are asked, unless others are named."""
        only = ("--onnx", "right.onnx", "--only", "same-values", "--json")
        found = json.loads(self.run(capsys, "cases.py:deployed", *only)[1].out)["findings"]
        assert [(each["engine"], each["verdict"]) for each in found] == [("same", "holds"), ("doubled", "fails")]
        found = json.loads(self.run(capsys, "cases.py:deployed", *only, "--engine", "reference")[1].out)["findings"]
        assert [each["engine"] for each in found] == ["reference"]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            pytest.param(
                ("nothing.py:case", "--engine", "sam"), "--engine: the engine 'sam' is unknown, did", id="asked"
            ),
            pytest.param(("cases.py:absent",), "cases.py:absent: engines: same: node is not installed: apt", id="case"),
        ],
    )
    def test_refused(self, capsys, arguments, message):
        """One that cannot run is refused before anything is spent, also before the case is loaded."""
        status, said = self.run(capsys, *arguments)
        assert (status, said.out, said.err.count("\n")) == (2, "", 1)
        assert said.err.startswith(f"onnxproof: {message}")

    def test_compare(self, capsys):
        """`compare` has the same option."""
        arguments = ("right.onnx", "wrong.onnx", "--only", "same-values", "--engine", "doubled", "--json")
        assert main(["compare", *arguments]) == 1
        (found,) = json.loads(capsys.readouterr().out)["findings"]
        assert (found["engine"], found["verdict"]) == ("doubled", "fails")

    def test_faults(self, capsys):
        """`faults` tries them in each engine."""
        assert main(["faults", "cases.py:case", "--onnx", "right.onnx", "--engine", "same", "--json"]) in (0, 1)
        assert list(json.loads(capsys.readouterr().out)) == ["Scale-right.onnx in same"]


class TestList:
    """`onnxproof engines` lists them."""

    def test_some(self, capsys, monkeypatch):
        """Each has its version and what small files show of it, or how to install it."""
        monkeypatch.setenv("COLUMNS", "300")
        monkeypatch.setitem(sys.modules, "tract", None)
        assert main(["engines", "same", "doubled", "aborts", "same:absent", "tract"]) == 0
        rows = {}
        for line in capsys.readouterr().out.splitlines():
            cells = [cell.strip() for cell in line.split("│")[1:-1]]
            rows |= {cells[0]: cells[1:]} if cells else {}
        everything = "free sizes, sizes as inputs, float16, float64, int64 beyond 32 bits, int8, control flow"
        assert rows["same"] == ["9", everything, ""]
        assert rows["doubled"] == rows["aborts"] == ["9", "nothing that was tried", everything]
        assert rows["same:absent"][1] == "same: node is not installed: apt install nodejs"
        assert rows["tract"][1] == "not installed: pip install tract"

    def test_hangs(self, monkeypatch):
        """One that hangs on a file is asked no other."""
        monkeypatch.setattr("onnxproof.engines.abilities.SECONDS", 2)
        assert not any(abilities("hangs:now").values())

    def test_all(self, capsys):
        """Without a name, all of them."""
        main(["engines"])
        out = capsys.readouterr().out
        assert all(name in out for name in engine_names())
        assert "openvino:… names a device, such as GPU" in out

    def test_unknown(self, capsys):
        """An unknown one is refused."""
        assert main(["engines", "openvin"]) == 2
        assert "the engine 'openvin' is unknown, did you mean 'openvino'" in capsys.readouterr().err


class TestKnown:
    """What engines are known to do otherwise is data."""

    def test_explains(self, monkeypatch):
        """A finding that it explains says so, with what to do instead."""
        problem = "on traced: it does not run: (-215:Assertion failed) !isDynamicShape in function 'parseShape'"
        assert known("opencv:classic", problem).fact == "It refuses a shape that is computed in the file."
        assert known("opencv:new", problem) is None
        assert known("opencv:classic", "on traced: 3 at (0, 1), expected 4") is None

    def test_part(self):
        """One of a dtype or an operator explains nothing in a file without it."""
        problem = "output y: 1.0 at (0,), expected 1.5: 0.5 apart, 1e-13 allowed"
        assert known("openvino", problem, {"float64"}).fact == "It computes float64 in float32."
        assert known("openvino", problem, {"float32"}) is None

    @pytest.mark.parametrize("engine", ["opencv", "opencv:new"])
    def test_chosen(self, engine):
        """OpenCV by itself chooses its new engine; one operator after another is a part of a file."""
        problem = "output y: shape (3, 4), expected (2, 6)"
        assert known(engine, problem, {"Reshape > Reshape"}).fact.startswith("It makes one Reshape of two")
        assert known(engine, problem, {"Reshape", "Reshape > Transpose"}) is None
        assert known("opencv:classic", problem, {"Reshape > Reshape"}) is None

    @pytest.mark.parametrize("each", KNOWN, ids=lambda each: f"{each.engine}-{each.fact[:30]}")
    def test_whole(self, each):
        """Each is of an engine, and says what to do."""
        assert each.engine.partition(":")[0] in engine_names()
        assert each.fact.endswith(".")
        assert each.advice.endswith(".")
        assert f"| `{each.engine}` | {each.fact} |" in PAGE.read_text(encoding="utf-8")


def test_case_as_it_was(folder):
    """A case takes engines by name and as objects."""
    case = Case(folder / "right.onnx", scale_case().inputs, engines=["same", OnnxRuntime()])
    assert case.engines[0] == "same"
