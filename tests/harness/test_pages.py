"""The blocks of code of each page run as they stand, and show what they print."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import onnxproof
from onnxproof import Case, CheckVerdict
from onnxproof.cli import main
from onnxproof.results import read_results
from onnxproof.versions import environment, torch_export_is_available
from tests.harness.pages import ROOT, TABLES, Block, Reader, blocks, commands, in_a_process, lines, prose

DOCS = ROOT / "docs"
README = ROOT / "README.md"
TOOLS = "compare.md"
"""The page that runs tools which `tox -e comparisons` alone installs."""

RUN = [README, *sorted(page for page in DOCS.glob("*.md") if page.name not in {*TABLES, "srcnn.md", TOOLS})]
CHECKS = (
    "exports",
    "inputs-kept",
    "outputs-kept",
    "dims-kept",
    "inputs-live",
    "same-values",
    "same-values-unseen",
)
INSTALLS = ("tox", "pip", "export", "python3")
"""Commands that set up an environment: test_readme.py looks at their form."""


@pytest.fixture
def reader(pytester, monkeypatch, capfd):
    """Follows a page in an empty folder, as at a terminal of 100 columns without colours."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(arguments):
        if arguments[0] == "onnxproof":
            capfd.readouterr()
            forget_modules(Path.cwd())
            status = main(arguments[1:])
            return status, "".join(capfd.readouterr())
        return (0, "") if arguments[0] in INSTALLS else in_a_process(arguments)

    return Reader(run, compares=is_default_stack())


def is_default_stack():
    """Whether torch and ONNX Runtime are those whose messages the pages show."""
    shown = read_results(ROOT / "docs" / "verdicts" / "py311-torch2.13.json").environment
    found = environment()
    return all(found[name].partition("+")[0] == shown[name].partition("+")[0] for name in ("torch", "onnxruntime"))


def forget_modules(folder):
    """Lets the next command import the files of a folder as they are now."""
    for name, module in list(sys.modules.items()):
        if Path(getattr(module, "__file__", None) or "/").is_relative_to(folder):
            del sys.modules[name]


@pytest.mark.skipif(not torch_export_is_available, reason="the pages show both exporters")
@pytest.mark.parametrize(
    "page", [*RUN, pytest.param(DOCS / TOOLS, marks=pytest.mark.comparison)], ids=lambda page: page.stem
)
def test_page(page, reader):
    """Each block runs, and each case that a block makes holds with every exporter."""
    for _ in reader.follow(blocks(page)):
        case = reader.session.pop("case", None)
        if isinstance(case, Case):
            found = onnxproof.check(case, only=CHECKS)
            assert {finding.verdict for finding in found} == {CheckVerdict.HOLDS}, [*map(str, found)]


@pytest.mark.parametrize("name", sorted(TABLES))
def test_no_code(name):
    """A page of tables has nothing to run."""
    assert {block.language for block in blocks(DOCS / name)} <= {"text"}


class TestReader:
    """A page that is wrong is noticed."""

    @pytest.mark.parametrize(
        ("found", "problem"),
        [
            pytest.param([Block("python", "1 / 0")], "division by zero", id="python"),
            pytest.param([Block("sh", "python -c 'exit(1)'")], "ends with 1", id="status"),
            pytest.param([Block("sh", "python -c 'pass'  # 1: why")], "ends with 0", id="expected-status"),
            pytest.param([Block("sh", "python -c 'print(1)'"), Block("text", "2")], "1", id="output"),
            pytest.param([Block("ini", "[pytest]")], "no name", id="no-name"),
        ],
    )
    def test_wrong(self, reader, found, problem):
        """Each kind of block can fail."""
        with pytest.raises((AssertionError, ZeroDivisionError), match=problem):
            list(replace(reader, compares=True).follow(found))

    def test_right(self, reader):
        """A part of the output may be shown; files are written, and Python goes on where it was."""
        found = [
            Block("python", "# some.py\nprint('a', 'opset 3', 4.2e-07, sep='\\n')"),
            Block("sh", "python some.py"),
            Block("text", "opset 5\n1e-08"),
            Block("python", "x = 1"),
            Block("python", "assert x"),
        ]
        assert list(reader.follow(found)) == found
        assert reader.written == [Path("some.py")]


class TestWorkflow:
    """The workflow of the tutorial is one that GitHub takes."""

    @pytest.fixture
    def workflow(self):
        (text,) = [block.text for block in blocks(DOCS / "tutorial.md") if block.language == "yaml"]
        return text

    def test_schema(self, workflow, tmp_path):
        """It has the keys of a workflow, as far as the schema knows."""
        check = pytest.importorskip("check_jsonschema")
        path = tmp_path / "workflow.yml"
        for text, status in ((workflow, 0), (workflow.replace("runs-on", "run-on"), 1)):
            path.write_text(text, encoding="utf-8")
            with pytest.raises(SystemExit) as ended:
                check.main(["--builtin-schema", "vendor.github-workflows", str(path)])
            assert ended.value.code == status

    def test_commands(self, workflow):
        """It installs onnxproof, and runs the tests by a command that the page has shown."""
        steps = [step["run"] for step in yaml.safe_load(workflow)["jobs"]["onnxproof"]["steps"] if "run" in step]
        install, test = steps
        assert install.split()[:2] == ["pip", "install"]
        assert "onnxproof" in install.split()
        assert test in commands(DOCS / "tutorial.md")


def test_nav():
    """Every page of docs/ is in the site's nav, and its links lead to pages that exist."""
    nav = json.dumps(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    for page in DOCS.glob("*.md"):
        assert f'"{page.name}"' in nav
        for link in re.findall(r"\]\(([\w./-]+\.md)", prose(page)):
            assert (DOCS / link).exists()
    assert lines("a ") == ["a"]
