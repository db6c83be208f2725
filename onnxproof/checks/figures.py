"""The figure of a check of values."""

from collections.abc import Sequence

from onnxproof.probing.conversion import Conversion
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
