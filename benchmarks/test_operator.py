"""Speed of the separable operator: alone, and per pixel as the picture grows.

All ratios are multiples of the time of its files in ONNX Runtime.
"""

from collections.abc import Mapping
from functools import cache, partial
from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import srcnn_models as srcnn
from benchmarks.contenders import versions
from benchmarks.replay import clock, replay_contender
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.latency import measure, ratio
from onnxproof.parity.compare import Reference
from onnxproof.probing.reference import reference
from onnxproof.results import Latency
from tests.inputs import scales
from tests.separable import SeparableOperator

SPARE_CORES = 0
"""The figures are for all cores: ONNX Runtime's Resize uses one, however many there are."""
ROUNDS, SECONDS = 40, 6

LARGEST_SIDE = 3072  # of a scaled picture; one of 4096 takes Resize six seconds
SCALED = [(size, factor) for size in (64, 256, 512, 1024) for factor in (2, 2.5, 3, 4) if size * factor <= LARGEST_SIDE]
ASSERTED = [(256, 3), (1024, 3)]
SIZES = (128, 256, 512, 1024)
CORNER = 256
"""The side of the part that the scaled pictures of all sizes share."""

TIMES_RESIZE = 8
TIMES_COST = 1.5
"""The most that an output pixel may cost at one size, as a multiple of another size's."""


class ResizeOperator(nn.Module):
    """The document's operator alone, which both exporters write as one Resize."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return srcnn.interpolate_bicubic(image, factor)


def interpolated(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """torch's `interpolate`, without copying the arrays."""
    with torch.inference_mode():
        return {"output": srcnn.scale_bicubic(*map(torch.from_numpy, inputs.values())).numpy()}


@pytest.fixture(scope="module")
def picture(face):
    """The face, tiled to a square with sides of `size`."""
    return lambda size: np.ascontiguousarray(np.tile(face, (1, 1, 4, 4))[:, :, :size, :size])


@pytest.fixture(scope="module")
def operator(threads, file):
    """The separable operator's file in ONNX Runtime."""
    return OnnxRuntime().open(file("separable-alone", SeparableOperator())).run


@pytest.fixture(scope="module")
def resize(threads, file):
    """The document's operator's file in ONNX Runtime."""
    return OnnxRuntime().open(file("resize-alone", ResizeOperator())).run


@pytest.fixture(scope="module")
def alone(operator, resize, picture):
    """The operator against Resize and torch; each size and factor is measured once."""

    @cache
    def get(size: int, factor: float) -> Latency:
        inputs = {"input": picture(size), "factor": scales(factor)}
        contenders = {"separable": operator, "resize": resize, "torch": interpolated}
        return measure(
            contenders,
            inputs,
            reference(SeparableOperator(), inputs),
            case=f"operator-x{factor}-{size}",
            baseline="separable",
            rounds=ROUNDS,
            seconds=SECONDS,
            versions=versions(contenders),
        )

    return get


@pytest.fixture(scope="module")
def growing(operator, picture):
    """The operator at ×3 on pictures of all sizes; the part that they share is compared."""

    def corner(output):
        return output[:, :, :CORNER, :CORNER]

    def scaled_corner(image, _):
        return {"output": corner(operator({"input": image, "factor": scales(3)})["output"])}

    expected = reference(SeparableOperator(), {"input": picture(SIZES[0]), "factor": scales(3)})
    values, exact = ({"output": corner(outputs["output"])} for outputs in (expected.values, expected.exact))
    contenders = {str(size): partial(scaled_corner, picture(size)) for size in SIZES}
    return measure(
        contenders,
        {},
        Reference(values, exact),
        case="operator-x3",
        baseline=str(SIZES[0]),
        rounds=ROUNDS,
        seconds=4 * SECONDS,
        versions=versions(contenders),
    )


def sizes_and_factors(pairs):
    return pytest.mark.parametrize(
        ("size", "factor"), [pytest.param(*pair, id=f"{pair[0]}-x{pair[1]}") for pair in pairs]
    )


class TestAlone:
    """The operator's file against the document's Resize in ONNX Runtime, and torch's `interpolate`."""

    @sizes_and_factors(SCALED)
    @pytest.mark.parametrize("contender", ["separable", "resize", "torch"])
    @pytest.mark.benchmark(timer=clock)
    def test_contender(self, alone, size, factor, contender, benchmark):
        """A contender's seconds, and its ratio to the operator's file."""
        replay_contender(benchmark, alone(size, factor), contender)

    @sizes_and_factors(SCALED)
    def test_ratios(self, alone, size, factor, onnx_record_latency):
        """Each contender's time, as a multiple of the file's, is in the run's results."""
        onnx_record_latency(alone(size, factor))

    @sizes_and_factors(ASSERTED)
    def test_than_resize(self, alone, size, factor):
        """At ×3 Resize takes at least eight times as long."""
        ratio = alone(size, factor)["resize"].ratio
        assert ratio.median >= TIMES_RESIZE, str(ratio)

    @sizes_and_factors(ASSERTED)
    def test_than_torch(self, alone, size, factor):
        """At ×3 torch's `interpolate` takes at least as long."""
        ratio = alone(size, factor)["torch"].ratio
        assert ratio.median >= 1, str(ratio)


class TestGrowing:
    """The operator's cost grows no faster than the pixels."""

    @pytest.mark.parametrize("size", [str(size) for size in SIZES])
    @pytest.mark.benchmark(timer=clock)
    def test_size(self, growing, size, benchmark):
        """The seconds at a size, and the ratio to those at the smallest."""
        replay_contender(benchmark, growing, size)

    def test_ratios(self, growing, onnx_record_latency):
        """The ratios are in the run's results."""
        onnx_record_latency(growing)

    @pytest.mark.parametrize(("size", "other"), list(permutations(SIZES, 2)))
    def test_cost_of_a_pixel(self, growing, size, other):
        """An output pixel costs at most one and a half times what it costs at another size."""
        own, others = (np.array(growing[str(side)].seconds) / (3 * side) ** 2 for side in (size, other))
        cost = ratio(own, others)
        assert cost.median <= TIMES_COST, str(cost)
