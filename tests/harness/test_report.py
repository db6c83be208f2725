"""The page shows the results of every run, as text, and nothing else."""

import functools
import json
import re
from dataclasses import is_dataclass, replace
from enum import Enum
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxproof.cli import main
from onnxproof.report.latencies import charts
from onnxproof.report.page import page, write_report
from onnxproof.report.runs import Run, read_runs
from onnxproof.report.summary import sentence
from onnxproof.report.tables import claim_matrix, conversions, drawn_graphs
from onnxproof.report.texts import in_short
from onnxproof.results import CheckVerdict, ClaimVerdict, PixelParity, ResultsError
from tests.harness.runs import (
    CHECKED,
    CLAIM,
    COMPARISON,
    EMPTY,
    GRAPH,
    HOLDING,
    LATENCY,
    MACHINE,
    REFUSED,
    RESULTS,
    TIMED,
    timed,
    write_repro,
    write_results,
)

FAULTS = Path(__file__).parents[2] / "docs" / "faults.json"
FAULT = {"id": "id", "kind": "file", "on": "on", "sentence": "s", "caught_by": "c", "checks": [], "peers": {"p": "a"}}
SCRIPT = "<script>alert(1)</script>"


class Markup(HTMLParser):
    """The elements of a page with the names of their attributes, its text, and its links."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(content.decode())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, *(name for name, _ in attrs)))
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


def spoiled(item, text):
    """An item of results with `text` added to every string but verdicts."""
    if is_dataclass(item):
        return replace(item, **{name: spoiled(value, text) for name, value in vars(item).items()})
    if isinstance(item, dict):
        return {f"{key}{text}": spoiled(value, text) for key, value in item.items()}
    if isinstance(item, list):
        return [spoiled(value, text) for value in item]
    return f"{item}{text}" if isinstance(item, str) and not isinstance(item, Enum) else item


def runs_of(*results):
    return [Run(f"{number}", Path("results.json"), each) for number, each in enumerate(results)]


def markup_of(*results):
    return Markup(page(runs_of(*results)))


class TestEscaping:
    """Text in a results.json stays text."""

    @staticmethod
    def spoiled_page(text):
        results = spoiled(replace(RESULTS, refused=[REFUSED]), text)
        fault = {key: value if key == "kind" else spoiled(value, text) for key, value in FAULT.items()}
        faults = {"versions": spoiled({"torch": "1"}, text), "faults": [fault], "good": []}
        return page([Run(results.label, Path("results.json"), results)], faults)

    @staticmethod
    @functools.cache
    def plain_elements():
        return Markup(TestEscaping.spoiled_page("a")).elements

    @given(st.text(min_size=1) | st.sampled_from([SCRIPT, '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"]))
    def test_elements(self, text):
        """Whatever text is in every field, the page has the same elements and attributes."""
        assert Markup(self.spoiled_page(text)).elements == self.plain_elements()

    def test_every_field_is_shown(self):
        """A script in any field is shown as text."""
        claim = [CLAIM.chapter, CLAIM.statement, CLAIM.departures[0].reason, *CLAIM.not_applicable, *CLAIM.specs]
        finding = [CHECKED.case, CHECKED.figure, CHECKED.problem, CHECKED.advice, CHECKED.evidence]
        latency = [LATENCY.case, *LATENCY.not_run, *LATENCY.not_run.values(), "torch", "2.13.0", MACHINE.cpu]
        others = [
            *vars(REFUSED).values(),
            "face-x3",
            "other size",
            GRAPH.file,
            "Resize",
            RESULTS.name,
            "2.13.0",
            FAULT["sentence"],
        ]
        text = Markup(self.spoiled_page(SCRIPT)).text
        fields = claim + finding + latency + others
        text = text.replace(r"\u003c", "<").replace(r"\u003e", ">")  # in JSON
        assert [field for field in fields if f"{field}{SCRIPT}" not in text] == []

    def test_lone_surrogate(self):
        """Half of a character, which JSON can hold, becomes a question mark."""
        assert "half ?" in Markup(page([Run("half \ud800", Path("results.json"), RESULTS)])).text

    @pytest.mark.parametrize(
        ("link", "is_link"),
        [("https://example.org/", True), ("javascript:alert(1)", False), (f"data:text/html,{SCRIPT}", False)],
    )
    def test_link(self, link, is_link):
        """A web address is a link; anything else is text."""
        claim = replace(CLAIM, departures=[replace(CLAIM.departures[0], link=link)])
        markup = markup_of(replace(RESULTS, claims=[claim]))
        assert (link in markup.links) == is_link
        assert link in markup.text


class TestLongProblem:
    """A long problem is shown in short, and whole in what opens."""

    @pytest.mark.parametrize(
        ("problem", "short"),
        [
            pytest.param("a " * 130, "", id="not-long"),
            pytest.param("on x: " + "word " * 90, f"on x:{' word' * 20} …", id="beginning"),
            pytest.param("on x: " + "word " * 90 + "; a kernel", f"on x:{' word' * 20} … a kernel", id="culprit"),
            pytest.param("on x: " + "word " * 90 + ";" + " w" * 90, f"on x:{' word' * 20} …", id="long-clause"),
            pytest.param("w" * 300, "w" * 110 + " …", id="one-word"),
        ],
    )
    def test_short(self, problem, short):
        """Its beginning, and its last clause unless that is long as well."""
        assert in_short(problem) == short
        text = markup_of(replace(EMPTY, findings=[replace(CHECKED, problem=problem)])).text
        assert problem in text
        assert short in text


class TestRefusedCases:
    """Cases that could not be checked are shown once, behind what fails."""

    @pytest.mark.parametrize(
        ("verdicts", "order"),
        [
            pytest.param([CheckVerdict.FAILS, CheckVerdict.HOLDS], ["0", "Picky", "1"], id="between"),
            pytest.param([CheckVerdict.HOLDS], ["Picky", "0"], id="first"),
            pytest.param([CheckVerdict.FAILS], ["0", "Picky"], id="last"),
            pytest.param([], ["Picky"], id="alone"),
        ],
    )
    def test_place(self, verdicts, order):
        """They are before what holds."""
        findings = [replace(CHECKED, case=f"{number}", verdict=verdict) for number, verdict in enumerate(verdicts)]
        content = page(runs_of(replace(EMPTY, findings=findings, refused=[REFUSED]))).decode()
        assert re.findall(r"<h3>(\w+)", content) == order

    def test_runs(self):
        """A case that could not be checked in several runs is shown once, with these."""
        refused = replace(EMPTY, refused=[REFUSED])
        text = " ".join(markup_of(EMPTY, refused, refused).text.split())
        assert "In 3 environments, none of 2 cases could be checked." in text
        assert text.count(f"Picky 1, 2 could not be checked{REFUSED.problem}") == 1


class TestPaths:
    """Paths are relative to the page's folder, and commands are safe to copy."""

    def test_relative(self, tmp_path):
        """The folder that the run and the page have in common is not on the page."""
        given = replace(CHECKED, exporter="", file="/m/n.onnx")
        path = write_results(tmp_path / "run", replace(RESULTS, findings=[given]))
        path.with_name(GRAPH.file).touch()
        write_repro(path.parent)
        text = Markup(write_report([path], tmp_path / "out").read_bytes()).text
        for shown in ("../run/results.json", f"netron ../run/{GRAPH.file}", f"python ../run/{CHECKED.repro}/repro.py"):
            assert shown in text
        assert "n.onnx, opset 17" in text
        assert str(tmp_path) not in text
        assert "/m/" not in text

    @pytest.mark.parametrize(("name", "word"), [("a b; rm $HOME", "'a b; rm $HOME'"), ("-x.onnx", "./-x.onnx")])
    def test_command(self, monkeypatch, tmp_path, name, word):
        """Whatever its name, the path is one word to a shell, not an option."""
        monkeypatch.chdir(tmp_path)
        Path(name).touch()
        assert f"netron {word}" in markup_of(replace(RESULTS, graphs=[replace(GRAPH, file=name)])).text

    @pytest.mark.parametrize("name", ["srcnn.onnx", "nul\0", "a" * 5000], ids=["missing", "nul", "long"])
    def test_no_file(self, name):
        """A graph has no command if its file was not kept."""
        assert "netron" not in markup_of(replace(RESULTS, graphs=[replace(GRAPH, file=name)])).text

    def test_file_of_another_run(self, tmp_path):
        """If several runs made the same graph, the command opens a file that is still there."""
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept" / GRAPH.file).touch()
        runs = [Run(name, tmp_path / name / "results.json", RESULTS) for name in ("gone", "kept")]
        assert f"netron kept/{GRAPH.file}" in Markup(page(runs, folder=tmp_path)).text

    def test_through_the_root(self, tmp_path):
        """A path that leads through the root of the machine is not shown; there is no command for it."""
        path = write_results(tmp_path / "run", replace(RESULTS, graphs=[GRAPH]))
        path.with_name(GRAPH.file).touch()
        text = Markup(page(read_runs([path]), folder=Path("/elsewhere/report"))).text
        assert "made from run/results.json" in text
        assert "netron" not in text
        assert str(tmp_path).rpartition("/")[2] not in text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            pytest.param("/home/me/n.onnx: not readable", "…/n.onnx: not readable", id="given-file"),
            pytest.param("at /home/me/net.py:3: `x / y`", "at …/net.py:3: `x / y`", id="source"),
            pytest.param("(/v/lib/site-packages/timm/vit.py:3)", "(…/timm/vit.py:3)", id="package"),
            pytest.param("https://github.com/pytorch/a.py", "https://github.com/pytorch/a.py", id="web"),
            pytest.param("at models/net.py:3", "at models/net.py:3", id="relative"),
            pytest.param("Name:'/blocks.0/mlp/MatMul'", "Name:'/blocks.0/mlp/MatMul'", id="node"),
        ],
    )
    def test_texts(self, text, shown):
        """A finding's texts have no folder of the machine."""
        for field in ("problem", "advice", "evidence", "figure"):
            found = conversions(runs_of(replace(RESULTS, findings=[replace(CHECKED, **{field: text})])))
            assert getattr(found[0].item.findings[0], field) == shown

    def test_links(self, tmp_path):
        """The script of a failure is a link, if the run still has it in its folder."""
        findings = [replace(CHECKED, repro=repro) for repro in (CHECKED.repro, "../up", "/etc", "javascript:0;", "a b")]
        path = write_results(tmp_path / "run", replace(RESULTS, findings=findings))
        assert find_scripts(write_report([path], tmp_path)) == []
        for finding in findings:
            write_repro(path.parent, finding.repro if finding.repro != "/etc" else "etc")
        assert find_scripts(write_report([path], tmp_path)) == [
            f"./run/{CHECKED.repro}/repro.py",
            "./run/javascript%3A0%3B/repro.py",
            "./run/a%20b/repro.py",
        ]


