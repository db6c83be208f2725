"""The report says what every run found, shows nothing else, and is not written of a file that it cannot trust."""

import functools
import json
import re
import shlex
from dataclasses import is_dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onnxproof import report
from onnxproof.claims import VERDICTS
from onnxproof.cli import main
from onnxproof.findings import EXPECTED, FAILS, HOLDS, NOT_JUDGED
from onnxproof.report import page, write_report
from onnxproof.report_summary import sentence
from onnxproof.report_tables import claim_matrix, conversions, drawn_graphs
from onnxproof.results import SCHEMA, CheckVerdict, ClaimVerdict, Pixels, ResultsError, read_results
from onnxproof.runs import Run, read_runs
from tests.harness.runs import CHECKED, CLAIM, COMPARISON, HOLDING, LATENCY, RESULTS, write_pictures, write_results

FAULTS = Path(__file__).parents[2] / "docs" / "faults.json"
FAULT = {"id": "id", "kind": "file", "on": "on", "sentence": "s", "caught_by": "c", "checks": [], "peers": {"p": "a"}}
NOT_FREE = {"verdict", "verdicts"}


class Markup(HTMLParser):
    """The elements of a page with the names of their attributes, its texts, and where its links lead."""

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
    """An item of results with `text` in every string that a run may choose: all but verdicts."""
    if is_dataclass(item):
        values = {name: spoiled(value, text) for name, value in vars(item).items() if name not in NOT_FREE}
        verdicts = {f"{exporter}{text}": verdict for exporter, verdict in vars(item).get("verdicts", {}).items()}
        return replace(item, **values, **({"verdicts": verdicts} if verdicts else {}))
    if isinstance(item, dict):
        return {f"{key}{text}": spoiled(value, text) for key, value in item.items()}
    if isinstance(item, list):
        return [spoiled(value, text) for value in item]
    return f"{item}{text}" if isinstance(item, str) else item


def page_of(*results):
    return page([Run(each.label, Path("results.json"), each) for each in results])


class TestEscaping:
    """What stands in a results.json stays text."""

    @staticmethod
    def spoiled_page(text):
        results = spoiled(RESULTS, text)
        fault = {key: value if key == "kind" else spoiled(value, text) for key, value in FAULT.items()}
        faults = {"versions": spoiled({"torch": "1"}, text), "faults": [fault], "good": []}
        return page([Run(results.label, Path("results.json"), results)], faults)

    @staticmethod
    @functools.cache
    def plain_elements():
        return Markup(TestEscaping.spoiled_page("a")).elements

    @given(
        st.text(min_size=1)
        | st.sampled_from(["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"])
    )
    def test_markup_is_the_pages_own(self, text):
        """Whatever text stands in every field, the page has the same elements and attributes."""
        assert Markup(self.spoiled_page(text)).elements == self.plain_elements()

    def test_every_field_is_shown(self):
        """A script in a name is there to be read, once for each field at least."""
        text = Markup(self.spoiled_page("<script>alert(1)</script>")).text
        fields = ("custom operator", "The factor is [1, 1, width, height].", "the axes are the picture's own")
        fields += ("there is no file to speak of", "face-x3", "Frozen", "pass the factor as a tensor", "srcnn2.onnx")
        fields += (
            "other size",
            "Resize",
            "fixed-x3-256",
            "openvino",
            "no module named openvino",
            "py311-torch2.13",
            "2.13.0",
            "s",
        )
        assert [field for field in fields if f"{field}<script>alert(1)</script>" not in text] == []

    def test_lone_surrogate(self):
        """Half of a character, which JSON can hold, does not keep the page from being written."""
        assert b"half ?" in page_of(replace(RESULTS, name="half \ud800"))

    @pytest.mark.parametrize(
        ("link", "is_link"),
        [
            pytest.param("https://example.org/", True, id="https"),
            pytest.param("javascript:alert(1)", False, id="script"),
            pytest.param("data:text/html,<script>alert(1)</script>", False, id="data"),
        ],
    )
    def test_link(self, link, is_link):
        """Only an address of the web is a link; anything else is shown as text."""
        claim = replace(CLAIM, departures=[replace(CLAIM.departures[0], link=link)])
        markup = Markup(page_of(replace(RESULTS, claims=[claim])))
        assert (link in markup.links) == is_link
        assert link in markup.text

    @pytest.mark.parametrize("name", ["a b; rm -rf $HOME", "-x.onnx"])
    def test_command(self, monkeypatch, tmp_path, name):
        """The file's path in the command for Netron is one word to a shell, and no option, whatever it is called."""
        monkeypatch.chdir(tmp_path)
        Path(name).touch()
        graph = replace(RESULTS.graphs[0], file=name)
        assert f"netron {shlex.quote(f'./{name}')}" in Markup(page_of(replace(RESULTS, graphs=[graph]))).text

    @pytest.mark.parametrize("name", ["srcnn.onnx", "nul\0", "a" * 5000], ids=["missing", "nul", "long"])
    def test_no_command(self, name):
        """There is none for a file that the run did not keep."""
        graph = replace(RESULTS.graphs[0], file=name)
        assert "netron" not in Markup(page_of(replace(RESULTS, graphs=[graph]))).text

    def test_command_of_another_run(self, tmp_path):
        """Where several runs made the same graph, it opens the file of one that kept it."""
        runs = [Run(name, tmp_path / name / "results.json", RESULTS) for name in ("gone", "kept")]
        (tmp_path / "kept").mkdir()
        (tmp_path / "kept" / RESULTS.graphs[0].file).touch()
        assert f"netron {tmp_path}/kept/{RESULTS.graphs[0].file}" in Markup(page(runs)).text


