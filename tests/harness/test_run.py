"""The door to the checks: it chooses checks and conversions, and returns a finding for each pair."""

from pathlib import Path

import onnx
import pytest
from onnx.parser import parse_model

from onnxproof.case import CaseError
from onnxproof.checks.check import CheckError, id_of, judge
from onnxproof.checks.run import CHECKS, choose, conversions, findings, run, with_repro
from onnxproof.checks.values import same_values
from onnxproof.results import CheckVerdict
from onnxproof.versions import EXPORTERS, TORCHSCRIPT, default_opset
from tests.harness.by_hand import FILE, FakeEngine, edited, scale_case


def is_small(conversion):
    """A user's check."""
    return f"{len(conversion.graph.nodes)} nodes"


def fails(conversion):
    raise CheckError("it is wrong", "Mend it.")


@pytest.fixture
def file(tmp_path):
    """A right file, and a wrong one beside it."""
    onnx.save(parse_model(FILE), tmp_path / "right.onnx")
    onnx.save(parse_model(edited(("Mul (", "Div ("))), tmp_path / "wrong.onnx")
    return tmp_path / "right.onnx"


class TestChecks:
    """Each check has an id, and a sentence."""

    def test_ids(self):
        """The id is the function's name, with dashes."""
        assert id_of(is_small) == "is-small"
        assert list(CHECKS)[:2] == ["exports", "opset-kept"]
        assert all(id_of(check) == id for id, check in CHECKS.items())

    def test_sentences(self):
        """The sentence says what the file does."""
        assert [id for id, check in CHECKS.items() if not check.__doc__.startswith("The file ")] == []


class TestChoose:
    """Checks are chosen by id."""

    @pytest.mark.parametrize(
        ("options", "chosen"),
        [
            pytest.param({}, list(CHECKS), id="all"),
            pytest.param({"only": []}, [], id="none"),
            pytest.param({"only": ["same-values", "exports"]}, ["exports", "same-values"], id="only"),
            pytest.param({"skip": ["exports"]}, list(CHECKS)[1:], id="skip"),
            pytest.param({"only": ["exports", "dims-kept"], "skip": ["exports"]}, ["dims-kept"], id="both"),
            pytest.param({"checks": [is_small]}, [*CHECKS, "is-small"], id="own"),
            pytest.param({"only": ["is-small"], "checks": [is_small]}, ["is-small"], id="own-alone"),
            pytest.param({"cases": [scale_case(expected={"exports": "no"})]}, list(CHECKS), id="expected"),
            pytest.param(
                {"cases": [scale_case(expected={"is-small": "no"})], "checks": [is_small], "only": ["exports"]},
                ["exports"],
                id="expected-own",
            ),
        ],
    )
    def test_chosen(self, options, chosen):
        """They keep their order, the user's last."""
        assert list(choose(**options)) == chosen

    def test_iterators(self):
        """Ids may come from iterators, which can be read once."""
        assert list(choose(iter(["exports", "dims-kept"]), iter(["exports"]))) == ["dims-kept"]

    def test_function(self):
        """The id leads to the check."""
        assert choose(only=["is-small"], checks=[is_small]) == {"is-small": is_small}

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            pytest.param({"only": ["is-small"]}, "^only: the check 'is-small' is unknown", id="only"),
            pytest.param({"skip": ["same-valeus"]}, "^skip: the check 'same-valeus' is unknown, did you", id="skip"),
            pytest.param(
                {"cases": [scale_case(), scale_case(name="mine", expected={"slip": "no"})]},
                "^mine: expected: the check 'slip' is unknown",
                id="expected",
            ),
        ],
    )
    def test_unknown(self, options, message):
        """An id that does not exist is refused."""
        with pytest.raises(CaseError, match=message):
            choose(**options)


class TestConversions:
    """A case is converted by each exporter, or has a file."""

    def test_exporters(self):
        """They share the model, which is run once; the opset is the exporter's lowest."""
        found = list(conversions(scale_case()))
        assert [(each.file.exporter, each.file.opset) for each in found] == [(n, default_opset(n)) for n in EXPORTERS]
        assert len({id(each.model) for each in found}) == 1

    def test_chosen(self):
        """Exporters are taken once, at the opset and in the engines asked for."""
        (found,) = conversions(scale_case(), [TORCHSCRIPT, TORCHSCRIPT], 13, engines=["reference", "reference"])
        assert (found.file.exporter, found.file.opset, found.asked) == (TORCHSCRIPT, 13, ("reference",))

    def test_file(self, file):
        """A file is one conversion, held to an opset if one is given."""
        (found,) = conversions(scale_case(), opset=17, file=file, engines=["reference"])
        assert (found.file.path, found.file.opset, found.asked) == (file, 17, ("reference",))

    def test_both(self, file):
        """A given file cannot be exported."""
        with pytest.raises(CaseError, match=r"^a file that is given is already exported; leave out"):
            list(conversions(scale_case(), [TORCHSCRIPT], file=file))

    def test_unknown(self):
        """An exporter that the installed torch does not have is refused."""
        with pytest.raises(CaseError, match=r"^the exporter 'torchscrip' is unknown, did you mean 'torchscript'"):
            list(conversions(scale_case(), ["torchscrip"]))


