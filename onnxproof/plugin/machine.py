"""The machine that a run is timed on."""

import os
import platform
from datetime import datetime, timezone

from onnxproof.results import Machine


def machine() -> Machine:
    """This machine, now."""
    now = datetime.now(timezone.utc)
    return Machine(_cpu(), len(os.sched_getaffinity(0)), f"{now:%Y-%m-%dT%H:%M:%SZ}")


def _cpu() -> str:
    """The processor's model, or its architecture if cpuinfo, which comes with pytest-benchmark, is not installed."""
    try:
        from cpuinfo import get_cpu_info
    except ImportError:
        return platform.machine()
    return str(get_cpu_info().get("brand_raw") or platform.machine())
