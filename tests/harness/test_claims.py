"""A suite has to fit its claims, a departure has to end as its entry says, and verdicts follow from the specs."""

from dataclasses import asdict, replace

import pytest

from onnxproof.claims.claim import ALL_EXPORTERS, Claim, Deviation, NotApplicable, read_claims
from onnxproof.claims.ledger import Ledger, spec_id
from onnxproof.versions import EXPORTERS, TORCHSCRIPT

CLAIMS = (Claim("sum", "numbers", "One and one is two."), Claim("order", "letters", "B comes before A."))

SPECS = """
import pytest

@pytest.mark.claim("sum")
def test_sum():
    assert 1 + 1 == 2

@pytest.mark.claim("order")
def test_order():
    assert sorted("ab") == ["b", "a"]

@pytest.mark.instead("order")
def test_a_comes_first():
    assert sorted("ba") == ["a", "b"]
"""
BODY = 'assert sorted("ab") == ["b", "a"]'

SEEN = pytest.RaisesExc(AssertionError, match=r"\['a', 'b'\] == \['b', 'a'\]")
DEPARTS = Deviation("order", "the alphabet begins with A", seen=SEEN, instead="test_a_comes_first", link="a-to-z")


@pytest.fixture
def run(monkeypatch, pytester):
    """Runs a suite of one module with a ledger and no other plugin; returns the ledger and the result."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def start(specs, *arguments, deviations=(DEPARTS,), not_applicable=()):
        pytester.makepyfile(test_specs=specs)
        ledger = Ledger(CLAIMS, deviations, not_applicable)
        return ledger, pytester.runpytest_inprocess("-ponnxproof.plugin", *arguments, plugins=[ledger])

    return start


class TestFit:
    """If specs, claims and entries do not fit together, the run fails and names what does not."""

    def test_fitting(self, run):
        """A suite that fits its claims runs."""
        _, result = run(SPECS)
        assert result.ret == pytest.ExitCode.OK
        result.assert_outcomes(passed=2, xfailed=1)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            pytest.param('claim("sum")', "skip", "claim 'sum' has no spec", id="no-spec"),
            pytest.param(
                '"sum"',
                '"summ"',
                "test_specs.py::test_sum: the claim 'summ' is unknown, did you mean 'sum'?",
                id="unknown-claim",
            ),
            pytest.param(
                'instead("order")',
                'instead("ordre")',
                "test_specs.py::test_a_comes_first: the claim 'ordre' is unknown, did you mean 'order'?",
                id="unknown-claim-instead",
            ),
            pytest.param(
                "test_a_comes_first",
                "test_b_comes_last",
                "the entry for 'order' names 'test_a_comes_first', and no such spec is marked instead",
                id="no-spec-instead",
            ),
            pytest.param(
                'instead("order")',
                'instead("sum")',
                "the entry for 'order' names 'test_a_comes_first', and no such spec is marked instead",
                id="spec-instead-of-another-claim",
            ),
        ],
    )
    def test_specs(self, run, old, new, message):
        """A claim without a spec, or a spec of an unknown claim or departure, is an error, and nothing runs."""
        _, result = run(SPECS.replace(old, new))
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert f"the specs do not fit the claims:\n  {message}\n" in result.stdout.str()
        result.assert_outcomes(errors=1)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            pytest.param(
                {"claim": "ordre"},
                "the entry for 'why': the claim 'ordre' is unknown, did you mean 'order'?",
                id="unknown-claim",
            ),
            pytest.param({"spec": "test_ordre"}, "the entry for 'order' matches no spec: why", id="no-spec"),
        ],
    )
    def test_entries(self, run, change, message):
        """An entry of either kind that matches no spec is an error."""
        _, result = run(SPECS, deviations=[replace(DEPARTS, reason="why", **change)])
        assert f"\n  {message}\n" in result.stdout.str()
        _, result = run(SPECS, not_applicable=[replace(NotApplicable("order", "why"), **change)])
        assert f"\n  {message}\n" in result.stdout.str()

    def test_spec_instead_without_the_exporter(self, run):
        """An entry for an exporter that names a spec without it is an error: that spec would run nowhere."""
        specs = "from onnxproof.results import Target\n" + SPECS.replace(
            "def test_order()", "@pytest.mark.parametrize('aim', [Target('another', 18)])\ndef test_order(aim)"
        )
        _, result = run(specs, deviations=[replace(DEPARTS, exporter="another")])
        message = "the entry for 'order' names 'test_a_comes_first', which does not run with another"
        assert f"\n  {message}\n" in result.stdout.str()

    @pytest.mark.parametrize("elsewhere", [{"exporter": "another"}, {"when": False}], ids=["exporter", "version"])
    def test_entries_for_other_stacks(self, run, elsewhere):
        """An entry for an exporter or a version that is not installed need not match a spec."""
        _, result = run(SPECS, not_applicable=[NotApplicable("order", "why", spec="test_gone", **elsewhere)])
        result.assert_outcomes(passed=2, xfailed=1)

    @pytest.mark.parametrize(("states", "errors"), [("skip", 0), ("claim('sum')", 1)], ids=["no-claim", "claim"])
    def test_entries_for_an_exporter_of_other_specs(self, run, states, errors):
        """An entry for an exporter has to match a spec only if the suite states claims with this exporter."""
        other = f"from onnxproof.results import Target\n@pytest.mark.{states}\n"
        other += "@pytest.mark.parametrize('aim', [Target('another', 18)])\ndef test_other(aim): pass\n"
        _, result = run(SPECS + other, not_applicable=[NotApplicable("order", "why", exporter="another")])
        assert result.parseoutcomes().get("errors", 0) == errors

    @pytest.mark.parametrize(
        "arguments",
        [["test_specs.py::test_sum"], ["--ignore", "test_other.py"], ["--ignore-glob", "*other*"]],
        ids=["one-spec", "ignore", "ignore-glob"],
    )
    def test_part_of_the_suite(self, run, pytester, arguments):
        """A part of the suite need not have a spec for every claim."""
        pytester.makepyfile(test_other="def test_other(): pass")
        _, result = run(SPECS.replace('claim("order")', "skip"), *arguments)
        assert result.ret == pytest.ExitCode.OK

    def test_selected(self, run):
        """With `-k` the whole suite is still collected."""
        _, result = run(SPECS, "-k", "sum")
        result.assert_outcomes(passed=1, deselected=2)

    def test_last_failed(self, run):
        """A run with `--lf` need not have a spec for every claim."""
        run(SPECS, deviations=())
        _, result = run(SPECS, "--lf", deviations=())
        result.assert_outcomes(failed=1)

    def test_broken_module(self, run, pytester):
        """A module that cannot be imported is the only error: its specs are unknown."""
        pytester.makepyfile(test_broken="import nothing_of_this_name")
        _, result = run(SPECS.replace('claim("sum")', "skip"))
        result.assert_outcomes(errors=1)
        assert "nothing_of_this_name" in result.stdout.str()
        assert "do not fit" not in result.stdout.str()


class TestDeparture:
    """A departure is a strict xfail that ends as its entry says."""

    def test_as_seen(self, run):
        """A spec that ends as `seen` says is an xfail with the entry's reason."""
        _, result = run(SPECS, "-rx")
        result.assert_outcomes(passed=2, xfailed=1)
        result.stdout.fnmatch_lines(["XFAIL test_specs.py::test_order - the alphabet begins with A*"])

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            pytest.param("pass", "[[]XPASS(strict)[]] the alphabet begins with A", id="pass"),
            pytest.param("assert sorted('ac') == ['b', 'a']", "E * AssertionError: assert *", id="other-message"),
            pytest.param("raise ValueError(\"['a', 'b'] == ['b', 'a']\")", "E * ValueError: *", id="other-exception"),
        ],
    )
    def test_otherwise(self, run, body, message):
        """A spec that passes, or raises something else, fails."""
        _, result = run(SPECS.replace(BODY, body))
        result.assert_outcomes(passed=2, failed=1)
        result.stdout.fnmatch_lines([message])

    def test_in_a_fixture(self, run):
        """A fixture may raise the error."""
        fixture = f"@pytest.fixture\ndef letters():\n    {BODY}\n"
        _, result = run(SPECS.replace(BODY, "pass").replace("test_order()", "test_order(letters)") + fixture)
        result.assert_outcomes(passed=2, xfailed=1)

    def test_one_spec(self, run):
        """An entry with `spec` does not affect the claim's other specs."""
        other = '@pytest.mark.claim("order")\ndef test_other_order(): pass\n'
        _, result = run(SPECS + other, deviations=[replace(DEPARTS, spec="test_order")])
        result.assert_outcomes(passed=3, xfailed=1)

    def test_other_version(self, run):
        """If `when` is false, the entry changes nothing, and its `instead` spec does not run."""
        _, result = run(SPECS, deviations=[replace(DEPARTS, when=False)])
        result.assert_outcomes(passed=1, failed=1, deselected=1)

    def test_other_spec_instead(self, run):
        """An `instead` spec runs only if the entry that names it applies."""
        other = '@pytest.mark.instead("order")\ndef test_c_comes_first(): pass\n'
        elsewhere = replace(DEPARTS, instead="test_c_comes_first", when=False)
        _, result = run(SPECS + other, deviations=[DEPARTS, elsewhere])
        result.assert_outcomes(passed=2, xfailed=1, deselected=1)

    def test_one_exporter(self, run):
        """An entry with `exporter` concerns only that exporter, as does its `instead` spec."""
        ledger, result = run(SPECS.replace("()", "(onnx_target)"), deviations=[replace(DEPARTS, exporter=TORCHSCRIPT)])
        others = len(EXPORTERS) - 1
        result.assert_outcomes(passed=len(EXPORTERS) + 1, xfailed=1, failed=others, deselected=others)
        assert ledger.verdicts()["order"] == dict.fromkeys(EXPORTERS, "failing") | {TORCHSCRIPT: "departs"}

    def test_not_applicable(self, run):
        """If a claim does not apply, its specs are skipped with the reason."""
        _, result = run(SPECS, "-rs", not_applicable=[NotApplicable("sum", "no numbers here")])
        result.assert_outcomes(passed=1, xfailed=1, skipped=1)
        result.stdout.fnmatch_lines(["SKIPPED [[]1[]] test_specs.py:*: no numbers here"])


