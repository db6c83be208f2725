"""The figure of a check of values."""

from collections.abc import Sequence

import numpy as np

from onnxproof._internal.trees import Array
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.reference import JudgedProbe
from onnxproof.results import Parity


def figure_of(conversion: Conversion, parities: Sequence[Parity]) -> str:
    """The largest error, and how far the verdict reaches."""
    worst = max(parities, key=lambda parity: parity.error / parity.bound if parity.bound else parity.difference)
    figure = "equal" if worst.same else ""
    if worst.bound:
        figure = f"{worst.error:.2g} of {worst.bound:.2g} allowed"
    elif worst.difference:
        figure = f"{worst.difference:.2g} apart"
    unjudged, values = (sum(getattr(parity, what) for parity in parities) for what in ("unjudged", "values"))
    limits = [f"{unjudged} of {values} values not judged: rounding decides them"] if unjudged else []
    return "; ".join([figure, *limits, *_referees(conversion, {parity.referee for parity in parities} - {""})])


def _referees(conversion: Conversion, found: set[str]) -> list[str]:
    """What judged the values, if it is not a module in float64."""
    by_others = found - {"float64"}
    if not conversion.case.file:
        return ["float64 cannot judge it"] if by_others else []
    judges = [("the original in float64", "float64" in found), ("the spread of its own outputs", bool(by_others))]
    used = [judge for judge, is_used in judges if is_used]
    return [f"judged by {' and '.join(used)}"] if used else []


def told(wrong: Parity) -> str:
    """What is wrong, and with which output if it is one."""
    return wrong.problem if wrong.output == "*" else f"output {wrong.output}: {wrong.problem}"


def apart(conversion: Conversion, judged: JudgedProbe, engine: str) -> float:
    """How far the outputs in another engine are from the conversion's."""
    ours, theirs = (conversion.outputs(judged, name).values() for name in (conversion.engine, engine))
    return max((_distance(a, b) for a, b in zip(ours, theirs, strict=True)), default=0.0)


def _distance(a: Array, b: Array) -> float:
    if a.dtype.kind not in "fiu" or not a.size:
        return 0.0
    with np.errstate(invalid="ignore"):
        return float(np.nanmax(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0))
