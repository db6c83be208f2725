"""Chapter custom operator, any factor: where ONNX Runtime's Resize agrees with torch's interpolate."""

from collections import Counter

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import srcnn_models as srcnn
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.engines.torch import TorchModel
from onnxproof.parity.compare import Reference, assert_same
from tests.inputs import scales
from tests.resize_map import FIRST_PIXEL, IMAGE, LONGEST, NONE, TORCHS, observed, resize_model, rule

SIZES = range(1, LONGEST + 1)
FACTORS = [tenths / 10 for tenths in range(1, 41)]
PAIRS = [(size, factor) for size in SIZES for factor in FACTORS]

any_factor = st.floats(float(np.float32(0.1)), 4, width=32)
an_axis = st.tuples(st.integers(1, LONGEST), any_factor).filter(lambda axis: rule(*axis).agrees)


@pytest.fixture(scope="module")
def outcomes_with(noise, tmp_path_factory):
    """The observed outcome of each pair, on three columns of noise, with changes to the document's attributes."""

    def see(**attributes):
        path = tmp_path_factory.mktemp("resize") / "resize.onnx"
        onnx.save(resize_model(**attributes), path)
        run, image = OnnxRuntime().open(path).run, noise(1, 1, LONGEST, 3)
        return {(size, factor): observed(run, image[:, :, :size], factor) for size, factor in PAIRS}

    return see


@pytest.fixture(scope="module")
def outcomes(outcomes_with):
    """The outcome of each pair with the document's attributes."""
    return outcomes_with()


def disagreements(outcomes):
    """How many of the outcomes disagree, by kind."""
    kinds = ("refused" if outcome.torch_length == 0 else outcome.values for outcome in outcomes.values())
    return Counter(kind for kind in kinds if kind != TORCHS)


@pytest.fixture(scope="module")
def engines(portable_export, trained):
    """The file in ONNX Runtime, and the network in torch."""
    network = TorchModel(trained(srcnn.PortableSuperResolutionNet()), ("input", "factor"))
    return OnnxRuntime().open(portable_export.path), network


class TestMap:
    """At sizes of 1 to 64 pixels and factors of 0.1 to 4.0, along one axis."""

    @pytest.mark.claim("operator-any-factor")
    def test_every_pair_agrees(self, outcomes):
        """Resize's output is torch's at each of the 2,560 pairs of a size and a factor."""
        found = disagreements(outcomes)
        assert not found, f"{found.total()} of {len(PAIRS)} pairs disagree"

    @pytest.mark.instead("operator-any-factor")
    def test_rule_names_the_pairs_that_disagree(self, outcomes):
        """A rule predicts every pair's lengths, and whose values ONNX Runtime has."""
        predicted = {pair: rule(*pair) for pair in PAIRS}
        assert set(outcomes.items()) ^ set(predicted.items()) == set()

    @pytest.mark.instead("operator-any-factor")
    def test_disagreements_are_few(self, outcomes):
        """116 lengths differ; 27 outputs are the first pixel and 14 the image itself; torch refuses 23 empty ones."""
        assert disagreements(outcomes) == {NONE: 116, FIRST_PIXEL: 27, IMAGE: 14, "refused": 23}

    @pytest.mark.instead("operator-any-factor")
    def test_half_pixel_takes_no_lone_pixel_from_the_first(self, outcomes_with):
        """With "half_pixel" in place of "pytorch_half_pixel", as exporters write today, those 27 are torch's."""
        found = disagreements(outcomes_with(coordinate_transformation_mode="half_pixel"))
        assert found == {NONE: 116, IMAGE: 14, "refused": 23}


class TestNetwork:
    """The whole network, exported at one size and one factor."""

    @pytest.mark.claim("operator-any-factor")
    @given(height=an_axis, width=an_axis)
    @settings(max_examples=25)
    def test_output_is_torchs_where_the_rule_says_so(self, engines, noise, height, width):
        """If the rule says so along both axes, the output is torch's at any size and factor.

        The float64 referee is not used: if torch is exact in all of a few pixels, it allows no error.
        """
        inputs = {"input": noise(1, 3, height[0], width[0]), "factor": scales(height[1], width[1])}
        output, expected = (engine.run(inputs) for engine in engines)
        assert_same(output, Reference(expected), f"{height}-{width}")

    @pytest.mark.instead("operator-any-factor")
    @pytest.mark.parametrize(
        ("size", "factor", "how"),
        [
            pytest.param(5, 1.4, "shape .* expected", id="length"),
            pytest.param(3, 0.5, "apart", id="first-pixel"),
            pytest.param(4, 1.2, "apart", id="image"),
        ],
    )
    def test_output_is_not_torchs_elsewhere(self, engines, noise, size, factor, how):
        """Where the rule says that Resize differs, the network does too."""
        inputs = {"input": noise(1, 3, size, 6), "factor": scales(factor, 1)}
        output, expected = (engine.run(inputs) for engine in engines)
        with pytest.raises(AssertionError, match=how):
            assert_same(output, Reference(expected), f"{size}-x{factor}")