class TestFindings:
    """Each check of each conversion has a finding."""

    def test_order(self, file):
        """They come one by one, and `watch` is called before each, and before each step."""
        seen = []
        options = {"only": ["is-small", "opset-kept"], "checks": [is_small], "file": file}
        found = findings(
            scale_case(), watch=lambda conversion, *step: seen.append((repr(conversion), *step)), **options
        )
        assert seen == []
        assert next(found).check == "opset-kept"
        assert seen == [("Scale-right.onnx", "opset-kept", "")]
        assert [finding.check for finding in found] == ["is-small"]
        assert [finding.check for finding in run(scale_case(), **options)] == ["opset-kept", "is-small"]

    def test_skip(self, file):
        """A skipped check is not judged."""
        skip = [id for id in CHECKS if id != "dims-kept"]
        assert [finding.check for finding in run(scale_case(), skip=skip, file=file)] == ["dims-kept"]

    def test_exporter(self):
        """The exporter and the opset are those asked for."""
        (found,) = run(scale_case(), [TORCHSCRIPT], 13, ["opset-kept"])
        assert (found.exporter, found.opset, found.figure) == (TORCHSCRIPT, 13, "opset 13")

    def test_engines(self, file):
        """The given engines are used."""
        engine = FakeEngine(lambda inputs: dict.fromkeys("abc", inputs["x"]))
        found = run(scale_case(engines=[engine]), only=["same-values"], file=file)
        found += run(scale_case(), only=["same-values"], file=file, engines=["onnxruntime", engine])
        assert [(each.engine, each.verdict) for each in found] == [
            ("fake", CheckVerdict.FAILS),
            ("onnxruntime", CheckVerdict.HOLDS),
            ("fake", CheckVerdict.FAILS),
        ]
        assert all("3 outputs" in each.problem for each in found if each.engine == "fake")

    def test_expected(self, file):
        """An unknown check that a case expects to fail is refused."""
        with pytest.raises(CaseError, match="expected: the check 'slip' is unknown"):
            run(scale_case(expected={"slip": "no"}), file=file)

    def test_name(self):
        """`run` is called as `findings` is."""
        assert run.__wrapped__ is findings


class TestRepro:
    """A failure leaves a folder in a report."""

    def test_fails(self, file, tmp_path):
        """The finding names the folder."""
        wrong = file.with_name("wrong.onnx")
        (found,) = run(scale_case(), only=["same-values"], file=wrong, report=tmp_path / "report")
        assert found.repro == "repro/Scale-wrong.onnx/same-values"
        assert Path(tmp_path, "report", found.repro, "repro.py").is_file()

    def test_holds(self, file, tmp_path):
        """A success leaves none."""
        (found,) = run(scale_case(), only=["same-values"], file=file, report=tmp_path / "report")
        assert (found.verdict, found.repro) == (CheckVerdict.HOLDS, "")
        assert not (tmp_path / "report").exists()

    def test_mended(self, file, tmp_path):
        """An earlier run's folder is gone once the check holds; those of other checks stay."""
        wrong, options = file.with_name("wrong.onnx"), {"only": ["same-values"], "report": tmp_path / "report"}
        run(scale_case(), file=wrong, **options)
        other = tmp_path / "report/repro/Scale-wrong.onnx/dims-kept"
        other.mkdir()
        wrong.write_bytes(file.read_bytes())
        run(scale_case(), file=wrong, **options)
        assert [path.name for path in other.parent.iterdir() if path.is_dir()] == ["dims-kept"]

    def test_no_report(self, file):
        """Without a report there is none."""
        (conversion,) = conversions(scale_case(), file=file.with_name("wrong.onnx"))
        found = judge(same_values, conversion)
        assert found.verdict == CheckVerdict.FAILS
        assert with_repro(found, conversion, None) is found

    def test_nothing_to_show(self, tmp_path):
        """A failure without a file leaves none either."""
        case = scale_case(export={"no_such_option": 1})
        (found,) = run(case, [TORCHSCRIPT], only=["exports"], report=tmp_path / "report")
        assert (found.verdict, found.repro) == (CheckVerdict.FAILS, "")
