"""What becomes of the document's listings when a reader runs them in order."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onnxproof.graph.facts import Graph, read_graph
from onnxproof.parity.images import Picture, read_picture
from onnxproof.versions import TORCH_EXPORT
from tests.facts import torch_export_is_default

RUN = Path(__file__).parent / "listings" / "run.py"


@dataclass(frozen=True)
class Outcome:
    """What became of one listing in a folder: the error that it ended with, "" if none, and what `run.py` says."""

    folder: Path
    error: str
    warnings: list[str]
    printed: str
    files: list[str]

    def written(self, name: str) -> Path:
        """A file that this listing wrote; fails if the listing ended with an error."""
        assert not self.error, f"the listing ended with {self.error}"
        assert name in self.files, f"the listing wrote {', '.join(self.files) or 'no file'}, not {name}"
        return self.folder / name

    def graph(self, name: str) -> Graph:
        """The facts of an ONNX file that this listing wrote."""
        return read_graph(self.written(name))

    def picture(self, name: str) -> Picture:
        """A picture that this listing wrote."""
        return read_picture(self.written(name))

    def warnings_of(self, category: str) -> list[str]:
        """The warnings of one category, by its class name (`TracerWarning`)."""
        return [warning for warning in self.warnings if warning.startswith(f"{category}: ")]


def run_listings(folder: Path, assets: Mapping[str, Path], exporter: str) -> None:
    """Runs the listings by an exporter in an empty folder, with face.png and srcnn.pth.

    They run in a process that loads nothing of this suite.
    """
    for name, path in assets.items():
        shutil.copy(path, folder / name)
    is_default = not torch_export_is_default or exporter == TORCH_EXPORT
    options = () if is_default else ("--dynamo-false",)
    subprocess.run([sys.executable, str(RUN), str(folder), *options], check=True, timeout=600)


def read_outcomes(folder: Path) -> Mapping[str, Outcome]:
    """What became of each listing, by its name."""
    found = json.loads((folder / "outcomes.json").read_text(encoding="utf-8"))
    return {name: Outcome(folder, **outcome) for name, outcome in found.items()}
