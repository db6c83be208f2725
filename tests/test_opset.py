"""Chapter export, opsets: the first that exports bicubic, and how many there are."""

import onnx
import pytest

import srcnn_models as srcnn
from onnxproof.engines.onnxruntime import OnnxRuntime
from onnxproof.exporting.export import ExportError
from onnxproof.parity.compare import assert_same
from onnxproof.probing.reference import reference
from onnxproof.results import Target
from tests.facts import onnx_converts_resize_down

CONVERTED, NOT_CONVERTED = ([14, 17], []) if onnx_converts_resize_down else ([], [14, 17])


@pytest.fixture
def exported_at(small_export, target):
    """The small file by the target's exporter, at another opset."""
    return lambda opset: small_export(Target(target.exporter, opset))


@pytest.fixture
def every_opset_export(small_export, every_target):
    """The small file at every opset."""
    return small_export(every_target)


@pytest.fixture(scope="module")
def eyes_reference(trained, eyes):
    return reference(trained(srcnn.SuperResolutionNet(3)), {"input": eyes})


class TestOpset:
    """Bicubic up-sampling needs opset 11."""

    @pytest.mark.claim("export-opset-11")
    @pytest.mark.parametrize("opset", [9, 10], ids="opset{}".format)
    def test_opset_below_11_is_refused(self, exported_at, opset):
        """The exporter refuses, and names the operator and opset 11, the first that has it."""
        with pytest.raises(ExportError, match=rf"upsample_bicubic2d.* opset version {opset} .*in version 11"):
            exported_at(opset)

    @pytest.mark.claim("export-opset-11")
    def test_opset_11_is_written(self, exported_at):
        """Asked for opset 11, the exporter writes opset 11."""
        assert exported_at(11).opset == 11

    @pytest.mark.claim("export-opset-11")
    def test_later_opsets_are_written(self, every_opset_export):
        """Each opset that the exporter knows is written as asked."""
        assert every_opset_export.opset == every_opset_export.opset_asked

    @pytest.mark.claim("export-opset-11")
    def test_later_opsets_compute_the_same(
        self, every_opset_export, every_target, eyes, eyes_reference, onnx_record_comparison
    ):
        """At each of these opsets the file's output is the model's."""
        output = OnnxRuntime().open(every_opset_export.path).run({"input": eyes})
        (parity,) = assert_same(output, eyes_reference, f"eyes-x3-{every_target}")
        onnx_record_comparison(parity)

    @pytest.mark.instead("export-opset-11")
    @pytest.mark.parametrize("opset", [9, 10, 11, *NOT_CONVERTED], ids="opset{}".format)
    def test_low_opset_becomes_18(self, exported_at, opset):
        """The file has opset 18 and nothing is raised; only the log says that converting it down failed."""
        made = exported_at(opset)
        assert made.opset == 18
        assert f"Failed to convert the model to the target version {opset}" in made.log

    @pytest.mark.instead("export-opset-11")
    @pytest.mark.parametrize("opset", CONVERTED, ids="opset{}".format)
    def test_opset_14_to_17_is_converted_down(self, exported_at, opset, eyes, eyes_reference):
        """The file is converted down to the opset asked for, and its output is the model's."""
        made = exported_at(opset)
        assert made.opset == opset
        assert_same(OnnxRuntime().open(made.path).run({"input": eyes}), eyes_reference, f"eyes-x3-opset{opset}")


class TestOpsetCount:
    """How many opsets there are."""

    @pytest.mark.claim("export-opset-count")
    def test_newest_opset_is_15(self):
        """The newest opset of the installed onnx is 15."""
        assert onnx.defs.onnx_opset_version() == 15

    @pytest.mark.instead("export-opset-count")
    def test_more_opsets_have_come(self):
        """Each opset after 15, up to the newest of the installed onnx, has new versions of operators."""
        changed = {schema.since_version for schema in onnx.defs.get_all_schemas_with_history() if not schema.domain}
        later = {opset for opset in changed if opset > 15}
        assert later
        assert later == set(range(16, onnx.defs.onnx_opset_version() + 1))