def find_scripts(path):
    return [link for link in Markup(path.read_bytes()).links if link.endswith(".py")]


class TestMerging:
    """One page is made of several files."""

    def test_unusable(self, tmp_path):
        """A file that cannot be used is named, and the page of an earlier run stays."""
        (tmp_path / "bad.json").write_text('{"schema": 1}')
        kept = write_report([write_results(tmp_path)], tmp_path / "out").read_bytes()
        with pytest.raises(ResultsError, match=r"bad\.json: schema 1"):
            write_report([tmp_path / "results.json", tmp_path / "bad.json"], tmp_path / "out")
        assert (tmp_path / "out" / "index.html").read_bytes() == kept

    def test_labels(self, tmp_path):
        """Runs of the same name get a number."""
        names = ("a", "a", "a (2)", "a")
        paths = [write_results(tmp_path / str(n), replace(RESULTS, name=name)) for n, name in enumerate(names)]
        assert [run.label for run in read_runs(paths)] == ["a", "a (2)", "a (2) (2)", "a (3)"]

    def test_fifty_runs(self):
        """The page of fifty runs has a column for each."""
        text = Markup(page([Run(f"torch-{n}", Path("results.json"), RESULTS) for n in range(50)])).text
        assert "In 50 environments" in text
        assert [n for n in range(50) if f"torch-{n}" not in text] == []

    def test_faults(self, tmp_path):
        """The table of faults counts what each tool caught; a broken file is named."""
        text = Markup(write_report([write_results(tmp_path)], tmp_path, FAULTS).read_bytes()).text
        faults = json.loads(FAULTS.read_text(encoding="utf-8"))["faults"]
        assert [row["sentence"] for row in faults if row["sentence"] not in text] == []
        assert f"{len(faults)} of {len(faults)} onnxproof" in text
        (tmp_path / "broken.json").write_text('{"faults": []}')
        with pytest.raises(ResultsError, match=r"broken\.json: not whole"):
            write_report([tmp_path / "results.json"], tmp_path, tmp_path / "broken.json")


