"""docs/zoo.json has every architecture of the zoo."""

import pytest

from docs.zoo_page import read
from onnxproof.versions import EXPORTERS
from zoo.test_zoo import ARCHITECTURES


@pytest.mark.quick
def test_every_architecture_is_recorded():
    """It is there by each exporter, and nothing else is: `tox -e zoo -- --record` adds what is new."""
    recorded = {(run["name"], run["package"], run["exporter"]) for run in read()["runs"]}
    wanted = {(name, found.package, exporter) for name, found in ARCHITECTURES.items() for exporter in EXPORTERS}
    assert recorded == wanted
