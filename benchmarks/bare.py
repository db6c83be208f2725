"""What a user runs without onnxproof: one export, or none for a given file, one run in ONNX Runtime and one in torch.

`python -m benchmarks.bare CASE FILE` takes a function of tests/harness/real_sizes.py, and writes FILE unless it exists.
"""

import sys
from pathlib import Path

import onnxruntime
import torch

from onnxproof.case import Case
from tests.harness import real_sizes

OPSET = 18


def write(case: Case, path: Path) -> None:
    """Exports the model, as onnxproof does by torchscript."""
    torch.onnx.export(
        case.model,
        tuple(map(torch.from_numpy, case.inputs.values())),
        str(path),
        dynamo=False,
        opset_version=OPSET,
        input_names=list(case.inputs),
        output_names=list(case.output_names),
        dynamic_axes=case.dynamic,
    )


def main(name: str, file: str) -> None:
    case, path = getattr(real_sizes, name)(), Path(file)
    if not path.exists():
        write(case, path)
    with torch.inference_mode():
        case.model(*map(torch.from_numpy, case.inputs.values()))
    onnxruntime.InferenceSession(path).run(None, dict(case.inputs))


if __name__ == "__main__":
    main(*sys.argv[1:])