class TestSentence:
    """The page opens with what holds and what does not."""

    @staticmethod
    def text(*results):
        return "".join(phrase.text for phrase in sentence(runs_of(*results)))

    def test_one_run(self):
        """A claim counts with its gravest verdict."""
        assert self.text(RESULTS) == (
            "With 0, 1 of 2 claims holds, 1 departs for a known reason, and none fails; of 1 picture compared none has "
            "a wrong value; Frozen (torchscript, opset 17) fails 1 of 1 check: inputs-kept; 2 contenders were timed on "
            "fixed-x3-256: onnxruntime is the fastest, and torch, the next, takes 1.76 (1.73 to 1.93) times as long."
        )

    def test_several_runs(self):
        """A claim counts with its gravest verdict in any run."""
        failing = replace(EMPTY, claims=[replace(HOLDING, verdicts={"": ClaimVerdict.FAILING})])
        assert self.text(RESULTS, failing).startswith(
            "In 2 environments, 0 of 2 claims hold everywhere, 1 departs somewhere for a known reason, and 1 fails; "
        )

    def test_one_part(self):
        """A kind of results has a part; without any, the sentence says so."""
        wrong = replace(COMPARISON, pixels=PixelParity(9, 1, 2))
        expected = "With 0, of 1 picture compared 1 has wrong values."
        assert self.text(replace(EMPTY, comparisons=[wrong])) == expected
        assert self.text(EMPTY) == "With 0, nothing was recorded."

    def test_conversions(self):
        """Of several conversions, a single one that fails is named with its checks; several are counted."""
        fine = replace(CHECKED, case="Fine", verdict=CheckVerdict.HOLDS)
        both = [CHECKED, replace(CHECKED, check="same-values"), fine]
        named = "With 0, of 2 conversions checked 1 fails: Frozen (torchscript, opset 17) in inputs-kept, same-values."
        assert self.text(replace(EMPTY, findings=both)) == named
        third = replace(CHECKED, case="Third")
        assert self.text(replace(EMPTY, findings=[*both, third])) == "With 0, of 3 conversions checked 2 fail."
        assert self.text(replace(EMPTY, findings=[fine])) == "With 0, of 1 conversion checked none fails."

    @pytest.mark.parametrize(
        ("findings", "refused", "expected"),
        [
            pytest.param([], 1, "Picky could not be checked.", id="the-only-one"),
            pytest.param([], 3, "none of 3 cases could be checked.", id="all"),
            pytest.param(
                [replace(CHECKED, verdict=CheckVerdict.HOLDS)],
                1,
                "of 1 conversion checked none fails; 1 case could not be checked.",
                id="others-hold",
            ),
            pytest.param(
                [CHECKED],
                2,
                "Frozen (torchscript, opset 17) fails 1 of 1 check: inputs-kept; 2 cases could not be checked.",
                id="others-fail",
            ),
        ],
    )
    def test_refused(self, findings, refused, expected):
        """Cases that could not be checked are counted, and a single one is named."""
        results = replace(EMPTY, findings=findings, refused=[REFUSED] * refused)
        assert self.text(results) == f"With 0, {expected}"


