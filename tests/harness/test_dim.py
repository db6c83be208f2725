"""A `Dim` promises the sizes of a dimension, which exporters are told and which are judged."""

import numpy as np
import pytest
from torch import nn

import onnxproof
from onnxproof import Case, CaseError, Dim, check
from onnxproof.exporting import export
from onnxproof.exporting.dynamic import as_dim, as_torch_dim, dims_of
from onnxproof.results import CheckVerdict
from onnxproof.versions import EXPORTERS, TORCH_EXPORT, TORCHSCRIPT

EIGHTS = Dim("height", min=10, max=100, multiple_of=8)
PICTURE = np.random.default_rng(0).random((2, 3, 16, 24), np.float32)

with_torch_export = pytest.mark.skipif(TORCH_EXPORT not in EXPORTERS, reason="this torch has no torch.export exporter")


class TestPromise:
    """A promise is the multiples of a number between two ends."""

    def test_ends(self):
        """The ends are multiples themselves."""
        assert (EIGHTS.smallest, EIGHTS.largest) == (16, 96)
        assert (Dim("rows").smallest, Dim("rows").largest) == (1, None)

    @pytest.mark.parametrize(
        ("size", "allowed"), [(8, False), (16, True), (20, False), (96, True), (100, False), (104, False)]
    )
    def test_allows(self, size, allowed):
        """Sizes between are promised if they are multiples."""
        assert EIGHTS.allows(size) == allowed

    @pytest.mark.parametrize(("size", "nearest"), [(1, 16), (16, 16), (31, 24), (1000, 96)])
    def test_nearest(self, size, nearest):
        """The nearest is the one below, or the smallest."""
        assert EIGHTS.nearest(size) == nearest

    @pytest.mark.parametrize(
        ("dim", "promise"),
        [
            pytest.param(EIGHTS, "multiples of 8 from 16 to 96", id="all"),
            pytest.param(Dim("rows", min=2), "any size from 2 on", id="min"),
            pytest.param(Dim("rows", max=9), "any size from 1 to 9", id="max"),
            pytest.param(Dim("rows", multiple_of=4), "multiples of 4 from 4 on", id="multiple"),
        ],
    )
    def test_text(self, dim, promise):
        """It is told in words."""
        assert (dim.promise, dim.is_stated) == (promise, True)

    def test_name_alone(self):
        """A name alone states nothing."""
        assert not Dim("rows").is_stated

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            pytest.param({"name": ""}, "^Dim takes a name first, not ''$", id="no-name"),
            pytest.param({"name": 8}, "^Dim takes a name first, not 8$", id="number"),
            pytest.param({"min": 0}, "^Dim 'rows': min is 0; give a whole number from 1 on$", id="zero"),
            pytest.param({"multiple_of": 2.5}, "multiple_of is 2.5; give a whole number", id="fraction"),
            pytest.param({"max": -1}, "max is -1; give a whole number", id="negative"),
            pytest.param({"min": 8, "max": 15, "multiple_of": 8}, "promises fewer than two sizes; leave a", id="one"),
        ],
    )
    def test_refused(self, given, problem):
        """A promise that says nothing is refused."""
        with pytest.raises(ValueError, match=problem):
            Dim(**{"name": "rows"} | given)


