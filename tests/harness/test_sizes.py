"""Other sizes are drawn within the promise, tried on the model, and few where it refuses them."""

from typing import Any, ClassVar

import numpy as np
import pytest
from torch import nn

from onnxproof.case import Case
from onnxproof.exporting import Dim
from onnxproof.faults.sizes import Stages
from onnxproof.probing.draws import LONG, MOST_VALUES, count, joint_draws
from onnxproof.probing.reference import ReferenceModel
from onnxproof.probing.sizes import MOST_REFUSED, SizeTrials

MODEL = nn.Identity()
FREE = {"image": {0: "batch", 2: "height", 3: "width"}}
SIDES = {"image": {2: "height", 3: "width"}}


def pictures(*shape: int) -> np.ndarray[Any, Any]:
    """Seeded pictures."""
    return np.random.default_rng(0).random(shape, np.float32)


def case(*shape: int, dynamic: Any = SIDES) -> Case:
    """A case of pictures."""
    return Case(MODEL, {"image": pictures(*shape)}, dynamic=dynamic)


def rows(size: int, width: int = 256, dim: Any = "rows") -> Case:
    """A case of rows of values; their number is free."""
    return Case(MODEL, {"x": pictures(size, width)}, dynamic={"x": {0: dim}})


def tried(case: Case, accepts: Any) -> SizeTrials[bool]:
    """The trials of a model that accepts some sizes; it sees the shape of its first input."""
    return SizeTrials(case, lambda probe: True if accepts(*next(iter(probe.inputs.values())).shape) else None)


def accepted(trials: SizeTrials[bool]) -> list[tuple[int, ...]]:
    """The accepted sizes."""
    return [tuple(probe.sizes.values()) for probe, _ in trials.accepted]


def multiples(divisor: int, remainder: int = 0) -> Any:
    """A network whose stages divide the sides."""
    return lambda n, c, h, w: h % divisor == w % divisor == remainder


class TestDraws:
    """Sizes of several kinds are drawn along all dimensions at once."""

    def test_kinds(self):
        """Sizes are prime, odd, large, long in one side, and 1; all but these differ between dimensions."""
        assert joint_draws(case(1, 3, 8, 6)) == {
            "prime": {"height": 7, "width": 11},
            "odd": {"height": 9, "width": 7},
            "large": {"height": 16, "width": 12},  # `GROWTH` times the values
            "long width": {"height": 9, "width": LONG},
            "smallest": {"height": 1, "width": 1},
        }

    def test_equal_sizes(self):
        """They differ even if those of the example are the same, so that swapped dimensions show."""
        square = list(joint_draws(case(1, 3, 8, 8)).values())
        assert [tuple(sizes.values()) for sizes in square[:3]] == [(7, 11), (9, 11), (16, 18)]

    def test_many(self):
        """Those of many dimensions differ too."""
        cube = Case(MODEL, {"x": pictures(4, 4, 4)}, dynamic={"x": {0: "a", 1: "b", 2: "c"}})
        kinds = joint_draws(cube)
        found = [tuple(kinds[kind].values()) for kind in ("prime", "odd", "large")]
        assert found == [(7, 11, 13), (3, 5, 7), (6, 8, 10)]

    def test_static(self):
        """Without dynamic dimensions nothing is drawn."""
        assert joint_draws(case(1, 3, 8, 6, dynamic={})) == {}

    def test_large_example(self):
        """A large example is not made larger."""
        large = rows(512)
        assert max(count(large, sizes) for sizes in joint_draws(large).values()) <= MOST_VALUES

    def test_no_side(self):
        """Batches and sequences are not drawn long."""
        free = {"x": {0: "batch", 1: "length"}}
        assert "long length" not in joint_draws(Case(MODEL, {"x": pictures(2, 8)}, dynamic=free))

    def test_long_already(self):
        """A side that is drawn longer is not drawn again."""
        assert "long width" not in joint_draws(case(1, 1, 8, 240))