class TestVerdicts:
    """The verdict on a claim is the gravest of its specs."""

    @pytest.mark.parametrize(
        ("body", "deviations", "verdict"),
        [
            pytest.param("pass", (), "holds", id="passed"),
            pytest.param(BODY, (), "failing", id="failed"),
            pytest.param(BODY, (DEPARTS,), "departs", id="as-seen"),
            pytest.param("pass", (DEPARTS,), "failing", id="passed-unexpectedly"),
            pytest.param("pytest.skip('why')", (), "not applicable", id="skipped"),
            pytest.param(
                "pass\n\n@pytest.fixture(autouse=True)\ndef broken(): 1 / 0", (), "failing", id="broken-setup"
            ),
            pytest.param(
                "pass\n\n@pytest.fixture(autouse=True)\ndef broken():\n    yield\n    1 / 0",
                (),
                "failing",
                id="broken-teardown",
            ),
        ],
    )
    def test_one_spec(self, run, body, deviations, verdict):
        """Each outcome is a verdict."""
        ledger, _ = run(SPECS.replace(BODY, body), deviations=deviations)
        assert ledger.verdicts()["order"] == {ALL_EXPORTERS: verdict}

    @pytest.mark.parametrize(
        ("body", "verdict"),
        [
            pytest.param("pass", "departs", id="passed"),
            pytest.param("assert 0", "failing", id="failed"),
            pytest.param("pytest.skip('why')", "departs", id="skipped"),
        ],
    )
    def test_two_specs(self, run, body, verdict):
        """The graver verdict of two specs is the claim's."""
        other = f'@pytest.mark.claim("order")\ndef test_other_order():\n    {body}\n'
        ledger, _ = run(SPECS + other, deviations=[replace(DEPARTS, spec="test_order")])
        assert ledger.verdicts() == {"sum": {ALL_EXPORTERS: "holds"}, "order": {ALL_EXPORTERS: verdict}}

    def test_instead_fails(self, run):
        """If the `instead` spec fails, so does the claim."""
        ledger, _ = run(SPECS.replace('assert sorted("ba")', "assert []"))
        assert ledger.verdicts()["order"] == {ALL_EXPORTERS: "failing"}

    def test_table(self, run):
        """The terminal shows a row per chapter, a column per verdict, the sum, and a line per departure."""
        _, result = run(SPECS)
        result.stdout.fnmatch_lines(
            [
                "chapter  holds  departs  not applicable  failing*",
                "numbers      1*",
                "letters               1*",
                "2 claims: 1 holds, 1 departs",
                "departs: order: the alphabet begins with A",
            ],
            consecutive=True,
        )

    def test_results(self, run):
        """The results have each claim with its verdict, its specs, and the departures that were seen."""
        deviations = [DEPARTS, replace(DEPARTS, reason="not on this stack", when=False)]
        ledger, _ = run(SPECS, deviations=deviations, not_applicable=[NotApplicable("sum", "no numbers here")])
        total, order = map(asdict, ledger.as_results())
        assert (total["id"], total["chapter"], total["statement"]) == ("sum", "numbers", "One and one is two.")
        assert (total["verdicts"], total["not_applicable"]) == ({ALL_EXPORTERS: "not applicable"}, ["no numbers here"])
        assert (order["specs"], order["not_applicable"]) == (["test_specs.py::test_order"], [])
        assert order["departures"] == [
            {
                "exporter": ALL_EXPORTERS,
                "reason": "the alphabet begins with A",
                "instead": "test_a_comes_first",
                "link": "a-to-z",
            }
        ]

    def test_spec_of_a_group(self, pytester):
        """A spec has the same id in a process of pytest-xdist, which writes the test's group behind it."""
        item = pytester.getitem("class TestLetters:\n    def test_order(self): pass", "test_order")
        item._nodeid += "@letters"
        assert spec_id(item) == "test_spec_of_a_group.py::TestLetters::test_order"

    @pytest.mark.parametrize("exporter", [ALL_EXPORTERS, TORCHSCRIPT], ids=["all", "one"])
    def test_departure_of_an_exporter(self, run, exporter):
        """A departure is in the results whether its entry concerns one exporter or all of them."""
        deviations = [replace(DEPARTS, exporter=exporter), replace(DEPARTS, exporter="another")]
        ledger, _ = run(SPECS.replace("()", "(onnx_target)"), deviations=deviations)
        (departure,) = ledger.as_results()[1].departures
        assert departure.exporter == exporter


