"""results.json: one schema, by which a run writes it and the report reads it.

`python -m onnxproof.results` prints the JSON Schema.
"""

from onnxproof.results.conversions import (
    CheckResult,
    GraphInput,
    GraphNode,
    GraphResult,
    RefusedCase,
    TrialResult,
    Where,
    without_copies,
)
from onnxproof.results.files import ResultsError, as_json, read_json, read_results, typed
from onnxproof.results.losses import FileLosses, NodeLoss
from onnxproof.results.schema import (
    SCHEMA,
    ClaimResult,
    Comparison,
    Departure,
    Latency,
    Machine,
    Parity,
    PixelParity,
    Ratio,
    Results,
    Target,
    Timing,
)
from onnxproof.results.verdicts import GRAVEST_FIRST, CheckVerdict, ClaimVerdict, count_gravest, gravest, tally

__all__ = [
    "GRAVEST_FIRST",
    "SCHEMA",
    "CheckResult",
    "CheckVerdict",
    "ClaimResult",
    "ClaimVerdict",
    "Comparison",
    "Departure",
    "FileLosses",
    "GraphInput",
    "GraphNode",
    "GraphResult",
    "Latency",
    "Machine",
    "NodeLoss",
    "Parity",
    "PixelParity",
    "Ratio",
    "RefusedCase",
    "Results",
    "ResultsError",
    "Target",
    "Timing",
    "TrialResult",
    "Where",
    "as_json",
    "count_gravest",
    "gravest",
    "read_json",
    "read_results",
    "tally",
    "typed",
    "without_copies",
]