class TestSentenceOfLatency:
    """A run that only timed opens with the machine and with what was the fastest."""

    @staticmethod
    def text(*latencies):
        return TestSentence.text(replace(TIMED, latency=list(latencies))).removeprefix("On AMD EPYC (2 cores), ")

    @pytest.mark.parametrize(
        ("ratios", "expected"),
        [
            pytest.param(
                {"torch": 2.0, "cv": 3.0},
                "3 contenders were timed on fixed-x3-256: ort is the fastest, and torch, the next, takes 2.00 (1.95 to "
                "2.05) times as long.",
                id="baseline",
            ),
            pytest.param(
                {"torch": 2.0, "vino": 0.5},
                "3 contenders were timed on fixed-x3-256: vino is the fastest and takes 0.50 (0.45 to 0.55) times as "
                "long as ort.",
                id="other",
            ),
            pytest.param(
                {"torch": 0.8, "vino": 0.75, "cv": 0.9},
                "4 contenders were timed on fixed-x3-256: vino is not clearly faster than torch.",
                id="intervals-overlap",
            ),
            pytest.param({}, "1 contender was timed on fixed-x3-256: ort takes 0 ms.", id="alone"),
        ],
    )
    def test_workload(self, ratios, expected):
        """One workload: the fastest beside the baseline, or those between which the intervals do not decide."""
        assert self.text(timed(**ratios)) == expected

    @pytest.mark.parametrize(
        ("workloads", "expected"),
        [
            pytest.param([{"vino": 0.5}, {"vino": 0.6}], "vino is the fastest on all of them.", id="all"),
            pytest.param([{"vino": 0.5}, {"vino": 1}], "the fastest is vino on 1, uncertain on 1.", id="uncertain"),
            pytest.param([{"vino": 1}, {"vino": 1}], "which is the fastest is uncertain.", id="none"),
            pytest.param(
                [{"a": 0.5}, {"b": 0.5}, {"b": 0.5}, {"c": 0.5}, {"d": 0.5}, {"e": 0.5}],
                "the fastest is b on 2, a on 1, c on 1, 2 others on 2.",
                id="many",
            ),
        ],
    )
    def test_workloads(self, workloads, expected):
        """Several workloads: how many each contender is the fastest on."""
        text = self.text(*(timed(f"{number}", **ratios) for number, ratios in enumerate(workloads)))
        assert text.partition(f" timed on {len(workloads)} workloads: ")[2] == expected

    def test_runs(self):
        """What is the fastest in one run and not in another is uncertain."""
        runs = [replace(TIMED, latency=[timed(vino=ratio)]) for ratio in (0.5, 2)]
        assert TestSentence.text(*runs).endswith("timed on fixed-x3-256: which is the fastest is uncertain.")
        assert TestSentence.text(runs[0], runs[0]).startswith("In 2 runs, 2 contenders ")
        assert TestSentence.text(runs[0], runs[0]).endswith(" on fixed-x3-256: vino is the fastest.")