class TestSelection:
    """`--onnx-claim` selects the specs of a claim."""

    @pytest.mark.parametrize(
        ("claims", "outcomes"),
        [
            pytest.param(["sum"], {"passed": 1, "deselected": 2}, id="one"),
            pytest.param(["order"], {"passed": 1, "xfailed": 1, "deselected": 1}, id="one-that-departs"),
            pytest.param(["sum", "order"], {"passed": 2, "xfailed": 1}, id="two"),
        ],
    )
    def test_known(self, run, claims, outcomes):
        """The claim's specs and `instead` specs run, and only this claim has verdicts."""
        ledger, result = run(SPECS, *(f"--onnx-claim={claim}" for claim in claims))
        result.assert_outcomes(**outcomes)
        assert list(ledger.verdicts()) == claims

    def test_unknown(self, run):
        """An unknown claim is a usage error that suggests the nearest one."""
        _, result = run(SPECS, "--onnx-claim=summ", "--onnx-claim=sum")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --onnx-claim: 'summ' is unknown, did you mean 'sum'[?]"])


class TestReadClaims:
    """Claims are read from a TOML file."""

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "claims.toml"

    def test_read(self, path):
        """Claims keep the file's order."""
        path.write_text('[numbers]\nsum = "One and one is two."\n[letters]\norder = "B comes before A."\n')
        assert read_claims(path) == CLAIMS

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            pytest.param('[a]\nsum = "1"\n[b]\nsum = "2"\n', "ids that occur twice: sum", id="id-in-two-chapters"),
            pytest.param('[a]\nsum = "1"\nsum = "2"\n', "line 3", id="id-twice-in-a-chapter"),
            pytest.param("[a]\nsum = 2\n", "not text: sum", id="number"),
            pytest.param('[a.sum]\ntext = "1"\n', "not text: sum", id="nested-table"),
            pytest.param('sum = "1"\n', "not a table of claims by chapter", id="no-chapter"),
            pytest.param("sum", "not a table of claims by chapter", id="no-toml"),
        ],
    )
    def test_refused(self, path, text, message):
        """A file of another form, or with an id twice, is refused by name."""
        path.write_text(text)
        with pytest.raises(ValueError, match=rf"claims\.toml: .*{message}"):
            read_claims(path)
