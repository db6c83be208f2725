"""Known ways to break a conversion: each must be caught by the check named for it, which proves the checks.

`FAULTS` break a good ONNX file, `MODEL_FAULTS` are models whose conversion goes wrong by itself.
"""

from onnxproof.faults import interface, layers, models, values  # noqa: F401 - each fills the tables
from onnxproof.faults.fault import Fault, ModelFault, Unsuited, registered, registered_models

__all__ = ["FAULTS", "MODEL_FAULTS", "Fault", "ModelFault", "Unsuited"]

FAULTS: tuple[Fault, ...] = tuple(registered)
MODEL_FAULTS: tuple[ModelFault, ...] = tuple(registered_models)
