"""The proof of the checks: good files, the faults that suit each of them, and good conversions."""

from collections.abc import Callable, Iterable
from functools import cache, partial

import pytest

from onnxproof.checks import CHECKS, judge, values
from onnxproof.faults import FAULTS, MODEL_FAULTS
from onnxproof.faults.fault import Fault, ModelFault
from onnxproof.findings import Finding
from onnxproof.locating.clause import Culprit
from onnxproof.probing.conversion import Conversion, exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import EXPORTERS, TORCHSCRIPT
from tests.harness.good_conversions import GOOD
from tests.harness.good_conversions.making import GoodConversion
from tests.harness.real_sizes import REAL_SUBJECTS, fixed_srcnn_case
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
_FIXED_SIZES = {
    "sizes-frozen",
    "symbolic-dims-tied",
    "folded-factor",
    "unused-factor",
    "traced-output-size",
    "factor-axes-swapped",
    "scales-rounded",
}
_CLASSIFIER = (
    _ONE_OUTPUT
    | _NO_TWIN_INPUTS
    | _NO_MATRIX
    | {
        "unused-input",
        "input-dropped",
        "sizes-frozen",
        "output-dtype",
        "output-flattened",
        "declared-dims-wrong",
        "symbolic-dims-tied",
        "dropped-bias",
        "output-clipped",
        "output-channels-swapped",
        "output-transposed",
        "output-cropped",
        "crop-skipped-by-onnxruntime",
        "random-op",
    }
)
_NOT_OF_TOOLS = {
    "slice-eliminated",
    "shared-weight-scaled",
    "reduced-axis-dropped",
    "softmax-of-opset-12",
    "batch-norm-folded-without-epsilon",
    "mean-in-float16",
}
_ONE_INPUT = {"unused-input", "input-dropped"}
_NO_BIAS = {"dropped-bias"}
_SRCNN = _ONE_OUTPUT | _NO_TWIN_INPUTS | _FIXED_BATCH | _NO_MATRIX | _NOT_OF_TOOLS

UNSUITED = {
    "srcnn-torchscript-opset17": _SRCNN | _BELOW_OPSET_18,
    "srcnn-torch.export-opset18": _SRCNN,
    "two-heads-torch.export-opset18": _NO_RESIZE | _NOT_OF_TOOLS,
    "fixed-srcnn-torchscript-opset17": _SRCNN | _BELOW_OPSET_18 | _FIXED_SIZES,
    "classifier-torch.export-opset18": _NO_RESIZE | _CLASSIFIER | (_NOT_OF_TOOLS - {"mean-in-float16"}),
    "gated-torchscript-opset17": _NO_RESIZE | _NO_TWIN_INPUTS | _ONE_INPUT | _NO_BIAS | {"outputs-exchanged"},
}
"""The faults that do not suit a subject, by its id."""

PROVING: tuple[Subject, ...] = tuple(subject for subject in (*SUBJECTS, *REAL_SUBJECTS) if subject.id in UNSUITED)

FILE_PAIRS: tuple[tuple[Subject, Fault], ...] = tuple(
    (subject, fault)
    for subject in PROVING
    for fault in FAULTS
    if fault.id not in UNSUITED[subject.id] and not subject.make().why_expected(fault.caught_by, subject.exporter)
)
"""Each subject with the faults that suit it, except those of a check that already fails on the good file."""

TABLED: tuple[Subject, ...] = tuple(subject for subject in PROVING if subject not in REAL_SUBJECTS)
"""The subjects of docs/faults.md: other tools are not asked about large files."""

TABLED_PAIRS: tuple[tuple[Subject, Fault], ...] = tuple(pair for pair in FILE_PAIRS if pair[0] in TABLED)

_SMALL = Subject("small-srcnn-torchscript-opset17", partial(fixed_srcnn_case, 12, 10), TORCHSCRIPT, 17)

ENGINE_PAIRS: tuple[tuple[Subject, Fault], ...] = (
    *TABLED_PAIRS,
    *((_SMALL, fault) for subject, fault in FILE_PAIRS if subject.id == "fixed-srcnn-torchscript-opset17"),
)
"""The pairs that other engines are asked about: one of them runs no file with the factor as an input."""

MODEL_PAIRS: tuple[tuple[ModelFault, str], ...] = tuple(
    (fault, exporter) for fault in MODEL_FAULTS for exporter in fault.exporters if exporter in EXPORTERS
)

GOOD_PAIRS: tuple[tuple[GoodConversion, str], ...] = tuple(
    (good, exporter) for good in GOOD for exporter in good.exporters if exporter in EXPORTERS
)


def good_subjects() -> Callable[[Subject], Conversion]:
    """Makes each subject's good conversion once: its model's outputs serve every fault."""
    return cache(lambda subject: exported(ReferenceModel(subject.make()), subject.exporter, subject.opset))


def findings(conversion: Conversion, checks: Iterable[str] = CHECKS) -> list[Finding]:
    """The finding of each check."""
    return [judge(CHECKS[check], conversion) for check in checks]


def failing(conversion: Conversion, checks: Iterable[str] = CHECKS) -> list[str]:
    """The ids of the checks that fail."""
    return [finding.check for finding in findings(conversion, checks) if finding.verdict == CheckVerdict.FAILS]


def ask_no_culprit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets wrong values be found without asking where they go wrong, which takes longest for a large file."""
    monkeypatch.setattr(values, "where_it_goes_wrong", lambda conversion, judged: Culprit("not asked", ""))