class TestMerging:
    """Files that cannot be used are named, and no page is made of them."""

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            pytest.param(b"", "broken, it is no JSON", id="empty"),
            pytest.param(msgspec.json.encode(RESULTS)[:-40], "broken, it is no JSON", id="cut-off"),
            pytest.param(b"\x80\x81", "broken, it is no JSON", id="binary"),
            pytest.param(b"[" * 100_000, "broken, it is no JSON", id="deep"),
            pytest.param(b"[]", "not whole", id="list"),
            pytest.param(b"{}", "not whole", id="no-schema"),
            pytest.param(b'{"schema": 1}', "schema 1, and this onnxproof reads 2; run the suite again", id="older"),
            pytest.param(b'{"schema": 99}', "schema 99, and this onnxproof reads 2; use the newer", id="newer"),
            pytest.param(b'{"schema": 2, "name": ""}', "not whole", id="partial"),
            pytest.param(
                msgspec.json.encode(RESULTS).replace(b'"holds"', b'"perhaps"'), "not whole", id="unknown-verdict"
            ),
        ],
    )
    def test_unusable(self, tmp_path, content, problem):
        """The message names the file among others, and a page that was there stays."""
        bad = tmp_path / "bad.json"
        bad.write_bytes(content)
        kept = write_report([write_results(tmp_path / "good")], tmp_path / "out").read_bytes()
        with pytest.raises(ResultsError) as raised:
            write_report([tmp_path / "good" / "results.json", bad], tmp_path / "out")
        assert str(raised.value).startswith(f"{bad}: {problem}")
        assert (tmp_path / "out" / "index.html").read_bytes() == kept

    def test_missing(self, tmp_path):
        """A file that is not there is named."""
        with pytest.raises(ResultsError, match=r"none\.json: No such file"):
            write_report([tmp_path / "none.json"], tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_not_a_number(self, tmp_path):
        """A difference that is no number, as Python writes it, is read."""
        content = msgspec.to_builtins(RESULTS)
        content["comparisons"][0] |= {"difference": float("nan"), "error": float("inf")}
        path = tmp_path / "results.json"
        path.write_text(json.dumps(content))
        assert read_results(path).comparisons[0].error == float("inf")

    def test_further_fields(self, tmp_path):
        """A field that this version does not know is no hindrance."""
        content = msgspec.to_builtins(RESULTS) | {"further": 1}
        path = tmp_path / "results.json"
        path.write_text(json.dumps(content))
        assert read_results(path) == RESULTS

    def test_labels(self, tmp_path):
        """Runs of one name are told apart."""
        names = ("a", "a", "a (2)", "a")
        paths = [write_results(tmp_path / str(n), replace(RESULTS, name=name)) for n, name in enumerate(names)]
        assert [run.label for run in read_runs(paths)] == ["a", "a (2)", "a (2) (2)", "a (3)"]

    def test_fifty_runs(self, tmp_path):
        """The page of fifty runs has a column for each."""
        runs = (replace(RESULTS, name=f"torch-{n}") for n in range(50))
        paths = [write_results(tmp_path / run.name, run) for run in runs]
        text = Markup(write_report(paths, tmp_path / "out").read_bytes()).text
        assert "In 50 environments" in text
        assert [n for n in range(50) if f"torch-{n}" not in text] == []

    def test_faults(self, tmp_path):
        """The table of faults has what each tool caught; one that is broken is named."""
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
        return "".join(
            phrase.text for phrase in sentence([Run(f"{n}", Path(), each) for n, each in enumerate(results)])
        )

    def test_one_run(self):
        """Of one run, the verdict of a claim is its gravest."""
        assert self.text(RESULTS) == (
            "With 0, 1 of 2 claims holds, 1 departs for a known reason, and none fails; of 1 picture compared none has "
            "a wrong value; of 1 conversion checked 1 fails."
        )

    def test_several_runs(self):
        """Of several, it is the gravest of all of them."""
        failing = replace(RESULTS, claims=[replace(HOLDING, verdicts={"": "failing"})], conversions=[])
        assert self.text(RESULTS, failing).startswith(
            "In 2 environments, 0 of 2 claims hold everywhere, 1 departs somewhere for a known reason, and 1 fails; "
        )

    def test_wrong_picture(self):
        """A picture with a wrong value is counted."""
        wrong = replace(COMPARISON, same=False, pixels=Pixels(9, 1, 2))
        assert "of 1 picture compared 1 has wrong values" in self.text(replace(RESULTS, comparisons=[wrong]))

    def test_nothing(self):
        """A run that judged nothing says so."""
        empty = replace(RESULTS, claims=[], comparisons=[], conversions=[])
        assert self.text(empty) == "With 0, nothing was judged."


class TestTables:
    """What several runs have alike is told once."""

    @staticmethod
    def runs(*results):
        return [Run(f"{n}", Path(), each) for n, each in enumerate(results)]

    def test_mark_per_exporter(self):
        """A cell has one mark where exporters agree, and one each where they do not."""
        matrix = claim_matrix(self.runs(RESULTS))
        (order,), (fixed,) = matrix.chapters.values()
        assert (order.cells[0].marks, fixed.cells[0].marks) == (("departs", "holds"), ("holds",))
        assert order.cells[0].spoken == "torch.export: departs, torchscript: holds"

    def test_missing_claim(self):
        """A run without a claim has an empty cell, wherever the claim comes from."""
        matrix = claim_matrix(self.runs(replace(RESULTS, claims=[HOLDING]), RESULTS))
        cells = {row.id: [bool(cell) for cell in row.cells] for rows in matrix.chapters.values() for row in rows}
        assert cells == {HOLDING.id: [True, True], CLAIM.id: [False, True]}

    def test_details_are_shared(self):
        """Cells that tell the same lead to the same detail, others do not."""
        other = replace(RESULTS, claims=[replace(CLAIM, verdicts={"": "failing"}), HOLDING])
        matrix = claim_matrix(self.runs(RESULTS, RESULTS, other))
        (order,), _ = matrix.chapters.values()
        assert [matrix.details[cell.detail].verdicts for cell in order.cells] == [
            CLAIM.verdicts,
            CLAIM.verdicts,
            {"": "failing"},
        ]
        assert len(matrix.details) == 3
        assert order.differs

    def test_graphs_are_shared(self):
        """The graph of several runs is drawn once, another one on its own."""
        other = replace(RESULTS, graphs=[replace(RESULTS.graphs[0], opset=12)])
        assert [each.labels for each, _ in drawn_graphs(self.runs(RESULTS, other, RESULTS))] == [["0", "2"], ["1"]]

    def test_failing_conversion_is_first(self):
        """Conversions that fail come before those that hold, and all checks of one are together."""
        fine = replace(CHECKED, case="Fine", verdict="holds")
        found = conversions(self.runs(replace(RESULTS, conversions=[fine, CHECKED, replace(CHECKED, check="exports")])))
        assert [(each.item.case, each.item.counts) for each in found] == [("Frozen", "2 fail"), ("Fine", "1 hold")]

    def test_interval_that_is_no_number(self):
        """A ratio that is infinite ends at the chart's edge."""
        timing = replace(LATENCY.timings[1], ratio=replace(LATENCY.timings[1].ratio, high=float("inf")))
        text = page_of(replace(RESULTS, latency=[replace(LATENCY, timings=[timing])])).decode()
        assert "H100v" in text.replace("H100M", "H100v")


class TestCommand:
    """`onnxproof report` makes the page, or says in one line why not."""

    def test_page(self, tmp_path, capsys):
        """The page's path is printed; a folder stands for the results.json in it."""
        write_results(tmp_path / "run")
        assert main(["report", str(tmp_path / "run"), "-o", str(tmp_path / "out")]) == 0
        assert capsys.readouterr() == (f"{tmp_path / 'out' / 'index.html'}\n", "")
        assert b"py311-torch2.13" in (tmp_path / "out" / "index.html").read_bytes()

    def test_unusable(self, tmp_path, capsys):
        """A results.json that is not there ends with status 2."""
        assert main(["report", str(tmp_path / "none.json"), "-o", str(tmp_path / "out")]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert (
            err == f"onnxproof: {tmp_path / 'none.json'}: No such file or directory; name a file that a run has left\n"
        )

    def test_folder_in_the_way(self, tmp_path, capsys):
        """A file where the folder is to be ends with status 2."""
        path = write_results(tmp_path / "run")
        assert main(["report", str(path), "-o", str(path)]) == 2
        assert capsys.readouterr().err == f"onnxproof: -o {path}: File exists; name a folder that can be written\n"

    def test_help(self, capsys):
        """The help has an example and the defaults."""
        with pytest.raises(SystemExit, match="0"):
            main(["report", "--help"])
        text = " ".join(capsys.readouterr().out.split())
        assert "example: onnxproof report torch2.6/results.json" in text
        assert "(default: report)" in text
        assert "(default: none)" in text


class TestSize:
    """The page stays below its limit; what that costs is said on it."""

    def test_pictures_are_left_out(self, tmp_path, monkeypatch):
        """Pictures that do not fit are named, those before them are there."""
        monkeypatch.setattr(report, "LARGEST", 130_000)
        paths = []
        for number in range(8):
            write_pictures(tmp_path / f"{number}", size=64, seed=number)
            paths.append(write_results(tmp_path / f"{number}", replace(RESULTS, name=f"run-{number}")))
        content = write_report(paths, tmp_path / "out").read_bytes()
        assert len(content) <= 130_000
        assert content.count(b'<article class="viewer"') in range(1, 8)
        assert "left out, since the page would pass 10 MB" in Markup(content).text

    def test_pictures_fit(self, tmp_path):
        """Below the limit nothing is left out, and the same picture of two runs is there once."""
        paths = []
        for number in range(2):
            write_pictures(tmp_path / f"{number}")
            paths.append(write_results(tmp_path / f"{number}", replace(RESULTS, name=f"run-{number}")))
        content = write_report(paths, tmp_path / "out").read_bytes()
        assert content.count(b'<script type="text/plain"') == 3
        assert content.count(b'<article class="viewer"') == 1
        assert "not shown" not in Markup(content).text


def test_contract():
    """The schema that is read has the verdicts that claims and checks have, and each has a mark on the page."""
    assert RESULTS.schema == SCHEMA
    assert set(get_args(ClaimVerdict)) == set(VERDICTS)
    assert set(get_args(CheckVerdict)) == {HOLDS, FAILS, EXPECTED, NOT_JUDGED}
    symbols = re.findall(r'<symbol id="v-([a-z-]+)"', page_of(RESULTS).decode())
    assert {verdict.replace(" ", "-") for kind in (ClaimVerdict, CheckVerdict) for verdict in get_args(kind)} == {
        *symbols
    }
