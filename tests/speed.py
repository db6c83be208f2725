"""Speeds up a run with many exports, and can undo this for a while."""

import ctypes
import functools
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from onnxproof.versions import torch_export_is_available

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def speed_up() -> None:
    """Divides the cores among the workers of a run, and lets exports share work that each would repeat."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    _keep_memory()
    gc.set_threshold(100_000, 50, 100)  # an export makes millions of objects: the default costs an eighth of the run
    if torch_export_is_available:
        _share_signatures()


@contextmanager
def unshared_signatures() -> Iterator[None]:
    """Exports as users do: without `_share_signatures`, which patches onnxscript."""
    with pytest.MonkeyPatch.context() as patch:
        if torch_export_is_available:
            from onnxscript import TracedOnnxFunction as Function

            patch.setattr(Function, "function_ir", property(Function.function_ir.fget.__wrapped__))
        yield


def _keep_memory() -> None:
    """Has glibc keep what a tensor leaves: the next one would get pages that the kernel clears, a tenth of the run."""
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(M_MMAP_THRESHOLD, 2**30)
        allocator.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def _share_signatures() -> None:
    """Caches onnxscript's 500 operator signatures: parsing them in each export is a fifth of the run."""
    from onnxscript import TracedOnnxFunction

    TracedOnnxFunction.function_ir = property(functools.cache(TracedOnnxFunction.function_ir.fget))
