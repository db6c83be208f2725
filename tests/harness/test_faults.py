"""Every fault breaks something, and never changes the good file."""

import pytest

from onnxproof.checks.run import CHECKS
from onnxproof.faults import FAULTS, MODEL_FAULTS
from onnxproof.faults.fault import Unsuited
from onnxproof.graph.diff import graph_differences
from onnxproof.graph.load import GraphError, load_model
from onnxproof.probing.conversion import exported
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import TORCHSCRIPT
from tests.harness.proof import failing, good_subjects
from tests.harness.subjects import SUBJECTS

EVERY = (*FAULTS, *MODEL_FAULTS)
BY_ID = {fault.id: fault for fault in EVERY}

each_fault = pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.id) for fault in FAULTS])
each_entry = pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.id) for fault in EVERY])


@pytest.fixture(scope="module")
def good_files(tmp_path_factory):
    """Each subject's exported file, and its bytes."""
    folder = tmp_path_factory.mktemp("good")
    paths = [subject.export(folder / f"{subject.id}.onnx").path for subject in SUBJECTS]
    return {path: path.read_bytes() for path in paths}


@pytest.fixture
def broken_files(fault, good_files, tmp_path):
    """Each good file that the fault suits, with the broken file that the fault makes."""
    made = []
    for good in good_files:
        folder = tmp_path / good.stem
        folder.mkdir()
        try:
            made.append((good, fault.apply(good, folder)))
        except Unsuited:
            assert not any(folder.iterdir())
    return made


def differs(good, broken):
    """Whether a broken file cannot be read, or differs from the good one."""
    model = load_model(good)
    try:
        other = load_model(broken)
    except GraphError:
        return True
    return bool(graph_differences(model, other)) or model.graph.value_info != other.graph.value_info


class TestTable:
    """The table names each fault, what it is, and the check that finds it."""

    def test_ids_are_unique(self):
        """No two faults have the same id."""
        assert len({fault.id for fault in EVERY}) == len(EVERY)

    @each_entry
    def test_sentence(self, fault):
        """A fault has a sentence that says what it is."""
        assert fault.sentence

    @each_entry
    def test_check_is_known(self, fault):
        """A fault names one of the checks."""
        assert fault.caught_by in CHECKS

    def test_every_check_has_a_fault(self):
        """Each check fails for some fault."""
        assert {fault.caught_by for fault in EVERY} == set(CHECKS)


@pytest.fixture(scope="module")
def good():
    """A good conversion that is made fast."""
    return good_subjects()(next(subject for subject in SUBJECTS if subject.id == "two-heads-torchscript-opset17"))


class TestSample:
    """Every run proves the checks with these faults; `-m proof` runs all of them, on more files."""

    @pytest.mark.parametrize(
        "id", ["input-renamed", "outputs-swapped", "sizes-frozen", "opset-raised", "one-weight-off", "truncated-file"]
    )
    def test_file_fault(self, good, tmp_path, id):
        """The broken file is caught by the check named for what broke it."""
        broken = good.of_file(BY_ID[id].apply(good.file.path, tmp_path))
        assert BY_ID[id].caught_by in failing(broken)

    @pytest.mark.parametrize("id", ["count-in-tensor", "numpy-in-forward", "random-noise"])
    def test_model_fault(self, id):
        """The conversion is caught by the check named for what goes wrong in it."""
        assert BY_ID[id].caught_by in failing(exported(ReferenceModel(BY_ID[id].make()), TORCHSCRIPT))


@pytest.mark.proof
@each_fault
class TestFileFault:
    """A file fault makes a broken copy of a good file."""

    def test_is_suited_to_a_subject(self, broken_files):
        """There is a good file that the fault can be applied to."""
        assert broken_files

    def test_leaves_the_good_file(self, broken_files, good_files):
        """The good file has the same bytes as before."""
        for good, _ in broken_files:
            assert good.read_bytes() == good_files[good]

    def test_breaks_the_copy(self, broken_files, tmp_path):
        """The broken file is in the folder that was given, and differs from the good one."""
        for good, broken in broken_files:
            assert tmp_path in broken.parents
            assert differs(good, broken)