class TestPromise:
    """Sizes are drawn from a promise, its ends included."""

    EIGHTS: ClassVar = {
        "image": {2: Dim("height", min=16, max=1024, multiple_of=8), 3: Dim("width", min=20, multiple_of=8)}
    }

    def test_drawn(self):
        """Every size is a promised one, the smallest are among them, and odd multiples are."""
        kinds = joint_draws(case(1, 3, 32, 48, dynamic=self.EIGHTS))
        assert kinds["smallest"] == {"height": 16, "width": 24}
        assert kinds["prime"] == {"height": 24, "width": 40}
        assert all(size % 8 == 0 and size >= 16 for sizes in kinds.values() for size in sizes.values())

    @pytest.mark.parametrize(("largest", "drawn"), [(40, 40), (1024, 64)], ids=["affordable", "huge"])
    def test_largest(self, largest, drawn):
        """The largest size is drawn if it is not huge."""
        sides = {"image": {2: Dim("height", max=largest), 3: Dim("width", max=largest)}}
        assert joint_draws(case(1, 3, 32, 24, dynamic=sides))["large"]["height"] == drawn

    def test_largest_side(self):
        """A long side is the longest that is promised, if that is affordable."""
        wide, huge = ({"image": {2: "height", 3: Dim("width", max=most)}} for most in (1000, 100_000))
        assert joint_draws(case(1, 3, 32, 24, dynamic=wide))["long width"] == {"height": 7, "width": 1000}
        assert joint_draws(case(1, 3, 32, 24, dynamic=huge))["long width"]["width"] == LONG

    def test_other_side(self):
        """So is the other side, if no draw is longer than the example's."""
        sides = {"image": {0: "batch", 2: Dim("height", multiple_of=32), 3: Dim("width", multiple_of=32)}}
        kinds = joint_draws(case(1, 3, 64, 96, dynamic=sides))
        assert kinds["large"]["height"] == 64
        assert kinds["long height"]["height"] == 224

    def test_together(self):
        """Promised sizes that the model accepts apart and refuses together break a promise."""
        sides = {"image": {0: "batch", 2: Dim("height", min=8), 3: Dim("width", min=8)}}
        trials = tried(case(1, 3, 32, 24, dynamic=sides), lambda n, c, h, w: h * w < 1000)
        assert list(trials.broken)[-1] == ("height", "width")
        assert all(sizes["height"] * sizes["width"] >= 1000 for sizes in trials.broken["height", "width"])

    def test_no_ones(self):
        """A size of 1 is drawn only where it is promised."""
        two = joint_draws(case(1, 3, 8, 6, dynamic={"image": {0: "batch", 2: Dim("height", min=2)}}))
        assert two["smallest"] == {"batch": 1, "height": 2}
        assert min(sizes["height"] for sizes in two.values()) == 2

    def test_two_sizes(self):
        """Where a promise has too few sizes, two dimensions may be the same."""
        few = {"image": {2: Dim("height", min=8, max=16, multiple_of=8), 3: Dim("width", min=8, max=16, multiple_of=8)}}
        kinds = joint_draws(case(1, 3, 8, 16, dynamic=few))
        assert {size for sizes in kinds.values() for size in sizes.values()} == {8, 16}

    def test_only_promised_sizes_are_tried(self):
        """A model that refuses most of them is tried on no other."""
        promise = Dim("rows", min=10, max=90, multiple_of=5)
        trials = tried(rows(40, 4, dim=promise), lambda n, _: n == 40)
        sizes = {sizes["rows"] for sizes in trials.refused}
        assert {10, 45, 80, 90} <= sizes
        assert all(promise.allows(size) for size in sizes)


class TestTrials:
    """Where the model refuses a draw, each dimension is drawn by itself."""

    def test_anything(self):
        """A model that accepts every draw is asked for no more."""
        trials = tried(case(1, 3, 8, 6, dynamic=FREE), lambda *_: True)
        assert (len(trials.accepted), trials.refused, trials.steps) == (5, [], {})

    @pytest.mark.parametrize("divisor", [4, 8, 14, 32])
    @pytest.mark.parametrize("times", [2, 3, 8], ids=["small", "odd", "large"])
    def test_multiples(self, divisor, times):
        """Of a network that takes multiples of a number, the number is found."""
        trials = tried(case(1, 3, times * divisor, 2 * divisor, dynamic=FREE), multiples(divisor))
        assert {symbol: trials.rule(symbol) for symbol in trials.steps} == {
            "batch": (1, 0),
            "height": (divisor, 0),
            "width": (divisor, 0),
        }
        assert len(trials.accepted) <= 8
        assert trials.others("batch")
        assert max(trials.others("width")) > 2 * divisor
        assert all(len(trials.others(side)) > 1 for side in ("height", "width"))
        assert any(height != width for _, height, width in accepted(trials))

    def test_two_of_a_batch(self):
        """A batch other than 1 and the example's is among them."""
        trials = tried(case(2, 3, 64, 96, dynamic=FREE), multiples(32))
        assert any(batch > 2 for batch, _, _ in accepted(trials))

    def test_one_more(self):
        """So is the rule of one that takes one more than multiples."""
        trials = tried(case(1, 3, 65, 97), multiples(32, 1))
        assert trials.rule("height") == trials.rule("width") == (32, 1)

    def test_long(self):
        """A side is long even so."""
        trials = tried(case(1, 3, 32, 48), multiples(8))
        assert max(trials.others("width")) == 256

    def test_fixed(self):
        """Of a network with fixed sides the batch is tried, and few other sides."""
        trials = tried(case(1, 3, 64, 64, dynamic=FREE), lambda n, c, h, w: (h, w) == (64, 64))
        assert accepted(trials) == [(2, 64, 64), (3, 64, 64)]
        assert len(trials.refused) <= 12
        assert trials.refused_alone("height") == [32, 128]
        assert trials.rule("height") == (1, 0)

    def test_tied(self):
        """Sides that have to be equal are halved and doubled together."""
        trials = tried(case(1, 3, 16, 16), lambda n, c, h, w: h == w)
        assert {(8, 8), (32, 32)} <= {*accepted(trials)}

    def test_scaled_state(self):
        """So is a state of half the size beside a picture."""
        free = {"image": {2: "h", 3: "w"}, "state": {2: "h2", 3: "w2"}}
        both = Case(MODEL, {"image": pictures(1, 3, 16, 24), "state": pictures(1, 4, 8, 12)}, dynamic=free)
        trials = SizeTrials(both, lambda p: True if p.sizes["h"] == 2 * p.sizes["h2"] else None)
        assert all(trials.others(symbol) for symbol in ("h", "h2", "w", "w2"))

    def test_refusals_are_few(self):
        """However many dimensions a model ties together, a bounded number of sizes is tried."""
        free = {"x": {axis: f"dim_{axis}" for axis in range(8)}}
        trials = tried(Case(MODEL, {"x": pictures(*[2] * 8)}, dynamic=free), lambda *shape: False)
        assert len(trials.refused) <= MOST_REFUSED

    def test_asked_once(self):
        """No sizes are asked twice, and the example's are not."""
        asked = []
        SizeTrials(case(1, 3, 64, 64, dynamic=FREE), lambda probe: asked.append(tuple(probe.sizes.values())))
        assert len(asked) == len({*asked} - {(1, 64, 64)})

    @pytest.mark.parametrize("side", [128, 640])
    def test_large_example(self, side):
        """A large picture is tried in smaller ones."""
        large = case(1, 3, side, side, dynamic=FREE)
        trials = tried(large, multiples(32))
        assert max(count(large, probe.sizes) for probe, _ in trials.accepted) <= MOST_VALUES
        assert trials.rule("height") == (32, 0)

    def test_large_and_fixed(self):
        """Where the model takes no smaller one, a probe has at most twice its values."""
        large = case(1, 3, 224, 224, dynamic=FREE)
        trials = tried(large, lambda n, c, h, w: (h, w) == (224, 224))
        assert accepted(trials) == [(2, 224, 224)]
        assert trials.small is None

    def test_small(self):
        """Other values are tried on an accepted probe that is neither large nor tiny."""
        assert tried(rows(512), lambda *_: True).small.sizes == {"rows": 125}

    def test_one_large_row(self):
        """Of one large row two are drawn: a dimension of 1 could be broadcast."""
        assert accepted(tried(rows(1, 2 * MOST_VALUES), lambda *_: True)) == [(2,)]