class TestTorchDim:
    """Dimensions of torch.export are taken."""

    @pytest.fixture
    def torch_dim(self):
        """torch.export's own; it came after torch 2.0."""
        return pytest.importorskip("torch.export").Dim

    def test_range(self, torch_dim):
        """Its name and ends are the promise."""
        assert as_dim(torch_dim("rows", min=2, max=64)) == Dim("rows", min=2, max=64)
        assert as_dim(torch_dim("rows")) in (Dim("rows"), Dim("rows", min=2))  # torch 2.1 starts at 2

    @with_torch_export
    def test_multiple(self, torch_dim):
        """So are the multiples of one."""
        assert as_dim(8 * torch_dim("_rows", min=2, max=64)) == Dim("rows", min=16, max=512, multiple_of=8)
        assert as_dim(8 * torch_dim("rows")) == Dim("rows", multiple_of=8)

    @with_torch_export
    def test_sum(self, torch_dim):
        """One more than a multiple is no promise that can be made."""
        with pytest.raises(ValueError, match=r"^8\*rows \+ 1 is not a multiple of rows; give a name"):
            as_dim(8 * torch_dim("rows") + 1)

    @with_torch_export
    def test_no_name(self, torch_dim):
        """Dimensions without a name are refused."""
        with pytest.raises(ValueError, match=r"AUTO\) names no dimension; give a name, an onnxproof.Dim or a"):
            as_dim(torch_dim.AUTO)

    @with_torch_export
    @pytest.mark.parametrize(
        ("dim", "size", "made"),
        [
            pytest.param(Dim("rows"), 8, ("rows", 0, None), id="name"),
            pytest.param(Dim("rows", min=2, max=9), 8, ("rows", 2, 9), id="ends"),
            pytest.param(EIGHTS, 24, ("8*_height", 16, 96), id="multiple"),
            pytest.param(EIGHTS, 8, ("height", 16, 96), id="first-multiple"),
        ],
    )
    def test_made(self, dim, size, made):
        """What torch.export is given says the same; it takes a first multiple for fixed, which is left out."""
        found = as_torch_dim(dim, size)
        assert (found.__name__, found.min, found.max if found.max < 2**62 else None) == made


class TestCase:
    """A case takes names and promises side by side."""

    def case(self, *dims, picture=PICTURE, **more):
        """A case of two pictures."""
        left, right = dims
        return Case(
            nn.Identity(), {"left": picture, "right": picture}, {"left": {2: left}, "right": {2: right}}, **more
        )

    def test_shared(self):
        """A name in one input means the promise of that name in another."""
        assert self.case(Dim("h", min=4), "h").dims == {"h": Dim("h", min=4)}

    def test_names(self):
        """Names stay names, and dimensions of torch become promises."""
        case = self.case("h", Dim("w", min=2))
        assert case.dynamic == {"left": {2: "h"}, "right": {2: Dim("w", min=2)}}
        assert case.sizes == {"h": 16, "w": 16}

    @pytest.mark.parametrize(
        ("dims", "problem"),
        [
            pytest.param(
                (Dim("h", min=2), Dim("h", min=3)),
                "^dynamic: 'h' has two promises, any size from 2 on and any size from 3 on$",
                id="two-promises",
            ),
            pytest.param(("h", 3), "^dynamic: 3 names no dimension; give a name, an onnxproof.Dim", id="number"),
            pytest.param(
                (Dim("h", min=20), "w"),
                "^the dimension 'h' is 16 in inputs; promised are any size from 20 on$",
                id="min",
            ),
            pytest.param(
                (Dim("h", multiple_of=3), "w"),
                "^the dimension 'h' is 16 in inputs; promised are multiples of 3 from 3 on$",
                id="multiple",
            ),
        ],
    )
    def test_refused(self, dims, problem):
        """Promises that do not fit the inputs are refused."""
        with pytest.raises(CaseError, match=problem):
            self.case(*dims)

    def test_also(self):
        """The sizes of further inputs have to be promised, too."""
        with pytest.raises(
            CaseError, match=r"^the dimension 'h' is 12 in also\[0\]; promised are multiples of 8 from 8"
        ):
            self.case(Dim("h", multiple_of=8), "w", also=[{"left": PICTURE[:, :, :12], "right": PICTURE}])

    def test_is_exported(self):
        """Users import it from the package."""
        assert onnxproof.Dim is Dim


