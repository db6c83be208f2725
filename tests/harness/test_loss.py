"""A stated loss is read, and judged by exact bounds; metrics refuse what others overlook."""

import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binomtest

from onnxproof.parity.interval import count_needed, highest_share, lowest_share, mean_difference
from onnxproof.parity.loss import EXAMPLES, Loss, LossError, parse_loss
from onnxproof.parity.metrics import (
    MetricError,
    decibels,
    decided,
    noise_to_peak,
    noise_to_signal,
    same_decision,
)


def test_imports():
    """scipy is imported when a bound asks for it, and scipy.stats, which takes a second, only for graded scores."""
    lines = ["import sys, numpy as np, onnxproof.checks.run", "from onnxproof.parity.interval import *"]
    for call in ("lowest_share(9, 9, 0.95)", "lowest_share(8, 9, 0.95)", "mean_difference(np.linspace(0, 1, 20), 0.9)"):
        lines += [call, "print('scipy' in sys.modules, 'scipy.stats' in sys.modules)"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True", "False", "True", "True"]


class TestStatement:
    """One line states the metric, its bound, the share of inputs and the confidence."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("agrees >= 99%", ("agrees", 0, 0.99, 0.95, "")),
            ("Agrees ≥ 99.5 % at 99 %", ("agrees", 0, 0.995, 0.99, "")),
            ("sqnr >= 30 dB in 95%", ("sqnr", 30, 0.95, 0.95, "")),
            ("psnr>=40dB in 90%, all int8", ("psnr", 40, 0.9, 0.95, "int8")),
            ("score >= -0.5 pp at 90%", ("score", -0.5, 0, 0.9, "")),
        ],
    )
    def test_read(self, text, expected):
        """Spaces and capitals do not matter."""
        found = parse_loss(text)
        parts = (found.metric, found.least, found.share, found.confidence, found.format)
        assert parts == pytest.approx(expected)

    def test_examples(self):
        """Each example that an error gives can be read."""
        assert {metric: parse_loss(text).metric for metric, text in EXAMPLES.items()} == {
            each: each for each in EXAMPLES
        }
        assert isinstance(parse_loss(EXAMPLES["agrees"]), Loss)

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("agree >= 99%", "no metric, did you mean 'agrees'"),
            ("99%", "begins with '', which is no metric; write 'agrees >= 99%' or"),
            ("sqnr > 30 dB in 95%", "after the metric stands >=; write it like 'sqnr >= 30 dB in 95%'"),
            ("sqnr >= 30 in 95%", "it has no dB"),
            ("sqnr >= 30 dB", "does not say on how many inputs"),
            ("agrees >= 99", "it has no %"),
            ("agrees >= 100%", "samples show more than 0% and less than 100%"),
            ("score >= -0.5%", "it has no pp"),
            ("score >= -200 pp", "beyond 100 percentage points"),
            ("agrees >= 99% at 100%", "a confidence of 100 %"),
            ("agrees >= 99%, all int4", "all int4, which is no format, did you mean 'int8'"),
            (99, "the loss is 99; write a text"),
        ],
    )
    def test_refused(self, text, problem):
        """What cannot be read says what is wrong and how to write it."""
        with pytest.raises(LossError) as refused:
            parse_loss(text)
        assert problem in str(refused.value)


class TestShare:
    """A share has exact binomial bounds."""

    @pytest.mark.parametrize(
        ("lost", "count", "is_shown"), [(0, 298, False), (0, 299, True), (4, 1000, True), (5, 1000, False)]
    )
    def test_of_99_percent(self, lost, count, is_shown):
        """299 without a flip show 99 %, and 1000 with four."""
        assert (lowest_share(count - lost, count, 0.95) >= 0.99) == is_shown

    @pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9999])
    @pytest.mark.parametrize(("kept", "count"), [(0, 1), (1, 1), (3, 7), (58, 59), (59, 59), (996, 1000)])
    def test_clopper_pearson(self, kept, count, confidence):
        """The bound is scipy's own."""
        exact = binomtest(kept, count, alternative="greater").proportion_ci(confidence, "exact").low
        assert lowest_share(kept, count, confidence) == pytest.approx(exact, rel=1e-9)

    def test_both_ends(self):
        """The upper bound is the lower one of what was lost; nothing is known of no samples."""
        assert lowest_share(120, 120, 0.95) == pytest.approx(0.05 ** (1 / 120))
        assert highest_share(0, 120, 0.95) == pytest.approx(1 - 0.05 ** (1 / 120))
        assert (lowest_share(0, 0, 0.95), highest_share(0, 0, 0.95)) == (0, 1)

    @pytest.mark.parametrize(("lost", "share", "needed"), [(0, 0.99, 299), (1, 0.99, 473), (0, 0.95, 59), (0, 0.5, 5)])
    def test_count_needed(self, lost, share, needed):
        """It is the first count that shows the share."""
        assert count_needed(lost, share, 0.95) == needed
        assert lowest_share(needed - lost, needed, 0.95) >= share > lowest_share(needed - 1 - lost, needed - 1, 0.95)

    def test_coverage(self):
        """At the stated share itself, one run in twenty at most shows more than is true."""
        draws = np.random.default_rng(0).binomial(200, 0.97, 2000)
        assert np.mean([lowest_share(int(kept), 200, 0.95) > 0.97 for kept in draws]) <= 0.06


class TestDifference:
    """Paired scores have bounds of their mean difference."""

    def test_no_difference_is_not_certainty(self):
        """Equal scores on few samples show little: three lost answers in a hundred may hide."""
        low, high = mean_difference(np.zeros(100), 0.95)
        assert low == pytest.approx(-(1 - 0.025 ** (1 / 100)))
        assert high == -low

    def test_right_and_wrong(self):
        """One answer that is lost where none is gained moves both bounds down."""
        found = np.zeros(1000)
        found[0] = -1
        low, high = mean_difference(found, 0.95)
        assert low < -0.001 < high < 0.0037
        assert low == pytest.approx(-highest_share(1, 1000, 0.975))

    def test_bootstrap(self):
        """Graded scores are resampled in pairs; a second run has the same bounds."""
        found = np.random.default_rng(1).normal(-0.02, 0.01, 200)
        low, high = mean_difference(found, 0.95)
        assert low < found.mean() < high
        assert high - low == pytest.approx(2 * 1.645 * 0.01 / math.sqrt(200), rel=0.2)
        assert mean_difference(found, 0.95) == (low, high)

    def test_few_graded_differences(self):
        """Two slightly lower scores in 100 count as two lost answers: a bootstrap would trust them."""
        found = np.zeros(100)
        found[:2] = -0.01
        assert mean_difference(found, 0.95)[0] == pytest.approx(-highest_share(2, 100, 0.975))


SIGNAL = np.array([[1.0, -2.0, 3.0, -4.0]])


class TestMetrics:
    """A metric sees what is wrong, whatever the dtype."""

    def test_known(self):
        """An error of 1 % is 40 dB."""
        assert decibels(noise_to_signal(SIGNAL * 1.01, SIGNAL)) == pytest.approx(40)
        assert decibels(noise_to_peak(SIGNAL + 0.07, SIGNAL)) == pytest.approx(40)

    @pytest.mark.parametrize("noise", [noise_to_signal, noise_to_peak])
    def test_equal(self, noise):
        """Equal outputs have no noise, also where both are infinite or zero."""
        found = np.array([0.0, np.inf, np.nan, 2.0], np.float32)
        assert decibels(noise(found, found)) == math.inf
        assert decibels(noise(np.zeros(3), np.zeros(3))) == math.inf

    @pytest.mark.parametrize("noise", [noise_to_signal, noise_to_peak])
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_not_finite(self, noise, bad):
        """A value that is not finite is no small error, and is not left out of the mean."""
        assert decibels(noise(np.array([[bad, -2.0, 3.0, -4.0]]), SIGNAL)) == -math.inf

    def test_nothing_where_something_was_expected(self):
        """An error where the signal is zero, or constant, is infinite."""
        assert decibels(noise_to_signal(np.ones(3), np.zeros(3))) == -math.inf
        assert decibels(noise_to_peak(np.ones(3), np.zeros(3))) == -math.inf

    def test_unit(self):
        """Another unit is an error, though the cosine of both is 1."""
        assert decibels(noise_to_signal(SIGNAL * 1000, SIGNAL)) < -59
        assert decibels(noise_to_signal(SIGNAL / 1000, SIGNAL)) == pytest.approx(0, abs=0.01)

    @pytest.mark.parametrize("noise", [noise_to_signal, noise_to_peak])
    def test_shape(self, noise):
        """Another shape is refused, though numpy would broadcast it."""
        with pytest.raises(MetricError, match="shape"):
            noise(SIGNAL, SIGNAL[0])

    def test_wrap_around(self):
        """uint8 values do not wrap: 0 and 255 are 255 apart."""
        ours, theirs = np.array([0, 255], np.uint8), np.array([255, 0], np.uint8)
        assert noise_to_peak(ours, theirs) == pytest.approx(1)
        assert noise_to_peak(np.array([0, 254], np.uint8), np.array([1, 254], np.uint8)) == pytest.approx(
            0.5**0.5 / 253
        )

    def test_large_float16(self):
        """Squares of float16 values do not overflow."""
        large = np.array([300.0, 400.0], np.float16)
        assert noise_to_signal(large, large + np.float16(4)) == pytest.approx(4 / np.sqrt((304**2 + 404**2) / 2))

    def test_batch_of_one(self):
        """One sample is judged as it is in a batch."""
        two = np.concatenate([SIGNAL, SIGNAL])
        assert noise_to_signal(two * 1.1, two) == pytest.approx(noise_to_signal(SIGNAL * 1.1, SIGNAL))
        assert decided({"y": SIGNAL})[0].tolist() == [2]


class TestDecision:
    """The decision is the place of the largest value on the last axis."""

    def test_axis(self):
        """Each row decides; integers decide by themselves."""
        rows = np.array([[1, 3, 2], [9, 8, 7]], np.float16)
        (places, labels) = decided({"y": rows, "label": np.array([4])})
        assert (places.tolist(), labels.tolist()) == ([1, 0], [4])

    @pytest.mark.parametrize("shape", [(5, 1), ()])
    def test_one_value(self, shape):
        """One value decides nothing: it would always agree."""
        with pytest.raises(MetricError, match="decides nothing"):
            decided({"y": np.zeros(shape)})

    @pytest.mark.parametrize(
        ("ours", "theirs", "same"),
        [
            (1, 1, True),
            (np.array([1, 2]), np.array([1, 2]), True),
            ((np.array([1]), 2), (np.array([1]), 2), True),
            (np.array([1, 1]), np.array([1]), False),
            ((1, 2), (1,), False),
            ("cat", "dog", False),
        ],
    )
    def test_same(self, ours, theirs, same):
        """Shapes and all values have to be equal."""
        assert same_decision(ours, theirs) == same
