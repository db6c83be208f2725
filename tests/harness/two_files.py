"""A hand-written ONNX file, and edits of it that a tool could make."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto
from onnx.parser import parse_model

from onnxproof.case import Case
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.reference import ReferenceModel


def _numbers(seed: int, count: int) -> str:
    return ", ".join(f"{value:.6f}" for value in np.random.default_rng(seed).normal(size=count))


BEFORE = f"""
<ir_version: 8, opset_import: ["": 17]>
g (float[batch, 3, height, width] image, int64[batch] label) => (float[batch, 4] scores, float[batch, 3, 1, 1] mean)
<float[10, 4] table = {{{_numbers(0, 40)}}}, float[3, 4] weight = {{{_numbers(1, 12)}}}, int64[2] flat = {{0, -1}}>
{{
    mean = ReduceMean <axes = [2, 3]> (image)
    pooled = Reshape (mean, flat)
    mixed = MatMul (pooled, weight)
    row = Gather (table, label)
    sum = Add (mixed, row)
    scores = Softmax (sum)
}}
"""

PICTURES = np.random.default_rng(2).normal(size=(2, 3, 9, 8)).astype(np.float32)
EXAMPLE = {"image": PICTURES, "label": np.array([3, 7])}

Edit = Callable[[ModelProto], object]


def write(path: Path, text: str = BEFORE, edit: Edit = lambda model: None) -> Path:
    """Writes a model that is given as text, and edited, to `path`."""
    model = parse_model(text)
    edit(model)
    onnx.save(model, path)
    return path


def compared(
    folder: Path, edit: Edit, text: str = BEFORE, example: Mapping[str, np.ndarray] = EXAMPLE, **options: object
) -> Conversion:
    """A file against its edited copy."""
    before, after = write(folder / "before.onnx", text), write(folder / "after.onnx", text, edit)
    return Conversion(ReferenceModel(Case(before, example), **options), GivenFile(after))
