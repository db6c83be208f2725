"""The README's names exist, its commands run, its output is real, and its figures are those of committed results."""

import ast
import configparser
import fnmatch
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.conftest import pytest_addoption
from benchmarks.summary import file_lines
from docs import fault_page, verdict_matrix, verdict_page
from onnxproof.claims.claim import as_table
from onnxproof.cli import command_line, main
from onnxproof.exporting.export import export
from onnxproof.plugin.recording import picture_line
from onnxproof.results import gravest, read_results
from onnxproof.versions import TORCH_EXPORT, TORCHSCRIPT, default_opset, torch_export_is_available

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
COMMANDS = [line for language, text in BLOCKS if language == "sh" for line in text.splitlines()]
TEXTS = [text for language, text in BLOCKS if language == "text"]
PROSE = re.sub(r"^```.*?^```", "", README, flags=re.MULTILINE | re.DOTALL)
QUOTED = re.findall(r"`([^`\n]+)`", PROSE)

DEFAULT_STACK = verdict_page.RUNS / "py311-torch2.13.json"
MISSING = object()
OF_OTHERS = {"--tx"}
"""Options of pytest-xdist, which only its own process knows."""


def ids(texts):
    return [re.sub(r"\W+", "-", text).strip("-")[:60] for text in texts]


def named_paths():
    """Paths of the repository that the prose links to or quotes."""
    links = re.findall(r"\]\(([^)#]+)\)", PROSE)
    quoted = [text for text in QUOTED if re.fullmatch(r"[\w.]+(/[\w.]+)*(\.(py|toml|md|ini|json)|/)", text)]
    left = {text for row in table_under("file", "what") for text in re.findall(r"`([^`]+)`", row)}
    return sorted({*links, *quoted} - left - {"report/", "report/repro/", "my_models.py", "srcnn.pth", "results.json"})


def table_under(*head):
    """The rows of the table with these columns."""
    lines = PROSE.splitlines()
    start = lines.index(f"| {' | '.join(head)} |") + 2
    return lines[start : lines.index("", start)]


@pytest.fixture(scope="module")
def tox():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "tox.ini")
    return parser


@pytest.fixture
def my_models(pytester):
    """A folder with the README's modules, each under the name in its first line."""
    for language, text in BLOCKS:
        if language == "python":
            (pytester.path / text.splitlines()[0].removeprefix("# ")).write_text(text)
    return pytester


