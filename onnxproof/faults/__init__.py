"""Known ways to break a conversion: the check named for each must catch it, which proves the checks.

`FAULTS` break a good ONNX file, `LOSSY_FAULTS` a good one in float16, bfloat16 or int8. `MODEL_FAULTS` are models whose
conversion goes wrong by itself.
"""

from onnxproof.faults import interface, layers, models, inputs, rounding, values, sizes, tools, quantized, narrow  # noqa: F401, I001 - in this order
from onnxproof.faults.fault import FAULTS, LOSSY_FAULTS, MODEL_FAULTS, Fault, ModelFault, Unsuited

__all__ = ["FAULTS", "LOSSY_FAULTS", "MODEL_FAULTS", "Fault", "ModelFault", "Unsuited"]