class TestExport:
    """Exporters are told the name, and torch.export the promise."""

    @pytest.mark.parametrize("exporter", EXPORTERS)
    def test_names(self, exporter, tmp_path):
        """The file names the dimension; torch.export writes a multiple as one."""
        dims = {"x": {0: "batch", 2: Dim("height", multiple_of=8)}}
        made = export(
            nn.ReLU(),
            {"x": PICTURE},
            tmp_path / "m.onnx",
            exporter=exporter,
            opset=18,
            dynamic=dims,
            output_names=["y"],
        )
        height = "height" if exporter == TORCHSCRIPT else "8*_height"
        assert made.graph.inputs[0].shape == ("batch", 3, height, 24)

    @with_torch_export
    def test_shared(self, tmp_path):
        """Two inputs with a dimension of one name share it."""
        case = TestCase().case(Dim("h", min=2, max=64), "h")
        made = export(Adds(), case.inputs, tmp_path / "m.onnx", exporter=TORCH_EXPORT, opset=18, dynamic=case.dynamic)
        assert {value.shape for value in made.graph.inputs} == {(2, 3, "h", 24)}

    def test_one_dim_for_each_name(self):
        """`dims_of` has each name once."""
        assert list(dims_of({"a": {0: "n", 1: "h"}, "b": {0: "n"}})) == ["n", "h"]


class Adds(nn.Module):
    """Adds two pictures."""

    def forward(self, left, right):
        return left + right


class Halves(nn.Module):
    """A network that takes even heights: it goes down and up again."""

    def __init__(self, stages: int) -> None:
        super().__init__()
        self.stages = stages

    def forward(self, x):
        small = x
        for _ in range(self.stages):
            small = nn.functional.avg_pool2d(small, 2)
        return x + nn.functional.interpolate(small, scale_factor=2.0**self.stages)


class FromEight(nn.Module):
    """A network whose file is wrong below eight rows: it asks for the number of rows in Python."""

    def forward(self, x):
        return x + 1 if x.shape[2] >= 8 else x


@pytest.mark.parametrize("exporter", EXPORTERS)
class TestJudged:
    """A promise is judged, no more and no less."""

    def test_kept(self, exporter):
        """A promise that model and file keep passes every check."""
        dims = {"x": {2: Dim("height", min=8, max=64, multiple_of=8), 3: Dim("width", min=8, multiple_of=8)}}
        findings = {f.check: f for f in check(Case(Halves(3), {"x": PICTURE}, dims), [exporter])}
        assert {f.verdict for f in findings.values()} == {CheckVerdict.HOLDS}
        assert "height, width" in findings["inputs-live"].figure

    def test_broken(self, exporter):
        """One that the model does not keep fails."""
        dims = {"x": {2: Dim("height", min=4, max=64, multiple_of=4)}}
        (finding,) = check(Case(Halves(3), {"x": PICTURE}, dims), [exporter], only=["probes-adequate"])
        assert finding.problem.startswith("the model refuses promised sizes: height = 4, ")
        assert finding.advice == "Promise the sizes that the model takes: `multiple_of=8` for height."

    @pytest.mark.parametrize(
        ("height", "verdict"),
        [(Dim("height", min=8), CheckVerdict.HOLDS), (Dim("height", min=7), CheckVerdict.FAILS)],
        ids=["outside", "inside"],
    )
    def test_wrong_outside(self, exporter, height, verdict):
        """A file that is wrong outside of the promise alone is not refused, one that is wrong at its end is."""
        (finding,) = check(
            Case(FromEight(), {"x": PICTURE}, {"x": {2: height}}), [exporter], only=["same-values-unseen"]
        )
        assert finding.verdict == verdict
        assert ("on height 7: " in finding.problem) == (verdict == CheckVerdict.FAILS)


@with_torch_export
def test_name_that_torch_export_refuses():
    """A name that is no identifier is a refusal of the exporter, not an error of the check."""
    (finding,) = check(Case(nn.ReLU(), {"x": PICTURE}, {"x": {2: "my height"}}), [TORCH_EXPORT], only=["exports"])
    assert finding.verdict == CheckVerdict.FAILS
    assert "my height" in finding.problem
