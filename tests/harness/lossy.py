"""Good files in float16, bfloat16 and int8, made by the tools that are used for it, and the loss that each keeps."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from torch import Tensor, nn

import srcnn_models
from onnxproof.case import Case
from onnxproof.exporting.export import export
from onnxproof.faults import LOSSY_FAULTS, Fault
from onnxproof.graph.load import load_model
from onnxproof.probing.conversion import Conversion
from onnxproof.probing.files import GivenFile
from onnxproof.probing.probes import SEED
from onnxproof.probing.reference import ReferenceModel
from onnxproof.versions import EXPORTERS, TORCHSCRIPT
from tests.harness.good_conversions.making import built
from tests.harness.subjects import noise, trained_srcnn

Convert = Callable[[Path, Path, list[dict[str, np.ndarray]]], None]


@dataclass(frozen=True)
class LossySubject:
    """A case with a loss, and what makes a file of its exported one."""

    id: str
    make: Callable[[], Case]
    convert: Convert
    exporter: str = TORCHSCRIPT

    def write(self, folder: Path) -> Path:
        """The file, made anew."""
        before, after = folder / "before.onnx", folder / f"{self.id}.onnx"
        case = self.make()
        export(
            case.module,
            case.inputs,
            before,
            exporter=self.exporter,
            opset=17 if self.exporter == TORCHSCRIPT else 18,
            output_names=case.output_names,
            dynamic=case.dynamic,
        )
        self.convert(before, after, list(case.samples)[:CALIBRATED])
        return after


CALIBRATED, COUNT = 30, 75
"""The samples that a quantizer sees first, and those that judge: 59 without a loss show 95 %."""


class Calibration(CalibrationDataReader):
    """The samples that a quantizer sees."""

    def __init__(self, samples: list[dict[str, np.ndarray]]) -> None:
        self._left = iter(samples)

    def get_next(self) -> Any:
        return next(self._left, None)


class Classifier(nn.Sequential):
    """A CNN on 32×32 pictures of ten patterns, whose last layer is fitted to them."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(256, 10),
        )
        self[1].running_mean.normal_(0, 0.1)
        self[1].running_var.uniform_(0.5, 2)
        self.eval()
        with torch.no_grad():
            pictures = np.concatenate([pattern(index) for index in range(5000, 5300)])
            seen = nn.Sequential(*list(self)[:-1])(torch.from_numpy(pictures))
            inverse = torch.linalg.inv(seen.T @ seen + torch.eye(256))
            self[-1].weight.copy_((inverse @ seen.T @ torch.eye(10).repeat(30, 1)).T)
            self[-1].bias.normal_(0, 0.05)


