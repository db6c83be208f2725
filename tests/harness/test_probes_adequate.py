"""Inputs that could not show a fault are reported, with advice."""

import numpy as np
import pytest
import torch

from onnxproof.case import Case
from onnxproof.checks.check import judge
from onnxproof.checks.values import probes_adequate
from onnxproof.exporting import Dim
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import TORCHSCRIPT
from tests.harness.by_hand import ROWS, Gives, said, seen


def only(accepts, x):
    """The input, or an error."""
    if accepts:
        return x
    raise ValueError(x.shape)


class TestProbes:
    """`probes-adequate`: the inputs could have shown a fault."""

    @pytest.fixture
    def asked(self):
        """The finding on a model's inputs; no file is needed for it."""

        def ask(make, inputs, **options):
            return judge(probes_adequate, exported(ReferenceModel(Case(Gives(make), inputs, **options)), TORCHSCRIPT))

        return ask

    def test_right(self, right):
        """The figure is their number."""
        assert seen(probes_adequate, right) == (CheckVerdict.HOLDS, f"{len(right.model.judged)} probes")

    @pytest.mark.parametrize(
        ("make", "inputs", "problem", "advice"),
        [
            pytest.param(
                lambda x: x * 2,
                {"x": np.full((5, 4), 7, np.float32)},
                "the input x is constant",
                "Give other values of it in the case's `also`.",
                id="constant-input",
            ),
            pytest.param(
                lambda x: (x, x.sqrt()),
                {"x": ROWS},
                "the model's own output output_1 is not finite on the example",
                "Give inputs that the model is made for.",
                id="not-finite",
            ),
            pytest.param(
                lambda x: x * 2,
                {"x": np.where(ROWS > 3, np.float32("nan"), ROWS)},
                "the model's own output output is not finite on the example",
                "Give inputs that the model is made for.",
                id="not-a-number",
            ),
            pytest.param(
                lambda x, y: torch.arange(3.0) + y,
                {"x": np.ones(1, np.float32), "y": np.float32(2)},
                "no input has more than one value",
                "Give a larger example.",
                id="one-value",
            ),
            pytest.param(
                lambda x: only(torch.equal(x, torch.tensor(ROWS).to(x)), x),
                {"x": ROWS},
                "the model accepts only the traced inputs",
                "Give more of them in the case's `also`.",
                id="example-alone",
            ),
            pytest.param(
                lambda x: (torch.ones(2), torch.arange(1)),
                {"x": ROWS},
                "the model's outputs are constant on every probe",
                "Give inputs that it reacts to.",
                id="constant-outputs",
            ),
            pytest.param(
                lambda x, y: x * 1e-9 + y * 1e-9 + torch.arange(1.0, 5.0),
                {"x": ROWS, "y": ROWS},
                "no other values of x, y change the model's outputs by more than rounding",
                "Give weights and inputs with which it reacts: a file that ignores them would hold, too.",
                id="no-reaction",
            ),
        ],
    )
    def test_inadequate(self, asked, make, inputs, problem, advice):
        """Inputs that hide faults are reported, with advice."""
        finding = asked(make, inputs)
        assert (finding.verdict, finding.problem, finding.advice) == (CheckVerdict.FAILS, problem, advice)

    @pytest.mark.parametrize(
        ("make", "inputs"),
        [
            pytest.param(lambda x, f: x * f, {"x": ROWS, "f": np.ones(2, np.float32)[:1]}, id="constant-factor"),
            pytest.param(lambda x, f: x * f[0], {"x": ROWS, "f": np.ones(2, np.float32)}, id="constant-factors"),
            pytest.param(lambda x: (x, torch.ones(2)), {"x": ROWS}, id="one-constant-output"),
            pytest.param(lambda x: (torch.ones(2), x[:, 0]), {"x": ROWS}, id="another"),
            pytest.param(lambda x: x * 2, {"x": np.arange(20)}, id="integers"),
            pytest.param(lambda x: x.flatten()[:2], {"x": ROWS}, id="two-values-out"),
            pytest.param(lambda x: x.sqrt(), {"x": np.abs(ROWS) + 1}, id="not-a-number-elsewhere"),
            pytest.param(lambda x: x.sum(), {"x": ROWS}, id="one-value-out"),
            pytest.param(lambda x: torch.bincount(x), {"x": np.arange(20) % 7}, id="counts"),
            pytest.param(lambda x: x * 2e-7 + torch.arange(1.0, 5.0), {"x": ROWS}, id="small-reaction"),
        ],
    )
    def test_adequate(self, asked, make, inputs):
        """Parameters may be constant, and so may be one of the outputs."""
        assert asked(make, inputs).verdict == CheckVerdict.HOLDS

    def test_ignored(self, asked):
        """The figure names an input that the model does not react to, where it reacts to another one."""
        finding = asked(lambda x, y: x * 1e-9 + y, {"x": ROWS, "y": ROWS})
        assert (finding.verdict, finding.figure.split("; ")[1:]) == (CheckVerdict.HOLDS, ["no reaction to x seen"])

    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda x: torch.arange(x.shape[0]), id="arange"),
            pytest.param(lambda x: torch.zeros_like(x) + x.new_ones(4).cumsum(0), id="like"),
        ],
    )
    def test_sizes_alone(self, asked, make):
        """A model that reads no value of its inputs cannot react to one."""
        finding = asked(make, {"x": np.zeros((3, 4), np.float32)}, dynamic={"x": {0: "rows"}})
        assert finding.verdict == CheckVerdict.HOLDS
        assert "; the model reads its inputs' sizes alone" in finding.figure

    @pytest.mark.parametrize(("other", "verdict"), [(ROWS + 90, CheckVerdict.HOLDS), (ROWS + 9, CheckVerdict.FAILS)])
    def test_reaction_to_also(self, asked, other, verdict):
        """A reaction to `also` alone counts."""
        finding = asked(lambda x: x * (x.sum() > 1000) + torch.arange(4.0), {"x": ROWS}, also=[{"x": other}])
        assert finding.verdict == verdict

    def test_tied_inputs(self, asked):
        """Where the values of all inputs cannot be changed together, those of each are changed alone."""

        def bags(ids, starts):
            assert starts[0] == 0
            assert (starts.diff() >= 0).all()
            return (ids[:, None] * (torch.arange(12)[:, None] >= starts)).sum(0)

        inputs = {"ids": np.arange(5, 17), "starts": np.array([0, 3, 3, 8])}
        assert asked(bags, inputs).figure == "3 probes"

    def test_two_values(self, asked):
        """Two values are enough if `also` has other ones."""
        assert asked(lambda x: x, {"x": ROWS[0, :2]}, also=[{"x": ROWS[1, :2]}]).verdict == CheckVerdict.HOLDS

    def test_two_free_values(self, asked):
        """Two equal values of an input that is data are constant."""
        finding = asked(lambda x: x + torch.arange(len(x)), {"x": np.ones(2)}, dynamic={"x": {0: "n"}})
        assert said(finding) == (CheckVerdict.FAILS, "the input x is constant")

    def test_one_free_value(self, asked):
        """A single value is not called constant."""
        finding = asked(lambda x: x + torch.arange(len(x)), {"x": ROWS[0, :1]}, dynamic={"x": {0: "n"}})
        assert said(finding) == (CheckVerdict.FAILS, "no input has more than one value")

    MASK = np.ones((2, 20), np.int64)

    def test_mask(self, asked):
        """A mask of ones, which everybody passes, is judged with zeros at its end."""
        finding = asked(lambda x, mask: (x * mask).sum(-1), {"x": np.resize(ROWS, (2, 20)), "mask": self.MASK})
        assert said(finding) == (CheckVerdict.HOLDS, "7 probes")

    def test_mask_of_ones_alone(self, asked):
        """Where the model accepts no other, that is a limit and not a failure."""
        finding = asked(
            lambda x, mask: only(bool(mask.all()), (x * mask).sum(-1)),
            {"x": np.resize(ROWS, (2, 20)), "mask": self.MASK},
        )
        assert said(finding) == (CheckVerdict.HOLDS, "6 probes; mask is 1 throughout")

    def test_other_values(self, asked):
        """A constant example is no obstacle beside other values in `also`."""
        constant = {"x": np.full((5, 4), 7, np.float32)}
        assert asked(lambda x: x * 2, constant, also=[{"x": ROWS[:5]}]).verdict == CheckVerdict.HOLDS

    @pytest.mark.parametrize(
        ("accepts", "sizes"),
        [
            pytest.param({6}, "rows = 6 (not 1, 3, 7, 8, 12, 13, 24, 70)", id="one"),
            pytest.param({6, 1}, "rows = 1, 6 (not 3, 7, 8, 12, 13, 24, 70)", id="one-and-1"),
        ],
    )
    def test_sizes(self, asked, accepts, sizes):
        """A free dimension has to be seen at another size above 1; the sizes that were tried are listed."""
        finding = asked(lambda x: only(len(x) in accepts, x), {"x": ROWS}, dynamic={"x": {0: "rows"}})
        assert said(finding) == (CheckVerdict.FAILS, f"of the sizes tried, the model accepts only {sizes}")
        assert finding.advice == "Leave rows out of `dynamic` if the model takes no other, or give others in `also`."

    def test_two_sizes(self, asked):
        """Two sizes are enough, and a limit."""
        finding = asked(lambda x: only(len(x) in (6, 7), x), {"x": ROWS}, dynamic={"x": {0: "rows"}})
        assert said(finding) == (CheckVerdict.HOLDS, "7 probes; rows 6, 7 alone")

    def test_multiples(self, asked):
        """Where the model takes the multiples of a number, that number is part of the figure."""
        pictures = np.resize(ROWS, (12, 8))
        free = {"x": {0: "rows", 1: "columns"}}
        finding = asked(lambda x: only(not len(x) % 4 and not x.shape[1] % 4, x), {"x": pictures}, dynamic=free)
        assert said(finding) == (CheckVerdict.HOLDS, "11 probes; rows, columns in multiples of 4")

    def test_one_more_than_multiples(self, asked):
        """Or one more than its multiples."""
        finding = asked(lambda x: only(len(x) % 8 == 1, x), {"x": np.resize(ROWS, (17, 4))}, dynamic={"x": {0: "rows"}})
        assert said(finding) == (CheckVerdict.HOLDS, "9 probes; rows in 8n + 1")

    def test_promise(self, asked):
        """A promise that the model does not keep is reported, with the one that it does."""
        rows = {"x": {0: Dim("rows", min=4, max=64, multiple_of=4)}}
        finding = asked(lambda x: only(not len(x) % 8, x), {"x": np.resize(ROWS, (16, 4))}, dynamic=rows)
        assert said(finding) == (
            CheckVerdict.FAILS,
            "the model refuses promised sizes: rows = 4, 12, 36 of multiples of 4 from 4 to 64",
        )
        assert finding.advice == "Promise the sizes that the model takes: `multiple_of=8` for rows."

    def test_promise_together(self, asked):
        """Sizes that the model accepts apart, and refuses together, are reported together."""
        sides = {"x": {0: Dim("rows", min=4, max=16), 1: Dim("columns", min=4, max=16)}}
        finding = asked(lambda x: only(x.numel() < 200, x), {"x": np.resize(ROWS, (8, 8))}, dynamic=sides)
        assert said(finding) == (
            CheckVerdict.FAILS,
            "the model refuses promised sizes: rows = 16, columns = 16 together",
        )

    def test_kept_promise(self, asked):
        """A promise that the model keeps is judged at its ends, and has no limit."""
        rows = {"x": {0: Dim("rows", min=5, max=64, multiple_of=8)}}
        finding = asked(lambda x: only(not len(x) % 8, x), {"x": np.resize(ROWS, (16, 4))}, dynamic=rows)
        assert said(finding) == (CheckVerdict.HOLDS, "9 probes")
