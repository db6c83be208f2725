"""Good conversions of many kinds: the models run, and no check finds a fault in their files."""

import numpy as np
import pytest

from onnxproof.checks import CHECKS, judge
from onnxproof.checks.check import IN_EACH_ENGINE
from onnxproof.engines.asked import engines_of, with_defaults
from onnxproof.engines.torch import TorchModel
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.results import CheckVerdict
from onnxproof.versions import EXPORTERS
from tests.facts import torch_has_half_on_cpu
from tests.harness.good_conversions import GOOD
from tests.harness.good_conversions.making import BOTH
from tests.harness.proof import GOOD_PAIRS, findings


def run(case) -> dict[str, np.ndarray]:
    """The outputs of the case's model on the traced inputs."""
    return TorchModel(case.model, tuple(case.inputs), case.output_names).run(case.inputs)


CONVERTED = [good for good in GOOD if set(good.exporters) & set(EXPORTERS)]


def converted(good) -> pytest.param:
    """A row of the table, skipped if its model does not run in the installed torch."""
    lacks_half = good.id == "float16" and not torch_has_half_on_cpu
    return pytest.param(good, id=good.id, marks=[pytest.mark.skip("this torch has no float16 on a CPU")] * lacks_half)


@pytest.mark.parametrize("good", [converted(good) for good in CONVERTED])
class TestTable:
    """The table says how each model is converted."""

    def test_model_runs(self, good):
        """The model's outputs on the traced inputs are finite."""
        outputs = run(good.make())
        assert all(values.size and np.isfinite(values.astype(np.float64)).all() for values in outputs.values())

    def test_model_is_seeded(self, good):
        """Two cases of a row have equal outputs."""
        first, second = run(good.make()), run(good.make())
        assert {name: values.tobytes() for name, values in first.items()} == {
            name: values.tobytes() for name, values in second.items()
        }

    def test_missing_exporter_has_a_reason(self, good):
        """A row has a reason if an exporter is left out, and only then."""
        assert bool(good.why) == (good.exporters != BOTH)


def test_ids_are_unique():
    """An id names one row of the table."""
    assert len({good.id for good in GOOD}) == len(GOOD)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("good", "exporter"), [pytest.param(*pair, id=f"{pair[0].id}-{pair[1]}") for pair in GOOD_PAIRS]
)
def test_no_false_alarm(good, exporter):
    """Every check holds on the file that the exporter writes."""
    conversion = exported(ReferenceModel(good.make()), exporter, good.opset)
    assert {finding.check: finding.verdict for finding in findings(conversion)} == dict.fromkeys(
        CHECKS, CheckVerdict.HOLDS
    )


_BY_INPUTS = "It plans every size before a run, and refuses one that depends on the values of an input."
_BY_NAME = "It plans a free size as a number, and refuses a file that names the size inside."
_FAR_FROM_ZERO = "Its normalizations lose digits where the mean is large beside the spread."
FAILS_IN = {
    "openvino": {
        "float64": "It computes float64 in float32.",
        "complex-output": "Its one-sided DFT has a dimension too many.",
    },
    "opencv:new": {
        "bfloat16": "It takes no bfloat16.",
        "float16": "It gives float16 outputs in float32.",
        "float64": "Its matrix products in float64 are wrong.",
        "large-means": _FAR_FROM_ZERO,
        "norms": _FAR_FROM_ZERO,
        "pixel-shuffle-torchscript": "It makes one Reshape of two, and copies the sizes of the second from before "
        "the first.",
        "cond-torch.export": "A Gemm in a branch keeps the sizes that the branch ran with before.",
    },
    "tract": {
        "bfloat16": "It takes no bfloat16.",
        "float16": "Its Gemm takes float32 alone.",
        "float64": "Its Gemm takes float32 alone.",
        "large-means": "It adds a long sum in float32, one value after the other.",
        "scripted-loop": "It has no Loop.",
        "while-loop": "It has no Loop.",
        "srcnn-portable": _BY_INPUTS,
        "srcnn-separable-torchscript": _BY_INPUTS,
        "srcnn-separable-torch.export": _BY_NAME,
        "best-first-torch.export": _BY_NAME,
        "longest-first-torch.export": _BY_NAME,
        "photographs-torch.export": _BY_NAME,
        "stages-promised-torch.export": _BY_NAME,
        "windows-promised-torch.export": _BY_NAME,
    },
}
"""The good conversions that an engine gets wrong, with the failing of `onnxproof.engines.known` that explains it."""


@pytest.mark.deployed
@pytest.mark.parametrize(
    ("good", "exporter"), [pytest.param(*pair, id=f"{pair[0].id}-{pair[1]}") for pair in GOOD_PAIRS]
)
def test_engines(good, exporter):
    """Every check of values holds in each other engine, or fails for the reason that is known of it."""
    engines = engines_of(FAILS_IN)
    conversion = exported(ReferenceModel(good.make()), exporter, good.opset, with_defaults(engines), asked=[*engines])
    for engine, reasons in FAILS_IN.items():
        within = conversion.within(engine)
        found = [judge(CHECKS[id], within) for id in IN_EACH_ENGINE if id in CHECKS]
        failing = [finding for finding in found if finding.verdict == CheckVerdict.FAILS]
        reason = reasons.get(good.id) or reasons.get(f"{good.id}-{exporter}", "")
        assert bool(failing) == bool(reason), (engine, failing)
        assert all(reason[1:] in finding.evidence for finding in failing)
        others = {finding.verdict for finding in found} - {CheckVerdict.FAILS}
        assert others <= {CheckVerdict.HOLDS, *([CheckVerdict.NOT_JUDGED] if reason else [])}, engine
