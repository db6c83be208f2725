"""The cases whose checks are timed, and what a check of each may cost."""

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import bare
from onnxproof.versions import TORCHSCRIPT
from tests.harness import real_sizes


@dataclass(frozen=True)
class Cost:
    """A function of tests/harness/real_sizes.py, whether its file is given, and what a check may cost at most: times
    a bare conversion, and gigabytes above its peak.
    """

    make: str
    title: str
    times: float
    memory: float
    is_given: bool = False

    @property
    def id(self) -> str:
        return self.make.removesuffix("_case")

    def commands(self, folder: Path) -> tuple[list[str], list[str]]:
        """The bare conversion, and the check."""
        file = folder / f"{self.make}.onnx"
        if self.is_given:
            bare.write(getattr(real_sizes, self.make)(), file)
        else:
            file.unlink(missing_ok=True)
        asked = ["--onnx", str(file)] if self.is_given else ["--exporter", TORCHSCRIPT, "--opset", str(bare.OPSET)]
        case = f"{real_sizes.__name__}:{self.make}"
        python = [sys.executable, "-W", "ignore", "-m"]
        return [*python, "benchmarks.bare", self.make, str(file)], [*python, "onnxproof", "check", case, *asked]


COSTS = (
    Cost("fixed_srcnn_case", "SRCNN ×3, 256×256, a given file", 6, 1.5, is_given=True),
    Cost("two_input_srcnn_case", "SRCNN with the factor as an input, 256×256 ×3, height and width free", 4, 1),
    Cost("classifier_case", "a network like ResNet-18, 224×224, the batch free", 3, 0.5),
    Cost("segmenter_case", "a network like DeepLab, 256×256", 4, 1.5),
)