class TestTables:
    """What several runs share is shown once."""

    def test_mark_per_exporter(self):
        """A cell has one mark, or one for each exporter if they differ."""
        (order,), (fixed,) = claim_matrix(runs_of(RESULTS)).chapters.values()
        assert (order.cells[0].marks, fixed.cells[0].marks) == (("departs", "holds"), ("holds",))
        assert order.cells[0].spoken == "torch.export: departs, torchscript: holds"

    def test_missing_claim(self):
        """A run without a claim has an empty cell."""
        matrix = claim_matrix(runs_of(replace(RESULTS, claims=[HOLDING]), RESULTS))
        cells = {row.id: [bool(cell) for cell in row.cells] for rows in matrix.chapters.values() for row in rows}
        assert cells == {HOLDING.id: [True, True], CLAIM.id: [False, True]}

    def test_details_are_shared(self):
        """Equal cells lead to the same detail."""
        other = replace(CLAIM, verdicts={"": ClaimVerdict.FAILING})
        matrix = claim_matrix(runs_of(RESULTS, RESULTS, replace(RESULTS, claims=[other, HOLDING])))
        (order,), _ = matrix.chapters.values()
        assert [matrix.details[cell.detail] for cell in order.cells] == [CLAIM, CLAIM, other]
        assert len(matrix.details) == 3
        assert order.differs

    def test_graphs_are_shared(self):
        """Equal graphs are drawn once."""
        other = replace(RESULTS, graphs=[replace(GRAPH, opset=12)])
        assert [each.labels for each, _ in drawn_graphs(runs_of(RESULTS, other, RESULTS))] == [["0", "2"], ["1"]]

    def test_conversions(self):
        """Failing conversions and findings are first; the others keep their order, and equal reasons are together."""
        fine = replace(CHECKED, case="Fine", verdict=CheckVerdict.HOLDS)
        unknown = [replace(CHECKED, check=id, verdict=CheckVerdict.NOT_JUDGED, problem="no file") for id in ("b", "a")]
        findings = [fine, *unknown, CHECKED, replace(CHECKED, case="Also")]
        found = conversions(runs_of(replace(RESULTS, findings=findings)))
        assert [each.item.case for each in found] == ["Frozen", "Also", "Fine"]
        assert found[0].item.counts == "1 fails, 2 not judged"
        assert [finding.check for finding in found[0].item.findings] == ["inputs-kept", "b", "a"]
        assert [checks for _, checks in found[0].item.exceptions] == [["inputs-kept"], ["b", "a"]]

    def test_infinite_interval(self):
        """An infinite ratio ends at the edge of the chart."""
        timing = replace(LATENCY.timings[1], ratio=replace(LATENCY.timings[1].ratio, high=float("inf")))
        text = page(runs_of(replace(RESULTS, latency=[replace(LATENCY, timings=[timing])]))).decode()
        assert re.search(r'class="interval" d="M\S+ 10H100M', text)


