"""The names in the README and in docs/ exist, and their figures and tables are those of committed results.

test_pages.py runs their blocks of code.
"""

import ast
import configparser
import fnmatch
import os
import re
import shlex
from types import SimpleNamespace

import pytest

from benchmarks.conftest import pytest_addoption
from benchmarks.summary import file_lines
from docs import check_table, fault_page, verdict_matrix
from docs.verdict_page import RUNS
from onnxproof.claims.claim import as_table
from onnxproof.cli import command_line, main
from onnxproof.plugin.recording import picture_line
from onnxproof.results import gravest, read_results
from onnxproof.versions import TORCH_EXPORT, torch_export_is_available
from tests.harness.pages import ROOT, TABLES, Reader, blocks, commands, prose

README, CASE_STUDY = ROOT / "README.md", ROOT / "docs" / "srcnn.md"
RUN = [page for page in (README, *sorted((ROOT / "docs").glob("*.md"))) if page.name not in TABLES]
PROSE = "\n".join(map(prose, (README, CASE_STUDY)))
QUOTED = [text for page in RUN for text in re.findall(r"`([^`\n]+)`", prose(page))]
COMMANDS = sorted({line for page in RUN for line in commands(page)})
SET_UP = [line for line in COMMANDS if shlex.split(line)[0] in ("tox", "pip", "export", "python3")]

DEFAULT_STACK = RUNS / "py311-torch2.13.json"
MISSING = object()
OF_OTHERS = {"--tx", "--dist", "--junitxml", "--extra-index-url", "--find-links", "--no-deps"}
"""Options of pytest-xdist, which only its own process knows, of pytest and of pip."""


def ids(texts):
    return [re.sub(r"\W+", "-", text).strip("-")[:60] for text in texts]


def named_paths():
    """Paths of the repository that the README and the case study link to or quote."""
    links = [
        os.path.relpath(page.parent / link, ROOT) for page in (README, CASE_STUDY) for link in LINK.findall(prose(page))
    ]
    quoted = [text for text in re.findall(r"`([^`\n]+)`", PROSE) if QUOTED_PATH.fullmatch(text)]
    left = {text for row in table_under("file", "what") for text in re.findall(r"`([^`]+)`", row)}
    return sorted({*links, *quoted} - left - {"report/", "my_models.py", "srcnn.pth", "results.json"})


LINK = re.compile(r"\]\(([^)#]+)\)")
QUOTED_PATH = re.compile(r"[\w.]+(/[\w.]+)*(\.(py|toml|md|ini|json)|/)")


def table_under(*head):
    """The rows of the case study's table with these columns."""
    lines = prose(CASE_STUDY).splitlines()
    start = lines.index(f"| {' | '.join(head)} |") + 2
    return lines[start : lines.index("", start)]


@pytest.fixture(scope="module")
def tox():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "tox.ini")
    return parser


@pytest.fixture
def written(pytester):
    """Writes the files of a page into the current folder."""

    def write(page):
        reader = Reader(lambda arguments: (0, ""))
        list(reader.follow([block for block in blocks(page) if block.text.startswith("# ")]))
        return pytester

    return write