class TestBeside:
    """Sizes beside the example's show whether the file reacts to a dimension."""

    def test_free(self):
        """They are one and three more."""
        assert tried(case(1, 3, 8, 6), lambda *_: True).beside == {"height": [9, 11], "width": [7, 9]}

    def test_multiples(self):
        """They are such as the model accepts."""
        assert tried(case(1, 3, 32, 48), multiples(8)).beside == {"height": [40, 56], "width": [56, 72]}

    def test_fixed(self):
        """There are none of a dimension that it fixes."""
        assert tried(case(1, 3, 64, 64), lambda *_: False).beside == {"height": [], "width": []}

    def test_promise(self):
        """They are promised."""
        few = {"image": {2: Dim("height", min=8, max=24, multiple_of=8)}}
        assert tried(case(1, 3, 24, 6, dynamic=few), lambda *_: True).beside == {"height": [16, 8]}


class TestRule:
    """A rule is stated if what was accepted and what was refused both show it."""

    def test_nothing_refused(self):
        """A step that was not shown by a refusal is none."""
        trials = tried(case(1, 3, 32, 48, dynamic={"image": {2: Dim("height", multiple_of=8)}}), multiples(8))
        assert trials.rule("height") == (1, 0)

    def test_ones(self):
        """A size of 1, which broadcasts, is no exception, and nothing to judge a file at."""
        trials = tried(case(1, 3, 32, 48), lambda n, c, h, w: (h, w) == (1, 1) or h % 8 == w % 8 == 0)
        assert (1, 1) not in accepted(trials)
        assert trials.rule("height") == (8, 0)
        assert trials.fits({"height": 8, "width": 40})
        assert not trials.fits({"height": 1, "width": 40})

    def test_exception(self):
        """Another size that does not follow it is."""
        trials = tried(case(1, 3, 32, 48), lambda n, c, h, w: (h, w) == (7, 11) or h % 8 == w % 8 == 0)
        assert trials.rule("height") == (1, 0)


class TestNetwork:
    """A network of multiples of 8 is judged at other batches and sides, and few more probes than others."""

    @pytest.mark.parametrize("shape", [(1, 3, 32, 48), (1, 3, 256, 256)], ids=["small", "large"])
    def test_judged(self, shape):
        """Its probes have another batch and two other heights and widths, each one a multiple of 8."""
        model = ReferenceModel(Case(Stages(nn.functional.relu).eval(), {"image": pictures(*shape)}, dynamic=FREE))
        seen = {symbol: {judged.probe.sizes[symbol] for judged in model.judged} for symbol in model.case.sizes}
        assert len(seen["batch"]) > 1
        assert len(seen["height"]) > 2
        assert len(seen["width"]) > 2
        assert {size % 8 for size in seen["height"] | seen["width"]} == {0}
        assert len(model.judged) <= 12