class TestLatency:
    """Charts show the machine, and what moved since the first run."""

    def test_machine(self):
        """The machine, the date, the threads and each program's version stand by the charts."""
        text = " ".join(markup_of(TIMED).text.split())
        assert "0: timed on AMD EPYC (2 cores), 2026-02-14 09:30:00 UTC" in text
        assert "fixed-x3-256 0 · 1 thread · baseline onnxruntime" in text
        assert "torch torch 2.13.0" in text

    def test_earlier_run(self):
        """A run without a machine, of an earlier version, has its charts too."""
        assert "timed on AMD" not in markup_of(replace(TIMED, machine=None)).text

    def test_order(self):
        """The charts of a workload are together, whatever run they are from."""
        both = replace(TIMED, latency=[timed("a", vino=2), timed("b", vino=2)])
        found = charts(runs_of(both, both))
        assert [(chart.latency.case, chart.run.label) for chart in found] == [
            ("a", "0"),
            ("a", "1"),
            ("b", "0"),
            ("b", "1"),
        ]

    def test_moves(self):
        """A later run says what is slower and faster than in the first one, with the ratio there."""
        first, second = (
            replace(TIMED, latency=[timed(torch=torch, vino=vino, cv=3)]) for torch, vino in ((2, 0.8), (2.5, 0.5))
        )
        text = " ".join(markup_of(first, second).text.split())
        assert [text.count(word) for word in ("slower, 2.00", "faster, 0.80", "unchanged, 3.00")] == [1, 1, 1]
        assert "slower, 2.00 (1.95 to 2.05) in 0" in text


