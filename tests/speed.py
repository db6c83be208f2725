"""What makes a run with many exports faster, and changes nothing that is tested."""

import functools
import gc
import os

import torch

from onnxproof.versions import torch_export_is_available


def speed_up() -> None:
    """Divides the cores among the workers of a run, and spares exports what they do again each time."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    gc.set_threshold(100_000, 50, 100)  # an export makes millions of objects: the default costs an eighth of the run
    if torch_export_is_available:
        _share_signatures()


def _share_signatures() -> None:
    """Every export asks onnxscript for the signatures of its 500 operators, parsed from source: half of its time."""
    from onnxscript import TracedOnnxFunction

    TracedOnnxFunction.function_ir = property(functools.cache(TracedOnnxFunction.function_ir.fget))
