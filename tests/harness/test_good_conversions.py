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


OPENVINO = "openvino"
FAILS_IN_OPENVINO = {
    "float64": "It computes float64 in float32.",
    "complex-output": "Its one-sided DFT has a dimension too many.",
}
"""The good conversions that OpenVINO gets wrong, with the failing of `onnxproof.engines.known` that explains it."""


@pytest.mark.proof
@pytest.mark.parametrize(
    ("good", "exporter"), [pytest.param(*pair, id=f"{pair[0].id}-{pair[1]}") for pair in GOOD_PAIRS]
)
def test_openvino(good, exporter):
    """Every check of values holds in OpenVINO, or fails for the reason that is known of it."""
    pytest.importorskip(OPENVINO, reason="OpenVINO is not installed: pip install openvino")
    engines = with_defaults(engines_of([OPENVINO]))
    conversion = exported(ReferenceModel(good.make()), exporter, good.opset, engines, asked=[OPENVINO])
    found = [judge(CHECKS[id], conversion.within(OPENVINO)) for id in IN_EACH_ENGINE if id in CHECKS]
    failing = [finding for finding in found if finding.verdict == CheckVerdict.FAILS]
    reason = FAILS_IN_OPENVINO.get(good.id, "")
    assert bool(failing) == bool(reason)
    assert all(reason[1:] in finding.evidence for finding in failing)
    assert all(finding.verdict == CheckVerdict.HOLDS for finding in found if finding not in failing)
