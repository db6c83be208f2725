"""Contenders timed side by side: each one's median, and the median of per-round ratios to a baseline.

On a shared machine separate medians move by more than what they are to show. So each round times every contender once,
in an order that rotates (A B C, C A B, B C A): what slows a round down leaves the ratios within it alone.

Take one thread less than there are cores where others use the machine: torch splits its work into equal parts and
waits for the last, onnxruntime into many small ones, so a core that is taken away costs them unequal time.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import torch
from torch import nn

from onnxproof._internal.trees import Array
from onnxproof.parity.compare import Reference, assert_same
from onnxproof.parity.images import to_picture
from onnxproof.parity.pixels import compare_pictures
from onnxproof.results import Latency, PixelParity, Ratio, Timing

Contender = Callable[[Mapping[str, Array]], Mapping[str, Array]]
"""Takes an array per input name and returns one per output name, as `Session.run` does."""

MIN_ROUNDS = 5
"""Rounds that are taken however long they last: a median of fewer says little."""
PAUSE = 0.005
"""Seconds between two contenders: the threads of the one before still spin, and would take time from the next."""
LARGEST_KEPT = 31 << 20
"""Bytes taken and freed at first: glibc then keeps blocks up to this size, whatever ran earlier in the process."""

RESAMPLES = 2000
SEED = 20260214
SGEMM_SIDE = 1024
SGEMM = f"float32 matrix product of side {SGEMM_SIDE}"
SGEMM_FLOPS = 2 * SGEMM_SIDE**3


class LatencyError(Exception):
    """A contender's output is not the reference's, so that its time would mean nothing."""


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Gives torch and OpenCV `count` threads, and what they had before afterwards.

    Engines of other runtimes take torch's number when they are built: build them in here too.
    """
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def count_flops(model: nn.Module, inputs: Mapping[str, Array]) -> int:
    """The floating-point operations of a model's convolutions and matrix products, a multiply-add being two.

    `inputs` are arrays by name, in the order of the model's arguments. Raises `ImportError` before torch 2.1.
    """
    from torch.utils.flop_counter import FlopCounterMode  # torch 2.1

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*map(torch.tensor, inputs.values()))
    return int(counter.get_total_flops())


def measure(
    contenders: Mapping[str, Contender],
    inputs: Mapping[str, Array],
    reference: Reference,
    *,
    case: str,
    baseline: str,
    pictures: bool = False,
    flops: int | None = None,
    rounds: int = 50,
    seconds: float = float("inf"),
    versions: Mapping[str, Mapping[str, str]] = {},
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """Times the contenders on `inputs`, arrays by name, after a run each that is checked and not timed.

    A contender is called as `Session.run` is. There are `rounds` rounds, or as many as `seconds` allow but at least
    `MIN_ROUNDS`. With the `flops` of one run a matrix product is timed along; with `pictures` the one output passes the
    pixel rule as well. `versions` has for each contender the versions of the programs that run it, by name, which are
    recorded with its time. Raises `LatencyError` for a contender whose output does not pass, and `ValueError` for a
    baseline that is not among the contenders.
    """
    np.empty(LARGEST_KEPT, np.uint8)
    if baseline not in contenders:
        raise ValueError(f"{case}: the baseline {baseline} is not among {', '.join(contenders)}")
    pixels = {name: _check(run(inputs), reference, f"{case}: {name}", pictures) for name, run in contenders.items()}
    calls: dict[str, Callable[[], object]] = {name: partial(run, inputs) for name, run in contenders.items()}
    if flops:
        calls[SGEMM] = _sgemm()
    times = _in_rounds(calls, rounds, seconds, clock)
    sgemm = times.pop(SGEMM, None)
    timings = [_timing(name, own, times[baseline], sgemm, flops, pixels[name]) for name, own in times.items()]
    timings = [replace(timing, versions=dict(versions.get(timing.name, {}))) for timing in timings]
    peak = None if sgemm is None else SGEMM_FLOPS / float(np.median(sgemm)) / 1e9
    return Latency(case, baseline, torch.get_num_threads(), peak, timings)


def ratio(own: Array, baseline: Array) -> Ratio:
    """The median of `own / baseline`, two arrays of a value per round, with its bootstrap 95 % interval."""
    ratios = own / baseline
    samples = np.random.default_rng(SEED).choice(ratios, (RESAMPLES, len(ratios)))
    low, high = np.percentile(np.median(samples, axis=1), (2.5, 97.5))
    return Ratio(float(np.median(ratios)), float(low), float(high))


def _check(actual: Mapping[str, Array], reference: Reference, case: str, pictures: bool) -> PixelParity | None:
    try:
        parities = assert_same(actual, reference, case)
    except AssertionError as error:
        raise LatencyError(str(error)) from error
    if not pictures:
        return None
    (parity,) = parities
    first, second = actual[parity.output], reference.values[parity.output]
    pixels = compare_pictures((to_picture(first), to_picture(second)), (first, second), parity)
    if not pixels.same:
        raise LatencyError(f"{case}: {pixels.wrong} of {pixels.values} values of the picture are wrong")
    return pixels


def _sgemm() -> Callable[[], object]:
    matrix = torch.rand(SGEMM_SIDE, SGEMM_SIDE)
    matrix @ matrix  # the first product sets the library up
    return lambda: matrix @ matrix


def _in_rounds(
    calls: Mapping[str, Callable[[], object]], rounds: int, seconds: float, clock: Callable[[], float]
) -> dict[str, Array]:
    """The seconds of each call, a value per round. The first round has the given order, then it rotates."""
    begin, turns = clock(), deque(calls)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for done in range(rounds):
        if done >= MIN_ROUNDS and clock() - begin > seconds:
            break
        for name in turns:
            time.sleep(PAUSE)
            start = clock()
            calls[name]()
            times[name].append(clock() - start)
        turns.rotate()
    return {name: np.array(own) for name, own in times.items()}


def _timing(
    name: str, own: Array, baseline: Array, sgemm: Array | None, flops: int | None, pixels: PixelParity | None
) -> Timing:
    first, median, third = map(float, np.percentile(own, (25, 50, 75)))
    gflops = flops / median / 1e9 if flops else None
    share = float(np.median(sgemm / own)) * flops / SGEMM_FLOPS if flops and sgemm is not None else None
    return Timing(name, own.tolist(), median, third - first, ratio(own, baseline), gflops, share, pixels)
