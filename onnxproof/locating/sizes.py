"""Where a conversion is right: the sizes, and their rule."""

from onnxproof.probing.conversion import Conversion
from onnxproof.probing.probes import Probe
from onnxproof.probing.reference import JudgedProbe
from onnxproof.probing.sizes import SizeTrials


def where_it_is_right(conversion: Conversion, failing: JudgedProbe) -> str:
    """The rule of the sizes at which a file is right that fails at others, as a further clause; "" if there is none."""
    if failing.probe.sizes == conversion.case.sizes or not conversion.outcome(conversion.model.traced).is_right:
        return ""
    rules = SizeTrials(conversion.case, lambda probe: _right(conversion, probe)).rules
    new = {rule: symbols for rule, symbols in rules.items() if symbols != conversion.model.sizes.rules.get(rule)}
    return "".join(f"; the file is right at {', '.join(symbols)} in {rule}" for rule, symbols in new.items())


def _right(conversion: Conversion, probe: Probe) -> JudgedProbe | None:
    judged = conversion.model.judge(probe)
    return judged if judged and conversion.outcome(judged).is_right else None
