"""What the checks are proven on: the good files that every fault is applied to, and what suits them."""

from collections.abc import Callable
from functools import cache

from onnxproof.checks import findings
from onnxproof.conversion import Conversion
from onnxproof.faults import FAULTS, MODEL_FAULTS, Fault, ModelFault
from onnxproof.findings import FAILS
from onnxproof.versions import EXPORTERS
from tests.harness.good_conversions import GOOD
from tests.harness.good_conversions.making import GoodConversion
from tests.harness.subjects import SUBJECTS, Subject

_ONE_OUTPUT = {"output-dropped", "outputs-swapped", "outputs-exchanged"}
_NO_TWIN_INPUTS = {"inputs-swapped"}
_FIXED_BATCH = {"batch-frozen"}
_NO_MATRIX = {"transposed-weights"}
_BELOW_OPSET_18 = {"antialias-on"}
_NO_RESIZE = {
    "folded-factor",
    "unused-factor",
    "traced-output-size",
    "factor-axes-swapped",
    "scales-rounded",
    "other-cubic-coefficient",
    "other-coordinates",
    "linear-for-cubic",
    "antialias-on",
}
_SRCNN = _ONE_OUTPUT | _NO_TWIN_INPUTS | _FIXED_BATCH | _NO_MATRIX

UNSUITED = {
    "srcnn-torchscript-opset17": _SRCNN | _BELOW_OPSET_18,
    "srcnn-torch.export-opset18": _SRCNN,
    "two-heads-torch.export-opset18": _NO_RESIZE,
}
"""The faults that a subject has nothing for, by its id."""

PROVING: tuple[Subject, ...] = tuple(subject for subject in SUBJECTS if subject.id in UNSUITED)

FILE_PAIRS: tuple[tuple[Subject, Fault], ...] = tuple(
    (subject, fault)
    for subject in PROVING
    for fault in FAULTS
    if fault.id not in UNSUITED[subject.id] and fault.caught_by not in subject.make().expected
)
"""Each subject with the faults that suit it, but for those of a check that fails on the good file already."""

MODEL_PAIRS: tuple[tuple[ModelFault, str], ...] = tuple(
    (fault, exporter) for fault in MODEL_FAULTS for exporter in fault.exporters if exporter in EXPORTERS
)

GOOD_PAIRS: tuple[tuple[GoodConversion, str], ...] = tuple(
    (good, exporter) for good in GOOD for exporter in good.exporters if exporter in EXPORTERS
)


def good_subjects() -> Callable[[Subject], Conversion]:
    """A maker of a subject's good conversion, which makes each once: the model's side serves every fault."""
    return cache(lambda subject: Conversion(subject.make(), exporter=subject.exporter, opset=subject.opset))


def failing(conversion: Conversion) -> list[str]:
    """The ids of the checks that fail, of all."""
    return [finding.check for finding in findings(conversion) if finding.verdict == FAILS]