class TestNames:
    """The README's names exist."""

    @pytest.mark.parametrize("path", named_paths(), ids=ids(named_paths()))
    def test_path(self, path):
        """A path is a file or folder of the repository."""
        assert (ROOT / path).exists()

    @pytest.mark.parametrize(
        "option", sorted(set(re.findall(r"--[a-z][\w-]+", " ".join(QUOTED + COMMANDS))) - OF_OTHERS)
    )
    def test_option(self, pytestconfig, option):
        """An option is one of the command's, of this suite's pytest, of the benchmarks', or of the matrix's."""
        parsers = [*subcommands(), verdict_matrix.command_line()]
        known = {name for parser in parsers for name in parser._option_string_actions}
        pytest_addoption(SimpleNamespace(addoption=lambda name, **_: known.add(name)))
        assert option in known or pytestconfig.getoption(option, MISSING) is not MISSING

    def test_kept_files(self):
        """The files in the table are those that the specs keep, and the report's own."""
        listed = {name for row in table_under("file", "what") for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
        kept = {name: set(fnmatch.filter(listed, name)) for name in kept_files()}
        assert [name for name, files in kept.items() if not files] == []
        assert listed - set().union(*kept.values()) == {"index.html", "results.json"}


def kept_files():
    """The names in the calls by which specs keep files, with * for a part that is formatted in."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "conftest.py", *ROOT.glob("tests/*.py"))]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    keeping = [call for call in calls if getattr(call.func, "id", "") in {"onnx_keep", "keep_picture", "face_pictures"}]
    names = [name for call in keeping for name in re.findall(r"'([\w{}]+\.\w+)'", ast.unparse(call))]
    return {re.sub(r"{\w+}", "*", name) for name in names}


def subcommands():
    parser = command_line()
    (choices,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
    return choices.values()


class TestCommands:
    """The commands run."""

    @pytest.mark.parametrize("command", COMMANDS, ids=ids(COMMANDS))
    def test_form(self, command, tox):
        """A command is what CI runs, an existing tox environment, or a line that `onnxproof` takes."""
        program, *arguments = shlex.split(command)
        if program == "onnxproof":
            assert command_line().parse_args(arguments).run
        elif program == "tox":
            assert all(is_environment(name, tox) for name in arguments[arguments.index("-e") + 1].split(","))
        elif program == "pip":
            assert arguments == ["install", "."]
        elif program == "export":
            assert arguments[0].startswith("PIP_EXTRA_INDEX_URL=")
        else:
            assert command.partition(" -- ")[0] in (ROOT / ".ci" / "run").read_text(encoding="utf-8")

    @pytest.mark.parametrize("name", ["py311-torch1.0", "opset9", "matrx"])
    def test_no_environment(self, name, tox):
        """A release without pins, an opset that no exporter writes, and a typo are not environments."""
        assert not is_environment(name, tox)

    @pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("onnxproof check")])
    def test_check(self, command, my_models, exported_frozen, capfd):
        """The command runs as written, and finds what is wrong with the README's model."""
        shutil.copy(exported_frozen, "model.onnx")
        assert main(shlex.split(command)[1:]) == 1
        assert "the file has no input factor" in capfd.readouterr().out

    @pytest.mark.parametrize("command", [line for line in COMMANDS if line.startswith("onnxproof report")])
    def test_report(self, command, pytester):
        """The command runs as written, on the files that it names."""
        arguments = shlex.split(command)[1:]
        for path in map(Path, arguments[1 : arguments.index("-o")]):
            path.parent.mkdir(parents=True)
            shutil.copy(DEFAULT_STACK, path)
        Path("docs").symlink_to(ROOT / "docs")
        assert main(arguments) == 0
        assert Path("report/index.html").stat().st_size > 0


def is_environment(name, tox):
    """Whether tox has a section of that name, or each of its factors is a Python, a stack or an opset."""
    stacks = [path.stem for path in (ROOT / "stacks").glob("*.txt")]
    opsets = re.findall(r"^(opset\d+):", tox["testenv"]["opset"], re.MULTILINE)
    known = {*stacks, *opsets, "py"}
    return f"testenv:{name}" in tox or all(part in known or re.fullmatch(r"py3\d+", part) for part in name.split("-"))


@pytest.fixture(scope="module")
def exported_frozen(tmp_path_factory):
    """The README's model, exported by torchscript."""
    namespace = {}
    exec(next(text for _, text in BLOCKS if "class Frozen" in text), namespace)
    case, path = namespace["my_case"], tmp_path_factory.mktemp("frozen") / "model.onnx"
    asked = {"exporter": TORCHSCRIPT, "opset": default_opset(TORCHSCRIPT), "dynamic": case.dynamic}
    return export(case.model, case.inputs, path, **asked).path


class TestOutput:
    """Shown output is real output."""

    def test_failure(self, my_models):
        """The README's test has two failures, and the script that it names has the output that is shown."""
        table, output = TEXTS[:2]
        result = my_models.runpytest_inprocess("--onnx-report", "report", "--onnx-exporter", TORCHSCRIPT)
        result.assert_outcomes(passed=13, failed=2)
        script = re.findall(r"→ python (\S+)", table)[-1]
        ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
        assert (ran.returncode, ran.stdout) == (1, output)

    def test_table(self, my_models, monkeypatch, capfd):
        """The README's first command prints the table and the failures that are shown."""
        monkeypatch.setenv("COLUMNS", "100")
        monkeypatch.setenv("NO_COLOR", "1")
        command = next(line for line in COMMANDS if line.startswith("onnxproof check") and "--report" in line)
        assert main(shlex.split(command)[1:]) == 1
        assert as_shown(capfd.readouterr().out) == as_shown(TEXTS[0])

    @pytest.mark.parametrize(
        ("given", "status", "problem"),
        [
            pytest.param("min=16, max=1024, multiple_of=4", 0, "", id="as-written"),
            pytest.param("multiple_of=2", 1, "the model refuses promised sizes: height = 2, 10, ", id="broken-promise"),
            pytest.param("min=40", 2, "the dimension 'height' is 32 in inputs", id="example-outside"),
        ],
    )
    def test_promise(self, my_models, capfd, given, status, problem):
        """The promise of the README's network holds, and others do not, by the command and in pytest."""
        module = my_models.path / "my_networks.py"
        assert "min=16, max=1024, multiple_of=4" in module.read_text()
        module.write_text(module.read_text().replace("min=16, max=1024, multiple_of=4", given))
        test = (my_models.path / "test_my_models.py").read_text().replace("my_models", "my_networks")
        my_models.makepyfile(test_my_networks=test.replace("my_case", "my_network"))
        asked = "probes-adequate"
        assert main(["check", "my_networks.py:my_network", "--only", asked]) == status
        assert problem in " ".join("".join(capfd.readouterr()).split())
        assert my_models.runpytest_inprocess("test_my_networks.py", "-k", asked).ret == status

    @pytest.mark.skipif(not torch_export_is_available, reason="the installed torch has no torch.export")
    def test_torch_export(self, my_models):
        """With torch.export, every check of the README's model holds, as many as it says."""
        result = my_models.runpytest_inprocess("--onnx-exporter", TORCH_EXPORT)
        result.assert_outcomes(passed=int(re.search(r"all (\d+) checks hold", PROSE)[1]))

    def test_claims(self):
        """The verdicts and the pictures are those that were recorded with the same stack."""
        run = read_results(DEFAULT_STACK)
        verdicts = [(claim.chapter, gravest(claim.verdicts.values())) for claim in run.claims]
        pictures = {found.parity.case: found for found in run.comparisons if found.pixels}
        lines = [picture_line(found.parity, found.pixels) for _, found in sorted(pictures.items())]
        shown = TEXTS[2].splitlines()
        assert shown == [line.rstrip() for line in (*as_table(verdicts).splitlines(), "", *lines)]

    def test_files(self, tmp_path):
        """A run of the benchmarks ends with the lines that are shown."""
        shown = TEXTS[3].splitlines()
        for line in shown:
            path = tmp_path / line.partition(":")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert list(file_lines(tmp_path / "report" / "benchmarks", tmp_path)) == shown


def as_shown(output):
    """The command's output, without white space at line ends and figures of rounding, which depend on the machine."""
    return [
        line.rstrip() for line in re.sub(r"[\d.]+e-07", "0.0e-07", re.sub(r"opset \d+", "opset N", output)).splitlines()
    ]


class TestFigures:
    """The tables are on the pages that are made of committed results."""

    def test_number_of_claims(self):
        """The document has as many claims as the text says."""
        assert int(re.search(r"The document's (\d+) claims", PROSE)[1]) == len(read_results(DEFAULT_STACK).claims)

    @pytest.mark.parametrize(
        ("first", "page"),
        [
            pytest.param("| | asked | caught |", fault_page.PAGE, id="faults"),
            pytest.param("| environment | holds |", verdict_page.PAGE, id="verdicts"),
        ],
    )
    def test_table(self, first, page):
        """The table is on the page, row by row."""
        table = re.search(rf"^{re.escape(first)}.*?\n\n", README, re.MULTILINE | re.DOTALL)[0]
        assert table.count("\n") > 5
        assert table in page.read_text(encoding="utf-8")
