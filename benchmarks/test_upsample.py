"""How long torch's up-sampling takes in each mode, on one thread, and against bilinear in the same rounds."""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.contenders import versions
from benchmarks.replay import clock, replay_contender
from onnxproof.latency import measure, threads
from onnxproof.parity.compare import Reference
from onnxproof.results import Latency

ROUNDS, SECONDS = 40, 10

BASELINE = "bilinear"
MODES = ("nearest", BASELINE, "bicubic")
FACTOR = 3
SIZES = (64, 256)

TIMES_BILINEAR = 1.25
"""What bicubic takes at least, as a multiple of bilinear's time: 1.6 to 2.4 were seen."""


def upsampling(mode: str) -> Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]:
    """Up-sampling in a mode, which gives the middles of the blocks of 3 × 3: in every mode they are the image."""
    layer, middles = nn.Upsample(scale_factor=FACTOR, mode=mode), slice(FACTOR // 2, None, FACTOR)

    @torch.inference_mode()
    def run(inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        output: np.ndarray = layer(torch.from_numpy(inputs["input"])).numpy()
        return {"middles": output[:, :, middles, middles]}

    return run


@pytest.fixture(scope="module")
def modes(face):
    """The modes against each other, on a square of the face of a side of `size`; each measured once."""

    @cache
    def get(size: int) -> Latency:
        image = np.ascontiguousarray(face[:, :, :size, :size])
        with threads(1):
            return measure(
                {mode: upsampling(mode) for mode in MODES},
                {"input": image},
                Reference({"middles": image}),
                case=f"upsample-x{FACTOR}-{size}",
                baseline=BASELINE,
                rounds=ROUNDS,
                seconds=SECONDS,
                versions=dict.fromkeys(MODES, versions(["torch"])["torch"]),
            )

    return get


@pytest.mark.parametrize("size", SIZES)
class TestModes:
    """Nearest is the fastest, and bicubic takes longer than bilinear, by more than slightly."""

    @pytest.mark.parametrize("mode", MODES)
    @pytest.mark.benchmark(timer=clock)
    def test_mode(self, modes, size, mode, benchmark):
        """A mode's seconds, and its ratio to bilinear."""
        replay_contender(benchmark, modes(size), mode)

    def test_ratios(self, modes, size, onnx_record_latency):
        """What each mode takes as a multiple of bilinear's time is in the run's results."""
        onnx_record_latency(modes(size))

    def test_nearest_is_fastest(self, modes, size):
        """Nearest takes less time than bilinear."""
        ratio = modes(size)["nearest"].ratio
        assert ratio.median < 1, str(ratio)

    def test_bicubic_takes_a_quarter_more(self, modes, size):
        """Bicubic takes longer than bilinear by a quarter or more."""
        ratio = modes(size)["bicubic"].ratio
        assert ratio.median >= TIMES_BILINEAR, str(ratio)