class TestNames:
    """The README's names exist."""

    @pytest.mark.parametrize("path", named_paths(), ids=ids(named_paths()))
    def test_path(self, path):
        """A path is a file or folder of the repository."""
        assert (ROOT / path).exists()

    @pytest.mark.parametrize(
        "option", sorted(set(re.findall(r"(?<!\S)--[a-z][\w-]+", " ".join(QUOTED + COMMANDS))) - OF_OTHERS)
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
    """The commands that set up an environment are those of CI and of tox; test_pages.py runs the others."""

    @pytest.mark.parametrize("command", SET_UP, ids=ids(SET_UP))
    def test_form(self, command, tox):
        """A command is what CI runs, an existing tox environment, or an installation from the clone."""
        program, *arguments = shlex.split(command)
        if program == "tox":
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


def is_environment(name, tox):
    """Whether tox has a section of that name, or each of its factors is a Python, a stack or an opset."""
    stacks = [path.stem for path in (ROOT / "stacks").glob("*.txt")]
    opsets = re.findall(r"^(opset\d+):", tox["testenv"]["opset"], re.MULTILINE)
    known = {*stacks, *opsets, "py"}
    return f"testenv:{name}" in tox or all(part in known or re.fullmatch(r"py3\d+", part) for part in name.split("-"))


class TestOutput:
    """Shown output is real output; test_pages.py compares that of commands that run at once."""

    @pytest.mark.parametrize(
        ("given", "status", "problem"),
        [
            pytest.param("min=16, max=1024, multiple_of=4", 0, "", id="as-written"),
            pytest.param("multiple_of=2", 1, "the model refuses promised sizes: height = 2, 10, ", id="broken-promise"),
            pytest.param("min=40", 2, "the dimension 'height' is 32 in inputs", id="example-outside"),
        ],
    )
    def test_promise(self, written, capfd, given, status, problem):
        """The promise of docs/sizes.md holds, and others do not, by the command and in pytest."""
        suite = written(ROOT / "docs" / "sizes.md")
        module = suite.path / "my_networks.py"
        assert "min=16, max=1024, multiple_of=4" in module.read_text()
        module.write_text(module.read_text().replace("min=16, max=1024, multiple_of=4", given))
        written(README)
        test = (suite.path / "test_my_models.py").read_text().replace("my_models", "my_networks")
        suite.makepyfile(test_my_networks=test.replace("my_case", "my_network"))
        asked = "probes-adequate"
        assert main(["check", "my_networks.py:my_network", "--only", asked]) == status
        assert problem in " ".join("".join(capfd.readouterr()).split())
        assert suite.runpytest_inprocess("test_my_networks.py", "-k", asked).ret == status

    @pytest.mark.skipif(not torch_export_is_available, reason="the installed torch has no torch.export")
    def test_torch_export(self, written):
        """With torch.export, every check of the README's model holds, as many as it says."""
        result = written(README).runpytest_inprocess("--onnx-exporter", TORCH_EXPORT)
        result.assert_outcomes(passed=int(re.search(r"all (\d+) checks hold", PROSE)[1]))

    def test_claims(self):
        """The verdicts and the pictures are those that were recorded with the same stack."""
        run = read_results(DEFAULT_STACK)
        verdicts = [(claim.chapter, gravest(claim.verdicts.values())) for claim in run.claims]
        pictures = {found.parity.case: found for found in run.comparisons if found.pixels}
        lines = [picture_line(found.parity, found.pixels) for _, found in sorted(pictures.items())]
        shown = texts(CASE_STUDY)[0].splitlines()
        assert shown == [line.rstrip() for line in (*lines, "", *as_table(verdicts).splitlines())]

    def test_files(self, tmp_path):
        """A run of the benchmarks ends with the lines that are shown."""
        shown = texts(CASE_STUDY)[1].splitlines()
        for line in shown:
            path = tmp_path / line.partition(":")[0]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert list(file_lines(tmp_path / "report" / "benchmarks", tmp_path)) == shown


def texts(page):
    return [block.text for block in blocks(page) if block.language == "text"]


class TestFigures:
    """Figures and tables are those of committed results, and of the checks themselves."""

    def test_number_of_claims(self):
        """The document has as many claims as the text says."""
        assert int(re.search(r"the document's (\d+) claims", PROSE)[1]) == len(read_results(DEFAULT_STACK).claims)

    def test_checks(self):
        """The README's table has each check: `python -m docs.check_table` writes it."""
        text = README.read_text(encoding="utf-8")
        assert check_table.table() in text
        assert check_table.render(text) == text
        assert check_table.render(text.replace("| `exports` |", "| `export` |")) == text

    def test_faults(self):
        """The README's table of faults is on the page that is made of them, row by row."""
        text = README.read_text(encoding="utf-8")
        table = re.search(r"^\| tool \| asked \| caught \|.*?\n\n", text, re.MULTILINE | re.DOTALL)[0]
        assert table.count("\n") > 5
        assert table in fault_page.PAGE.read_text(encoding="utf-8")
        broken, good = re.search(r"Each of (\d+) deliberately broken .* and (\d+) good ones", text).groups()
        assert f"| onnxproof | {broken} | {broken} | 100 % | 0 | 0 of {good} |" in table

    def test_picture(self):
        """The picture of the page is small."""
        assert (ROOT / "docs" / "page.png").stat().st_size < 200_000