class TestCommand:
    """`onnxproof report` makes the page, or says in one line why it cannot."""

    def test_page(self, tmp_path, capsys):
        """It prints the page's path; a folder stands for its results.json."""
        write_results(tmp_path / "run")
        assert main(["report", str(tmp_path / "run"), "-o", str(tmp_path / "out")]) == 0
        assert capsys.readouterr() == (f"{tmp_path / 'out' / 'index.html'}\n", "")
        assert RESULTS.name in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")

    def test_unusable(self, tmp_path, capsys):
        """A missing results.json ends with status 2."""
        path = tmp_path / "none.json"
        assert main(["report", str(path), "-o", str(tmp_path / "out")]) == 2
        problem = f"onnxproof: {path}: No such file or directory; name a file that a run has left\n"
        assert capsys.readouterr() == ("", problem)
        assert not (tmp_path / "out").exists()

    def test_folder_in_the_way(self, tmp_path, capsys):
        """A file in place of the folder ends with status 2."""
        path = write_results(tmp_path / "run")
        assert main(["report", str(path), "-o", str(path)]) == 2
        assert capsys.readouterr().err == f"onnxproof: -o {path}: File exists; name a folder that can be written\n"

    def test_help(self, capsys):
        """The help has an example and the defaults."""
        with pytest.raises(SystemExit, match="0"):
            main(["report", "--help"])
        text = " ".join(capsys.readouterr().out.split())
        for part in ("example: onnxproof report torch2.6/results.json", "(default: report)", "(default: none)"):
            assert part in text


class TestFailure:
    """A page about a failure begins with it."""

    @staticmethod
    def sections(*results):
        return re.findall(r'<section aria-labelledby="([a-z]+)">', page(runs_of(*results)).decode())

    def test_order(self):
        """Conversions are first if one fails, after the claims if none does."""
        holding = replace(RESULTS, findings=[replace(CHECKED, verdict=CheckVerdict.HOLDS)])
        assert self.sections(RESULTS)[:2] == ["conversions", "claims"]
        assert self.sections(holding)[:2] == ["claims", "conversions"]
        assert self.sections(replace(holding, refused=[REFUSED]))[:2] == ["conversions", "claims"]

    def test_empty_sections(self):
        """What a run did not do is not on its page."""
        assert self.sections(TIMED) == ["latency", "environments"]
        assert self.sections(EMPTY) == ["environments"]
        assert "dagre" not in page(runs_of(TIMED)).decode()

    def test_graph(self):
        """The graph of a file that fails is with its conversion, once, and not among the files that were kept."""
        findings = [replace(CHECKED, node="large"), replace(CHECKED, check="other", repro="repro/Frozen/other")]
        graphs = [replace(GRAPH, file=f"{finding.repro}/model.onnx") for finding in findings]
        runs = runs_of(replace(RESULTS, findings=findings, graphs=[*graphs, GRAPH]))
        assert [each.item.file for each, _ in drawn_graphs(runs)] == [GRAPH.file]
        (found,) = conversions(runs)
        assert found.item.graph == graphs[0]
        assert [found.item.place_of(name) for name in ("large", "output", "gone", "")] == [2, 3, None, None]
        assert [place for place, box in enumerate(found.item.view["boxes"]) if box.get("fails")] == [2]

    def test_marks_of_exporters(self):
        """Where exporters differ, each mark has the exporter's name."""
        (order,), (fixed,) = claim_matrix(runs_of(RESULTS)).chapters.values()
        assert (order.cells[0].names, fixed.cells[0].names) == (("torch.export", "torchscript"), ())
        assert page(runs_of(RESULTS)).decode().count('data-exporter="torchscript"') == 1


def test_every_verdict_has_a_mark():
    """The page has a symbol for each verdict."""
    symbols = re.findall(r'<symbol id="v-([a-z-]+)"', page(runs_of(RESULTS)).decode())
    assert {verdict.replace(" ", "-") for kind in (ClaimVerdict, CheckVerdict) for verdict in kind} == {*symbols}
