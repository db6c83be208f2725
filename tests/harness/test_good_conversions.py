"""Good conversions of many kinds: the models run, and each exporter named for them writes them."""

import numpy as np
import pytest

from onnxproof.engines import torch_engine
from onnxproof.exporting import Export, export
from onnxproof.versions import EXPORTERS
from tests.harness.good_conversions import BOTH, GOOD

CONVERSIONS = [
    pytest.param((good, exporter), id=f"{good.id}-{exporter}")
    for good in GOOD
    for exporter in good.exporters
    if exporter in EXPORTERS
]


def run(case) -> dict[str, np.ndarray]:
    """What the case's model gives on the inputs that it is traced with."""
    return torch_engine(case.model, tuple(case.inputs), case.output_names).run(**case.inputs)


@pytest.fixture(scope="module", params=CONVERSIONS)
def exported(request, tmp_path_factory) -> Export:
    """A good conversion, exported once for all that is asked of it."""
    good, exporter = request.param
    case = good.make()
    return export(
        case.model,
        case.inputs,
        tmp_path_factory.mktemp(good.id) / "model.onnx",
        exporter=exporter,
        opset=good.opset,
        output_names=tuple(run(case)),
        dynamic=case.dynamic,
        translations=case.custom_translations(),
    )


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.id)
class TestTable:
    """The table says of each model how it is converted."""

    def test_model_runs(self, good):
        """The model gives finite numbers on the inputs that it is traced with."""
        outputs = run(good.make())
        assert all(values.size and np.isfinite(values.astype(np.float64)).all() for values in outputs.values())

    def test_model_is_seeded(self, good):
        """Two cases of one row give the same."""
        first, second = run(good.make()), run(good.make())
        assert {name: values.tobytes() for name, values in first.items()} == {
            name: values.tobytes() for name, values in second.items()
        }

    def test_missing_exporter_has_a_reason(self, good):
        """A row says why an exporter is left out, and nothing where none is."""
        assert bool(good.why) == (good.exporters != BOTH)


def test_ids_are_unique():
    """An id names one row of the table."""
    assert len({good.id for good in GOOD}) == len(GOOD)


def test_exporter_writes_the_file(exported):
    """The exporter writes the model, at the opset asked for."""
    assert exported.opset == exported.opset_asked
