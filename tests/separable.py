"""Helpers of the separable operator's specs: the operator as a model, and where its file departs from torch."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import srcnn_models as srcnn
from onnxproof.engines.base import Engine, EngineError
from onnxproof.parity.compare import Reference, compare
from tests.inputs import scales


class SeparableOperator(nn.Module):
    """The operator alone."""

    def forward(self, image: Tensor, factor: Tensor) -> Tensor:
        return srcnn.interpolate_separable(image, factor)


def departures(engine: Engine, image: NDArray[np.float32], pairs: Iterable[tuple[int, float]]) -> dict[str, str]:
    """Differences from torch, by pair of a length and a factor: that many rows of `image` are scaled.

    If torch refuses an empty output, the engine has to refuse it.
    """
    found = {f"{size} x{factor}": _problem(engine, image[:, :, :size], scales(factor, 1)) for size, factor in pairs}
    return {pair: problem for pair, problem in found.items() if problem}


def _problem(engine: Engine, image: NDArray[np.float32], factor: NDArray[np.float32]) -> str:
    expected, output = _torch(image, factor), _run(engine, image, factor)
    if expected is None or output is None:
        return "" if expected is output else f"torch: {expected}, {engine.name}: {output}"
    (parity,) = compare({"output": output}, Reference({"output": expected}), "")
    return parity.problem


def _torch(image: NDArray[np.float32], factor: NDArray[np.float32]) -> NDArray[np.float32] | None:
    try:
        return srcnn.scale_bicubic(torch.from_numpy(image), torch.from_numpy(factor)).numpy()
    except RuntimeError as error:
        if "sizes should be greater than 0" not in str(error):
            raise
        return None


def _run(engine: Engine, image: NDArray[np.float32], factor: NDArray[np.float32]) -> NDArray[np.float32] | None:
    try:
        return engine.run({"input": image, "factor": factor})["output"]
    except EngineError:
        return None
