"""Every fault that suits a right file, put into it: a check fails, or its outputs show that no run can tell."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from onnxproof._internal.trees import same_bits
from onnxproof.checks import judge
from onnxproof.checks.run import choose
from onnxproof.engines.base import EngineError
from onnxproof.faults.fault import FAULTS, Fault, Unsuited
from onnxproof.findings import Finding
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.probes import wider_probes
from onnxproof.probing.reference import JudgedProbe
from onnxproof.results import CheckVerdict

OF_VALUES = ("inputs-live", "same-values", "same-values-unseen", "optimizer-neutral", "engines-agree", "repeatable")
"""Checks that see a fault in the outputs alone."""


@dataclass(frozen=True)
class Trial:
    """A fault in a file: the check that fails with it, the one named for it if that does; "" if none fails.

    `invisible` is then what was measured of its outputs, which are the right file's up to rounding; "" for a fault
    that a check ought to have seen. `shown_by` are other inputs on which they are not, "" if none were found.
    `untried` is why the check named for it could not see it, "" if it could.
    """

    fault: str
    caught_by: str = ""
    invisible: str = ""
    shown_by: str = ""
    untried: str = ""

    @property
    def is_missed(self) -> bool:
        """Whether a check ought to have seen it."""
        return not (self.caught_by or self.invisible or self.untried)


def trials(good: Conversion, faults: Iterable[Fault] = tuple(FAULTS)) -> Iterator[Trial]:
    """Puts each fault into a copy of a right file, if the file has what the fault breaks, and runs the checks on it.

    The file is that of `good`, and stays as it is; what does not hold of it catches nothing. Raises `ExportError` or
    `GraphError` if there is no file.
    """
    sound = _Sound(good.of_file(good.file.path))  # which is not exported again
    for fault in faults:
        with tempfile.TemporaryDirectory(prefix="onnxproof-") as folder:
            try:
                broken = good.of_file(fault.apply(good.file.path, Path(folder)))
            except Unsuited:
                continue
            yield _tried(fault, broken, sound)


class _Sound:
    """A right file, and which checks hold of it."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion
        self.checks = choose(cases=[conversion.case])
        self._verdicts: dict[str, CheckVerdict] = {}

    def holds(self, check: str) -> bool:
        if check not in self._verdicts:
            self._verdicts[check] = judge(self.checks[check], self.conversion).verdict
        return self._verdicts[check] == CheckVerdict.HOLDS

    @cached_property
    def wider(self) -> list[JudgedProbe]:
        """Inputs beyond those of the checks, on which it is right, too."""
        model = self.conversion.model
        found = [model.judge(probe) for probe in wider_probes(model.case)]
        return [judged for judged in found if judged and self.conversion.outcome(judged).is_right]


def _tried(fault: Fault, broken: Conversion, sound: _Sound) -> Trial:
    found: dict[str, Finding] = {}
    for check in dict.fromkeys((fault.caught_by, *sound.checks)):
        if sound.holds(check):
            found[check] = judge(sound.checks[check], broken)
            if found[check].verdict == CheckVerdict.FAILS:
                return Trial(fault.id, check)
    own = found.get(fault.caught_by)
    if own is None:
        return Trial(fault.id, untried=f"{fault.caught_by} does not hold of the right file")
    if fault.caught_by not in OF_VALUES:
        return Trial(fault.id)
    if own.verdict == CheckVerdict.NOT_JUDGED:
        return Trial(fault.id, untried=f"{fault.caught_by} is not judged: {own.problem}")
    measured = _measured(broken, sound.conversion)
    shown = (each.probe.id for each in sound.wider if not broken.outcome(each).is_right) if measured else iter(())
    return Trial(fault.id, invisible=measured, shown_by=next(shown, ""))


def _measured(broken: Conversion, good: Conversion) -> str:
    """How far the outputs on every probe are from those of the right file; "" if that is more than rounding."""
    judged = good.model.judged
    try:
        pairs = [(broken.outputs(probe), good.outputs(probe)) for probe in judged]
    except EngineError:
        return ""
    if all(same_bits(*pair) for pair in pairs):
        return f"the same bits on {len(judged)} probes"
    if good.case.loss:
        return ""
    parities = [parity for probe in judged for parity in broken.outcome(probe).parities]
    if not all(parity.same for parity in parities):
        return ""
    worst = max(parities, key=lambda parity: parity.error / parity.bound if parity.bound else 0.0)
    return f"on {len(judged)} probes at most {worst.error:.2g} from exact, where rounding explains {worst.bound:.2g}"