def pattern(index: int) -> np.ndarray:
    """A noisy picture of one of ten patterns."""
    kind, scatter = index % 10, np.random.default_rng(index).normal(scale=0.5, size=(1, 3, 32, 32))
    rows, columns = np.mgrid[:32, :32] / 32
    return (np.sin(2 * np.pi * ((kind % 5 + 1) * rows + kind // 5 * 3 * columns)) + scatter).astype(np.float32)


class Residual(nn.Module):
    """Convolutions with and without a bias, each normalized, and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(3, 16, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(16) for _ in range(3))
        self.last = nn.Linear(16, 10)
        for norm in self.norms:
            norm.running_mean.normal_(0, 0.2)
            norm.running_var.uniform_(0.3, 2)
            nn.init.uniform_(norm.weight, 0.5, 1.5)

    def forward(self, image: Tensor) -> Tensor:
        deep = self.norms[1](self.second(torch.relu(self.norms[0](self.first(image)))))
        return self.last(torch.relu(deep + self.norms[2](self.shortcut(image))).mean((2, 3)))  # (N, 10)


class Block(nn.Module):
    """Attention with four heads, and two linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.mix = (nn.Linear(32, 32) for _ in range(4))
        self.first, self.second = nn.LayerNorm(32), nn.LayerNorm(32)
        self.wide, self.narrow = nn.Linear(32, 64), nn.Linear(64, 32)

    def forward(self, words: Tensor) -> Tensor:
        query, key, value = (
            each(words).view(-1, 12, 4, 8).transpose(1, 2) for each in (self.query, self.key, self.value)
        )
        shares = (query @ key.transpose(2, 3) * 8**-0.5).softmax(-1)  # (N, 4, 12, 12)
        mixed = self.mix((shares @ value).transpose(1, 2).reshape(-1, 12, 32))
        words = self.first(words + mixed)
        return self.second(words + self.narrow(nn.functional.gelu(self.wide(words))))


class Encoder(nn.Module):
    """A small text encoder: two layers of attention, and four classes."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(50, 32)
        self.layers = nn.Sequential(Block(), Block())
        self.classes = nn.Linear(32, 4)

    def forward(self, ids: Tensor) -> Tensor:
        return self.classes(self.layers(self.tokens(ids)).mean(1))  # (N, 4)


class Enhancer(nn.Module):
    """SRCNN's three convolutions, with the weights of the committed checkpoint, on a picture that is large already."""

    def __init__(self) -> None:
        super().__init__()
        whole = trained_srcnn(srcnn_models.PortableSuperResolutionNet())
        self.body = nn.ModuleList(each for each in whole.modules() if isinstance(each, nn.Conv2d))

    def forward(self, image: Tensor) -> Tensor:
        first, second, last = self.body
        return last(torch.relu(second(torch.relu(first(image)))))  # (N, 3, H, W)


def sentence(index: int) -> np.ndarray:
    """Twelve tokens."""
    return np.random.default_rng(index).integers(0, 50, (1, 12))


def photo(index: int) -> np.ndarray:
    """A smooth picture from 0 to 255."""
    coarse = np.random.default_rng(SEED + index).uniform(0, 255, (1, 3, 4, 4))
    return (np.kron(coarse, np.ones((1, 1, 6, 6))) * 0.9 + 0.1 * noise(1, 3, 24, 24)).astype(np.float32)


def case_of(
    make: Callable[[], nn.Module], name: str, draw: Callable[[int], np.ndarray], loss: str, **free: Any
) -> Case:
    """A case with samples that are drawn, those of the quantizer first."""
    made = [{name: draw(index)} for index in range(CALIBRATED + COUNT)]
    also = [{name: np.concatenate([draw(1001), draw(1002)])}]
    return Case(
        built(make),
        {name: draw(1000)},
        {name: {0: "batch"}},
        also,
        name=make.__name__.lower(),
        output_names=["output"],
        samples=made,
        loss=loss,
        **free,
    )


CLASSIFIER = partial(case_of, Classifier, "image", pattern)
ENCODER = partial(case_of, Encoder, "ids", sentence)
ENHANCER = partial(case_of, Enhancer, "image", photo)


def to_float16(before: Path, after: Path, samples: list[dict[str, np.ndarray]]) -> None:
    from onnxconverter_common import float16

    onnx.save(float16.convert_float_to_float16(onnx.load(before), keep_io_types=True), after)


def to_bfloat16(before: Path, after: Path, samples: list[dict[str, np.ndarray]]) -> None:
    """Stores weights in bfloat16, and casts them where they are used: no kernel of a CPU computes in it."""
    model: ModelProto = load_model(before)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            narrow = numpy_helper.to_array(tensor).astype(ml_dtypes.bfloat16)
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(narrow, f"{name}_bfloat16"))
            model.graph.node.insert(0, helper.make_node("Cast", [f"{name}_bfloat16"], [name], to=TensorProto.FLOAT))
    onnx.save(model, after)


def quantized(kind: str, **options: Any) -> Convert:
    """Quantizes with ONNX Runtime: "dynamic", or as QuantizeLinear and DequantizeLinear, "qdq"; with other options."""

    def convert(before: Path, after: Path, samples: list[dict[str, np.ndarray]]) -> None:
        logging.disable(logging.WARNING)  # it asks for shape inference before
        try:
            if kind == "dynamic":
                quantize_dynamic(before, after, weight_type=QuantType.QUInt8)
            else:
                quantize_static(
                    before, after, Calibration(samples), weight_type=QuantType.QInt8, **{"per_channel": True, **options}
                )
        finally:
            logging.disable(logging.NOTSET)

    return convert


LOSSY: tuple[LossySubject, ...] = (
    LossySubject("classifier-float16", partial(CLASSIFIER, "sqnr >= 50 dB in 95%, all float16"), to_float16),
    LossySubject("classifier-bfloat16", partial(CLASSIFIER, "sqnr >= 30 dB in 95%"), to_bfloat16),
    LossySubject("classifier-dynamic", partial(CLASSIFIER, "agrees >= 95%"), quantized("dynamic")),
    LossySubject("classifier-qdq", partial(CLASSIFIER, "sqnr >= 20 dB in 95%, all int8"), quantized("qdq")),
    LossySubject("encoder-float16", partial(ENCODER, "sqnr >= 45 dB in 95%"), to_float16),
    LossySubject("encoder-dynamic", partial(ENCODER, "sqnr >= 20 dB in 95%"), quantized("dynamic")),
    LossySubject("encoder-qdq", partial(ENCODER, "sqnr >= 15 dB in 95%, all int8"), quantized("qdq")),
    LossySubject("enhancer-float16", partial(ENHANCER, "psnr >= 50 dB in 95%"), to_float16),
    LossySubject("enhancer-qdq", partial(ENHANCER, "psnr >= 25 dB in 95%, all int8"), quantized("qdq")),
)
"""Right files with a loss that they keep."""

_RESIDUAL = partial(case_of, Residual, "image", pattern, "sqnr >= 15 dB in 95%")

RIGHT: tuple[LossySubject, ...] = (
    *LOSSY,
    LossySubject("residual-qdq-pairs", _RESIDUAL, quantized("qdq", extra_options={"AddQDQPairToWeight": True})),
    *(
        LossySubject(f"residual-{name}", _RESIDUAL, convert, exporter)
        for exporter in EXPORTERS[-1:]
        for name, convert in {
            "dynamic": quantized("dynamic"),
            "operators": quantized("qdq", quant_format=QuantFormat.QOperator),
            "one-scale": quantized("qdq", per_channel=False, reduce_range=True),
            "float16": to_float16,
        }.items()
    ),
)
"""More right files: faults are put into the first of them."""

SUITED: dict[str, str] = {
    "weight-scale-off": "qdq",
    "scale-of-one-channel-off": "qdq",
    "weight-zero-point-off": "qdq",
    "quantized-channels-swapped": "qdq",
    "scales-reversed": "qdq",
    "one-scale-for-all-channels": "qdq",
    "scales-along-another-axis": "classifier-qdq encoder-qdq",
    "weight-clipped": "qdq",
    "quantized-bias-zero": "qdq",
    "quantized-bias-lost": "qdq",
    "layer-left-in-float": "qdq",
    "other-zero-point-behind": "qdq encoder-dynamic",
    "other-scale-behind": "qdq encoder-dynamic",
    "quantized-twice": "qdq encoder-dynamic",
    "activations-saturated": "qdq encoder-dynamic",
    "range-too-wide": "qdq encoder-dynamic",
    "zero-point-of-product-off": "dynamic",
    "channels-of-product-swapped": "dynamic",
    "overflow-behind-convolution": "classifier-float16 enhancer-float16",
    "overflow-that-a-cpu-hides": "encoder-float16",
    "cast-truncates": "-float16",
    "cast-through-bfloat16": "-float16",
    "narrow-channels-swapped": "float16",
    "narrow-weight-truncated": "float16",
    "narrow-bias-zero": "float16",
    "another-unit": "classifier enhancer",
}
"""The faults, each with parts of the ids of the subjects that it suits."""


def suits(fault: Fault, subject: LossySubject) -> bool:
    """Whether the subject's file has what the fault breaks."""
    return any(part in subject.id for part in SUITED[fault.id].split())


LOSSY_PAIRS: tuple[tuple[LossySubject, Fault], ...] = tuple(
    (subject, fault) for subject in LOSSY for fault in LOSSY_FAULTS if suits(fault, subject)
)


def written(folder: Path) -> Callable[[LossySubject], Conversion]:
    """Makes each subject's file once."""

    @cache
    def conversion(subject: LossySubject) -> Conversion:
        place = folder / subject.id
        place.mkdir()
        return Conversion(ReferenceModel(subject.make()), GivenFile(subject.write(place)))

    return conversion
